"""Our callbacks and Keras's own get the same runs, and must do the same."""

import inspect
import math
import warnings

import numpy as np
import pytest

import tricorn.callbacks as ours

keras = pytest.importorskip("keras")


class Optimizer:
    def __init__(self, learning_rate=0.1):
        self.learning_rate = learning_rate


class Model:
    """Stands for a model in both libraries, and notes what is done to it."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = Optimizer()
        self.weights = [np.zeros(2)]
        self.saved = []
        self.restored = None

    def get_weights(self):
        return [value.copy() for value in self.weights]

    def set_weights(self, weights):
        self.restored = float(weights[0][0])

    def save(self, path, overwrite=True):
        self.saved.append(("model", path))

    def save_weights(self, path, overwrite=True):
        self.saved.append(("weights", path))


def drive(make_list, callback, epochs):
    """A fit whose epochs have the given logs and four batches each; what the model saw."""
    model = Model()
    several = make_list([callback], add_history=True, model=model, verbose=0, epochs=99, steps=4)
    several.on_train_begin()
    ran = 0
    for epoch, logs in enumerate(epochs):
        several.on_epoch_begin(epoch)
        for batch in range(4):
            several.on_train_batch_begin(batch)
            model.weights = [np.full(2, 100.0 * epoch + batch)]
            several.on_train_batch_end(batch, {"loss": logs["loss"] + batch / 10})
            if model.stop_training:
                break
        several.on_epoch_end(epoch, dict(logs))
        ran += 1
        if model.stop_training:
            break
    several.on_train_end()
    return {
        "epochs": ran,
        "stopped": model.stop_training,
        "saved": model.saved,
        "restored": model.restored,
        "rate": float(model.optimizer.learning_rate),
        "history": model.history.history,
        "attributes": {
            name: getattr(callback, name)
            for name in ("wait", "best", "best_epoch", "stopped_epoch")
            if hasattr(callback, name)
        },
    }


def both(name, epochs, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine = drive(ours.CallbackList, getattr(ours, name)(**kwargs), epochs)
        theirs = drive(
            keras.callbacks.CallbackList, getattr(keras.callbacks, name)(**kwargs), epochs
        )
    return mine, theirs


def logs_of(*values, name="val_loss"):
    return [{"loss": 5.0 - index, name: value} for index, value in enumerate(values)]


nan = math.nan
RUNS = {
    "falls then rises": logs_of(5, 4, 3, 3.5, 3.4, 3.3, 3.2, 3.1),
    "rises": logs_of(1, 2, 3, 4, 5, 6),
    "small steps": logs_of(1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7),
    "plateau": logs_of(1, 1, 1, 1, 1),
    "nan first": logs_of(nan, nan, 2, 1, nan, nan, nan),
    "up and down": logs_of(3, 2, 4, 1, 5, 0, 6, 7, 8),
    "missing": [{"loss": 1.0}, {"loss": 0.5}],
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "kwargs",
    [
        {"mode": "min"},
        {"mode": "max"},
        {"mode": "min", "patience": 2},
        {"mode": "max", "patience": 1, "restore_best_weights": True},
        {"mode": "min", "patience": 2, "min_delta": 0.11},
        {"mode": "min", "patience": 1, "min_delta": -0.06},
        {"mode": "min", "patience": 2, "baseline": 2.5},
        {"mode": "max", "patience": 2, "baseline": 4.5, "restore_best_weights": True},
        {"mode": "min", "start_from_epoch": 3, "restore_best_weights": True},
        {"mode": "wrong", "monitor": "loss"},
        {"monitor": "loss", "patience": 1},
    ],
    ids=str,
)
def test_early_stopping(run, kwargs):
    mine, theirs = both("EarlyStopping", RUNS[run], **kwargs)
    np.testing.assert_equal(mine, theirs)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "kwargs",
    [
        {"filepath": "m.keras"},
        {"filepath": "m.h5"},
        {"filepath": "{epoch:02d}-{loss:.2f}.keras"},
        {"filepath": "w-{epoch}.weights.h5", "save_weights_only": True},
        {"filepath": "{epoch}.keras", "save_best_only": True, "mode": "min"},
        {"filepath": "{epoch}.keras", "save_best_only": True, "mode": "max"},
        {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "loss"},
        {
            "filepath": "{epoch}.keras",
            "save_best_only": True,
            "mode": "min",
            "initial_value_threshold": 2.5,
        },
        {"filepath": "{epoch}-{batch}.keras", "save_freq": 3},
        {"filepath": "{epoch}-{batch}-{loss:.1f}.keras", "save_freq": 1},
    ],
    ids=str,
)
def test_model_checkpoint(run, kwargs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine, theirs = both("ModelCheckpoint", RUNS[run], **kwargs)
    assert mine["saved"] or kwargs.get("initial_value_threshold") or run != "falls then rises"
    np.testing.assert_equal(mine, theirs)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_checkpoint_counts_batches_over_jumps(count):
    """Batches may come several at once: the criterion is checked at those that come."""
    saved = []
    for library in (ours, keras.callbacks):
        model = Model()
        several = library.CallbackList(
            [library.ModelCheckpoint("{epoch}-{batch}.keras", save_freq=count)], model=model
        )
        for epoch in range(3):
            several.on_epoch_begin(epoch)
            for batch in (1, 3, 5, 6):
                several.on_train_batch_end(batch, {"loss": 1.0})
        saved.append(model.saved)
    assert saved[0] == saved[1]
    assert saved[0]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"filepath": "model"},
        {"filepath": "w.h5", "save_weights_only": True},
        {"filepath": "m.keras", "save_freq": "batch"},
        {"filepath": "m.keras", "save_freq": 1.5},
    ],
    ids=str,
)
def test_checkpoint_refuses_what_keras_refuses(kwargs):
    for library in (ours, keras.callbacks):
        with pytest.raises(ValueError, match=r"filepath|save_freq"):
            library.ModelCheckpoint(**kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"separator": ";"}, {"append": True}],
    ids=str,
)
@pytest.mark.parametrize(
    "epochs",
    [
        logs_of(3, 2, 1),
        [{"loss": 1.5, "accuracy": 0.25}, {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.9}],
        [{"loss": 1.0, "b": np.array([1.0, 2.0]), "c": "text"}, {"loss": 2.0}],
    ],
    ids=["val", "late val", "odd values"],
)
def test_csv_logger_writes_the_same_bytes(kwargs, epochs, tmp_path):
    written = []
    for library in (ours, keras.callbacks):
        path = tmp_path / f"{library.__name__}.csv"
        callback = library.CSVLogger(path, **kwargs)
        for _ in range(2):
            drive(library.CallbackList, callback, epochs)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert written[0].startswith(b"epoch")


@pytest.mark.parametrize(
    "schedule",
    [lambda epoch, rate: rate * 0.5, lambda epoch: 1.0 / (1 + epoch), lambda epoch, rate: rate],
)
def test_learning_rate_scheduler(schedule):
    mine, theirs = both("LearningRateScheduler", logs_of(3, 2, 1), schedule=schedule)
    assert mine == theirs
    assert "learning_rate" in mine["history"]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "kwargs",
    [
        {"mode": "min", "patience": 1},
        {"mode": "max", "patience": 2, "factor": 0.5},
        {"mode": "min", "patience": 1, "cooldown": 2, "min_delta": 0.11},
        {"monitor": "loss", "patience": 0, "min_lr": 0.05},
        {"mode": "wrong", "monitor": "loss", "patience": 1},
    ],
    ids=str,
)
def test_reduce_on_plateau(run, kwargs):
    mine, theirs = both("ReduceLROnPlateau", RUNS[run], **kwargs)
    np.testing.assert_equal(mine, theirs)


def test_reduce_on_plateau_refuses_factors_that_do_not_reduce():
    for library in (ours, keras.callbacks):
        with pytest.raises(ValueError, match="factor"):
            library.ReduceLROnPlateau(factor=1.0)


@pytest.mark.parametrize("value", [1, "fast", None])
def test_learning_rate_scheduler_refuses_what_is_no_float(value):
    for library in (ours, keras.callbacks):
        with pytest.raises(ValueError, match="float"):
            drive(library.CallbackList, library.LearningRateScheduler(lambda *_: value), logs_of(1))


@pytest.mark.parametrize("losses", [(1.0, nan, 0.5), (1.0, math.inf), (3.0, 2.0), (nan,)])
def test_terminate_on_nan(losses):
    mine, theirs = both("TerminateOnNaN", [{"loss": loss} for loss in losses])
    np.testing.assert_equal(mine, theirs)


def test_terminate_on_nan_can_raise():
    for library in (ours, keras.callbacks):
        with pytest.raises(RuntimeError, match=r"batch 0"):
            drive(library.CallbackList, library.TerminateOnNaN(raise_error=True), [{"loss": nan}])


def test_lambda_callback_is_called_at_the_same_moments():
    def calls_of(library):
        calls = []
        hooks = {
            name: lambda *args, name=name, **logs: calls.append((name, args, logs))
            for name in vars(ours.Callback)
            if name.startswith("on_")
        }
        drive(library.CallbackList, library.LambdaCallback(**hooks), logs_of(3, 2))
        return calls

    mine = calls_of(ours)
    assert len(mine) == 2 + 2 * (2 + 4 * 2)
    assert mine == calls_of(keras.callbacks)


def test_history():
    mine, theirs = both("History", logs_of(3, 2, 1))
    assert mine == theirs
    assert list(mine["history"]) == ["loss", "val_loss"]


@pytest.mark.parametrize(
    "name",
    [
        "EarlyStopping",
        "ModelCheckpoint",
        "CSVLogger",
        "LearningRateScheduler",
        "TerminateOnNaN",
        "LambdaCallback",
        "History",
        "BackupAndRestore",
        "ReduceLROnPlateau",
        "RemoteMonitor",
        "SwapEMAWeights",
        "TensorBoard",
    ],
)
def test_arguments_and_defaults(name):
    def shape(cls):
        return [
            (parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(cls.__init__).parameters.values()
            if parameter.kind != parameter.KEYWORD_ONLY  # what Keras has not
        ]

    assert shape(getattr(ours, name)) == shape(getattr(keras.callbacks, name))
