"""An autoencoder that has only seen ordinary days notices when something is wrong.

Shows: `Conv1D` and `Conv1DTranspose`, training an input on itself, a threshold from the data.
Data: made here: a sensor with a daily course, read 96 times a day. In the test a tenth of the days
has a spike, a stretch that stands still, or a course that comes too late.
Expected: more than 0.8 of the strange days found, and less than 0.05 false alarms.
"""

import numpy as np

import tricorn as keras
from tricorn import layers

keras.utils.set_random_seed(0)

STEPS = 96

# ------------------------------------------------------------------------------------------ data


def days(count, strange_share, seed):
    """Days `(count, STEPS, 1)`, and whether each is strange."""
    rng = np.random.default_rng(seed)
    time = np.arange(STEPS) / STEPS
    strange = rng.random(count) < strange_share
    x = np.empty((count, STEPS), "float32")
    for day, is_strange in zip(x, strange):
        kind = rng.integers(3) if is_strange else None
        late = 0.15 if kind == 2 else 0
        height = rng.normal(1, 0.1)
        day[:] = height * np.sin(2 * np.pi * (time - late)) + 0.4 * np.sin(4 * np.pi * time)
        day += rng.normal(0, 0.05, STEPS)
        begin = rng.integers(0, STEPS - 30)
        if kind == 0:
            day[begin : begin + 3] += rng.choice([-1, 1])
        elif kind == 1:
            day[begin : begin + 30] = day[begin]
    return x[..., None], strange


x_train, _ = days(512, strange_share=0, seed=0)
x_test, strange = days(512, strange_share=0.1, seed=1)

# ----------------------------------------------------------------------------------------- model

model = keras.Sequential(
    [
        layers.Input((STEPS, 1)),
        layers.Conv1D(16, 7, padding="same", strides=2, activation="relu"),
        layers.Dropout(0.1),
        layers.Conv1D(4, 7, padding="same", strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dense(3),
        layers.Dense(STEPS // 4 * 4, activation="relu"),
        layers.Reshape((STEPS // 4, 4)),
        layers.Conv1DTranspose(4, 7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(16, 7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(1, 7, padding="same"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
model.fit(
    x_train,
    x_train,
    epochs=60,
    batch_size=32,
    validation_data=(x_test[~strange], x_test[~strange]),
    callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss", patience=8)],
    verbose=2,
)

# ---------------------------------------------------------------------------------------- result


def largest_error(x):
    """The largest error of each day, smoothed over four readings."""
    errors = np.abs(model.predict(x, verbose=0) - x)[..., 0]
    return np.apply_along_axis(np.convolve, 1, errors, np.ones(4) / 4, "valid").max(axis=1)


threshold = np.quantile(largest_error(x_train), 0.99)
alarms = largest_error(x_test) > threshold
found, false = alarms[strange].mean(), alarms[~strange].mean()
print(f"strange days found: {found:.2f}, false alarms: {false:.3f}")
assert found > 0.8
assert false < 0.05
