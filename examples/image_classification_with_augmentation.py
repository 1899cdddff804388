"""A network that has seen digits in the middle only reads those that stand elsewhere, too.

It learns from images that are turned, shifted, zoomed and shaded anew in every epoch.

Shows: random layers as the first part of a model, where they are active in training alone; the
same layers called on images, where they are active unless told otherwise.
Data: the digits that ship with the package, in the middle of 12×12 pixels; those of the test are
moved by up to one pixel each way.
Expected: more than 0.85 of unseen digits right, and 0.1 more than the same network learns from the
images as they are.
"""

import numpy as np

import tricorn as keras
from tricorn import layers
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

# ------------------------------------------------------------------------------------------ data

(x_train, y_train), (x_test, y_test) = digits.load_data()


def placed(images, most, seed=0):
    """Images of 12×12 pixels `(n, 12, 12, 1)` digits up to `most` pixels off the middle."""
    moves = np.random.default_rng(seed).integers(-most, most + 1, (len(images), 2))
    wide = np.pad(images, [(0, 0), (2, 2), (2, 2)])
    moved = [np.roll(image, move, axis=(0, 1)) for image, move in zip(wide, moves)]
    return np.stack(moved)[..., None].astype("float32")


x_train, y_train = placed(x_train[:960], most=0), y_train[:960]
x_test, y_test = placed(x_test[:352], most=1), y_test[:352]

# ----------------------------------------------------------------------------------------- model

data_augmentation = keras.Sequential(
    [
        keras.Input((12, 12, 1)),
        layers.RandomTranslation(0.17, 0.17, fill_mode="constant"),
        layers.RandomRotation(0.02, fill_mode="constant"),
        layers.RandomZoom(0.1, fill_mode="constant"),
        layers.RandomContrast(0.2, value_range=(0, 16)),
    ],
    name="data_augmentation",
)


def make_model(augmented):
    inputs = keras.Input((12, 12, 1))
    x = data_augmentation(inputs) if augmented else inputs
    x = layers.Rescaling(1 / 16)(x)
    x = layers.Conv2D(24, 3, activation="relu")(x)
    x = layers.Conv2D(48, 3, strides=2, activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(10, activation="softmax")(x)
    return keras.Model(inputs, outputs)


def drawn(image):
    return ["".join(" .:o#"[int(np.clip(v, 0, 15.9) / 3.2)] for v in row) for row in image[..., 0]]


changed = [keras.ops.convert_to_numpy(data_augmentation(x_train[:1]))[0] for _ in range(5)]
for rows in zip(drawn(x_train[0]), *map(drawn, changed)):
    print(" ".join(rows))
same = data_augmentation(x_train[:1], training=False)
np.testing.assert_array_equal(keras.ops.convert_to_numpy(same), x_train[:1])

# -------------------------------------------------------------------------------------- training


def accuracy(augmented):
    model = make_model(augmented)
    model.compile(
        keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x_train, y_train, batch_size=32, epochs=20, verbose=2)
    return model.evaluate(x_test, y_test, verbose=0)[1]


with_augmentation, without = accuracy(augmented=True), accuracy(augmented=False)
print(f"accuracy with augmentation: {with_augmentation:.3f}, without: {without:.3f}")
assert with_augmentation > max(0.85, without + 0.1)
