"""Convolutions by oneDNN against XLA's, gradients included; and where they are left to XLA."""

import os
import subprocess
import sys
import textwrap
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tricorn as keras
from tricorn import layers
from tricorn.engines import known
from tricorn.engines.jax import kernels, onednn, policy

pytestmark = [
    pytest.mark.engine("jax"),
    pytest.mark.skipif(
        known.kernels()[0] is None,
        reason="tricorn-kernels is not installed (pip install ./kernels), or off",
    ),
]

#: largest difference relative to the largest number
TOLERANCE = {"float32": 2e-6, "bfloat16": 1e-2}

# spatial, window, strides, padding, dilation, groups, channels, filters
CASES = {
    "valid": ((9, 7), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 8, 16),
    "same": ((9, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, 16, 32),
    "strided": ((9, 8), (3, 3), (2, 2), ((1, 1), (0, 1)), (1, 1), 1, 5, 6),
    "strided, nothing meets the end": ((8, 8), (3, 3), (3, 3), ((0, 0), (0, 0)), (1, 1), 1, 5, 6),
    "each axis its own": ((9, 11), (2, 5), (1, 3), ((0, 1), (3, 2)), (2, 1), 1, 7, 9),
    "dilated": ((9, 9), (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2), 1, 16, 16),
    "one channel": ((9, 7), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 1, 16),
    "one filter": ((9, 7), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 16, 1),
    "depthwise": ((9, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 16, 16, 16),
    "depthwise strided, odd": ((9, 7), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 5, 5, 5),
    "depthwise multiplied": ((9, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 4, 4, 12),
    "grouped": ((9, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 4, 16, 32),
    "grouped, odd": ((9, 7), (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 1), 3, 9, 6),
    "1D": ((17,), (4,), (2,), ((1, 2),), (1,), 1, 6, 8),
    "1D causal, dilated": ((17,), (3,), (1,), ((4, 0),), (2,), 1, 16, 16),
    "3D": ((5, 6, 7), (3, 3, 3), (1, 1, 1), ((1, 1),) * 3, (1, 1, 1), 1, 4, 8),
    "3D strided": ((5, 6, 7), (2, 3, 2), (2, 1, 2), ((0, 1), (1, 1), (0, 0)), (1, 1, 1), 1, 3, 8),
    "wide padding": ((4, 4), (3, 3), (1, 1), ((3, 4), (5, 3)), (1, 1), 1, 8, 8),
}
TWO = (((1, 1),) * 2, (1, 1))


def draw(*shape, dtype="float32"):
    rng = np.random.default_rng(sum(shape))
    return jnp.asarray(rng.normal(size=shape), dtype)


def tensors(case, channels_last=True, dtype="float32"):
    spatial, window, strides, padding, dilation, groups, channels, filters = CASES[case]
    shape = (3, *spatial, channels) if channels_last else (3, channels, *spatial)
    kernel = draw(*window, channels // groups, filters, dtype=dtype)
    return (draw(*shape, dtype=dtype), kernel), (strides, padding, dilation, groups, channels_last)


def uses_onednn(fn, *args):
    """How many of oneDNN's convolutions are in the traced function."""
    found = [eqn.primitive.name for eqn in policy.equations(jax.make_jaxpr(fn)(*args))]
    return found.count("tricorn_conv")


def both(fn, *args, left=False):
    """`fn` compiled with oneDNN's convolutions (or where they are `left` to XLA) and with plain
    ones."""
    assert bool(uses_onednn(fn, *args)) != left
    found = jax.jit(lambda *a: fn(*a))(*args)
    with kernels.plain_formulations():
        return found, jax.jit(lambda *a: fn(*a))(*args)


def agree(found, expected, tolerance=TOLERANCE["float32"]):
    leaves = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for a, b in leaves:
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        assert np.abs(b).max() > 1e-3
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


FORMS = [("float32", True), ("bfloat16", True), ("float32", False)]


@pytest.mark.parametrize("dtype, channels_last", FORMS, ids=["float32", "bfloat16", "first"])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case, dtype, channels_last):
    if dtype not in onednn.library().dtypes():
        pytest.skip(f"the processor has no {dtype}")
    args, how = tensors(case, channels_last, dtype)

    def fn(x, kernel):
        y, pull = jax.vjp(lambda *a: onednn.conv(*a, *how), x, kernel)
        return y, *pull(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    used = uses_onednn(fn, *args)
    # in bfloat16 some are left to XLA, and which depends on the processor
    assert used == 3 or (dtype == "bfloat16" and case not in ("valid", "same", "grouped"))
    found, expected = both(fn, *args, left=not used)
    agree(found, expected, TOLERANCE[dtype])


SHARED = {
    "samples": (5, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "rows": (1, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "rows strided, dilated": (1, (2, 1), ((3, 1), (2, 2)), (2, 2), 1),
    "rows of groups": (1, (1, 1), ((2, 2), (0, 0)), (1, 1), 2),
    "rows in padding": (1, (1, 1), ((9, 4), (0, 0)), (1, 1), 1),
}


@pytest.mark.parametrize("case", SHARED)
def test_work_is_shared_by_threads(case):
    """Enough of it, and the same whoever does it."""
    batch, strides, padding, dilation, groups = SHARED[case]
    x, kernel = draw(batch, 60, 30, 32), draw(3, 3, 32 // groups, 64)

    def fn(x, kernel):
        conv = lambda *a: onednn.conv(*a, strides, padding, dilation, groups, True)
        y, pull = jax.vjp(conv, x, kernel)
        return y, *pull(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    agree(*both(fn, x, kernel), 1e-5)  # sums of up to 9,000 numbers


@pytest.mark.parametrize("channels_last", [True, False], ids=["last", "first"])
@pytest.mark.parametrize(
    "case, extra",
    [("valid", 0), ("strided", 1), ("each axis its own", 0), ("1D", 1), ("3D strided", 0)],
)
def test_transposed(case, extra, channels_last):
    spatial, window, strides, _, dilation, _, filters, channels = CASES[case]
    shape = (3, *spatial, channels) if channels_last else (3, channels, *spatial)
    spans = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
    padding = tuple((span - 1, span - (s > 1) * extra) for span, s in zip(spans, strides))
    x, kernel = draw(*shape), draw(*window, filters, channels)

    def fn(x, kernel):
        conv = lambda *a: onednn.conv_transpose(*a, strides, padding, dilation, channels_last)
        y, pull = jax.vjp(conv, x, kernel)
        return y, *pull(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    agree(*both(fn, x, kernel))


def test_a_transposed_convolution_that_puts_zeros_at_the_end():
    x, kernel = draw(2, 5, 6, 8), draw(3, 3, 4, 8)
    fn = lambda x, k: onednn.conv_transpose(x, k, (2, 2), ((2, 3), (2, 5)), (1, 1), True)
    with kernels.plain_formulations():
        expected = fn(x, kernel)
    agree(fn(x, kernel), expected)


LEFT = {
    "1x1": ((3, 8, 8, 16), (1, 1, 16, 16), *TWO, 1),
    "no sample": ((0, 8, 8, 16), (3, 3, 16, 16), *TWO, 1),
    "no filter": ((3, 8, 8, 16), (3, 3, 16, 0), *TWO, 1),
    "negative padding": ((3, 8, 8, 16), (3, 3, 16, 16), ((-1, 1), (0, 0)), (1, 1), 1),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_left_to_xla(case):
    xs, ks, padding, dilation, groups = LEFT[case]
    fn = lambda x, k: onednn.conv(x, k, (1, 1), padding, dilation, groups, True)
    x, kernel = draw(*xs), draw(*ks)
    assert not uses_onednn(fn, x, kernel)
    with kernels.plain_formulations():
        np.testing.assert_allclose(fn(x, kernel), onednn.conv(x, kernel, (1, 1), padding, dilation,
                                   groups, True), atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_other_dtypes_are_left_to_xla(dtype):
    with jax.enable_x64(dtype == "float64"):
        x, kernel = draw(3, 8, 8, 16, dtype=dtype), draw(3, 3, 16, 16, dtype=dtype)
        assert not uses_onednn(lambda *a: onednn.conv(*a, (1, 1), *TWO, 1, True), x, kernel)


def test_switched_off(monkeypatch):
    monkeypatch.setenv("TRICORN_KERNELS", "0")
    onednn.library.cache_clear()
    try:
        assert known.kernels() == (None, "off (TRICORN_KERNELS)")
        args, how = tensors("same")
        assert not uses_onednn(lambda *a: onednn.conv(*a, *how), *args)
    finally:
        onednn.library.cache_clear()
    monkeypatch.delenv("TRICORN_KERNELS")
    assert known.kernels()[1].startswith("oneDNN 3")
    assert onednn.library() is not None


# ------------------------------------------------------------------------------ under transforms

SAME = ((1, 1), *TWO, 1, True)


def weighed(x, kernel):
    return jnp.sum(jnp.sin(onednn.conv(x, kernel, *SAME)))


TRANSFORMED = {
    "jvp": lambda x, k: jax.jvp(weighed, (x, k), (jnp.cos(x), jnp.sin(k))),
    "gradient of a gradient": lambda x, k: jax.grad(
        lambda x: jnp.sum(jax.grad(weighed, 1)(x, k) ** 2)
    )(x),
    "hessian": lambda x, k: jax.hessian(lambda s: weighed(s * x, k) + weighed(x, s * k))(1.0),
    "checkpoint": lambda x, k: jax.grad(jax.checkpoint(weighed), (0, 1))(x, k),
    "vmap": lambda x, k: jax.vmap(jax.grad(weighed, (0, 1)), (1, None))(jnp.stack([x, -x], 1), k),
    "vmap of both": lambda x, k: jax.vmap(jax.grad(weighed, (0, 1)))(
        jnp.stack([x, 2 * x]), jnp.stack([k, -k])
    ),
    "vmap of kernels": lambda x, k: jax.vmap(jax.grad(weighed, (0, 1)), (None, 3))(
        x, jnp.stack([k, -k], 3)
    ),
    "scan": lambda x, k: jax.grad(
        lambda x: jnp.sum(lax.scan(lambda c, _: (onednn.conv(c, k, *SAME), c), x, None, 3)[1])
    )(x),
    "fori_loop": lambda x, k: lax.fori_loop(
        0, 3, lambda i, k: k - 0.1 * i * jax.grad(weighed, 1)(x, k), k
    ),
    "linear_transpose": lambda x, k: jax.linear_transpose(
        lambda x: onednn.conv(x, k, *SAME), x
    )(x),
}  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMED)
def test_transforms(transform):
    x, kernel = draw(2, 6, 5, 8), 0.2 * draw(3, 3, 8, 8)
    many_kernels = transform in ("vmap of both", "vmap of kernels")
    agree(*both(TRANSFORMED[transform], x, kernel, left=many_kernels), 1e-5)


def test_eager_without_jit():
    x, kernel = draw(2, 6, 5, 8), draw(3, 3, 8, 8)
    found = jax.grad(weighed, (0, 1))(x, kernel)
    with kernels.plain_formulations():
        agree(found, jax.grad(weighed, (0, 1))(x, kernel), 1e-5)


def test_a_tape_records_it():
    x, kernel = draw(2, 6, 5, 8), draw(3, 3, 8, 8)
    with keras.GradientTape() as tape:
        watched = tape.watch(kernel)
        loss = keras.ops.sum(keras.ops.sin(keras.ops.conv(x, watched, 1, "same")))
    agree(tape.gradient(loss, watched), jax.grad(weighed, 1)(x, kernel), 1e-5)


def test_an_exported_program_needs_no_library():
    exported = jax.export.export(jax.jit(weighed))(draw(2, 6, 5, 8), draw(3, 3, 8, 8))
    assert "@tricorn_conv" not in exported.mlir_module()
    batch = jax.export.symbolic_shape("batch, 6, 5, 8")
    shapes = jax.ShapeDtypeStruct(batch, "float32"), jax.ShapeDtypeStruct((3, 3, 8, 8), "float32")
    symbolic = jax.export.export(jax.jit(weighed))(*shapes)
    x, kernel = draw(4, 6, 5, 8), draw(3, 3, 8, 8)
    agree(symbolic.call(x, kernel), weighed(x, kernel), 1e-5)


def test_many_threads_and_no_leak():
    x, kernel = draw(8, 20, 20, 16), draw(3, 3, 16, 32)
    run = jax.jit(jax.grad(lambda x, k: jnp.sum(onednn.conv(x, k, *SAME) ** 2), (0, 1)))
    expected = run(x, kernel)
    wrong = []

    def work():
        for _ in range(25):
            wrong.extend(abs(a - b).max() for a, b in zip(run(x, kernel), expected, strict=True))

    def resident():
        return int(open("/proc/self/statm").read().split()[1]) * 4096

    sizes = []
    for _ in range(3):
        threads = [threading.Thread(target=work) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        sizes.append(resident())
    assert max(wrong) <= 1e-5 * max(float(jnp.abs(t).max()) for t in expected)
    assert sizes[-1] - sizes[1] < 16e6


def test_several_devices():
    """Over devices, sharded and mapped, XLA computes."""
    code = """
    import jax, jax.numpy as jnp, numpy as np
    from jax.sharding import PartitionSpec as P, NamedSharding
    from tricorn.engines.jax import onednn, policy
    x, k = np.random.rand(4, 6, 5, 8).astype("float32"), np.ones((3, 3, 8, 8), "float32")
    conv = lambda x, k: onednn.conv(x, k, (1, 1), ((1, 1),) * 2, (1, 1), 1, True)
    both = lambda x, k: jax.value_and_grad(lambda *a: jnp.sum(conv(*a) ** 2), (0, 1))(x, k)
    expected = jax.jit(both)(x, k)
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = jax.device_put(x, NamedSharding(mesh, P("batch")))
    found = {"sharded": jax.jit(both)(rows, k)}
    assert len(found["sharded"][1][0].sharding.device_set) == 2
    for check in (True, False):
        mapped = jax.shard_map(conv, mesh=mesh, in_specs=(P("batch"), P()), out_specs=P("batch"),
                               check_vma=check)
        both = lambda x, k: jax.value_and_grad(lambda *a: jnp.sum(mapped(*a) ** 2), (0, 1))(x, k)
        found[f"mapped {check}"] = jax.jit(both)(rows, k)
    for name, values in found.items():
        for a, b in zip(jax.tree.leaves(values), jax.tree.leaves(expected)):
            np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=name)
    step = jax.make_jaxpr(conv)(x, k)
    assert policy.loopable(step, (jnp.asarray(x), k)) and not policy.loopable(step, (rows, k))
    print("equal")
    """
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "equal\n", done.stderr[-2000:]


# ---------------------------------------------------------------------------------------- models


def model(channels_last):
    form = {"data_format": "channels_last" if channels_last else "channels_first"}
    shape = (8, 8, 3) if channels_last else (3, 8, 8)
    stack = [
        layers.Conv2D(8, 3, padding="same", activation="relu", **form),
        layers.DepthwiseConv2D(3, strides=2, padding="same", **form),
        layers.SeparableConv2D(8, 3, padding="same", **form),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", **form),
        layers.MaxPooling2D(**form),
        layers.Flatten(),
        layers.Dense(2),
    ]
    return keras.Sequential([keras.Input(shape), *stack])


@pytest.mark.parametrize("channels_last", [True, False], ids=["last", "first"])
def test_training(channels_last, monkeypatch):
    """Weights after a training with and without oneDNN; with it, steps may run in a loop."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, *((8, 8, 3) if channels_last else (3, 8, 8)))).astype("float32")
    y = rng.normal(size=(24, 2)).astype("float32")
    weights = []
    for switch in ("1", "0"):
        monkeypatch.setenv("TRICORN_KERNELS", switch)
        onednn.library.cache_clear()
        jax.clear_caches()
        keras.utils.set_random_seed(0)
        net = model(channels_last)
        net.compile("sgd", "mse")
        net.fit(x, y, batch_size=4, epochs=2, verbose=0)
        weights.append(net.get_weights())
    monkeypatch.undo()
    onednn.library.cache_clear()
    jax.clear_caches()
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_what_may_loop():
    args, how = tensors("same")
    step = jax.make_jaxpr(jax.grad(lambda x, k: onednn.conv(x, k, *how).sum(), (0, 1)))(*args)
    assert policy.loopable(step)
    with kernels.plain_formulations():
        plain = jax.make_jaxpr(lambda x, k: onednn.conv(x, k, *how))(*args)
    assert not policy.loopable(plain)
