"""Gradient ascent on an image through a VGG-like network, by K.gradients and K.function."""

import numpy as np
from keras import backend as K
from keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D
from keras.models import Model

K.set_learning_phase(0)
img_input = Input(shape=(16, 16, 3))
x = Conv2D(4, (3, 3), activation="relu", padding="same", name="block1_conv1")(img_input)
x = MaxPooling2D((2, 2), strides=(2, 2), name="block1_pool")(x)
x = Conv2D(8, (3, 3), activation="relu", padding="same", name="block2_conv1")(x)
x = MaxPooling2D((2, 2), strides=(2, 2), name="block2_pool")(x)
x = Dense(5, activation="softmax", name="predictions")(Flatten(name="flatten")(x))
model = Model(img_input, x, name="vgg_small")
layer_dict = dict([(layer.name, layer) for layer in model.layers])

dream = model.input
loss = K.variable(0.0)
for name, coefficient in {"block1_conv1": 0.5, "block2_conv1": 2.0}.items():
    out = layer_dict[name].output
    scaling = K.prod(K.cast(K.shape(out), "float32"))
    loss = loss + coefficient * K.sum(K.square(out[:, 2:-2, 2:-2, :])) / scaling
grads = K.gradients(loss, dream)[0]
grads /= K.maximum(K.mean(K.abs(grads)), K.epsilon())
fetch_loss_and_grads = K.function([dream], [loss, grads])

image = np.random.RandomState(1).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
values = []
for step in range(6):
    value, gradient = fetch_loss_and_grads([image])
    values.append(float(value))
    image += 0.05 * gradient
assert values == sorted(values) and values[-1] > 1.1 * values[0], values

# what a filter looks for
layer_output = layer_dict["block2_conv1"].output
filter_loss = K.mean(layer_output[:, :, :, 0])
iterate = K.function([img_input], [filter_loss, K.gradients(filter_loss, img_input)[0]])
assert iterate([image])[1].shape == image.shape
K.set_learning_phase(1)
