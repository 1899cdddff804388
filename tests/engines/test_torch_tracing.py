"""Traced steps of the PyTorch engine compute what the same steps compute as Python."""

import inspect
import itertools
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tricorn as keras  # noqa: E402
from tricorn import layers, ops  # noqa: E402
from tricorn.engines import registry  # noqa: E402
from tricorn.engines.torch import kernels, tracing  # noqa: E402
from tricorn.graph.compiled import Compiled  # noqa: E402
from tricorn.ops import fused  # noqa: E402

pytestmark = pytest.mark.engine("torch")


@pytest.fixture
def at_once(monkeypatch):
    """Steps are traced when they first run."""
    monkeypatch.setattr(tracing.patience, "seconds", 0)
    monkeypatch.setattr(tracing.patience, "learn", lambda seconds: None)


def traces(compiled):
    """What became of each kind of arguments that was traced: a trace, or None."""
    return [t for p in compiled._programs.values() for t in traces_of(p._run)]


def traces_of(run):
    return [kind.trace for kind in run.kinds.values() if kind.traced]


def dense():
    return [
        layers.Dense(16, activation="relu"),
        layers.BatchNormalization(momentum=0.9),
        layers.Dropout(0.3),
        layers.Dense(3, activation="softmax"),
    ]


def image():
    return [
        layers.Reshape((4, 3, 1)),
        layers.Conv2D(4, 2, padding="same", activation="relu"),
        layers.BatchNormalization(momentum=0.9),
        layers.MaxPooling2D((2, 1)),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]


def recurrent():
    stack = layers.LSTM(5, return_sequences=True), layers.GRU(5)
    return [layers.Reshape((4, 3)), *stack, layers.Dense(3, activation="softmax")]


def trained(build, optimizer, patience, monkeypatch):
    monkeypatch.setattr(tracing.patience, "seconds", patience)
    keras.set_random_seed(3)
    model = keras.Sequential([keras.Input((12,)), *build()])
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 12)).astype("float32"), rng.integers(0, 3, 40)
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    found = traces(model._tricorn.parts["training"].programs["train_loop"])
    return history, model.get_weights(), model.predict(x, verbose=0), found


TRAININGS = {
    "dense": (dense, lambda: keras.optimizers.Adam(0.01)),
    "image": (image, lambda: keras.optimizers.Adam(0.01)),
    "recurrent": (recurrent, lambda: keras.optimizers.Adam(0.01)),
    "amsgrad": (dense, lambda: keras.optimizers.Adam(0.01, amsgrad=True)),
    "averages": (dense, lambda: keras.optimizers.AdamW(0.01, use_ema=True)),
    "sgd": (dense, lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)),
    "accumulating": (
        dense, lambda: keras.optimizers.Adam(0.01, clipnorm=0.1, gradient_accumulation_steps=2),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("build", "optimizer"), TRAININGS.values(), ids=TRAININGS)
def test_the_same_training(build, optimizer, monkeypatch):
    history, weights, predictions, none = trained(build, optimizer, 10**9, monkeypatch)
    assert not none
    traced = trained(build, optimizer, 0, monkeypatch)
    assert traced[3] and all(isinstance(trace, tracing._Trace) for trace in traced[3])
    for name, values in history.items():
        np.testing.assert_allclose(traced[0][name], values, rtol=1e-6, err_msg=name)
    for ours, theirs in zip(traced[1], weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())
    np.testing.assert_allclose(traced[2], predictions, rtol=0, atol=1e-6)


@pytest.fixture
def seconds(monkeypatch):
    """Each step takes one."""
    clock = types.SimpleNamespace(perf_counter=itertools.count().__next__)
    monkeypatch.setattr(tracing, "time", clock)


def test_the_first_runs_are_python(monkeypatch, seconds):
    """The very first one, which may take long, does not count."""
    monkeypatch.setattr(tracing.patience, "seconds", 2)
    compiled = Compiled(lambda x: ops.exp(x) * 2)
    for run in range(6):
        compiled(ops.ones(3))
        assert len(traces(compiled)) == (run >= 5)


def test_another_layout_is_another_trace(at_once):
    compiled = Compiled(lambda x: ops.reshape(x, (-1,)) * 2)
    x = np.arange(6, dtype="float32").reshape(2, 3)
    np.testing.assert_array_equal(compiled(torch.from_numpy(x)).numpy(), x.ravel() * 2)
    other = torch.from_numpy(np.ascontiguousarray(x.T)).T
    np.testing.assert_array_equal(compiled(other).numpy(), x.ravel() * 2)
    assert len(traces(compiled)) == 2


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x + 1 if float(x.sum()) > 0 else x - 1,
        lambda x: torch.from_numpy(x.numpy() * 2),
        lambda x: ops.cond(ops.sum(x) > 0, lambda: x + 1, lambda: x - 1),
    ],
    ids=["a number decides", "through NumPy", "cond"],
)
def test_what_values_decide_stays_python(fn, at_once):
    run = tracing.compile(lambda state, x: (fn(x), state), loop=False)
    for sign in (1, -1, 1):
        x = sign * np.ones(3, "float32")
        found, _ = run([], x)
        np.testing.assert_array_equal(found.numpy(), fn(torch.from_numpy(x)).numpy())
    assert traces_of(run) == [None]


def test_a_loop_that_is_too_long_stays_python(at_once, monkeypatch):
    monkeypatch.setattr(tracing, "LONGEST", 50)

    def total(x):
        return ops.scan(lambda carry, row: (carry + ops.sin(row), carry), x[0] * 0, x)[0]

    compiled, x = Compiled(total), np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    np.testing.assert_allclose(compiled(x).numpy(), np.sin(x).sum(0), rtol=1e-5)
    assert traces(compiled) == [None]


def test_every_run_draws_anew(at_once):
    seed = keras.random.SeedGenerator(5)
    compiled = Compiled(lambda x: x + keras.random.uniform((4,), seed=seed))
    found = [compiled(np.zeros(4, "float32")).numpy() for _ in range(3)]
    assert traces(compiled)[0] is not None
    again = keras.random.SeedGenerator(5)
    for values in found:
        np.testing.assert_array_equal(values, keras.random.uniform((4,), seed=again).numpy())
    assert not np.array_equal(found[0], found[1])


def test_results_and_state_share_no_memory(at_once):
    a, b = keras.Variable(np.ones(3, "float32")), keras.Variable(np.zeros(3, "float32"))

    def swap_and_sum(x):
        old = a.value
        both = old + b.value
        a.assign(both)
        b.assign(both)
        return old, both, x

    compiled, x = Compiled(swap_and_sum), torch.ones(3)
    for _ in range(3):
        old, both, same = compiled(x)
        tensors = [old, both, same, a.handle(registry.active()), b.handle(registry.active()), x]
        assert len({t.untyped_storage().data_ptr() for t in tensors}) == len(tensors)
    np.testing.assert_array_equal(a.numpy(), 4 * np.ones(3))
    np.testing.assert_array_equal(old.numpy(), 2 * np.ones(3))


def test_adam_in_place_keeps_what_was_read_before(at_once):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    x, y = np.ones((8, 3), "float32"), np.zeros((8, 2), "float32")
    model.fit(x, y, verbose=0)
    (trace,) = traces(model._tricorn.parts["training"].programs["train_loop"])
    assert len(trace.in_place) == 6  # two variables, each with two moments
    parameter = model.layers[-1].kernel.handle(registry.active())
    slots = [v.value for v in model.optimizer.variables]
    before = [slot.clone().numpy() for slot in slots]
    model.fit(x, y, epochs=2, verbose=0)
    assert model.layers[-1].kernel.handle(registry.active()) is parameter
    for slot, value in zip(slots, before):
        np.testing.assert_array_equal(slot.numpy(), value)


def test_adam_in_place_and_gradients_taken_later(at_once):
    """A tape gives the gradient of what was computed before; torch's own graph complains."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, use_bias=False), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.5), "mse")
    x, y = np.ones((8, 3), "float32"), np.zeros((8, 1), "float32")
    model.fit(x, y, epochs=2, verbose=0)
    (trace,) = traces(model._tricorn.parts["training"].programs["train_loop"])
    assert trace.in_place
    first, last = (layer.kernel for layer in model.layers[-2:])
    expected = np.ones((3, 1)) * last.numpy()[:, 0] * 8
    with keras.GradientTape() as tape:
        out = ops.sum(model(x))
    model.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_allclose(tape.gradient(out, first).numpy(), expected, rtol=1e-5)
    del tape, out
    native = torch.sum(model(torch.from_numpy(x)))
    model.fit(x, y, epochs=2, verbose=0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        native.backward()


def test_old_values_that_are_read_later_are_kept(at_once):
    w = keras.Variable(np.ones(3, "float32"))
    optimizer = keras.optimizers.Adam(0.5)

    def step(g):
        before = w.value
        optimizer.apply([g], [w])
        return w.value - before

    compiled = Compiled(step)
    for _ in range(3):
        # 1 - β₂ has four digits in float32
        np.testing.assert_allclose(compiled(np.ones(3, "float32")).numpy(), -0.5, rtol=1e-4)


# ------------------------------------------------------------------------- what a dispatch commits


def looking_up():
    """A model whose step fails at the number 99, which is no row of its table."""
    keras.utils.set_random_seed(2)
    model = keras.Sequential([
        keras.Input((2,), dtype="int32"), layers.Embedding(10, 3), layers.Flatten(),
        layers.Dropout(0.2), layers.Dense(1),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("bad", [0, 3])
@pytest.mark.parametrize("dispatch", [1, 8])
@pytest.mark.parametrize("traced", [True, False])
def test_an_error_leaves_the_state_after_the_last_whole_step(bad, dispatch, traced, monkeypatch):
    monkeypatch.setattr(tracing.patience, "seconds", 0 if traced else 10**9)
    x, y = np.tile(np.arange(10, dtype="int32")[:8, None], 2), np.ones((8, 1), "float32")
    failing, other = looking_up(), looking_up()
    for model in (failing, other):
        model.steps_per_execution = dispatch
        model.fit(x, y, batch_size=1, verbose=0, shuffle=False)
    assert bool(traces(failing._tricorn.parts["training"].programs["train_loop"])) == traced
    wrong = x.copy()
    wrong[bad] = 99
    with pytest.raises(Exception, match="out of range"):
        failing.fit(wrong, y, batch_size=1, verbose=0, shuffle=False)
    if bad:
        other.fit(x[:bad], y[:bad], batch_size=1, verbose=0, shuffle=False)
    assert int(failing.optimizer.iterations) == 8 + bad
    pairs = zip([*failing.variables, *failing.optimizer.variables],
                [*other.variables, *other.optimizer.variables], strict=True)  # fmt: skip
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


# ------------------------------------------------------------------------ how many there are


def test_no_more_traces_than_the_limit(at_once, monkeypatch):
    monkeypatch.setattr(tracing, "MOST", 3)
    tracing._kept.refs.clear()
    compiled = Compiled(lambda x: ops.exp(x) * 2)
    for length in (1, 2, 3, 4, 1, 5):
        x = np.arange(length, dtype="float32")
        np.testing.assert_allclose(compiled(x).numpy(), np.exp(x) * 2, rtol=1e-6)
        assert sum(trace is not None for trace in traces(compiled)) <= 3
    lengths = [
        key[2][0][0][0]
        for program in compiled._programs.values()
        for key, kind in program._run.kinds.items()
        if kind.trace is not None
    ]
    assert sorted(lengths) == [1, 4, 5]


def test_what_comes_seldom_is_not_traced(monkeypatch, seconds):
    """A kind of arguments is traced after about twice the time that a trace takes."""
    monkeypatch.setattr(tracing.patience, "seconds", 5)
    monkeypatch.setattr(tracing.patience, "learn", lambda seconds: None)
    run = tracing.compile(lambda state, x: (x * 2, state), loop=False)
    for length in range(1, 30):
        for _ in range(4):
            run([], np.zeros(length, "float32"))
    assert traces_of(run) == []
    for _ in range(8):
        run([], np.zeros(1, "float32"))
    assert len(traces_of(run)) == 1


def test_patience_grows_with_what_traces_cost():
    patience = tracing._Patience()
    for _ in range(5):
        patience.learn(20.0)
    assert 15 < patience.seconds <= 20
    assert not patience.is_over(30.0) and patience.is_over(40.0)
    for _ in range(10):
        patience.learn(0.1)
    assert patience.is_over(0.3)


def test_a_captured_tensor_of_another_kind_is_another_trace(at_once):
    held = torch.ones(3)
    run = tracing.compile(lambda state, x: (x + torch.exp(held).sum(), state), loop=False)
    for size in (3, 3, 5, 5):
        held.data = torch.full((size,), float(size))
        for _ in range(2):
            found, _ = run([], np.zeros(2, "float32"))
            np.testing.assert_allclose(found.numpy(), size * np.exp(size), rtol=1e-6)


def test_threads_trace_and_run_one_program(at_once):
    import threading

    run = tracing.compile(lambda state, x: (torch.sin(x) * 2, state), loop=False)
    x = np.linspace(0, 1, 7, dtype="float32")
    found, barrier = [], threading.Barrier(4)

    def work():
        barrier.wait()
        for _ in range(20):
            found.append(run([], x)[0].numpy())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    for value in found:
        np.testing.assert_array_equal(value, torch.sin(torch.from_numpy(x)) * 2)
    assert len(traces_of(run)) == 1


def _plain(x, gamma, beta):
    return fused.batch_norm.__wrapped__(x, gamma, beta, 1e-3)


@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3), (2, 3, 4, 3), (2, 2, 3, 2, 3)])
def test_batch_norm_and_its_gradients(shape):
    rng = np.random.default_rng(1)
    x, gamma, beta = (torch.from_numpy(rng.normal(size=s)).requires_grad_() for s in (shape, 3, 3))
    weights = [torch.from_numpy(rng.normal(size=s)) for s in (shape, 3, 3)]

    def loss(fn):
        return sum((out * w).sum() for out, w in zip(fn(x, gamma, beta), weights))

    ours, theirs = loss(lambda *a: kernels._batch_norm(*a, 1e-3)), loss(_plain)
    np.testing.assert_allclose(ours.item(), theirs.item(), rtol=1e-9)
    first = [torch.autograd.grad(v, (x, gamma, beta), create_graph=True) for v in (ours, theirs)]
    for a, b in zip(*first):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    second = [torch.autograd.grad((g[0] ** 2).sum() + g[1].sum(), (x, gamma)) for g in first]
    for a, b in zip(*second):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_the_variance_of_nearly_constant_data_is_not_lost():
    x = torch.tensor([[1.0], [1.0002]])
    _, _, variance = kernels._batch_norm(x, torch.ones(1), torch.zeros(1), 1e-3)
    assert variance.item() == pytest.approx(np.var(x.numpy(), dtype="float64"), rel=1e-3)


def test_adam_takes_gradients_of_any_layout():
    rng = np.random.default_rng(2)
    w, g = (torch.from_numpy(rng.random((4, 5))) for _ in range(2))
    numbers = torch.tensor(0.01).to(w), 0.9, 0.999, 1e-7
    rows = kernels.adam([w], [g], [w * 0], [w * 0], *numbers)
    columns = kernels.adam([w], [g.T.contiguous().T], [w * 0], [w * 0], *numbers)
    for a, b in zip(rows, columns):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adam_is_the_composed_op(dtype):
    rng = np.random.default_rng(2)
    w, g, m, v = (torch.from_numpy(rng.random(20).astype(dtype)) for _ in range(4))
    rate, step = torch.tensor(0.01).to(w), torch.tensor(1.0).to(w)
    given = w, g, m * 1e-6, v * 1e-12, None, rate, step, 0.9, 0.999, 1e-7
    found = kernels._adam(*given)
    with torch.no_grad():
        expected = fused.adam.__wrapped__(*given)
    tolerance = {"float32": 1e-6, "float64": 1e-12}[dtype]
    for a, b in zip(found[:3], expected):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=0)
    assert kernels._adam(*[w.clone().requires_grad_(), *given[1:]]) is NotImplemented


def test_between_steps_nobody_computes_a_result(monkeypatch):
    """What only the result needs is left out of all steps but the last one."""
    monkeypatch.setattr(tracing.patience, "seconds", 0)
    total = keras.Variable(0.0)

    def step(number, x):
        total.assign_add(ops.sum(x))
        return ops.sqrt(total)

    compiled = Compiled(step, loop=True)
    x = np.ones((3,), "float32")
    for _ in range(3):
        result = compiled(0, 4, x)
    (trace,) = traces(compiled)
    assert "sqrt" in inspect.getsource(trace.call)
    assert "sqrt" not in inspect.getsource(trace.call_between)
    assert float(result) == pytest.approx(6.0)
