"""Two networks against each other: train_on_batch, and trainable switched before compile."""

import numpy as np
from keras.layers import BatchNormalization, Dense, Dropout, Input, LeakyReLU
from keras.models import Model, Sequential
from keras.optimizers import Adam

random = np.random.RandomState(0)
optimizer = Adam(0.01, 0.5)
discriminator = Sequential()
discriminator.add(Dense(8, input_dim=2))
discriminator.add(LeakyReLU(alpha=0.2))
discriminator.add(Dropout(0.2))
discriminator.add(Dense(1, activation="sigmoid"))
discriminator.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])

generator = Sequential()
generator.add(Dense(8, input_dim=4))
generator.add(LeakyReLU(alpha=0.2))
generator.add(BatchNormalization(momentum=0.8))
generator.add(Dense(2))
z = Input(shape=(4,))
discriminator.trainable = False
combined = Model(z, discriminator(generator(z)))
combined.compile(loss="binary_crossentropy", optimizer=Adam(0.01, 0.5))

fixed = discriminator.get_weights()
combined.train_on_batch(random.randn(8, 4), np.ones((8, 1)))
for before, after in zip(fixed, discriminator.get_weights()):
    np.testing.assert_array_equal(before, after)
for _ in range(5):
    real = random.randn(8, 2) * 0.1 + 2
    fake = generator.predict(random.randn(8, 4))
    d_loss_real = discriminator.train_on_batch(real, np.ones((8, 1)))
    d_loss_fake = discriminator.train_on_batch(fake, np.zeros((8, 1)))
    d_loss = 0.5 * np.add(d_loss_real, d_loss_fake)
    g_loss = combined.train_on_batch(random.randn(8, 4), np.ones((8, 1)))
assert d_loss.shape == (2,) and np.isfinite(g_loss)
assert any(abs(a - b).max() > 0 for a, b in zip(fixed, discriminator.get_weights()))
