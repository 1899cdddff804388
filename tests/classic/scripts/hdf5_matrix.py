"""Training from arrays in an HDF5 file, which are read batch by batch."""

import h5py
import numpy as np
from keras.layers import Dense
from keras.models import Sequential
from keras.utils.io_utils import HDF5Matrix

random = np.random.RandomState(1)
with h5py.File("test.h5", "w") as f:
    X = random.rand(100, 10)
    f.create_dataset("my_data", data=X)
    f.create_dataset("my_labels", data=(X.sum(axis=1, keepdims=True) > 5).astype("float32"))


def normalize(x):
    return x - 0.5


X_train = HDF5Matrix("test.h5", "my_data", start=0, end=80, normalizer=normalize)
y_train = HDF5Matrix("test.h5", "my_labels", start=0, end=80)
X_test = HDF5Matrix("test.h5", "my_data", start=80, end=100, normalizer=normalize)
y_test = HDF5Matrix("test.h5", "my_labels", start=80, end=100)
assert X_train.shape == (80, 10) and len(X_test) == 20

model = Sequential()
model.add(Dense(16, input_shape=(10,), activation="relu"))
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="mse", optimizer="adam")
before = model.evaluate(X_test, y_test, batch_size=10, verbose=0)
model.fit(X_train, y_train, batch_size=20, epochs=10, shuffle="batch", verbose=0)
assert model.evaluate(X_test, y_test, batch_size=10, verbose=0) < before
np.testing.assert_allclose(
    model.predict(X_test, batch_size=20), model.predict(X[80:] - 0.5), rtol=1e-4, atol=1e-6
)
