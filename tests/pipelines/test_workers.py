"""Threads and processes that make batches: whatever happens, they end in bounded time, nothing is
left, and the order is that of the data."""

import contextlib
import gc
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from multiprocessing import resource_tracker

import numpy as np
import pytest

import tricorn as keras
from tests.pipelines.faulty import COUNT, Batches
from tricorn import utils, workers
from tricorn.data import Dataset

pytestmark = pytest.mark.heavy

#: no test waits longer for what is to end, in seconds
SOON = 60


def enqueued(batches, processes):
    queue = utils.OrderedEnqueuer(batches, use_multiprocessing=processes)
    queue.start(2, max_queue_size=3)
    return itertools.islice(queue.get(), COUNT)


def generated(batches):
    queue = utils.GeneratorEnqueuer(batches[i] for i in range(COUNT))
    queue.start(max_queue_size=3)
    return queue.get()


#: whatever makes batches ahead -> its batches, from those of `Batches`
KINDS = {
    "threads": lambda make: iter(make(workers=3)),
    "processes": lambda make: iter(make(workers=2, use_multiprocessing=True)),
    "OrderedEnqueuer": lambda make: enqueued(make(), False),
    "OrderedEnqueuer, processes": lambda make: enqueued(make(), True),
    "GeneratorEnqueuer": lambda make: generated(make()),
    "map": lambda make: iter(Dataset.range(COUNT).map(make().__getitem__, num_parallel_calls=3)),
    "map, batches together": lambda make: iter(
        Dataset.range(COUNT).map(make().__getitem__, num_parallel_calls=3).batch(2).unbatch()
    ),
    "prefetch": lambda make: iter(Dataset.range(COUNT).map(make().__getitem__).prefetch(3)),
    "interleave": lambda make: iter(
        Dataset.range(COUNT).interleave(
            lambda i: Dataset.from_tensors(i).map(make().__getitem__), 2, num_parallel_calls=2
        )
    ),
}  # fmt: skip
PROCESSES = ["processes", "OrderedEnqueuer, processes"]
THREADS = [kind for kind in KINDS if kind not in PROCESSES]


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    """No thread, process or file; and no semaphore, since none is made."""
    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", None)
    resource_tracker.ensure_running()  # Python's own, which stays
    gc.collect()
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc") else set()
    yield
    gc.collect()
    end, left = time.monotonic() + SOON, ["?"]
    while left and time.monotonic() < end:
        time.sleep(0.01)
        left = [t for t in threading.enumerate() if t.name == "tricorn.data"]
        left += multiprocessing.active_children()
        if before:
            left += set(os.listdir("/proc/self/fd")) - before
    assert not left


def numbers(batches):
    return [int(np.ravel(x)[0]) for x, *_ in batches]


@pytest.mark.engine_free
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_is_that_of_the_data(kind):
    batches = KINDS[kind](lambda **settings: Batches(seconds=0.01, **settings))
    assert numbers(batches) == list(range(COUNT))


@pytest.mark.engine_free
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_after_what_was_before_it_and_says_where(kind):
    batches, seen = KINDS[kind](lambda **settings: Batches("fails", **settings)), []
    with pytest.raises(KeyError, match="broken") as caught:
        for x, _ in batches:
            seen.append(int(np.ravel(x)[0]))
    assert seen == list(range(4))
    text = "".join(traceback.format_exception(caught.value))
    assert "in fail\n" in text  # the function that raised it
    if kind in ("threads", *PROCESSES, "OrderedEnqueuer"):
        assert "This was batch 4 of Batches." in text
    del caught


#: what happens in a process -> the error, and what it says
ENDS = {
    "fails with a lock": (RuntimeError, "^CannotBePickled: broken", "in fail_with_a_lock"),
    "is killed": (RuntimeError, "was killed by SIGKILL, as systems do when memory", "batch 4 of"),
    "exits": (RuntimeError, "has ended with the exit code 3", "batch 4 of"),
    "asks to exit": (RuntimeError, "has ended with the exit code 1", "batch 4 of"),
    "is no data": (AttributeError, "Can't pickle local object", "batch 4 of"),
}


@pytest.mark.engine_free
@pytest.mark.parametrize("act", ENDS)
def test_processes_that_end_do_not_keep_who_waits(act):
    batches, seen = iter(Batches(act, workers=2, use_multiprocessing=True)), []
    error, message, note = ENDS[act]
    with pytest.raises(error, match=message) as caught:
        for x, _ in batches:
            seen.append(int(x[0, 0]))
    assert seen == list(range(4))
    assert note in "".join(traceback.format_exception(caught.value))
    del caught


@pytest.mark.engine_free
@pytest.mark.parametrize("kind", KINDS)
def test_consumers_may_go_away(kind):
    for leave in (lambda found: None, lambda found: getattr(found, "close", lambda: None)()):
        found = KINDS[kind](lambda **settings: Batches(**settings))
        next(found)
        leave(found)
        del found


@pytest.mark.engine_free
@pytest.mark.parametrize("processes", [False, True])
def test_an_enqueuer_that_is_stopped_leaves_nothing(processes):
    queue = utils.OrderedEnqueuer(Batches(), use_multiprocessing=processes)
    queue.start(2)
    found = queue.get()
    next(found)
    queue.stop()  # while `found` is held
    assert not multiprocessing.active_children() and list(found) == []


@pytest.mark.engine_free
@pytest.mark.parametrize("kind", ["threads", "processes", "map", "prefetch"])
def test_a_worker_that_hangs_is_waited_for_no_longer_than_that(kind, monkeypatch):
    """A process is ended by force, a thread left to itself."""
    monkeypatch.setattr(workers, "GRACE", 0.1)
    free = threading.Event()
    monkeypatch.setattr(
        Batches, "__getitem__", lambda self, i: free.wait(SOON) if i == 3 else (np.ones(1) * i,)
    )
    if kind == "processes":
        monkeypatch.undo()
        monkeypatch.setattr(workers, "GRACE", 0.1)
    found = KINDS[kind](lambda **settings: Batches("hangs", 3, **settings))
    next(found)
    began = time.monotonic()
    found.close()
    assert time.monotonic() - began < 5
    free.set()


@pytest.mark.engine_free
def test_what_processes_cannot_be_given():
    class Local(Batches):
        pass

    with pytest.raises(TypeError, match="Local cannot be given to worker processes.*use_multi"):
        next(iter(Local(workers=2, use_multiprocessing=True)))


@pytest.mark.engine_free
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_start_method_that_a_program_has_set(method):
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method, force=True)
    try:
        assert numbers(Batches(workers=1, use_multiprocessing=True)) == list(range(COUNT))
    finally:
        multiprocessing.set_start_method(before, force=True)


# -------------------------------------------------------------------------------------- in `fit`


def model():
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(1e-4), "mse")
    return made


class At(keras.callbacks.Callback):
    """Calls a function after a batch."""

    def __init__(self, function, batch=2):
        super().__init__()
        self.function, self.batch = function, batch

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            self.function(self.model)


def stop(model):
    model.stop_training = True


def raise_an_error(model):
    raise ZeroDivisionError


SOURCES = {
    "threads": lambda: Batches(workers=2),
    "dataset": lambda: (
        Dataset.range(COUNT).map(Batches().__getitem__, num_parallel_calls=2).prefetch(2)
    ),
    "processes": lambda: Batches(workers=2, use_multiprocessing=True),
}


@pytest.mark.filterwarnings("ignore:the data ended")
@pytest.mark.parametrize("steps", [None, 5])
@pytest.mark.parametrize("source", ["threads", "dataset"])
def test_a_training_leaves_nothing(source, steps):
    one, data = model(), SOURCES[source]()
    for _ in range(2):
        one.fit(data, epochs=2, steps_per_epoch=steps, verbose=0)
    one.fit(data, steps_per_epoch=steps, callbacks=[At(stop)], verbose=0)
    with pytest.raises(ZeroDivisionError) as caught:  # which holds the frames
        one.fit(data, steps_per_epoch=steps, callbacks=[At(raise_an_error)], verbose=0)
    assert caught and not _running()
    one.evaluate(data, steps=steps, verbose=0)
    one.predict(data, steps=steps, verbose=0)
    assert not _running()


def _running():
    return [t for t in threading.enumerate() if t.name == "tricorn.data"]


@pytest.mark.engine("jax")
def test_a_training_leaves_no_process():
    one, data = model(), SOURCES["processes"]()
    for callback, steps in ((stop, None), (raise_an_error, 5)):
        with pytest.raises(ZeroDivisionError) if steps else contextlib.nullcontext() as caught:
            one.fit(data, steps_per_epoch=steps, callbacks=[At(callback)], verbose=0)
        assert (caught is None) == (steps is None) and not multiprocessing.active_children()


@pytest.mark.engine("jax")
@pytest.mark.parametrize("source", ["threads", "processes"])
def test_an_error_in_a_training_says_which_batch_it_was(source):
    data = Batches("fails", workers=2, use_multiprocessing=source == "processes")
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: seen.append(step))
    with pytest.raises(KeyError) as caught:
        model().fit(data, callbacks=[watch], verbose=0)
    assert "This was batch 4 of Batches." in caught.value.__notes__
    assert seen == list(range(4))  # what came before was used
    del caught


# --------------------------------------------------------------------------------- whole programs

INTERRUPTED = """
import multiprocessing, os, signal, sys, threading, time
import numpy as np
import tricorn as keras
from tests.pipelines.faulty import Batches
from tests.pipelines.test_workers import SOURCES, At, _running, model


def interrupt(model=None):
    os.killpg(0, signal.SIGINT)


def hanging():
    yield np.ones((2, 1)), np.ones((2, 1))
    soon()
    threading.Event().wait()


def soon(model=None):
    threading.Timer(0.2, interrupt).start()


if __name__ == "__main__":
    hang = Batches("hangs", workers=2)
    cases = [(make(), [At(interrupt)]) for make in SOURCES.values()]
    for data, callbacks in (*cases, (hanging(), []), (hang, [At(soon, 2)])):
        one, began = model(), time.monotonic()
        try:
            one.fit(data, steps_per_epoch=8, callbacks=callbacks, verbose=0)
        except KeyboardInterrupt:
            left = multiprocessing.active_children() or [] if data is hang else _running()
            assert np.isfinite(one.get_weights()[0]).all()
            print("interrupted", left, time.monotonic() - began < 60, flush=True)
"""


def program(tmp_path, code, **settings):
    path = tmp_path / "program.py"
    path.write_text(code)
    return subprocess.Popen(
        [sys.executable, str(path)], start_new_session=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd(), "KERAS_BACKEND": "jax"}, **settings,
    )  # fmt: skip


@pytest.mark.engine_free
@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_ctrl_c(tmp_path):
    """To all processes, as terminals send it: the training ends, the workers say nothing."""
    with program(tmp_path, INTERRUPTED) as running:
        shown, errors = running.communicate(timeout=300)
    assert shown.splitlines() == ["interrupted [] True"] * 5, errors
    assert "Traceback" not in errors


KILLED = """
import multiprocessing, os, signal
from tests.pipelines.faulty import Batches

if __name__ == "__main__":
    found = iter(Batches(workers=2, use_multiprocessing=True))
    next(found)
    print(*[one.pid for one in multiprocessing.active_children()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.engine_free
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes there")
def test_workers_of_a_program_that_was_killed_end(tmp_path):
    with program(tmp_path, KILLED) as running:
        pids = running.stdout.readline().split()
        running.wait(60)
    assert len(pids) == 2 and running.returncode == -signal.SIGKILL

    def lives(pid):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    end = time.monotonic() + SOON
    while any(map(lives, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(lives, pids))


@pytest.mark.engine_free
def test_a_program_that_each_process_would_run_again(tmp_path):
    code = (
        "from tests.pipelines.faulty import Batches\n"
        "list(Batches(workers=1, use_multiprocessing=True))\n"
    )
    with program(tmp_path, code) as running:
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert 'needs `if __name__ == "__main__":`' in errors.splitlines()[-2], errors


@pytest.mark.engine_free
@pytest.mark.parametrize("top", [True, False])
def test_classes_of_a_program_itself(top, tmp_path):
    """Processes find those at its top, and are told to say what is wrong with others."""
    rows = (
        "class Rows(keras.utils.PyDataset):\n"
        "    __len__ = lambda self: 3\n"
        "    __getitem__ = lambda self, index: index\n"
    )
    main = 'if __name__ == "__main__":\n'
    run = "    print(list(Rows(workers=2, use_multiprocessing=True)))\n"
    below = main + "    " + rows.replace("\n", "\n    ").rstrip(" ")
    code = "import tricorn as keras\n" + (rows + main if top else below) + run
    with program(tmp_path, code) as running:
        shown, errors = running.communicate(timeout=60)
    if top:
        assert shown == "[0, 1, 2]\n", errors
    else:
        assert running.returncode == 1 and "AttributeError" in errors
        assert "belong at the top of a module, not below `if __name__" in errors
