"""Sounds are told apart by pictures that the model itself makes of them.

Shows: `MelSpectrogram` as the first layer of a model, so that it takes sound as it comes; a model
with the spectrogram inside is saved and loaded.
Data: made here: half a second of a rising, a falling, a steady or a pulsing tone, at any pitch and
loudness, in noise.
Expected: more than 0.9 of unseen sounds right (chance: 0.25).
"""

import os
import tempfile

import numpy as np

import tricorn as keras
from tricorn import layers

keras.utils.set_random_seed(0)

RATE, SAMPLES = 8000, 4096
KINDS = ["rising", "falling", "steady", "pulsing"]

# ------------------------------------------------------------------------------------------ data


def sounds(count, seed):
    """Waves `(count, SAMPLES)` with values about -1..1, and their kinds."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, len(KINDS), count)
    time = np.arange(SAMPLES) / RATE
    waves = np.empty((count, SAMPLES), "float32")
    for wave, kind in zip(waves, kinds):
        low = rng.uniform(300, 1500)
        high = low * rng.uniform(1.3, 2)
        begin, end = {0: (low, high), 1: (high, low), 2: (low, low), 3: (low, low)}[kind]
        phase = 2 * np.pi * (begin * time + (end - begin) / 2 * time**2 / time[-1])
        tone = np.sin(phase + rng.uniform(0, 2 * np.pi))
        if kind == 3:
            tone *= np.sin(2 * np.pi * rng.uniform(6, 12) * time) > 0
        wave[:] = rng.uniform(0.2, 1) * tone + rng.normal(0, 0.3, SAMPLES)
    return waves, kinds


x_train, y_train = sounds(960, seed=0)
x_test, y_test = sounds(192, seed=1)

# ----------------------------------------------------------------------------------------- model

inputs = keras.Input((SAMPLES,))
x = layers.MelSpectrogram(
    fft_length=512,
    sequence_stride=128,
    sampling_rate=RATE,
    num_mel_bins=40,
    min_freq=200,
    max_freq=4000,
)(inputs)
x = layers.Reshape((*x.shape[1:], 1))(x)
x = layers.BatchNormalization()(x)
for filters in (16, 32):
    x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dropout(0.2)(x)
outputs = layers.Dense(len(KINDS), activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.summary()

# -------------------------------------------------------------------------------------- training

model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=12, verbose=2)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "sounds.keras")
    model.save(path)
    model = keras.saving.load_model(path)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"accuracy on unseen sounds: {accuracy:.3f}")
assert accuracy > 0.9, accuracy
