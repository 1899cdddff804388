"""The list calls every hook, knows who needs single batches, and fetches logs only if used."""

import numpy as np
import pytest

from tricorn import callbacks
from tricorn.callbacks.callback_list import as_floats

pytestmark = pytest.mark.engine_free

HOOKS = [name for name in vars(callbacks.Callback) if name.startswith("on_")]


class Model:
    stop_training = False


class Recorder(callbacks.Callback):
    """Notes what it is told."""

    def __init__(self):
        super().__init__()
        self.seen = []


def _record(hook):
    def method(self, *args, **kwargs):
        self.seen.append((hook, *args, *kwargs.values()))

    return method


for _hook in HOOKS:
    setattr(Recorder, _hook, _record(_hook))


class OnlyEpochs(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["added"] = 1.0


class OldName(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = []

    def on_batch_end(self, batch, logs=None):
        self.batches.append((batch, logs["loss"]))


class Reader(OldName):
    passive = True


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_reaches_every_callback(hook):
    one, two = Recorder(), Recorder()
    several = callbacks.CallbackList([one, [two]])
    args = (3,) if ("batch" in hook or "epoch" in hook) else ()
    getattr(several, hook)(*args, logs={"loss": np.float32(0.5)})
    called = {"on_batch_begin": "on_train_batch_begin", "on_batch_end": "on_train_batch_end"}
    assert one.seen == two.seen == [(called.get(hook, hook), *args, {"loss": 0.5})]


def test_model_and_params_reach_every_callback():
    one, model = OnlyEpochs(), Model()
    callbacks.CallbackList([one], model=model, verbose=0, epochs=3, steps=7)
    assert one.model is model
    assert one.params == {"verbose": 0, "epochs": 3, "steps": 7}


def test_history_and_progress_are_added_once():
    history = callbacks.History()
    several = callbacks.CallbackList([history], add_history=True, add_progbar=True)
    kinds = [type(one) for one in several.callbacks]
    assert kinds == [callbacks.History, callbacks.ProgbarLogger]
    assert several.callbacks[0] is history


def test_logs_are_floats_sorted_by_name_and_shared():
    one, two = OnlyEpochs(), Recorder()
    callbacks.CallbackList([one, two]).on_epoch_end(
        0, {"loss": np.float32(2), "accuracy": np.array(0.5), "nested": {"auc": 1}}
    )
    logs = two.seen[0][-1]
    assert list(logs.items()) == [("accuracy", 0.5), ("loss", 2.0), ("auc", 1.0), ("added", 1.0)]
    assert all(type(value) is float for value in logs.values())


def test_arrays_pass_through():
    outputs = np.ones((1, 1))
    assert as_floats({"outputs": outputs})["outputs"] is outputs


@pytest.mark.parametrize(
    ("callback", "needed"),
    [
        (OnlyEpochs(), False),
        (OldName(), True),
        (Reader(), False),
        (Recorder(), True),
        (callbacks.History(), False),
        (callbacks.ProgbarLogger(), False),
        (callbacks.EarlyStopping(), False),
        (callbacks.TerminateOnNaN(), False),
        (callbacks.CSVLogger("unused.csv"), False),
        (callbacks.ModelCheckpoint("m.keras"), False),
        (callbacks.ModelCheckpoint("m.keras", save_freq=5), True),
        (callbacks.LambdaCallback(on_epoch_end=print), False),
        (callbacks.LambdaCallback(on_train_batch_end=print), True),
        (callbacks.LambdaCallback(on_batch_begin=print), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, callbacks.Callback) else str(value),
)
def test_who_needs_single_batches(callback, needed):
    assert callbacks.CallbackList([callback]).needs_batches("train") is needed


def test_single_batches_are_asked_for_by_mode():
    several = callbacks.CallbackList([OldName()])
    assert several.needs_batches("train")
    assert not several.needs_batches("test")
    assert not several.needs_batches("predict")


def test_logs_are_fetched_once_and_only_if_used():
    fetched = []

    def logs():
        fetched.append(1)
        return {"loss": 0.25}

    callbacks.CallbackList([OnlyEpochs()]).on_train_batch_end(0, logs)
    assert not fetched
    one, two = OldName(), Reader()
    callbacks.CallbackList([one, two]).on_train_batch_end(4, logs)
    assert len(fetched) == 1
    assert one.batches == two.batches == [(4, 0.25)]


def test_a_silent_progress_display_fetches_nothing():
    several = callbacks.CallbackList(add_progbar=True, verbose=2, epochs=1, steps=3)
    several.on_train_begin()
    several.on_epoch_begin(0)
    several.on_train_batch_end(2, lambda: pytest.fail("nobody needs these"))


@pytest.mark.parametrize("wrong", [OnlyEpochs, "EarlyStopping", [object()]])
def test_what_is_no_callback_is_refused(wrong):
    with pytest.raises(TypeError, match=r"derived from tricorn\.callbacks\.Callback"):
        callbacks.CallbackList([wrong])


def test_a_class_in_place_of_an_object_gets_a_hint():
    with pytest.raises(TypeError, match=r"write OnlyEpochs\(\)"):
        callbacks.CallbackList(OnlyEpochs)


def test_progress_of_a_fit_shows_the_validation_at_the_end(capsys):
    several = callbacks.CallbackList(add_progbar=True, verbose=2, epochs=2, steps=None)
    several.on_train_begin()
    for epoch in range(2):
        several.on_epoch_begin(epoch)
        for batch in range(3):
            several.on_train_batch_end(batch, {"loss": 9.0})
        several.on_test_begin()
        several.on_test_batch_end(0, {"loss": 7.0})
        several.on_test_end({"loss": 7.0})
        several.on_epoch_end(epoch, {"loss": 2.0, "val_loss": 1.0})
    several.on_train_end()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[:2] for line in lines] == [["Epoch 1/2", "3/3"], ["Epoch 2/2", "3/3"]]
    assert all(line.endswith(" - loss: 2.0000 - val_loss: 1.0000") for line in lines)


def test_progress_of_evaluate_and_predict(capsys):
    several = callbacks.CallbackList(add_progbar=True, verbose=2, epochs=1, steps=2)
    several.on_test_begin()
    several.on_test_batch_end(1, {"loss": 3.0})
    several.on_test_end({"loss": 3.0})
    several.on_predict_begin()
    several.on_predict_batch_end(1, {"outputs": np.zeros((4, 2))})
    several.on_predict_end()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("2/2 - ")
    assert first.endswith(" - loss: 3.0000")
    assert second.startswith("2/2 - ")
    assert "outputs" not in second
