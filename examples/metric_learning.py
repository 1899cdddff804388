"""A network learns to measure how alike images are, and finds its way among classes it never saw.

A batch is one pair of images of each class; every anchor is to be more like its own positive than
like the positives of the other classes.

Shows: `train_step` of one's own on data without labels, a batch that is a tensor of pairs,
`PyDataset`, cosine similarity by `UnitNormalization` and `ops.einsum`.
Data: the digits that ship with the package; 0 to 6 are learned from, 7, 8 and 9 are kept back.
Expected: for more than 0.85 of the digits 7, 8, 9, the three most alike images are mostly of the
same class (chance: 0.33).
"""

import numpy as np

import tricorn as keras
from tricorn import layers, ops
from tricorn.datasets import digits

keras.utils.set_random_seed(0)

(images, labels), _ = digits.load_data(test_fraction=0)
images = images[..., None] / np.float32(16)
unseen = labels >= 7

# ------------------------------------------------------------------------------------------ data


class AnchorPositivePairs(keras.utils.PyDataset):
    """Batches `(2, classes, 8, 8, 1)`: for each class an anchor and another image of it."""

    def __init__(self, images, labels, count, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.images, self.count = images, count
        self.of_class = [np.flatnonzero(labels == c) for c in np.unique(labels)]
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        pairs = [self.rng.choice(members, 2, replace=False) for members in self.of_class]
        return self.images[np.transpose(pairs)]


# ----------------------------------------------------------------------------------------- model


class EmbeddingModel(keras.Model):
    def train_step(self, data):
        anchors, positives = data[0], data[1]
        with keras.GradientTape() as tape:
            anchor_embeddings = self(anchors, training=True)
            positive_embeddings = self(positives, training=True)
            similarities = ops.einsum("ae,pe->ap", anchor_embeddings, positive_embeddings)
            similarities = similarities / 0.2  # a temperature: cosines alone are too close together
            labels = ops.arange(ops.shape(similarities)[0])
            loss = self.compute_loss(y=labels, y_pred=similarities)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(labels, similarities)
        return {m.name: m.result() for m in self.metrics}


inputs = keras.Input((8, 8, 1))
x = layers.Conv2D(32, 3, activation="relu")(inputs)
x = layers.Conv2D(64, 3, strides=2, activation="relu")(x)
x = layers.Flatten()(x)
x = layers.Dropout(0.2)(x)
x = layers.Dense(32)(x)
embeddings = layers.UnitNormalization()(x)
model = EmbeddingModel(inputs, embeddings)

# -------------------------------------------------------------------------------------- training

model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(AnchorPositivePairs(images[~unseen], labels[~unseen], 200), epochs=8, verbose=2)

# ---------------------------------------------------------------------------------------- result

embedded = model.predict(images[unseen], verbose=0)
of = labels[unseen]
likeness = embedded @ embedded.T
np.fill_diagonal(likeness, -1)
nearest = np.argsort(-likeness, axis=1)[:, :3]
right = np.mean((of[nearest] == of[:, None]).sum(axis=1) >= 2)
print(f"classes that were never seen, told by the three nearest: {right:.3f}")
assert right > 0.85, right
