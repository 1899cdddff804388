"""What the JAX engine asks of the C library: nothing but while a training runs."""

import ctypes
import json
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import tricorn as keras
from tricorn import memory as settings
from tricorn.engines.jax import memory

pytestmark = [pytest.mark.heavy, pytest.mark.engine("jax")]

KEEP = [("mallopt", -8, 1), ("mallopt", -4, 0), ("mallopt", -1, 2**31 - 1)]
GIVE_BACK = [("mallopt", -4, 65536), ("mallopt", -3, 32 << 20), ("mallopt", -1, 64 << 20),
             ("malloc_trim", 0)]  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """The calls of the C library."""
    settings.reuse()  # once in a process
    calls = []
    library = types.SimpleNamespace(
        mallopt=lambda *args: calls.append(("mallopt", *args)),
        malloc_trim=lambda *args: calls.append(("malloc_trim", *args)),
    )
    monkeypatch.setattr(settings, "_glibc", lambda: library)
    return calls


def model():
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    made.compile("sgd", "mse")
    return made


X, Y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")


def test_only_a_training_asks(asked):
    made = model()
    made.predict(X, verbose=0)
    made.evaluate(X, Y, verbose=0)
    assert asked == []
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.extend(asked))
    made.fit(X, Y, verbose=0, callbacks=[watch])
    assert seen == KEEP
    assert asked == [*KEEP, *GIVE_BACK]


def test_it_is_given_back_after_an_error(asked):
    def fail(*_):
        raise KeyError

    watch = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(KeyError):
        model().fit(X, Y, verbose=0, callbacks=[watch])
    assert asked == [*KEEP, *GIVE_BACK]


def test_trainings_inside_of_each_other_and_in_threads(asked):
    inside, leave = threading.Barrier(5), threading.Barrier(5)

    def work():
        with memory.training(), memory.training():
            inside.wait(10)
            leave.wait(10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    assert asked == KEEP
    leave.wait(10)
    for thread in threads:
        thread.join(10)
    assert asked == [*KEEP, *GIVE_BACK]


@pytest.mark.parametrize("value", ["0", "off", "False", "no"])
def test_it_can_be_switched_off(value, asked, monkeypatch):
    monkeypatch.setenv("TRICORN_KEEP_MEMORY", value)
    model().fit(X, Y, verbose=0)
    assert asked == []


@pytest.mark.parametrize(
    "platforms, plugins, backend, expected",
    [
        (None, (), None, True),  # JAX is not asked, which would make it start
        ("cpu", ("jax_plugins",), None, True),
        (None, ("jax_plugins",), "gpu", False),
        (None, ("libtpu",), "cpu", True),
        ("cuda", (), "gpu", False),
        ("cuda,cpu", ("jax_plugins",), "cpu", True),
    ],
)
def test_it_is_for_programs_on_the_cpu(platforms, plugins, backend, expected, monkeypatch):
    def default_backend():
        assert backend is not None
        return backend

    config = types.SimpleNamespace(jax_platforms=platforms)
    fake = types.SimpleNamespace(config=config, default_backend=default_backend)
    monkeypatch.setattr(memory, "jax", fake)
    monkeypatch.setattr(memory.importlib.util, "find_spec", lambda name: name in plugins or None)
    assert memory._on_cpu() is expected


@pytest.mark.parametrize("broken", [OSError, AttributeError])
def test_another_c_library_is_left_alone(broken, monkeypatch):
    def load(_):
        raise broken

    monkeypatch.setattr(ctypes, "CDLL", load)
    settings._glibc.cache_clear()
    settings.reuse.cache_clear()
    try:
        assert settings.library() is None
        settings.reuse()
        with memory.training():
            pass
    finally:
        settings._glibc.cache_clear()


PROGRAM = """
import json, resource
import numpy as np, tricorn as keras
keras.set_engine("jax")
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
x, seen = np.zeros((256, 28, 28, 1), "float32"), []
model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(32, 3, activation="relu"),
                          keras.layers.Conv2D(64, 3, activation="relu"),
                          keras.layers.GlobalAveragePooling2D()])
model.compile("sgd", "mse")
def note(*_):
    seen.append((faults(), resident()))
y = np.zeros((256, 64), "float32")
model.fit(x, y, 128, epochs=8, verbose=0,
          callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)])
print(json.dumps({"faults": seen[-1][0] - seen[3][0], "inside": seen[-1][1], "after": resident()}))
"""


@pytest.mark.skipif(settings.library() is None, reason="needs glibc")
def test_steps_touch_no_new_memory_and_it_is_given_back():
    """Without the settings eight steps touch 160,000 pages anew, each time; and 400 MB stay, if not
    given back.  With them it hangs on which threads XLA happens to compute: the best of three."""

    def measured():
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], check=True, timeout=120, capture_output=True, text=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    tries = (measured() for _ in range(3))
    good = (
        found
        for found in tries
        if found["faults"] < 80_000 and found["after"] < found["inside"] - 200
    )
    assert next(good, None) is not None
