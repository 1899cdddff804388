"""A training loop as TensorFlow's users write it, around a model of layers.

Shows: a model among TensorFlow's tensors: `tf.data`, `tf.GradientTape`, `tf.function`, an
optimizer and metrics called directly, the losses that layers add, a validation loop.
Data: the digits that ship with the package. Expected: more than 0.93 of unseen digits right.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf

import tricorn as keras
from tricorn import layers
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, x_test = x_train.reshape(-1, 64) / np.float32(16), x_test.reshape(-1, 64) / np.float32(16)
train = (
    tf.data.Dataset.from_tensor_slices((x_train, y_train))
    .shuffle(1500, seed=0)
    .batch(32, drop_remainder=True)
)
test = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(32, drop_remainder=True)

model = keras.Sequential(
    [
        keras.Input((64,)),
        layers.Dense(64, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Dense(10),
    ]
)
optimizer = keras.optimizers.Adam(2e-3)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
accuracy = keras.metrics.SparseCategoricalAccuracy()


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = loss_fn(y, logits) + sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_weights)
    optimizer.apply(gradients, model.trainable_weights)
    return loss


@tf.function
def test_step(x, y):
    accuracy.update_state(y, model(x, training=False))


for epoch in range(8):
    for x, y in train:
        loss = train_step(x, y)
    accuracy.reset_state()
    for x, y in test:
        test_step(x, y)
    print(f"epoch {epoch}: loss {float(loss):.3f}, accuracy {float(accuracy.result()):.3f}")

assert float(accuracy.result()) > 0.93
