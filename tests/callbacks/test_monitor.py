"""Which way a metric should go, and what callbacks say."""

import warnings

import pytest

from tricorn.callbacks import CallbackList, EarlyStopping, LearningRateScheduler, ModelCheckpoint

pytestmark = pytest.mark.engine_free


class Metric:
    def __init__(self, name, direction=None, metrics=()):
        self.name = name
        self.metrics = metrics
        if direction:
            self._direction = direction


class Model:
    def __init__(self, *metrics):
        self.metrics = metrics
        self.stop_training = False
        self.saved = []

    def save(self, path, overwrite):
        self.saved.append(path)

    def get_weights(self):
        return []

    def set_weights(self, weights):
        pass


def improves(monitor, model):
    """Whether a growing value is an improvement."""
    callback = EarlyStopping(monitor=monitor)
    callback.set_model(model)
    return callback.is_improvement(2.0, 1.0)


@pytest.mark.parametrize(
    ("monitor", "grows"),
    [
        ("val_loss", False),
        ("loss", False),
        ("out_loss", False),
        ("val_out_loss", False),
        ("accuracy", True),
        ("val_accuracy", True),
        ("val_out_accuracy", True),
        ("mae", False),
        ("val_auc", True),
    ],
)
def test_direction_is_found(monitor, grows):
    inner = Metric("compile_metrics", metrics=[Metric("auc", "up"), Metric("mae", "down")])
    assert improves(monitor, Model(Metric("loss"), Metric("accuracy", "up"), inner)) is grows


def test_an_unknown_direction_is_asked_for():
    with pytest.raises(ValueError, match=r"'val_bleu' should grow or shrink. Pass mode='max'"):
        improves("val_bleu", Model(Metric("bleu")))


def test_a_missing_metric_is_named_with_those_there_are():
    several = CallbackList([EarlyStopping()], model=Model())
    several.on_train_begin()
    with pytest.warns(UserWarning, match=r"'val_loss'.*accuracy, loss"):
        several.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5})


def test_an_unknown_mode_is_told():
    with pytest.warns(UserWarning, match="'auto', 'min' or 'max', got 'down'"):
        EarlyStopping(mode="down")


def test_early_stopping_tells_what_it_does(capsys):
    stop = EarlyStopping(verbose=1, restore_best_weights=True)
    several = CallbackList([stop], model=Model())
    several.on_train_begin()
    several.on_epoch_end(0, {"val_loss": 1.0})
    several.on_epoch_end(1, {"val_loss": 2.0})
    several.on_train_end()
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\nWeights restored from the best epoch, 1.\n"
    )


def test_checkpoint_tells_what_it_does(capsys, tmp_path):
    path = str(tmp_path / "new" / "{epoch}.keras")
    save = ModelCheckpoint(path, verbose=1, save_best_only=True)
    several = CallbackList([save], model=Model())
    for epoch, value in enumerate([2.0, 1.0, 1.5]):
        several.on_epoch_end(epoch, {"val_loss": value})
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("Epoch 1: val_loss improved from none to 2.00000, saved to ")
    assert "from 2.00000 to 1.00000" in second
    assert third == "Epoch 3: val_loss did not improve from 1.00000"
    assert (tmp_path / "new").is_dir()


def test_checkpoint_saves_the_best_batch():
    model = Model()
    save = ModelCheckpoint("{batch}.keras", monitor="loss", save_best_only=True, save_freq=2)
    several = CallbackList([save], model=model)
    for batch, loss in enumerate([5.0, 4.0, 3.0, 6.0, 2.0, 1.0]):
        several.on_train_batch_end(batch, {"loss": loss})
    assert model.saved == ["2.keras", "6.keras"]


def test_checkpoint_names_the_field_that_is_not_there():
    several = CallbackList([ModelCheckpoint("{val_loss}.keras")], model=Model())
    with pytest.raises(KeyError, match=r"names 'val_loss', but there are only: epoch, loss"):
        several.on_epoch_end(0, {"loss": 1.0})


def test_checkpoint_refuses_a_folder(tmp_path):
    (tmp_path / "m.keras").mkdir()
    several = CallbackList([ModelCheckpoint(tmp_path / "m.keras")], model=Model())
    with pytest.raises(OSError, match="must name a file"):
        several.on_epoch_end(0, {"loss": 1.0})


def test_scheduler_wants_a_learning_rate():
    model = Model()
    model.optimizer = object()
    several = CallbackList([LearningRateScheduler(lambda epoch, rate: rate)], model=model)
    with pytest.raises(ValueError, match="has no learning_rate"):
        several.on_epoch_begin(0)


def test_a_type_error_within_a_schedule_is_not_hidden():
    class Optimizer:
        learning_rate = 0.1

    def schedule(epoch, rate):
        raise TypeError("mine")

    model = Model()
    model.optimizer = Optimizer()
    with pytest.raises(TypeError, match="mine"), warnings.catch_warnings():
        CallbackList([LearningRateScheduler(schedule)], model=model).on_epoch_begin(0)
