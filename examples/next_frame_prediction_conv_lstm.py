"""A convolutional LSTM predicts the next frame of a film of moving dots.

Shows: `ConvLSTM2D`, `Conv3D`, frame after frame predicted from predicted ones.
Data: made here: two squares that fly over 10×10 pixels and bounce off the walls; 8 frames a film.
Expected: the squared error of the next frame below a third of that of the frame before.
Source: Shi et al., Convolutional LSTM Network, https://arxiv.org/abs/1506.04214.
"""

import numpy as np

import tricorn as keras
from tricorn import layers

keras.utils.set_random_seed(0)

FRAMES, SIZE = 8, 10

# ------------------------------------------------------------------------------------------ data


def films(count, seed):
    """Films `(count, FRAMES, SIZE, SIZE, 1)` of values 0 and 1."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((count, FRAMES, SIZE, SIZE, 1), "float32")
    for film in pixels:
        for _ in range(2):
            place = rng.integers(1, SIZE - 3, 2)
            step = rng.choice([-1, 1], 2) * rng.integers(0, 2, 2)
            for frame in film:
                frame[place[0] : place[0] + 3, place[1] : place[1] + 3] = 1
                outside = (place + step < 0) | (place + step > SIZE - 3)
                step = np.where(outside, -step, step)
                place = place + step
    return pixels


def shifted(films):
    """The frames but the last, and for each of them the next one."""
    return films[:, :-1], films[:, 1:]


x_train, y_train = shifted(films(240, seed=0))
x_test, y_test = shifted(films(60, seed=1))

# ----------------------------------------------------------------------------------------- model

inputs = keras.Input((None, SIZE, SIZE, 1))
x = layers.ConvLSTM2D(8, 3, padding="same", return_sequences=True, activation="relu")(inputs)
x = layers.BatchNormalization(momentum=0.9)(x)
x = layers.Conv3D(1, 3, padding="same", activation="sigmoid")(x)
model = keras.Model(inputs, x)
model.summary()

# -------------------------------------------------------------------------------------- training

model.compile(optimizer=keras.optimizers.Adam(2e-2), loss="binary_crossentropy")
model.fit(x_train, y_train, batch_size=20, epochs=10, verbose=2)

predicted = model.predict(x_test, batch_size=20, verbose=0)
# the first frames do not tell yet where the dots fly
error = np.mean((predicted[:, 3:] - y_test[:, 3:]) ** 2)
standing = np.mean((x_test[:, 3:] - y_test[:, 3:]) ** 2)
print(f"squared error: {error:.4f}, if nothing moved: {standing:.4f}")

film = x_test[:1, :6]
for _ in range(3):
    film = np.concatenate([film, model.predict(film, verbose=0)[:, -1:]], axis=1)
for name, frame in [("the last frame given", film[0, 5]), ("three frames on", film[0, -1])]:
    print(name)
    for row in frame[::2, :, 0]:
        print("".join(" .:o#"[int(4.99 * value)] for value in row))
assert error < standing / 3, (error, standing)
