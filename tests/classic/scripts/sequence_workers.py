"""Batches from a Sequence by several workers, with callbacks that watch."""

import numpy as np
from keras.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from keras.layers import BatchNormalization, Dense
from keras.models import Sequential, load_model
from keras.utils import Sequence

random = np.random.RandomState(0)
X = random.randn(48, 5).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Batches(Sequence):
    def __init__(self, x, y, size):
        self.x, self.y, self.size, self.ends = x, y, size, 0

    def __len__(self):
        return int(np.ceil(len(self.x) / float(self.size)))

    def __getitem__(self, idx):
        rows = slice(idx * self.size, (idx + 1) * self.size)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        self.ends += 1


class LossHistory(Callback):
    def on_train_begin(self, logs={}):
        self.losses, self.sizes = [], []

    def on_batch_end(self, batch, logs={}):
        self.losses.append(logs.get("loss"))
        self.sizes.append(logs.get("size"))
        assert logs.get("batch") == batch


model = Sequential([Dense(8, input_dim=5), BatchNormalization(), Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
seen = LossHistory()
data = Batches(X, Y, 20)
history = model.fit_generator(
    data, epochs=4, workers=3, max_queue_size=4, verbose=0, validation_data=Batches(X, Y, 16),
    callbacks=[
        seen, ModelCheckpoint("w.{epoch:02d}-{val_mae:.2f}.hdf5", period=2),
        EarlyStopping(monitor="val_loss", patience=10), ReduceLROnPlateau(patience=2),
        LearningRateScheduler(lambda epoch: 0.01 / (1 + epoch)),
    ],
)  # fmt: skip
assert len(seen.losses) == 12 and data.ends >= 3
assert history.epoch == [0, 1, 2, 3] and history.params["epochs"] == 4
np.testing.assert_allclose(history.history["lr"], [0.01, 0.005, 0.01 / 3, 0.0025], rtol=1e-5)
import glob

files = sorted(glob.glob("w.*.hdf5"))
assert len(files) == 2 and files[0].startswith("w.02")
np.testing.assert_allclose(load_model(files[-1]).predict(X), model.predict(X), rtol=1e-4, atol=1e-5)
loss, mae = model.evaluate_generator(Batches(X, Y, 10), workers=2)
assert abs(mae - abs(model.predict_generator(Batches(X, Y, 10), steps=5) - Y).mean()) < 1e-4
arrays = LossHistory()
model.fit(X, Y, batch_size=20, epochs=1, verbose=0, callbacks=[arrays])
assert arrays.sizes == [20, 20, 8]
