"""What a network has learned from the digits 0 to 4 helps it to read 5 to 9 from very few examples.

Shows: freezing and thawing, a new head on a trained base, `training=False` for layers that keep
statistics, compiling again with a small learning rate, counts of weights.
Data: the digits that ship with the package; of 5 to 9 eight images each.
Expected: more than 0.85 of unseen digits 5 to 9 right (chance: 0.2); the base unchanged while it
is frozen, and changed afterwards.
"""

import numpy as np

import tricorn as keras
from tricorn import layers
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

# ------------------------------------------------------------------------------------------ data

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train[..., None].astype("float32"), x_test[..., None].astype("float32")
y_train, y_test = y_train.astype("int32"), y_test.astype("int32")

low = np.flatnonzero(y_train < 5)[:704]
few = np.concatenate([np.flatnonzero(y_train == digit)[:8] for digit in range(5, 10)])
high = np.flatnonzero(y_test >= 5)[:160]

# ------------------------------------------------------------------------------ a base that knows

base = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Rescaling(1 / 16),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
    ],
    name="base",
)
first = keras.Sequential([base, layers.Dropout(0.3), layers.Dense(5, activation="softmax")])
first.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
first.fit(x_train[low], y_train[low], batch_size=32, epochs=6, verbose=2)

# ------------------------------------------------------------------------------------ a new head

base.trainable = False
inputs = keras.Input((8, 8, 1))
x = base(inputs, training=False)  # batch statistics stay those of the base, also when it is thawed
x = layers.Dropout(0.3)(x)
outputs = layers.Dense(5, activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.summary(show_trainable=True)
assert len(model.trainable_weights) == 2

before = base.get_weights()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train[few], y_train[few] - 5, batch_size=8, epochs=40, verbose=0)
_, with_head = model.evaluate(x_test[high], y_test[high] - 5, verbose=0)
for old, new in zip(before, base.get_weights()):
    np.testing.assert_array_equal(old, new)

# ----------------------------------------------------------------------------------- fine-tuning

base.trainable = True
model.compile(keras.optimizers.Adam(3e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train[few], y_train[few] - 5, batch_size=8, epochs=40, verbose=0)
_, fine_tuned = model.evaluate(x_test[high], y_test[high] - 5, verbose=0)
assert any((old != new).any() for old, new in zip(before, base.get_weights()))

print(f"accuracy on 5 to 9: {with_head:.3f} with a new head, {fine_tuned:.3f} after fine-tuning")
assert fine_tuned > max(0.85, with_head - 0.02)
