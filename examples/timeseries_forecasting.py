"""An LSTM forecasts a temperature six hours ahead.

Shows: `timeseries_dataset_from_array`, an LSTM, `EarlyStopping` and `ModelCheckpoint`.
Data: made here: two years of hours with a yearly and a daily course, weather that wanders, and air
pressure which tells what the weather will do. The first three quarters are to learn from.
Expected: a mean error below half of that of "as it is now", and below three quarters of that of
"as it was yesterday at that hour".
"""

import os
import tempfile

import numpy as np

import tricorn as keras
from tricorn import layers

keras.utils.set_random_seed(0)

PAST, AHEAD, BATCH = 24, 6, 64

# ------------------------------------------------------------------------------------------ data

rng = np.random.default_rng(0)
hours = np.arange(2 * 365 * 24)
pressure = np.zeros(len(hours))
weather = np.zeros(len(hours))
for t in range(1, len(hours)):
    pressure[t] = 0.97 * pressure[t - 1] + rng.normal(0, 0.25)
    weather[t] = 0.98 * weather[t - 1] + 0.3 * pressure[t - AHEAD] + rng.normal(0, 0.1)
temperature = (
    10 - 10 * np.cos(2 * np.pi * hours / (365 * 24)) - 5 * np.cos(2 * np.pi * hours / 24) + weather
)
features = np.stack([temperature, pressure], axis=1)

split = len(hours) * 3 // 4
mean, std = features[:split].mean(axis=0), features[:split].std(axis=0)
features = ((features - mean) / std).astype("float32")


def windows(part):
    """A day of both features, and the temperature some hours after the last of them."""
    return keras.utils.timeseries_dataset_from_array(
        part[:-AHEAD],
        part[PAST + AHEAD - 1 :, 0],
        sequence_length=PAST,
        sequence_stride=2,
        batch_size=BATCH,
    )


train, test = windows(features[:split]), windows(features[split:])

# ----------------------------------------------------------------------------------------- model

for inputs, targets in train.take(1):
    print("inputs", inputs.shape, "targets", targets.shape)

inputs = keras.Input((PAST, 2))
x = layers.LSTM(32)(inputs)
outputs = layers.Dense(1)(x)
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(5e-3), loss="mse", metrics=["mae"])

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "checkpoint.weights.h5")
    model.fit(
        train,
        epochs=8,
        validation_data=test,
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=3),
            keras.callbacks.ModelCheckpoint(
                path, monitor="val_loss", save_weights_only=True, save_best_only=True
            ),
        ],
        verbose=2,
    )
    model.load_weights(path)

# ---------------------------------------------------------------------------------------- result

error = model.evaluate(test, verbose=0, return_dict=True)["mae"]
series = features[split:, 0]
as_now = np.abs(series[AHEAD:] - series[:-AHEAD]).mean()
as_yesterday = np.abs(series[24:] - series[:-24]).mean()
for name, value in [("LSTM", error), ("as now", as_now), ("as yesterday", as_yesterday)]:
    print(f"{name:12} {value * std[0]:.2f} degrees")
assert error < 0.5 * as_now
assert error < 0.75 * as_yesterday
