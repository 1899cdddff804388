"""Ctrl-C while a training runs: the handler that was installed is called, at a safe point."""

import signal
import threading

import numpy as np
import pytest

import tricorn as keras
from tricorn import layers
from tricorn.training import loop

X = np.ones((12, 3), "float32")


@pytest.fixture(autouse=True)
def _handler():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def trained(*callbacks, **options):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    try:
        model.fit(X, X[:, :1], batch_size=4, verbose=0, callbacks=list(callbacks), **options)
    finally:
        assert all(np.isfinite(w).all() for w in model.get_weights())
    return model


class Signal(keras.callbacks.Callback):
    """Sends signals when a batch is over, and notes what came after."""

    def __init__(self, batch=1, count=1):
        super().__init__()
        self.batch, self.count, self.after = batch, count, []

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch and not self.after:
            for _ in range(self.count):
                signal.raise_signal(signal.SIGINT)
            self.after.append(batch)  # not in the midst of a callback

    def on_epoch_end(self, epoch, logs=None):
        self.after.append("epoch")


def test_pythons_own_handler_interrupts():
    callback = Signal()
    with pytest.raises(KeyboardInterrupt):
        trained(callback)
    assert callback.after == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_takes_a_note_lets_the_training_go_on():
    seen = []
    handler = lambda number, frame: seen.append((number, frame is not None))
    signal.signal(signal.SIGINT, handler)
    callback = Signal(count=2)
    assert len(trained(callback, epochs=3).history.epoch) == 3
    assert seen == [(signal.SIGINT, True)] * 2
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_may_raise_what_it_likes():
    class Enough(Exception):
        pass

    def handler(number, frame):
        raise Enough

    signal.signal(signal.SIGINT, handler)
    callback = Signal()
    with pytest.raises(Enough):
        trained(callback)
    assert callback.after == [1]


def test_the_third_signal_breaks_out_at_once():
    signal.signal(signal.SIGINT, lambda number, frame: None)
    callback = Signal(count=3)
    with pytest.raises(KeyboardInterrupt):
        trained(callback)
    assert callback.after == []


def test_a_signal_is_not_lost_when_a_callback_fails():
    seen = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))

    class Fail(Signal):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            raise KeyError

    with pytest.raises(KeyError):
        trained(Fail(batch=0))
    assert seen == [signal.SIGINT]


def test_runs_inside_of_a_run_share_its_signals():
    """`predict` in a callback of `fit` is a safe point too."""
    seen, order = [], []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))

    class Predict(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            signal.raise_signal(signal.SIGINT)
            order.append(len(seen))
            self.model.predict(X, verbose=0)
            order.append(len(seen))

    trained(Predict())
    assert order == [0, 1] and seen == [signal.SIGINT]
    assert loop._signals is None


def test_a_handler_that_a_callback_installs_stays():
    seen = []
    handler = lambda number, frame: seen.append(number)

    class Install(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            signal.signal(signal.SIGINT, handler)

        def on_epoch_begin(self, epoch, logs=None):
            signal.signal(signal.SIGINT, handler)

    trained(Install(), Signal())
    assert seen == [signal.SIGINT] and signal.getsignal(signal.SIGINT) is handler


def test_an_ignored_signal_is_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    trained(Signal())
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.engine_free
def test_other_threads_leave_signals_alone():
    before, found = signal.getsignal(signal.SIGINT), []

    def run():
        with loop.interruptible() as check:
            found.append(signal.getsignal(signal.SIGINT))
            check()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [before]
