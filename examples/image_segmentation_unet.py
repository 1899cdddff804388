"""A U-Net finds discs and squares in noise, pixel by pixel.

Shows: skip connections, `Conv2DTranspose`, `BatchNormalization`, the metric `MeanIoU`.
Data: made here: pictures of 24×24 pixels with overlapping shapes, as bright as each other.
Expected: a mean intersection over union (of background, discs and squares) above 0.8 on unseen
pictures; all background would be 0.3.
Source: Ronneberger et al., U-Net, https://arxiv.org/abs/1505.04597.
"""

import numpy as np

import tricorn as keras
from tricorn import layers

keras.utils.set_random_seed(0)

SIZE, CLASSES = 24, 3

# ------------------------------------------------------------------------------------------ data


def pictures(count, seed):
    """Pictures `(count, SIZE, SIZE, 1)` and the class of every pixel `(count, SIZE, SIZE, 1)`."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    masks = np.zeros((count, SIZE, SIZE, 1), "uint8")
    for mask in masks:
        for _ in range(rng.integers(1, 3)):
            y, x, size = *rng.integers(4, SIZE - 4, 2), rng.integers(4, 8)
            if rng.random() < 0.5:
                mask[(rows - y) ** 2 + (columns - x) ** 2 <= size**2] = 1
            else:
                mask[(abs(rows - y) < size) & (abs(columns - x) < size)] = 2
    return (masks > 0) + rng.normal(0, 0.2, masks.shape).astype("float32"), masks


x_train, y_train = pictures(960, seed=0)
x_test, y_test = pictures(96, seed=1)

# ----------------------------------------------------------------------------------------- model


def convolution(x, filters):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.Activation("relu")(x)


inputs = keras.Input((SIZE, SIZE, 1))
x, skips = inputs, []
for filters in (8, 16):
    x = convolution(x, filters)
    skips.append(x)
    x = layers.MaxPooling2D()(x)
x = convolution(convolution(x, 32), 32)
for filters, skip in zip((16, 8), reversed(skips)):
    x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
    x = layers.Concatenate()([x, skip])
    x = convolution(x, filters)
outputs = layers.Conv2D(CLASSES, 1, activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.summary()

# -------------------------------------------------------------------------------------- training

model.compile(
    keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, decay_steps=480)),
    loss="sparse_categorical_crossentropy",
    metrics=[keras.metrics.MeanIoU(num_classes=CLASSES, sparse_y_pred=False, name="iou")],
)
model.fit(x_train, y_train, batch_size=16, epochs=8, validation_data=(x_test, y_test), verbose=2)

iou = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["iou"]
print(f"mean intersection over union: {iou:.3f}")

found = np.argmax(model.predict(x_test[:1], verbose=0)[0], axis=-1)
for row in found[::2]:
    print("".join(".o#"[c] for c in row))
assert iou > 0.8, iou
