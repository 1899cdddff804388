"""One model object on several engines: `with tricorn.engine(...)`, `set_engine`, threads."""

import ast
import contextvars
import gc
import itertools
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tricorn as keras
from tests.engines.cases import floats
from tests.oracle import array, close
from tricorn import layers, ops
from tricorn.engines import EngineError, active, known, registry

pytestmark = pytest.mark.engine_free

INSTALLED = known.installed()
ROOT = Path(keras.__file__).parent
X, Y = floats(48, 8, 8, 2), np.arange(48) % 3


def model(optimizer="adam"):
    keras.utils.set_random_seed(11)
    made = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Reshape((9, 4)),
            layers.GRU(6),
            layers.Dense(3, activation="softmax"),
        ]
    )
    made.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def state(made):
    return [v.numpy() for v in (*made.variables, *made.optimizer.variables)]


def same(found, expected, rtol=1e-5):
    for a, b in zip(found, expected, strict=True):
        close(a, b, rtol)


def train(made, engines):
    """One epoch on each engine in turn; gives the losses."""
    found = []
    for name in engines:
        with keras.engine(name):
            found += made.fit(X, Y, batch_size=16, verbose=0, shuffle=False).history["loss"]
    return found


# ------------------------------------------------------------------------------------- the results


def test_predictions_agree_on_all_engines():
    made, found = model(), []
    for name in INSTALLED:
        with keras.engine(name) as engine:
            assert active() is engine
            found.append(made.predict(X, verbose=0))
            close(made(X), found[-1])
            assert engine.is_tensor(made(X))
    for other in found[1:]:
        close(other, found[0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_goes_on_on_another_engine(optimizer):
    """Weights, moving averages, metrics and the optimizer's state follow."""
    alone = model(optimizer)
    losses = train(alone, ["jax"] * 2 * len(INSTALLED))
    moving = model(optimizer)
    assert train(moving, [*INSTALLED, *INSTALLED]) == pytest.approx(losses, rel=1e-5)
    same(state(moving), state(alone), 1e-4)  # of 18 steps
    assert int(moving.optimizer.iterations.numpy()) == 6 * len(INSTALLED)


def test_one_step_agrees_to_float_precision():
    """In float64: in float32 a bias that begins at 0 is the rounding of a sum that cancels."""
    expected = None
    keras.config.set_floatx("float64")
    try:
        for name in INSTALLED:
            made = model("sgd")
            with keras.engine(name):
                made.train_on_batch(X.astype("float64"), Y)
            expected = expected or state(made)
            same(state(made), expected, 1e-9)
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize("name", INSTALLED)
def test_models_are_saved_and_loaded_under_each(name, tmp_path):
    made = model()
    train(made, ["jax"])
    with keras.engine(name):
        made.save(tmp_path / "model.keras")
        made.save_weights(tmp_path / "model.weights.h5")
        expected = made.predict(X, verbose=0)
    for other in INSTALLED:
        with keras.engine(other):
            back = keras.saving.load_model(tmp_path / "model.keras")
            close(back.predict(X, verbose=0), expected)
            fresh = model()
            fresh.load_weights(tmp_path / "model.weights.h5")
            close(fresh.predict(X, verbose=0), expected)


def test_evaluation_in_the_midst_of_training_on_another_engine():
    """A callback of `fit` may use another engine."""
    made, found = model(), []
    name = INSTALLED[-1]

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            with keras.engine(name):
                found.append(made.predict(X, verbose=0))

    made.fit(X, Y, epochs=3, verbose=0, shuffle=False, callbacks=[Evaluate()])
    plain = model()
    for predictions in found:
        plain.fit(X, Y, verbose=0, shuffle=False)
        close(predictions, plain.predict(X, verbose=0), 1e-4)


# -------------------------------------------------------------------------------- what is switched


def test_blocks_nest_and_end():
    outside = active()
    for first, second in itertools.permutations(INSTALLED, 2):
        with keras.engine(first) as outer:
            with keras.engine(second) as inner:
                assert active() is inner
            assert active() is outer
            with pytest.raises(KeyError), keras.engine(second):
                raise KeyError
            assert active() is outer
    assert active() is outside


def test_a_block_is_not_left_by_an_unknown_engine():
    outside = active()
    with pytest.raises(EngineError), keras.engine("nonsense"):
        pass
    assert active() is outside


def test_set_engine_changes_everything_outside_of_blocks():
    before = keras.config.backend()
    try:
        for name in INSTALLED:
            keras.set_engine(name)
            assert (active().name, keras.config.backend()) == (name, name)
            assert active().is_tensor(ops.zeros(2))
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(lambda: active().name).result() == name
        with keras.engine("jax"):
            keras.set_engine(INSTALLED[-1])
            assert active().name == "jax"
        assert active().name == INSTALLED[-1]
    finally:
        keras.set_engine(before)


def test_threads_with_a_copied_context_inherit_the_engine():
    name = INSTALLED[-1]
    with keras.engine(name), ThreadPoolExecutor(1) as pool:
        context = contextvars.copy_context()
        assert pool.submit(context.run, lambda: active().name).result() == name
        assert pool.submit(lambda: active().name).result() == keras.config.backend()


def test_our_own_threads_copy_the_context():
    """Whatever file of the library starts a thread or a pool hands the engine on to it (but for
    the thread that gives memory back, which computes nothing)."""
    starters = {"Thread", "Timer", "ThreadPoolExecutor", "ThreadPool"}
    for path in set(ROOT.rglob("*.py")) - {ROOT / "memory.py"}:
        names = {
            getattr(node, "attr", None) or getattr(node, "id", None)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.Attribute, ast.Name))
        }
        assert not names & starters or "copy_context" in names, path


# ------------------------------------------------------------------------------------ what is kept


def test_compiled_functions_are_kept_for_each_engine():
    runs = []

    @keras.function
    def double(x):
        runs.append(active().name)
        return x * 2.0

    for name in [*INSTALLED, *INSTALLED]:
        with keras.engine(name) as engine:
            found = double(X)
            assert engine.is_tensor(found)
            np.testing.assert_array_equal(array(found), 2 * X)
    assert len(double._programs) == len(INSTALLED)
    traced = [name for name in INSTALLED if registry.load(name).capabilities["compiles"]]
    for name in traced:  # once more would mean that a program was made anew
        assert runs.count(name) <= 2


@pytest.mark.parametrize("name", INSTALLED)
def test_nothing_of_a_deleted_model_is_left(name):
    with keras.engine(name) as engine:
        made = model()
        made.fit(X, Y, verbose=0)
        made.predict(X, verbose=0)
        made(X)
        steps = list(made._tricorn.parts["training"].programs.values())
        left = [
            weakref.ref(thing)
            for thing in (
                made,
                *made.variables,
                *made.optimizer.variables,
                *(v.handle(engine) for v in made.variables),
                *steps,
                *(program for step in steps for program in step._programs.values()),
            )
        ]
        del made, steps
        gc.collect()
        assert [ref() for ref in left if ref() is not None] == []


def test_nothing_is_left_after_changing_engines():
    made = model()
    train(made, INSTALLED)
    left = [weakref.ref(handle) for v in made.weights for handle in v._handles.values()]
    assert len(left) == len(made.weights) * len(INSTALLED)
    del made
    gc.collect()
    assert not any(ref() is not None for ref in left)


def test_there_is_one_handle_for_each_engine():
    made = model()
    train(made, [*INSTALLED] * 2)
    for variable in (*made.weights, *made.optimizer.variables):
        assert len(variable._handles) <= len(INSTALLED)
        assert variable._owner in variable._handles


# ----------------------------------------------------------------------------------------- threads


@pytest.mark.skipif("torch" not in INSTALLED, reason="needs a step that can be held up")
def test_a_variable_in_use_on_another_engine_is_refused():
    v = keras.Variable(np.zeros(3, np.float32), name="shared")
    reached, go_on, result = threading.Event(), threading.Event(), []

    def slow(x):
        v.assign_add(x)
        if active().name == "torch":
            reached.set()
            assert go_on.wait(60)
        return v * 1.0

    step = keras.function(slow)

    def run():
        with keras.engine("torch"):
            result.append(step(np.ones(3, np.float32)))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert reached.wait(60)
        with keras.engine("jax"):
            for use in (lambda: v + 1.0, lambda: v.assign(ops.ones(3)), v.native):
                with pytest.raises(RuntimeError, match="'shared'.*'jax'.*'torch'"):
                    use()
    finally:
        go_on.set()
        thread.join()
    with keras.engine("jax"):  # and afterwards it moves
        close(v + 1.0, [2, 2, 2])


@pytest.mark.skipif(len(INSTALLED) < 2, reason="needs two engines")
def test_no_assignment_is_lost_between_engines():
    """Each thread adds to one Variable on its own engine, eagerly, under a lock of the user."""
    v, lock = keras.Variable(0.0), threading.Lock()

    def work(name):
        with keras.engine(name):
            for _ in range(100):
                with lock:
                    v.assign(v + 1.0)

    with ThreadPoolExecutor(len(INSTALLED)) as pool:
        list(pool.map(work, INSTALLED))
    assert float(v) == 100 * len(INSTALLED)


@pytest.mark.skipif(len(INSTALLED) < 2, reason="needs two engines")
def test_models_of_their_own_run_side_by_side():
    expected = model().predict(X, verbose=0)

    made = model()
    models = {name: keras.models.clone_model(made) for name in INSTALLED}
    for twin in models.values():
        twin.set_weights(made.get_weights())

    def run(name):
        with keras.engine(name):
            return [models[name].predict(X, verbose=0) for _ in range(5)]

    with ThreadPoolExecutor(len(INSTALLED)) as pool:
        for found in itertools.chain(*pool.map(run, INSTALLED)):
            close(found, expected)
