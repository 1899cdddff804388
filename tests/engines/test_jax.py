"""What only the JAX engine promises: donation, one program for every trip count, collectives."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from tests.engines.cases import floats
from tricorn.engines import registry

pytestmark = pytest.mark.engine("jax")


def handle(engine, value):
    return engine.variable(np.asarray(value, np.float32), "float32", True, "v")


def test_only_assigned_state_is_donated(engine):
    run = engine.compile(lambda s: (None, [engine.add(s[0], s[1]), s[1]]), False)
    changed, fixed = handle(engine, 1), handle(engine, 2)
    _, after = run([changed, fixed])
    assert changed.is_deleted()
    assert after[1] is fixed
    assert engine.numpy(after[0]) == 3


def test_one_program_serves_every_trip_count(engine):
    traces = []

    def step(state, i):
        traces.append(i)
        return i, [engine.add(state[0], 1.0)]

    run = engine.compile(step, True)
    handles = [handle(engine, 0)]
    for start, stop in ((0, 1), (1, 5), (5, 100)):
        last, handles = run(handles, start, stop)
        assert engine.numpy(last) == stop - 1
    assert engine.numpy(handles[0]) == 100
    assert len(traces) == 1
    with pytest.raises(ValueError, match="no step from 3 to 3"):
        run(handles, 3, 3)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices loop over convolutions")
def test_convolutions_are_dispatched_one_by_one_on_cpu(engine):
    kernel = engine.tensor(floats(3, 3, 8, 8), "float32")

    def step(state, i, x):
        y = engine.conv(x, kernel, (1, 1), ((1, 1), (1, 1)), (1, 1), 1, True)
        return engine.sum(y, (0, 1, 2, 3), False), [engine.add(state[0], 1.0)]

    run = engine.compile(step, True)
    _, handles = run([handle(engine, 0)], 0, 3, engine.tensor(floats(1, 5, 5, 8), "float32"))
    assert run.single is not None
    assert engine.numpy(handles[0]) == 3


def test_a_state_of_another_shape_is_refused(engine):
    run = engine.compile(lambda s: (None, [engine.expand_dims(s[0], (0,))]), False)
    with pytest.raises(ValueError, match=r"entry 0 of the state is float32 \(\), it was assigned"):
        run([handle(engine, 1)])


def test_compiled_steps_nest(engine):
    inner = engine.compile(lambda s, x: (engine.multiply(x, 2.0), [engine.add(s[0], x)]), False)

    def step(state, x):
        result, after = inner(list(state), x)
        return result, after

    result, after = engine.compile(step, False)([handle(engine, 1)], engine.tensor(5.0, "float32"))
    assert engine.numpy(result) == 10
    assert engine.numpy(after[0]) == 6


def test_collectives(engine):
    """Over a named axis, which a vmap gives without several devices."""
    x = floats(4, 3)

    def everywhere(fn):
        return np.asarray(jax.vmap(fn, axis_name="devices")(x))

    for op, reduce in (("sum", np.sum), ("mean", np.mean), ("max", np.max), ("min", np.min)):
        found = everywhere(lambda part, op=op: engine.all_reduce(part, op, "devices"))
        np.testing.assert_allclose(found, np.tile(reduce(x, 0), (4, 1)), rtol=1e-5, atol=1e-6)
    gathered = everywhere(lambda part: engine.all_gather(part, 0, "devices"))
    np.testing.assert_array_equal(gathered, np.tile(x.ravel(), (4, 1)))
    positions = everywhere(lambda part: engine.axis_index("devices"))
    np.testing.assert_array_equal(positions, np.arange(4, dtype=np.int32))
    assert positions.dtype == np.int32


def test_abstract_collectives():
    abstract = registry.load("abstract")
    x = abstract.AbstractTensor((2, 3), "float32")
    assert abstract.all_reduce(x, "sum", "devices").shape == (2, 3)
    assert abstract.all_gather(x, 0, "devices").shape == (None, 3)
    assert abstract.axis_index("devices").dtype == "int32"


def test_the_first_64_bit_thing_of_a_process_may_be_a_variable():
    program = (
        "import numpy as np, tricorn as keras\n"
        "v = keras.Variable(np.array([1.0 + 1e-12]), dtype='float64')\n"
        "assert str(v.value.dtype) == 'float64' and v.numpy()[0] != 1.0\n"
        "i = keras.Variable(np.array([2**40]), dtype='int64')\n"
        "assert int(np.asarray(i.value)[0]) == 2**40"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
