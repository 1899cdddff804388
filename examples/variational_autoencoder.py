"""A variational autoencoder learns to draw digits.

Shows: a layer that draws random numbers, `train_step` and `test_step` of one's own, with trackers
of one's own that `metrics` names.
Data: the digits that ship with the package. Expected: unseen digits come back with much less error
than the mean digit has, and digits drawn from nothing are as bright as real ones.
Source: Kingma and Welling, Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114.
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

(x_train, _), (x_test, _) = digits.load_data()
x_train, x_test = (
    x_train[:1408, ..., None] / np.float32(16),
    x_test[:320, ..., None] / np.float32(16),
)

# ----------------------------------------------------------------------------------------- model


class Sampling(layers.Layer):
    """Draws a point z of the normal distribution with a mean and the logarithm of a variance."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise


latent_dim = 4

image = keras.Input((8, 8, 1))
x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(image)
x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
z_mean = layers.Dense(latent_dim, name="z_mean")(x)
z_log_var = layers.Dense(latent_dim, name="z_log_var")(x)
encoder = keras.Model(image, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])], name="encoder")

latent = keras.Input((latent_dim,))
x = layers.Dense(2 * 2 * 32, activation="relu")(latent)
x = layers.Reshape((2, 2, 32))(x)
x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
drawing = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
decoder = keras.Model(latent, drawing, name="decoder")


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.reconstruction_loss_tracker, self.kl_loss_tracker]

    def call(self, x):
        return self.decoder(self.encoder(x)[0])

    def losses_of(self, data):
        z_mean, z_log_var, z = self.encoder(data)
        reconstruction = self.decoder(z)
        errors = keras.losses.binary_crossentropy(data, reconstruction)
        reconstruction_loss = ops.mean(ops.sum(errors, axis=(1, 2)))
        kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        return reconstruction_loss, ops.mean(ops.sum(kl_loss, axis=1))

    def track(self, reconstruction_loss, kl_loss):
        self.total_loss_tracker.update_state(reconstruction_loss + kl_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {m.name: m.result() for m in self.metrics}

    def train_step(self, data):
        with keras.GradientTape() as tape:
            reconstruction_loss, kl_loss = self.losses_of(data)
            total_loss = reconstruction_loss + kl_loss
        gradients = tape.gradient(total_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        return self.track(reconstruction_loss, kl_loss)

    def test_step(self, data):
        return self.track(*self.losses_of(data))


# -------------------------------------------------------------------------------------- training

vae = VAE(encoder, decoder)
vae.compile(optimizer=keras.optimizers.Adam(3e-3))
vae.fit(x_train, epochs=30, batch_size=64, validation_data=(x_test,), verbose=2)

answer = vae.predict(x_test, verbose=0)
error = np.mean((answer - x_test) ** 2)
error_of_the_mean = np.mean((x_train.mean(axis=0) - x_test) ** 2)
print(f"squared error: {error:.4f}, of the mean digit: {error_of_the_mean:.4f}")
assert error < 0.5 * error_of_the_mean, (error, error_of_the_mean)

drawn = decoder.predict(np.random.default_rng(0).normal(size=(200, latent_dim)), verbose=0)
print(f"mean brightness drawn: {drawn.mean():.3f}, real: {x_train.mean():.3f}")
assert abs(drawn.mean() - x_train.mean()) < 0.05
