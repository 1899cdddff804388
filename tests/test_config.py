"""Settings that only a program sets, beside Keras's."""

import logging
import warnings

import keras as oracle
import numpy as np
import pytest

import tricorn as keras
from tricorn import config, layers


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    for library in (keras, oracle):
        library.config.set_max_epochs(None)
        library.config.set_max_steps_per_epoch(None)
        library.config.enable_interactive_logging()
        library.config.set_dtype_policy("float32")
    keras.dtype_policies.set_dtype_policy(None)
    config.enable_flash_attention()


def run(library, source, **settings):
    """(epochs, steps of the first, steps of an evaluation) and the warnings of a run."""
    x, y = np.ones((12, 1), "float32"), np.ones((12, 1), "float32")

    class Steps(library.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.counts = {}

        def on_train_batch_end(self, batch, logs=None):
            self.counts["train"] = self.counts.get("train", 0) + 1

        def on_test_batch_end(self, batch, logs=None):
            self.counts["test"] = self.counts.get("test", 0) + 1

    model = library.Sequential([library.Input((1,)), library.layers.Dense(1)])
    model.compile("sgd", "mse")
    steps = Steps()
    data = (x, y) if source == "arrays" else ([(x[:2], y[:2])] * 6,)
    if source == "generator":
        data = ((batch for batch in [(x[:2], y[:2])] * 60),)
        settings["steps_per_epoch"] = 6
    size = {"batch_size": 2} if source == "arrays" else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(*data, epochs=4, verbose=0, callbacks=[steps], **size, **settings)
        if source == "arrays":
            model.evaluate(*data, verbose=0, callbacks=[steps], **size)
            found = model.predict(x, verbose=0, **size).shape[0]
            steps.counts["predicted"] = found
    texts = {str(w.message) for w in caught if "Limiting" in str(w.message)}
    return len(history.epoch), steps.counts, texts


@pytest.mark.parametrize("source", ["arrays", "generator"])
@pytest.mark.parametrize("limits", [(None, None), (2, None), (None, 4), (3, 2), (9, 9)])
def test_limits_of_epochs_and_steps(limits, source, monkeypatch):
    """Over arrays Keras goes on where the last epoch was cut off, so that every other one is
    shorter still, and warns of limits that cut nothing: there the numbers are the limits'."""
    results = []
    for library in (oracle, keras):
        library.config.set_max_epochs(limits[0])
        library.config.set_max_steps_per_epoch(limits[1])
        results.append(run(library, source))
        assert (library.config.max_epochs(), library.config.max_steps_per_epoch()) == limits
    (epochs, counts, texts), (_, expected, warned) = results[1], results[0]
    steps = min(limits[1] or 6, 6)
    assert epochs == results[0][0] == min(limits[0] or 4, 4)
    assert counts == {**expected, "train": epochs * steps}
    cutting = {
        f"Limiting epochs to {limits[0]}": (limits[0] or 4) < 4,
        f"Limiting steps_per_epoch to {limits[1]}": steps < 6,
    }
    assert texts == {text for text, cuts in cutting.items() if cuts} <= warned


def test_limits_come_from_the_environment_too(monkeypatch):
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "3")
    monkeypatch.setenv("KERAS_MAX_STEPS_PER_EPOCH", "many")
    assert config.max_epochs() == 3
    config.set_max_epochs(2)
    assert config.max_epochs() == 2
    with pytest.raises(ValueError, match=r"KERAS_MAX_STEPS_PER_EPOCH.*'many'"):
        config.max_steps_per_epoch()
    with pytest.raises(ValueError, match="max_epochs must be"):
        config.set_max_epochs(0)


@pytest.mark.engine_free
def test_logging_instead_of_the_screen(capsys, caplog):
    config.disable_interactive_logging()
    assert not config.is_interactive_logging_enabled()
    with caplog.at_level(logging.INFO, "tricorn"):
        bar = keras.utils.Progbar(2)
        bar.update(2, [("loss", 0.5)])
    assert capsys.readouterr().out == ""
    (record,) = caplog.records
    assert record.message.startswith("2/2") and "loss: 0.5" in record.message
    keras.utils.enable_interactive_logging()
    keras.utils.Progbar(2).update(2)
    assert capsys.readouterr().out.startswith("2/2")


@pytest.mark.engine_free
def test_flash_attention():
    for library in (keras, oracle):
        assert library.config.is_flash_attention_enabled() is None
        library.config.disable_flash_attention()
        assert library.config.is_flash_attention_enabled() is False
        library.config.enable_flash_attention()
        assert library.config.is_flash_attention_enabled() is None


def test_the_dtype_policy_by_all_its_names():
    for setter in (config.set_dtype_policy, keras.mixed_precision.set_global_policy):
        setter("mixed_bfloat16")
        for getter in (config.dtype_policy, keras.mixed_precision.global_policy):
            assert getter().name == "mixed_bfloat16"
        assert layers.Dense(1).compute_dtype == "bfloat16"
        setter("float32")
    assert keras.mixed_precision.Policy is keras.DTypePolicy
    assert keras.mixed_precision.LossScaleOptimizer is keras.optimizers.LossScaleOptimizer


@pytest.mark.engine_free
def test_names_of_modules():
    assert keras.version() == keras.__version__
    assert config.is_nnx_enabled() is False
    for name in ("keras.preprocessing", "keras.preprocessing.image", "keras.mixed_precision"):
        ours, theirs = keras, oracle
        for part in name.split(".")[1:]:
            ours, theirs = getattr(ours, part), getattr(theirs, part)
        missing = {one for one in dir(theirs) if not one.startswith("_")} - set(dir(ours))
        assert not missing, name
    with pytest.raises(AttributeError, match="no 'nothing'"):
        config.nothing  # noqa: B018
