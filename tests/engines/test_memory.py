"""What engines ask of the C library: nothing but while a training or prediction runs."""

import ctypes
import json
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

import tricorn as keras
from tricorn import memory as settings

pytestmark = [pytest.mark.heavy, pytest.mark.engine("jax", "torch")]

KEEP = [("mallopt", -4, 0), ("mallopt", -1, 2**31 - 1)]
ONE_ARENA = ("mallopt", -8, 1)
GIVE_BACK = [("mallopt", -4, 65536), ("mallopt", -3, 32 << 20), ("mallopt", -1, 64 << 20),
             ("malloc_trim", 0)]  # fmt: skip


@pytest.fixture
def keep(engine):
    """What a training asks for whose layers nobody knows."""
    return [ONE_ARENA, *KEEP] if engine.name == "jax" else KEEP


@pytest.fixture
def asked(monkeypatch):
    """The calls of the C library."""
    settings.reuse()  # once in a process
    over()
    monkeypatch.setattr(settings, "LINGER", 0.02)
    calls = []
    library = types.SimpleNamespace(
        mallopt=lambda *args: calls.append(("mallopt", *args)),
        malloc_trim=lambda *args: calls.append(("malloc_trim", *args)),
    )
    monkeypatch.setattr(settings, "_glibc", lambda: library)
    return calls


def over():
    """Wait until what was kept is given back."""
    end = time.monotonic() + 20
    while settings._waiter is not None:
        assert time.monotonic() < end
        time.sleep(0.01)


def model():
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    made.compile("sgd", "mse")
    return made


X, Y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")


def test_only_runs_of_several_batches_ask(asked, keep, engine):
    made = model()
    made.predict(X, verbose=0)
    made.evaluate(X, Y, verbose=0)
    made.predict_on_batch(X)
    over()
    assert asked == []
    made.predict(X, batch_size=2, verbose=0)
    made.evaluate(X, Y, batch_size=2, verbose=0)
    over()
    assert asked[:2] == ([] if engine.name == "jax" else KEEP)  # XLA's predictions do not gain
    asked.clear()
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.extend(asked))
    made.fit(X, Y, verbose=0, callbacks=[watch])
    assert seen == KEEP  # threads of so light a model have arenas of their own
    over()
    assert asked == [*KEEP, *GIVE_BACK]


def heavy():
    inputs = keras.Input((64,))
    inside = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(2**14), keras.layers.Dense(2)]
    )
    return keras.Model(inputs, inside(inputs))


def own():
    class Own(keras.Model):
        def call(self, x):
            return x

    return Own()


@pytest.mark.parametrize(
    "make, shape, batch_size, numbers",
    [
        (model, (3,), None, 32 * (3 + 2)),
        (model, (3,), 7, 7 * (3 + 2)),
        (heavy, (64,), None, 32 * (64 + (64 + 2**14 + 2) + 2)),
        (own, (3,), 4, None),
    ],
)
def test_an_engine_is_told_how_large_a_batch_is_inside(
    make, shape, batch_size, numbers, asked, engine, monkeypatch
):
    told, training = [], engine.training
    monkeypatch.setattr(engine, "training", lambda **k: told.append(k) or training(**k))
    made = make()
    made.compile("sgd", "mse")
    x = np.ones((8, *shape), "float32")
    made.fit(x, made.predict(x, verbose=0), batch_size=batch_size, verbose=0)
    assert told[-1] == {"numbers": numbers}
    light = numbers is not None and numbers < 2**19
    assert (ONE_ARENA in asked) == (engine.name == "jax" and not light)


def test_it_is_given_back_after_an_error(asked):
    def fail(*_):
        raise KeyError

    watch = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(KeyError):
        model().fit(X, Y, verbose=0, callbacks=[watch])
    over()
    assert asked == [*KEEP, *GIVE_BACK]


def test_a_training_that_begins_soon_finds_what_was_kept(asked, monkeypatch):
    monkeypatch.setattr(settings, "LINGER", 0.5)
    made = model()
    made.fit(X, Y, verbose=0)  # which compiles
    over()
    asked.clear()
    for _ in range(3):
        made.fit(X, Y, verbose=0)
    over()
    assert asked.count(("malloc_trim", 0)) == 1


def test_trainings_inside_of_each_other_and_in_threads(asked, keep, engine):
    inside, leave = threading.Barrier(5), threading.Barrier(5)

    def work():
        with engine.training(), engine.training():
            inside.wait(10)
            leave.wait(10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    assert asked == keep
    leave.wait(10)
    for thread in threads:
        thread.join(10)
    over()
    assert asked == [*keep, *GIVE_BACK]


@pytest.mark.parametrize("value", ["0", "off", "False", "no"])
def test_it_can_be_switched_off(value, asked, monkeypatch):
    monkeypatch.setenv("TRICORN_KEEP_MEMORY", value)
    model().fit(X, Y, verbose=0)
    assert asked == []


@pytest.mark.engine("jax")
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

    memory = sys.modules["tricorn.engines.jax.memory"]
    config = types.SimpleNamespace(jax_platforms=platforms)
    fake = types.SimpleNamespace(config=config, default_backend=default_backend)
    monkeypatch.setattr(memory, "jax", fake)
    monkeypatch.setattr(memory.importlib.util, "find_spec", lambda name: name in plugins or None)
    assert memory._on_cpu() is expected


@pytest.mark.parametrize("broken", [OSError, AttributeError])
def test_another_c_library_is_left_alone(broken, monkeypatch):
    over()

    def load(_):
        raise broken

    monkeypatch.setattr(ctypes, "CDLL", load)
    settings._glibc.cache_clear()
    settings.reuse.cache_clear()
    try:
        assert settings.library() is None
        settings.reuse()
        with settings.kept():
            pass
    finally:
        settings._glibc.cache_clear()


PROGRAM = """
import json, resource, sys, time
import numpy as np, tricorn as keras
keras.set_engine(sys.argv[1])
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
time.sleep(2.0)
print(json.dumps({"faults": seen[-1][0] - seen[3][0], "inside": seen[-1][1], "after": resident()}))
"""


@pytest.mark.skipif(settings.library() is None, reason="needs glibc")
def test_steps_touch_no_new_memory_and_it_is_given_back(engine):
    """Without the settings eight steps touch 120,000 pages anew (PyTorch 60,000), each time; and
    400 MB (150) stay, if not given back.  With them it hangs on which threads XLA happens to
    compute: the best of three."""
    most, back = (80_000, 200) if engine.name == "jax" else (10_000, 100)

    def measured():
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, engine.name],
            check=True, timeout=120, capture_output=True, text=True,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])

    tries = (measured() for _ in range(3))
    good = (
        found
        for found in tries
        if found["faults"] < most and found["after"] < found["inside"] - back
    )
    assert next(good, None) is not None
