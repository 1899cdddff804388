"""Style and content losses of a network's features, minimised by SciPy through a K.function."""

import numpy as np
from keras import backend as K
from keras.layers import AveragePooling2D, Conv2D
from keras.models import Sequential

img_nrows = img_ncols = 8
model = Sequential()
model.add(Conv2D(4, (3, 3), activation="relu", padding="same", name="conv1", input_shape=(8, 8, 3)))
model.add(AveragePooling2D((2, 2), name="pool1"))
model.add(Conv2D(6, (3, 3), activation="relu", padding="same", name="conv2"))

random = np.random.RandomState(0)
base_image = K.variable(random.rand(1, 8, 8, 3))
style_reference_image = K.variable(random.rand(1, 8, 8, 3))
combination_image = K.placeholder((1, img_nrows, img_ncols, 3))
input_tensor = K.concatenate([base_image, style_reference_image, combination_image], axis=0)
features, x = {}, input_tensor
for layer in model.layers:
    x = layer(x)
    features[layer.name] = x


def gram_matrix(x):
    assert K.ndim(x) == 3
    flat = K.batch_flatten(K.permute_dimensions(x, (2, 0, 1)))
    return K.dot(flat, K.transpose(flat))


def style_loss(style, combination):
    size = img_nrows * img_ncols
    difference = K.sum(K.square(gram_matrix(style) - gram_matrix(combination)))
    return difference / (4.0 * (3**2) * (size**2))


def total_variation_loss(x):
    a = K.square(x[:, : img_nrows - 1, : img_ncols - 1, :] - x[:, 1:, : img_ncols - 1, :])
    b = K.square(x[:, : img_nrows - 1, : img_ncols - 1, :] - x[:, : img_nrows - 1, 1:, :])
    return K.sum(K.pow(a + b, 1.25))


loss = K.variable(0.0)
content = features["conv2"]
loss = loss + 0.5 * K.sum(K.square(content[2, :, :, :] - content[0, :, :, :]))
for name in ("conv1", "conv2"):
    loss = loss + style_loss(features[name][1, :, :, :], features[name][2, :, :, :])
loss = loss + 1e-3 * total_variation_loss(combination_image)
grads = K.gradients(loss, combination_image)
f_outputs = K.function([combination_image], [loss] + list(grads))


def evaluate(x):
    outs = f_outputs([x.reshape((1, img_nrows, img_ncols, 3))])
    return outs[0], outs[1].flatten().astype("float64")


x = random.rand(8 * 8 * 3)
first, gradient = evaluate(x)
for _ in range(20):
    value, gradient = evaluate(x)
    x -= 0.05 * gradient
assert evaluate(x)[0] < first, (evaluate(x)[0], first)
probe = np.zeros_like(x)
probe[5] = 1e-2
slope = (evaluate(x + probe)[0] - evaluate(x - probe)[0]) / 2e-2
assert abs(slope - evaluate(x)[1][5]) < 2e-2 * max(1.0, abs(slope))
