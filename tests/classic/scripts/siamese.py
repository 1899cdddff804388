"""Twins that share a network; the distance is a Lambda, the loss is the user's."""

import numpy as np
from keras import backend as K
from keras.layers import Dense, Dropout, Input, Lambda
from keras.models import Model, Sequential
from keras.optimizers import RMSprop

np.random.seed(3)


def euclidean_distance(vects):
    x, y = vects
    return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))


def eucl_dist_output_shape(shapes):
    shape1, shape2 = shapes
    return (shape1[0], 1)


def contrastive_loss(y_true, y_pred):
    margin = 1
    return K.mean(
        y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(margin - y_pred, 0))
    )


def accuracy(y_true, y_pred):
    return K.mean(K.equal(y_true, K.cast(y_pred < 0.5, y_true.dtype)))


base_network = Sequential()
base_network.add(Dense(8, input_shape=(6,), activation="relu"))
base_network.add(Dropout(0.1))
base_network.add(Dense(4, activation="relu"))

input_a, input_b = Input(shape=(6,)), Input(shape=(6,))
processed_a, processed_b = base_network(input_a), base_network(input_b)
distance = Lambda(euclidean_distance, output_shape=eucl_dist_output_shape)(
    [processed_a, processed_b]
)
model = Model(input=[input_a, input_b], output=distance)
assert len(model.trainable_weights) == 4  # shared
assert base_network.get_output_shape_at(1) == (None, 4)
assert distance._keras_shape == (None, 1)
assert distance._keras_history[0].name == "lambda_1"

kinds = np.random.randint(0, 2, 64)
x = np.eye(2)[kinds].repeat(3, axis=1) + 0.1 * np.random.randn(64, 6)
pairs = np.random.randint(0, 64, (200, 2))
y = (kinds[pairs[:, 0]] == kinds[pairs[:, 1]]).astype("float32")
model.compile(loss=contrastive_loss, optimizer=RMSprop(), metrics=[accuracy])
history = model.fit(
    [x[pairs[:, 0]], x[pairs[:, 1]]], y, batch_size=20, nb_epoch=12, verbose=0, validation_split=0.2
)
assert history.history["loss"][-1] < history.history["loss"][0]
assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
