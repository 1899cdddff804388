"""KerasTuner searches over a small model."""

import tempfile

import keras
import keras_tuner
import numpy as np

x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
y = x.sum(1, keepdims=True)


def build(settings):
    units = settings.Int("units", 2, 6, step=2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, "relu")])
    if settings.Boolean("dropout"):
        model.add(keras.layers.Dropout(0.1))
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(settings.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model


for kind in (keras_tuner.RandomSearch, keras_tuner.Hyperband):
    with tempfile.TemporaryDirectory() as folder:
        count = {"max_trials": 3} if kind is keras_tuner.RandomSearch else {"max_epochs": 2}
        tuner = kind(build, objective="val_loss", seed=1, directory=folder, **count)
        tuner.search(x, y, epochs=2, validation_data=(x, y), verbose=0)
        best = tuner.get_best_models(1)[0]
        trial = tuner.oracle.get_best_trials(1)[0]
        assert best.layers[0].units == trial.hyperparameters.get("units")
        np.testing.assert_allclose(best.evaluate(x, y, verbose=0), trial.score, rtol=1e-4)
