"""Two towers with the same weights learn whether two digits are the same.

Shows: a model called twice in another one, a `Lambda` of ops, a loss function of one's own.
Data: pairs of the digits that ship with the package. Expected: more than 0.9 of unseen pairs right
(chance: 0.5).
Source: Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006.
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train, y_train, x_test, y_test = x_train[:1424], y_train[:1424], x_test[:352], y_test[:352]

# ------------------------------------------------------------------------------------------ data


def pairs(images, labels, seed):
    """Each image twice: with one of its own class (label 0) and with one of another (label 1)."""
    rng = np.random.default_rng(seed)
    of_class = [np.flatnonzero(labels == c) for c in range(10)]
    same = [rng.choice(of_class[c]) for c in labels]
    other = [rng.choice(of_class[(c + rng.integers(1, 10)) % 10]) for c in labels]
    left = np.concatenate([images, images])
    right = np.concatenate([images[same], images[other]])
    return left, right, np.repeat([0.0, 1.0], len(labels)).astype("float32")


left_train, right_train, apart_train = pairs(x_train, y_train, seed=0)
left_test, right_test, apart_test = pairs(x_test, y_test, seed=1)

# ----------------------------------------------------------------------------------------- model

tower = keras.Sequential(
    [
        keras.Input((8, 8)),
        layers.Rescaling(1 / 16),
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.Conv2D(32, 3, activation="relu"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dense(16),
    ],
    name="tower",
)


def euclidean_distance(vectors):
    x, y = vectors
    squared = ops.sum(ops.square(x - y), axis=1, keepdims=True)
    return ops.sqrt(ops.maximum(squared, keras.backend.epsilon()))


left, right = keras.Input((8, 8), name="left"), keras.Input((8, 8), name="right")
distance = layers.Lambda(euclidean_distance, output_shape=(1,))([tower(left), tower(right)])
model = keras.Model([left, right], distance)


def contrastive_loss(margin=1.0):
    """y max(margin - d, 0)² + (1 - y) d² of a distance d; y is 1 for pairs of two classes."""

    def loss(y_true, y_pred):
        near = ops.square(y_pred)
        far = ops.square(ops.maximum(margin - y_pred, 0))
        return ops.mean((1 - y_true) * near + y_true * far)

    return loss


# -------------------------------------------------------------------------------------- training

model.compile(
    loss=contrastive_loss(),
    optimizer=keras.optimizers.RMSprop(1e-3),
    metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.5)],
)
model.summary()
model.fit(
    [left_train, right_train],
    apart_train,
    validation_data=([left_test, right_test], apart_test),
    batch_size=32,
    epochs=8,
    verbose=2,
)

_, accuracy = model.evaluate([left_test, right_test], apart_test, verbose=0)
print(f"accuracy on unseen pairs: {accuracy:.3f}")
assert accuracy > 0.9, accuracy
