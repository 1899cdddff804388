"""Optuna (with its callback that ends poor trials) and Hyperopt search over a small model."""

import hyperopt
import keras
import numpy as np
import optuna
from optuna_integration import KerasPruningCallback, TFKerasPruningCallback

optuna.logging.set_verbosity(optuna.logging.ERROR)
x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
y = x.sum(1, keepdims=True)


def build(units, rate):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


def objective(trial):
    keras.utils.set_random_seed(0)
    model = build(
        trial.suggest_int("units", 2, 6), trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    )
    kind = TFKerasPruningCallback if trial.number % 2 else KerasPruningCallback
    history = model.fit(
        x, y, epochs=4, validation_data=(x, y), verbose=0, callbacks=[kind(trial, "val_loss")]
    )
    return history.history["val_loss"][-1]


study = optuna.create_study(
    sampler=optuna.samplers.RandomSampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0),
)
study.optimize(objective, n_trials=8)
states = {t.state.name for t in study.trials}
assert states == {"COMPLETE", "PRUNED"}, states
assert study.best_value == min(t.value for t in study.trials if t.state.name == "COMPLETE")


def loss(settings):
    model = build(int(settings["units"]), settings["rate"])
    return {
        "loss": model.fit(x, y, epochs=1, verbose=0).history["loss"][0],
        "status": hyperopt.STATUS_OK,
    }


space = {
    "units": hyperopt.hp.quniform("units", 2, 6, 1),
    "rate": hyperopt.hp.loguniform("rate", -8, -3),
}
best = hyperopt.fmin(
    loss,
    space,
    algo=hyperopt.tpe.suggest,
    max_evals=4,
    verbose=False,
    rstate=np.random.default_rng(0),
)
assert set(best) == {"units", "rate"}
