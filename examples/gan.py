"""A generator and a discriminator train against each other until digits come out of noise.

Shows: `train_step` of one's own with two optimizers and two tapes, a `compile` that takes them, a
callback that looks at what is drawn.
Data: the digits that ship with the package.
Expected: the Fréchet distance between drawn and real images (of their means and covariances, pixel
by pixel) falls below a third of what it was for the untrained generator.
Source: Goodfellow et al., Generative Adversarial Networks, https://arxiv.org/abs/1406.2661.
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

LATENT = 16

(images, _), _ = digits.load_data(test_fraction=0)
images = images[:1792, ..., None] / np.float32(16)

# ----------------------------------------------------------------------------------------- model

discriminator = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(32, 3, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(64, 3, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(1),
    ],
    name="discriminator",
)

generator = keras.Sequential(
    [
        keras.Input((LATENT,)),
        layers.Dense(2 * 2 * 64),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Reshape((2, 2, 64)),
        layers.Conv2DTranspose(32, 4, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
    ],
    name="generator",
)


class GAN(keras.Model):
    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.seed_generator = keras.random.SeedGenerator(1)
        self.d_loss_tracker = keras.metrics.Mean(name="d_loss")
        self.g_loss_tracker = keras.metrics.Mean(name="g_loss")

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn

    @property
    def metrics(self):
        return [self.d_loss_tracker, self.g_loss_tracker]

    def train_step(self, real):
        batch_size = ops.shape(real)[0]
        noise = keras.random.normal((batch_size, self.latent_dim), seed=self.seed_generator)

        # the discriminator learns to tell; labels of 0.9 keep it from being too sure
        drawn = self.generator(noise, training=True)
        both = ops.concatenate([drawn, real], axis=0)
        labels = ops.concatenate(
            [ops.zeros((batch_size, 1)), 0.9 * ops.ones((batch_size, 1))], axis=0
        )
        with keras.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both, training=True))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights))

        # the generator learns what the discriminator takes for real
        with keras.GradientTape() as tape:
            drawn = self.generator(noise, training=True)
            g_loss = self.loss_fn(
                ops.ones((batch_size, 1)), self.discriminator(drawn, training=True)
            )
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights))

        self.d_loss_tracker.update_state(d_loss)
        self.g_loss_tracker.update_state(g_loss)
        return {"d_loss": self.d_loss_tracker.result(), "g_loss": self.g_loss_tracker.result()}


# -------------------------------------------------------------------------------------- training


def frechet_distance(a, b):
    """Between the normal distributions with the means and covariances of two sets of images."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(cov_a @ cov_b).real, 0))
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b) - 2 * roots.sum()


class Monitor(keras.callbacks.Callback):
    """Measures what the generator draws, always from the same noise."""

    def __init__(self, every):
        super().__init__()
        self.every = every
        self.noise = np.random.default_rng(0).normal(size=(512, LATENT)).astype("float32")
        self.distances = []

    def look(self):
        drawn = self.model.generator.predict(self.noise, batch_size=512, verbose=0)
        self.distances.append(frechet_distance(drawn, images))
        print(f"Fréchet distance: {self.distances[-1]:.2f}")

    def on_train_begin(self, logs=None):
        self.look()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            self.look()


gan = GAN(discriminator, generator, LATENT)
gan.compile(
    d_optimizer=keras.optimizers.Adam(5e-4, beta_1=0.5),
    g_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
    loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
)
monitor = Monitor(every=10)
gan.fit(images, batch_size=64, epochs=40, callbacks=[monitor], verbose=2)

first, *_, last = monitor.distances
assert last < first / 3, monitor.distances
