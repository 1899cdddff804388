"""SciKeras's estimators: fitted, searched over, cloned, pickled."""

import pickle

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
labels = np.array(["a", "b", "c"])[x.argmax(1)]
values = x @ np.array([1.0, 2.0, -1.0], "float32")


def classify(units, meta):
    model = keras.Sequential([keras.Input((meta["n_features_in_"],))])
    model.add(keras.layers.Dense(units, "relu"))
    model.add(keras.layers.Dense(meta["n_classes_"], "softmax"))
    return model


classifier = KerasClassifier(
    classify, units=8, loss="sparse_categorical_crossentropy", optimizer="adam",
    optimizer__learning_rate=0.05, metrics=["accuracy"], epochs=30, verbose=0, random_state=1,
)  # fmt: skip
pipeline = make_pipeline(StandardScaler(), classifier).fit(x, labels)
assert pipeline.score(x, labels) > 0.9
assert pipeline.predict_proba(x).shape == (40, 3)
search = GridSearchCV(clone(classifier), {"units": [2, 8]}, cv=2, error_score="raise")
assert search.fit(x, labels).best_params_["units"] in (2, 8)
again = pickle.loads(pickle.dumps(pipeline))
np.testing.assert_array_equal(again.predict(x), pipeline.predict(x))


def regress(meta, compile_kwargs):
    model = keras.Sequential([keras.Input((meta["n_features_in_"],)), keras.layers.Dense(1)])
    model.compile("adam", loss=compile_kwargs["loss"])
    return model


regressor = KerasRegressor(regress, loss="mse", epochs=1, verbose=0).fit(x, values)
before = regressor.model_.optimizer.iterations.numpy()
regressor.partial_fit(x, values)
assert regressor.model_.optimizer.iterations.numpy() == 2 * before
assert regressor.predict(x).shape == (40,)
