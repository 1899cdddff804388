"""Every primitive of every installed engine: values, gradients, and agreement with the abstract
engine's shapes."""

import contextlib
import functools
import inspect
import signal
import types

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines.cases import (
    CASES,
    KEY,
    abstract_args,
    assert_close,
    call,
    floats,
    identities,
    in_float64,
    to_numpy,
    to_tensor,
)
from tricorn import tree
from tricorn.engines import abstract, contract, registry
from tricorn.engines.abstract import AbstractTensor
from tricorn.graph.op import OPS

#: Primitives that take functions, handles or devices; they have tests of their own.
BY_HAND = {
    *("tensor", "numpy", "is_tensor", "shape", "dtype", "device", "devices", "block"),
    *("place", "device_of", "is_eager"),
    *("cond", "while_loop", "scan", "kernel_scan", "vmap", "vjp", "jvp", "custom_gradient"),
    *(
        "checkpoint",
        "eval_shape",
        "as_python",
        "compile",
        "all_reduce",
        "all_gather",
        "axis_index",
        "variable",
    ),
    *("read", "write", "set_trainable", "is_live", "must_not_escape", "module", "unshared"),
    *("variant", "context_of", "direct", "training", "profile", "clear", "native_gradients"),
    *("random_state", "set_random_state", "unchanging"),
    *("tape", "own_graph", "foreign"),
    *("is_sparse", "sparse", "entries", "dense", "sparse_matmul"),
}


def supported(engine, case):
    if case.uses_complex() and not engine.capabilities["complex"]:
        pytest.skip(f"{engine.name} has no complex dtypes")
    return case


def tensor(engine, value, dtype="float32"):
    return engine.tensor(np.asarray(value, dtype), dtype)


def spec_of(engine, result):
    return tree.map(lambda x: (tuple(engine.shape(x)), engine.dtype(x)), result)


def gradient(engine, fn, *values):
    """The gradients of the sum of ``fn(*tensors)`` as NumPy arrays."""
    xs = tuple(to_tensor(engine, np.asarray(v, np.float32)) for v in values)
    out, pullback, _ = engine.vjp(lambda *xs: (fn(*xs), None), xs)
    return dense(engine, pullback(engine.full(engine.shape(out), 1.0, "float32")), xs)


def dense(engine, grads, xs):
    """Gradients as NumPy arrays, zeros in place of None."""
    return [
        np.zeros(engine.shape(x), engine.dtype(x)) if g is None else engine.numpy(g)
        for g, x in zip(grads, xs, strict=True)
    ]


def test_every_primitive_has_a_case():
    assert {case.name for case in CASES} | BY_HAND == set(contract.PRIMITIVES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(engine, case):
    """Values against NumPy; shapes, dtypes and structure against the abstract engine."""
    supported(engine, case)
    result = call(engine, case.name, case.tensors(engine))
    found = to_numpy(engine, result)
    if case.reference is not None:
        assert_close(found, case.reference(*case.args), case.tolerance)
    pair = identities(case, found)
    if pair is not None:
        np.testing.assert_allclose(*pair, atol=2e-5 * np.abs(pair[1]).max())

    rule = getattr(abstract, case.name)
    real = spec_of(engine, result)
    data_dependent = case.name in ("nonzero", "unique")
    if not data_dependent:
        expected = rule(*abstract_args(case, lambda axis: False))
        assert tree.map(lambda x: (x.shape, x.dtype), expected) == real
    for unknown in (lambda axis: axis == 0, lambda axis: True):
        inferred = rule(*abstract_args(case, unknown))
        assert tree.structure(inferred) == tree.structure(result)
        for x, y in zip(tree.leaves(inferred), tree.leaves(result)):
            assert x.dtype == engine.dtype(y)
            assert abstract._merge(x.shape, tuple(engine.shape(y))) is not None, (x, y)


@pytest.mark.parametrize("case", [case for case in CASES if case.smooth], ids=str)
def test_derivative(engine, case):
    """vjp in float32 against a central difference along a random direction in float64."""
    if not engine.capabilities["differentiates"]:
        pytest.skip(f"{engine.name} does not differentiate")
    leaves, structure = tree.take_apart(supported(engine, case).args)
    where = [i for i, x in enumerate(leaves) if getattr(x, "dtype", None) == np.float32]
    random = np.random.default_rng(3)

    def function(*tensors):
        given = {**dict(enumerate(leaves)), **dict(zip(where, tensors))}
        args = tree.unflatten(structure, [given[i] for i in range(len(leaves))])
        return call(engine, case.name, tree.map(lambda x: to_tensor(engine, x), args))

    primals = tuple(to_tensor(engine, leaves[i]) for i in where)
    out, pullback, _ = engine.vjp(lambda *xs: (function(*xs), None), primals)
    cotangent = random.standard_normal(engine.shape(out)).astype(np.float32)
    grads = dense(engine, pullback(to_tensor(engine, cotangent)), primals)
    directions = [random.standard_normal(leaves[i].shape) for i in where]

    wide = [leaves[i].astype(np.float64) for i in where]
    step = 1e-6

    def moved(sign):
        values = [x + sign * step * d for x, d in zip(wide, directions)]
        given = {**dict(enumerate(tree.leaves(in_float64(case).args))), **dict(zip(where, values))}
        args = tree.unflatten(structure, [given[i] for i in range(len(leaves))])
        result = call(engine, case.name, tree.map(lambda x: to_tensor(engine, x), args))
        return engine.numpy(result)

    numeric = np.sum((moved(1) - moved(-1)) / (2 * step) * cotangent)
    terms = [g * d for g, d in zip(grads, directions)]
    scale = sum(np.abs(term).sum() for term in terms)
    assert abs(sum(map(np.sum, terms)) - numeric) <= 2e-5 * scale * case.tolerance + 1e-7


# ----------------------------------------------------------------------------- gradients at ties


@pytest.mark.parametrize(
    "name, args, expected",
    [
        ("maximum", ([1.0, 2], [1.0, 0]), ([0.5, 1], [0.5, 0])),
        ("minimum", ([1.0, 2], [1.0, 0]), ([0.5, 0], [0.5, 1])),
        ("abs", ([0.0, -2],), ([0, -1],)),
        ("relu", ([0.0, 2, -1],), ([0, 1, 0],)),
        ("sign", ([0.0, 2],), ([0, 0],)),
        ("floor", ([0.0, 2.5],), ([0, 0],)),
        ("ceil", ([0.0, 2.5],), ([0, 0],)),
        ("round", ([0.5, 2],), ([0, 0],)),
        ("stop_gradient", ([1.0],), ([0],)),
        ("multiply", ([0.0, 2], [3.0, 4]), ([3, 4], [0, 2])),
    ],
)
def test_gradient_at_ties(engine, name, args, expected):
    for found, wanted in zip(gradient(engine, getattr(engine, name), *args), expected):
        np.testing.assert_array_equal(found, np.asarray(wanted, np.float32))


def test_gradient_of_clip_is_one_at_the_bounds(engine):
    (found,) = gradient(engine, lambda x: engine.clip(x, -1.0, 1.0), [-2.0, -1, 0, 1, 2])
    np.testing.assert_array_equal(found, [0, 1, 1, 1, 0])


@pytest.mark.parametrize("name, sign", [("max", 1), ("min", -1)])
def test_gradient_of_extremes_is_shared_at_ties(engine, name, sign):
    x = np.array([[1.0, 3, 3], [2, 1, 0]]) * sign
    (found,) = gradient(engine, lambda x: getattr(engine, name)(x, (1,), False), x)
    np.testing.assert_array_equal(found, [[0, 0.5, 0.5], [1, 0, 0]])


def test_gradient_of_max_pool_goes_to_the_first(engine):
    x = np.array([[2.0, 2], [2, 1]]).reshape(1, 2, 2, 1)
    (found,) = gradient(
        engine, lambda x: engine.max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)), True), x
    )
    np.testing.assert_array_equal(found.ravel(), [1, 0, 0, 0])


def test_gradient_of_squares_at_zero(engine):
    for exponent, expected in ((2, 0), (1, 1), (2.0, 0), (3, 0)):
        (found,) = gradient(engine, lambda x, e=exponent: engine.power(x, e), [0.0])
        assert found == expected


def test_gradient_of_repeated_indices_adds_up(engine):
    indices = tensor(engine, [0, 0, -1], "int32")
    (found,) = gradient(engine, lambda x: engine.take(x, indices, 0), [1.0, 2, 3])
    np.testing.assert_array_equal(found, [2, 0, 1])


# --------------------------------------------------------------------------------------- tensors


def test_tensor_and_back(engine):
    for dtype in ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64"):
        array = np.array([[0, 1], [1, 0]], dtype)
        x = engine.tensor(array, dtype)
        assert engine.is_tensor(x)
        assert (tuple(engine.shape(x)), engine.dtype(x)) == ((2, 2), dtype)
        back = engine.numpy(x)
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


def test_tensor_of_scalars_and_of_other_dtypes(engine):
    assert engine.dtype(engine.tensor(1.5, "bfloat16")) == "bfloat16"
    assert engine.numpy(engine.tensor(3_000_000_000, "uint32")) == 3_000_000_000
    assert engine.numpy(engine.tensor(2**40, "int64")) == 2**40
    x = engine.tensor(np.array([1.9]), "int32")
    assert engine.dtype(engine.tensor(x, "float32")) == "float32"
    pi = engine.numpy(engine.tensor(np.pi, "float64"))
    assert pi == np.pi


def test_tensors_have_their_own_memory(engine):
    source = np.zeros(16, np.float32)
    x = engine.tensor(source, "float32")
    source[:] = 1
    assert not engine.numpy(x).any()
    out = engine.numpy(x)
    out[:] = 1
    assert not engine.numpy(x).any()
    assert not engine.is_tensor(source)
    assert not engine.is_tensor(1.0)


def test_64_bit_values_survive_every_step(engine):
    x = engine.tensor(np.array([1 + 1e-12, 2]), "float64")
    y = call(engine, "multiply", (call(engine, "add", (x, 1.0)), x))
    assert engine.dtype(y) == "float64"
    np.testing.assert_allclose(engine.numpy(y), [(2 + 1e-12) * (1 + 1e-12), 6], rtol=1e-15)
    _, pullback, _ = engine.vjp(lambda x: (call(engine, "power", (x, 2)), None), (x,))
    (grad,) = pullback(engine.full((2,), 1.0, "float64"))
    np.testing.assert_allclose(engine.numpy(grad), [2 + 2e-12, 4], rtol=1e-15)


def test_devices(engine):
    first = engine.devices()[0]
    with engine.device(first):
        x = engine.full((2,), 1.0, "float32")
    assert engine.block((x, None))[0] is x
    assert engine.device_of(x) == first
    assert engine.device_of(engine.full((2,), 1.0, "float32")) == first
    assert engine.device_of(tensor(engine, [1.0])) == first
    assert engine.device_of(engine.place(x, first)) == first
    assert engine.is_eager()
    with pytest.raises(registry.EngineError, match="no device"), engine.device("abacus:0"):
        pass


# ------------------------------------------------------------ how an op comes to the primitives


def test_an_engine_says_what_its_operations_need(engine):
    """`direct` is the quick form of asking `variant` and `context_of`, whatever was met before."""
    narrow = tensor(engine, [1.0, 2.0])
    wide = [tensor(engine, [1, 2], kind) for kind in ("float64", "int64")]
    assert engine.variant() is engine
    plain = [
        ((narrow,), {}),
        ((narrow, 1.0), {"axis": 0, "dtype": None}),
        (([narrow, narrow],), {}),
        ((narrow, (0, 1), "valid"), {"dtype": "float16"}),
        ((narrow,), {"other": narrow}),
    ]
    for args in plain:
        assert engine.context_of(args) is None
        assert engine.direct(*args)
    special = [(narrow, "float64"), (narrow, np.float64), (narrow, np.dtype("int64"))]
    for x in wide:
        special += [(x,), (narrow, x), ([x, x],), (narrow, {"x": [x]})]
    for args in special:
        named = {f"setting_{i}": x for i, x in enumerate(args[1:])}
        for call_args in ((args, {}), (args[:1], named)):
            assert engine.direct(*call_args) == (engine.context_of(call_args) is None)
            with engine.context_of(call_args) or contextlib.nullcontext():
                assert engine.dtype(engine.add(wide[0], wide[0])) == "float64"


def test_training_may_be_entered_again(engine):
    first, second = engine.training(), engine.training()
    with first, second:
        assert engine.numpy(engine.add(tensor(engine, 1.0), 1.0)) == 2
    with pytest.raises(KeyError), engine.training():
        raise KeyError


def test_profile_writes_into_a_folder(engine, tmp_path):
    if isinstance(engine.profile, functools.partial):  # the default
        with pytest.raises(contract.EngineError, match="no profiler"):
            engine.profile(str(tmp_path))
        return
    with engine.profile(str(tmp_path)):
        engine.block(engine.add(tensor(engine, 1.0), 1.0))
    assert [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_is_held_outlives_clear(engine):
    x, (handle,) = tensor(engine, [1.0]), handles_of(engine, 2)
    run = engine.compile(lambda s: (s[0], [engine.add(s[0], 1.0)]), False)
    _, (handle,) = run([handle])
    engine.clear()
    assert engine.numpy(x) == 1
    result, (handle,) = run([handle])
    assert engine.numpy(result) == 3
    assert stored(engine, [handle]) == [4]


# ---------------------------------------------------------------------------------------- random


def test_draws_follow_the_key(engine):
    key, other = to_tensor(engine, KEY), tensor(engine, [42, -6], "int32")
    a, b, c = (engine.numpy(engine.bits(k, (1000,))) for k in (key, key, other))
    np.testing.assert_array_equal(a, b)
    assert (a != c).mean() > 0.99


def test_bits_are_fair(engine):
    found = engine.numpy(engine.bits(to_tensor(engine, KEY), (20_000,))).view(np.uint32)
    ones = (found[:, None] >> np.arange(32, dtype=np.uint32) & 1).mean(0)
    assert np.abs(ones - 0.5).max() < 0.02


def test_distributions(engine):
    key, n = to_tensor(engine, KEY), 20_000
    uniform = engine.numpy(engine.uniform(key, (n,), "float32"))
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 1e-3
    normal = engine.numpy(engine.normal(key, (n,), "float32"))
    assert scipy.stats.kstest(normal, "norm").pvalue > 1e-3
    alpha = engine.full((n,), 0.7, "float32")
    gamma = engine.numpy(engine.gamma(key, alpha, "float32"))
    assert scipy.stats.kstest(gamma, scipy.stats.gamma(0.7).cdf).pvalue > 1e-3
    counts = np.bincount(engine.numpy(engine.randint(key, (n,), 2, 7, "int32")), minlength=8)
    assert not counts[:2].any()
    assert not counts[7:].any()
    assert scipy.stats.chisquare(counts[2:7]).pvalue > 1e-3


# --------------------------------------------------------------------------------------- control


def test_cond(engine):
    x = tensor(engine, [1.0, 2.0])

    def run(pred):
        return engine.cond(
            pred, lambda a: {"y": engine.add(a, 1.0)}, lambda a: {"y": engine.negative(a)}, (x,)
        )

    np.testing.assert_array_equal(engine.numpy(run(tensor(engine, True, "bool"))["y"]), [2, 3])
    np.testing.assert_array_equal(engine.numpy(run(tensor(engine, False, "bool"))["y"]), [-1, -2])
    compiled = engine.compile(lambda state, pred: (run(pred), []), False)
    result, _ = compiled([], tensor(engine, False, "bool"))
    np.testing.assert_array_equal(engine.numpy(result["y"]), [-1, -2])


def test_while_loop(engine):
    n, total = engine.while_loop(
        lambda i, total: engine.less(i, 5),
        lambda i, total: (engine.add(i, 1), [engine.add(total[0], engine.cast(i, "float32"))]),
        (tensor(engine, 0, "int32"), [tensor(engine, 0.5)]),
    )
    assert engine.numpy(n) == 5
    assert engine.numpy(total[0]) == 10.5


@pytest.mark.parametrize("name", ["scan", "kernel_scan"])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan(engine, reverse, name):
    def body(carry, x):
        carry = engine.add(engine.multiply(carry, 2.0), x["a"])
        return carry, (carry, None)

    xs = {"a": tensor(engine, [1.0, 2, 3])}
    first, scan = tensor(engine, 0.0), getattr(engine, name)
    if name == "kernel_scan":
        run, scan = scan, lambda body, *args: run(lambda _, *now: body(*now), None, *args)
    last, (ys, nothing) = scan(body, first, xs, None, reverse)
    assert nothing is None
    order = [1.0, 2, 3][:: -1 if reverse else 1]
    carry, expected = 0.0, []
    for x in order:
        carry = 2 * carry + x
        expected.append(carry)
    assert engine.numpy(last) == carry
    np.testing.assert_array_equal(engine.numpy(ys), expected[:: -1 if reverse else 1])


def test_scan_without_inputs_and_its_gradient(engine):
    def power(x):
        last, _ = engine.scan(
            lambda c, _: (engine.multiply(c, x), None), tensor(engine, 1.0), None, 3, False
        )
        return last

    assert engine.numpy(power(tensor(engine, 2.0))) == 8
    assert gradient(engine, power, 2.0)[0] == 12


def test_kernel_scan_in_what_is_compiled(engine):
    """Values and two derivatives, also by its constants, are those of `scan`."""
    if not engine.capabilities["differentiates"]:
        pytest.skip(f"{engine.name} has no gradients")

    def derivatives(scan):
        def total(w, x):
            def body(w, carry, row):
                carry = engine.tanh(engine.add(engine.matmul(carry, w), row[0]))
                return carry, (carry, row[1])

            last, (ys, _) = scan(body, w, x[0], (x, None), 3, False)
            return engine.add(summed(engine, engine.sin(ys)), summed(engine, last)), None

        def slope(w, x):
            value, pull, _ = engine.vjp(total, (w, x))
            grads = pull(engine.full((), 1.0, "float32"))
            sines = [summed(engine, engine.sin(g)) for g in grads]
            return engine.add(*sines), (value, grads)

        def both(state, w, x):
            _, pull, first = engine.vjp(slope, (w, x))
            return (first, pull(engine.full((), 1.0, "float32"))), state

        return engine.compile(both, False)([], *tensors)[0]

    tensors = tensor(engine, floats(4, 4)), tensor(engine, floats(3, 2, 4))
    found = tree.leaves(derivatives(engine.kernel_scan))
    plain = lambda body, w, *args: engine.scan(lambda *now: body(w, *now), *args)
    for a, b in zip(found, tree.leaves(derivatives(plain)), strict=True):
        np.testing.assert_allclose(engine.numpy(a), engine.numpy(b), rtol=1e-4, atol=1e-5)


def summed(engine, x):
    return engine.sum(x, tuple(range(len(engine.shape(x)))), False)


def test_vmap(engine):
    x, y = tensor(engine, floats(3, 4)), tensor(engine, floats(4, 3))
    dot = engine.vmap(lambda a, b: engine.matmul(a, b), (0, 1), 0)
    expected = np.sum(engine.numpy(x) * engine.numpy(y).T, 1)
    np.testing.assert_allclose(engine.numpy(dot(x, y)), expected, rtol=1e-5)
    scaled = engine.vmap(lambda a, s: engine.multiply(a, s), (0, None), 1)
    found = engine.numpy(scaled(x, tensor(engine, 2.0)))
    np.testing.assert_array_equal(found, 2 * engine.numpy(x).T)


# ------------------------------------------------------------------------------------- transforms


def test_vjp_of_trees(engine):
    def fn(params, x):
        out = [engine.multiply(params["w"], x), engine.cast(x, "int32")]
        return out, {"aux": engine.add(x, 1.0)}

    w, x = tensor(engine, [1.0, 2]), tensor(engine, [3.0, 4])
    out, pullback, aux = engine.vjp(fn, ({"w": w, "unused": x}, x))
    np.testing.assert_array_equal(engine.numpy(out[0]), [3, 8])
    np.testing.assert_array_equal(engine.numpy(aux["aux"]), [4, 5])
    ones = tensor(engine, [1.0, 1])
    params, dx = pullback([ones, engine.cast(ones, "int32")])
    np.testing.assert_array_equal(engine.numpy(params["w"]), [3, 4])
    np.testing.assert_array_equal(engine.numpy(dx), [1, 2])
    assert params["unused"] is None or not engine.numpy(params["unused"]).any()


def test_integers_have_no_gradient(engine):
    x, i = tensor(engine, [1.0, 2]), tensor(engine, [1, 0], "int32")
    _, pullback, _ = engine.vjp(lambda x, i: (engine.take(x, i, 0), None), (x, i))
    dx, di = pullback(x)
    np.testing.assert_array_equal(engine.numpy(dx), [2, 1])
    assert di is None or not engine.numpy(di).any()


def test_second_derivative(engine):
    def slope(x):
        _, pullback, _ = engine.vjp(lambda x: (engine.power(x, 3), None), (x,))
        return pullback(tensor(engine, 1.0))[0]

    assert gradient(engine, slope, 2.0)[0] == 12


def test_jvp(engine):
    x = tensor(engine, [1.0, 2])
    out, tangent = engine.jvp(lambda x: engine.multiply(x, x), (x,), (tensor(engine, [1.0, 10]),))
    np.testing.assert_array_equal(engine.numpy(out), [1, 4])
    np.testing.assert_array_equal(engine.numpy(tangent), [2, 40])


def test_jvp_through_windows(engine):
    x = tensor(engine, floats(1, 6, 6, 2))
    kernel = tensor(engine, floats(3, 3, 2, 1))

    def fn(x):
        return engine.conv(x, kernel, (1, 1), ((0, 0), (0, 0)), (1, 1), 1, True)

    fn(x)  # what is cached for plain evaluation must not serve the derivative
    _, tangent = engine.jvp(fn, (x,), (x,))
    np.testing.assert_allclose(engine.numpy(tangent), engine.numpy(fn(x)), rtol=1e-5, atol=1e-5)


def test_custom_gradient(engine):
    def double(x, y):
        def grad(cotangent):
            return engine.multiply(cotangent, 100.0), None

        return engine.add(x, y), grad

    fn = engine.custom_gradient(double)
    dx, dy = (
        engine.vjp(lambda x, y: (fn(x, y), None), (tensor(engine, 1.0), tensor(engine, 2.0)))[1]
    )(tensor(engine, 1.0))
    assert engine.numpy(dx) == 100
    assert dy is None or engine.numpy(dy) == 0


def test_custom_gradient_closes_over_what_is_differentiated(engine):
    def fn(y):
        inner = engine.custom_gradient(
            lambda x: (engine.multiply(x, y), lambda ct: (engine.multiply(ct, y),))
        )
        return inner(y)

    assert gradient(engine, fn, 3.0)[0] == 3
    compiled = engine.compile(
        lambda state, y: (engine.vjp(lambda y: (fn(y), None), (y,))[1](y)[0], []), False
    )
    assert engine.numpy(compiled([], tensor(engine, 3.0))[0]) == 9


def test_checkpoint(engine):
    fn = engine.checkpoint(lambda x: engine.exp(engine.sin(x)))
    x = np.array([0.5, 1.0])
    (found,) = gradient(engine, fn, x)
    np.testing.assert_allclose(found, np.cos(x) * np.exp(np.sin(x)), rtol=1e-5)


def test_eval_shape(engine):
    def fn(x, n, tables):
        y = engine.reshape(x, (engine.shape(x)[0], -1))
        return {"y": engine.repeat(y, n, 1), "t": engine.cast(tables[0], "int32"), "none": None}

    found = engine.eval_shape(
        fn, (AbstractTensor((5, 2, 3), "float32"), 2, [np.zeros((4,), np.float32)])
    )
    assert tree.map(lambda x: (x.shape, x.dtype), found) == {
        "y": ((5, 12), "float32"), "t": ((4,), "int32"), "none": None,
    }  # fmt: skip
    assert all(isinstance(x, AbstractTensor) for x in tree.leaves(found))


def test_eval_shape_keeps_unknown_dimensions(engine):
    def fn(x):
        return engine.sum(x, (1,), False), engine.transpose(x, (1, 0))

    total, turned = engine.eval_shape(fn, (AbstractTensor((None, 3), "float32"),))
    assert total.shape == (None,)
    assert turned.shape == (3, None)


# ---------------------------------------------------------------------------------------- compile


def handles_of(engine, *values):
    return [engine.variable(np.asarray(v, np.float32), "float32", True, "v") for v in values]


def stored(engine, handles):
    return [engine.numpy(engine.read(h)).tolist() for h in handles]


def test_variable_has_its_own_memory(engine):
    x = tensor(engine, [1.0, 2])
    handle = engine.variable(x, "float32", True, "v")
    handle = engine.write(handle, tensor(engine, [3.0, 4]))
    np.testing.assert_array_equal(engine.numpy(x), [1, 2])
    np.testing.assert_array_equal(engine.numpy(engine.read(handle)), [3, 4])


@pytest.mark.parametrize("trainable", [True, False])
def test_a_handle_with_memory_of_its_own(engine, trainable):
    """What was read of a handle survives the runs that follow `unshared`."""
    run = engine.compile(lambda s: (None, [engine.add(v, 1.0) for v in s]), False)
    handle = engine.variable(np.zeros(64, "float32"), "float32", trainable, "v")
    for i in range(20):  # an engine may run otherwise after some runs
        before = engine.read(handle)
        handle = engine.unshared(handle)
        _, (handle,) = run([handle])
        found = engine.numpy(before)
        assert found[0] == i or (trainable and engine.read(handle) is before), "consumed"
        assert stored(engine, [handle])[0][0] == i + 1


def test_compile_reads_and_writes_state(engine):
    def step(state, x):
        w, fixed, count = state
        return {"loss": engine.multiply(w, x)}, [engine.subtract(w, x), fixed, engine.add(count, w)]

    run = engine.compile(step, False)
    handles = handles_of(engine, 5, 7, 0)
    for i in range(3):
        result, handles = run(handles, tensor(engine, 2.0))
        assert engine.numpy(result["loss"]) == (5 - 2 * i) * 2
    assert stored(engine, handles) == [-1, 7, 9]


def test_results_and_state_share_no_memory(engine):
    def step(state, x):
        a, b, fixed = state
        return (a, fixed, x), [b, b, fixed]  # every way of passing things through

    run = engine.compile(step, False)
    x = tensor(engine, [9.0] * 64)
    handles = handles_of(engine, [1.0] * 64, [2.0] * 64, [3.0] * 64)
    first, handles = run(handles, x)
    change = engine.compile(lambda s: (None, [engine.add(v, 1.0) for v in s]), False)
    _, handles = change(handles)
    second, handles = run(handles, x)
    assert [engine.numpy(v)[0] for v in first] == [1, 3, 9]
    assert [engine.numpy(v)[0] for v in second] == [3, 4, 9]
    assert [value[0] for value in stored(engine, handles)] == [3, 3, 4]
    assert engine.numpy(x)[0] == 9


def test_compile_takes_one_handle_twice(engine):
    run = engine.compile(lambda s, x: (None, [engine.add(v, x) for v in s]), False)
    (handle,) = handles_of(engine, 1)
    value = engine.read(handle)
    _, after = run([handle, engine.variable(value, "float32", True, "w")], value)
    assert [engine.numpy(engine.read(h)).item() for h in after][1] == 2


def test_state_assigned_only_for_some_arguments(engine):
    def step(state, x):
        a, b = state
        wide = engine.shape(x)[0] > 1
        return engine.sum(x, (0,), False), [engine.add(a, 1.0), engine.add(b, 1.0) if wide else b]

    run = engine.compile(step, False)
    handles = handles_of(engine, 0, 0)
    for x in ([1.0], [1.0, 2], [1.0], [1.0, 2]):
        result, handles = run(handles, tensor(engine, x))
        assert engine.numpy(result) == sum(x)
    assert stored(engine, handles) == [4, 2]


def test_compiled_loop(engine):
    def step(state, i, xs):
        (total, fixed) = state
        x = engine.take(xs, i, 0)
        return [engine.add(x, fixed)], [engine.add(total, x), fixed]

    run = engine.compile(step, True)
    xs = tensor(engine, [1.0, 10, 100, 1000])
    handles = handles_of(engine, 0, 0.5)
    (last,), handles = run(handles, 0, 3, xs)
    assert engine.numpy(last) == 100.5
    (last,), handles = run(handles, 3, 4, xs)
    assert engine.numpy(last) == 1000.5
    assert stored(engine, handles) == [1111, 0.5]


def test_compile_in_64_bits(engine):
    run = engine.compile(lambda s, x: (engine.multiply(s[0], x), [engine.add(s[0], x)]), False)
    handles = [engine.variable(np.array(1e-12), "float64", True, "v")]
    result, handles = run(handles, tensor(engine, 1.0, "float64"))
    assert engine.numpy(result) == 1e-12
    assert engine.numpy(engine.read(handles[0])) == 1 + 1e-12


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize(
    "change, said",
    [
        (lambda engine, x: engine.expand_dims(x, (0,)), r"it was assigned float32 \(1, 2\)"),
        (lambda engine, x: engine.sum(x, (0,), False), r"it was assigned float32 \(\)"),
        (lambda engine, x: engine.cast(x, "int32"), r"it was assigned int32 \(2,\)"),
    ],
    ids=["more axes", "fewer axes", "dtype"],
)
def test_a_state_of_another_shape_or_dtype_is_refused(engine, change, said, loop):
    def step(state, *number):
        return None, [state[0], change(engine, state[1])]

    handles = handles_of(engine, [1.0, 2.0], [3.0, 4.0])
    with pytest.raises(ValueError, match=rf"entry 1 of the state is float32 \(2,\), {said}"):
        engine.compile(step, loop)(handles, *((0, 1) if loop else ()))
    assert stored(engine, handles) == [[1, 2], [3, 4]]


def test_a_loop_without_a_step_is_refused(engine):
    run = engine.compile(lambda state, i: (i, state), True)
    with pytest.raises(ValueError, match="there is no step from 3 to 3"):
        run([], 3, 3)


def test_an_error_while_compiling_leaves_the_state(engine):
    def step(state):
        raise KeyError("mine")

    handles = handles_of(engine, 3)
    with pytest.raises(KeyError, match="mine"):
        engine.compile(step, False)(handles)
    assert stored(engine, handles) == [3]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs Unix timers")
def test_interrupts_leave_the_state(engine):
    """Wherever an interrupt ends a run, the handles are valid, and from one and the same step."""
    run = engine.compile(lambda s: (None, [engine.add(v, 1.0) for v in s]), False)
    handles = handles_of(engine, *[np.zeros((50, 50))] * 6)
    first = handles[0]
    _, handles = run(handles)
    if handles[0] is first:
        pytest.skip(f"{engine.name} never consumes handles")

    def interrupt(*_):
        raise KeyboardInterrupt

    random = np.random.default_rng(0)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(200):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1e-3))
                while True:
                    run(handles)
            except KeyboardInterrupt:
                pass
            found = {engine.numpy(engine.read(h)).mean().item() for h in handles}
            assert len(found) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_no_engine_has_a_graph_of_its_own_where_it_is_eager(engine):
    assert engine.own_graph() is None


# -------------------------------------------------------------------------------------- property

sizes = st.integers(1, 4)


@settings(max_examples=15, deadline=None)
@given(st.lists(sizes, min_size=1, max_size=3), st.data())
def test_basic_indexing_is_numpys(engine, shape, data):
    bound = st.one_of(st.none(), st.integers(-6, 6))
    step = st.one_of(st.none(), st.integers(-3, 3).filter(bool))
    key = tuple(
        data.draw(st.one_of(st.integers(-n, n - 1), st.builds(slice, bound, bound, step)))
        for n in shape
    )
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = engine.slice(engine.tensor(x, "float32"), key)
    np.testing.assert_array_equal(engine.numpy(found), x[key])
    assert abstract.slice(AbstractTensor(shape, "float32"), key).shape == x[key].shape


@settings(max_examples=15, deadline=None)
@given(st.lists(sizes, max_size=3), st.lists(sizes, max_size=3))
def test_broadcasting_is_numpys(engine, left, right):
    x, y = np.ones(left, np.float32), np.ones(right, np.float32)
    try:
        expected = np.broadcast_shapes(left, right)
    except ValueError:
        return
    found = engine.add(engine.tensor(x, "float32"), engine.tensor(y, "float32"))
    assert tuple(engine.shape(found)) == expected


@settings(max_examples=15, deadline=None)
@given(
    st.integers(3, 6), st.integers(3, 6), st.integers(0, 2), st.integers(0, 2),
    st.sampled_from(["constant", "reflect", "symmetric"]),
)  # fmt: skip
def test_padding_is_numpys(engine, m, n, before, after, mode):
    x = np.arange(m * n, dtype=np.float32).reshape(m, n)
    pads = ((before, after), (after, 0))
    found = engine.pad(engine.tensor(x, "float32"), pads, mode, 0)
    np.testing.assert_array_equal(engine.numpy(found), np.pad(x, pads, mode))


# ------------------------------------------------------------------------------------ validation


def test_indices_out_of_range(engine):
    with pytest.raises(IndexError):
        engine.slice(tensor(engine, [1.0, 2]), (2,))


def test_validation_lists_everything_at_once():
    fake = types.SimpleNamespace(
        CAPABILITIES={"flies": True},
        add=lambda x: x,
        matmul=3,
        exp=lambda x: x,
        sum=lambda x, axis, keepdims, more=None: x,
    )
    with pytest.raises(contract.EngineError) as caught:
        contract.validate(fake, "fake")
    message = str(caught.value)
    fine = {"exp", "sum"}
    for name in contract.PRIMITIVES.keys() - fine:
        assert f": {name}" in message
    for name in fine:
        assert f": {name}(" not in message
    assert "not callable: matmul" in message
    assert "wrong arguments: add(x), expected (x, y)" in message
    assert "missing: TENSOR_TYPES" in message
    assert "'flies'" in message


def test_engines_are_complete(engine):
    contract.validate(engine, engine.name)
    assert all(map(callable, (getattr(engine, name) for name in contract.PRIMITIVES)))


def test_overrides_take_the_ops_arguments_by_their_names(engine):
    for name, override in engine.overrides.items():
        if name not in OPS:  # of a primitive
            continue
        fn = override.kernel if isinstance(override, contract.OfValues) else override
        there = inspect.signature(fn).parameters
        if any(p.kind is p.VAR_POSITIONAL for p in there.values()):
            continue  # a list of all
        own = list(inspect.signature(OPS[name].op.fn).parameters)[OPS[name].op.count :]
        assert set(own) <= there.keys(), name
