"""The CPU formulations of the JAX engine against the plain jax.lax ones, gradients included."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tricorn
from tricorn.engines import registry
from tricorn.engines.jax import kernels, policy

pytestmark = [pytest.mark.heavy, pytest.mark.engine("jax")]

TOLERANCE = {"float32": 1e-5, "float64": 1e-11}


def compare(fn, args, dtype, differentiate=None, tolerance=None):
    """Value and gradients of `fn` in both formulations, compiled, the reference unfused."""
    differentiate = range(len(args)) if differentiate is None else differentiate

    def both(*args):
        def weighed(*args):
            tensors = [
                t for t in jax.tree.leaves(fn(*args)) if jnp.issubdtype(t.dtype, jnp.floating)
            ]
            weights = [jnp.cos(jnp.arange(t.size, dtype=t.dtype)).reshape(t.shape) for t in tensors]
            return sum((t * w).sum() for t, w in zip(tensors, weights, strict=True))

        return fn(*args), jax.grad(weighed, tuple(differentiate))(*args)

    with jax.enable_x64(dtype == "float64"):
        args = jax.tree.map(jnp.asarray, args)
        fast = policy.jit(lambda *a: both(*a))(*args)
        with kernels.plain_formulations():
            plain = jax.jit(lambda *a: both(*a))(*args)
        tolerance = tolerance or TOLERANCE[dtype]
        for a, b in zip(jax.tree.leaves(fast), jax.tree.leaves(plain), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            assert np.isfinite(b).all()
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(), 1e-6))


def draw(rng, *shape, dtype):
    return rng.normal(size=shape).astype(dtype)


# size, stride, padding, dilation, groups, in, out
CONVOLUTIONS = {
    "few channels": (3, 1, (0, 0), 1, 1, 1, 4),
    "pointwise": (1, 1, (0, 0), 1, 1, 40, 3),
    "pointwise strided and padded": (1, 2, (1, 2), 1, 1, 40, 3),
    "dense": (3, 1, (1, 1), 1, 1, 40, 8),
    "dense strided": (3, 2, (0, 1), 1, 1, 40, 8),
    "dense dilated": (3, 1, (2, 2), 2, 1, 40, 8),
    "even kernel, stride beyond it": (2, 3, (1, 0), 1, 1, 33, 4),
    "depthwise": (3, 1, (1, 1), 1, 6, 6, 6),
    "depthwise strided, multiplier": (3, 2, (0, 1), 1, 4, 4, 12),
    "depthwise dilated": (2, 1, (1, 2), 2, 4, 4, 4),
    "depthwise, stride beyond it": (2, 3, (1, 0), 1, 5, 5, 5),
    "grouped in one block": (3, 1, (1, 1), 1, 4, 8, 12),
    "grouped in blocks": (2, 2, (1, 1), 1, 6, 24, 12),
    "grouped wide": (3, 1, (0, 0), 2, 2, 40, 4),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv_2d(case, dtype, rng):
    size, stride, pad, dilation, groups, channels, filters = CONVOLUTIONS[case]
    x = draw(rng, 2, 8, 7, channels, dtype=dtype)
    kernel = draw(rng, size, size, channels // groups, filters, dtype=dtype)
    arguments = ((stride, stride), (pad, pad), (dilation, dilation), groups)
    compare(lambda x, k: kernels.conv(x, k, *arguments, True), (x, kernel), dtype)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("case", ["few channels", "dense strided", "depthwise", "dense dilated"])
def test_conv_axes_and_layouts(case, nd, channels_last, rng):
    size, stride, pad, dilation, groups, channels, filters = CONVOLUTIONS[case]
    spatial = (7, 6, 8)[:nd]
    shape = (2, *spatial, channels) if channels_last else (2, channels, *spatial)
    x = draw(rng, *shape, dtype="float32")
    kernel = draw(rng, *[size] * nd, channels // groups, filters, dtype="float32")
    arguments = ((stride,) * nd, (pad,) * nd, (dilation,) * nd, groups)
    compare(lambda x, k: kernels.conv(x, k, *arguments, channels_last), (x, kernel), "float32")


def test_conv_takes_each_axis_on_its_own(rng):
    x = draw(rng, 2, 9, 7, 40, dtype="float32")
    kernel = draw(rng, 3, 2, 40, 4, dtype="float32")
    arguments = ((1, 2), ((0, 2), (1, 0)), (2, 1), 1, True)
    compare(lambda x, k: kernels.conv(x, k, *arguments), (x, kernel), "float32")


def test_depthwise_products_are_computed_once_for_all_readers(rng):
    """Normalized in training, they are read by means, variances, outputs and gradients."""
    x, kernel = draw(rng, 2, 8, 8, 16, dtype="float32"), draw(rng, 5, 5, 1, 16, dtype="float32")

    def loss(x, kernel):
        y = kernels.conv(x, kernel, (1, 1), ((2, 2), (2, 2)), (1, 1), 16, True)
        centred = y - y.mean((0, 1, 2))
        return jax.nn.silu(centred * jax.lax.rsqrt((centred**2).mean((0, 1, 2)))).sum()

    compiled = policy.jit(jax.grad(loss, (0, 1))).lower(x, kernel).compile()
    assert compiled.as_text().count(" multiply(") < 6 * 25
    slope = lambda x, kernel: (jax.grad(loss)(x, kernel) ** 2).sum()
    compare(slope, (x, kernel), "float32")  # second derivatives
    kernel[0, 0] = np.inf
    assert not np.isfinite(compiled(x, kernel)[0]).any()


@pytest.mark.parametrize("case", [c for c in CONVOLUTIONS if "dense" in c or "grouped" in c])
def test_a_convolution_in_a_loop_is_a_product(case, rng):
    """XLA runs its own convolutions in loops as naive code."""
    size, stride, pad, dilation, groups, channels, filters = CONVOLUTIONS[case]
    engine = registry.load("jax")
    x = draw(rng, 2, 2, 8, 7, channels, dtype="float32")
    kernel = draw(rng, size, size, channels // groups, filters, dtype="float32")
    arguments = ((stride, stride), (pad, pad), (dilation, dilation), groups)

    def body(total, row, kernel):
        y = engine.conv(row, kernel, *arguments, True)
        return total + (y * y).mean(), y

    def loop(x, kernel):
        return engine.scan(lambda c, row: body(c, row, kernel), jnp.zeros(()), x, None, False)

    compare(loop, (x, kernel), "float32")
    traced = jax.make_jaxpr(jax.grad(lambda *a: loop(*a)[0], (0, 1)))(x, kernel)
    names = {eqn.primitive.name for eqn in policy.equations(traced)}
    assert "scan" in names
    assert "conv_general_dilated" not in names


POOLS = [
    (2, 2, (0, 0)),
    (3, 2, (0, 1)),
    (3, 1, (1, 1)),
    (2, 3, (1, 0)),
    (5, 2, (2, 2)),
    (1, 2, (0, 0)),
]


@pytest.mark.parametrize("pool", ["max_pool", "average_pool"])
@pytest.mark.parametrize("size, stride, pad", POOLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooling_with_ties(pool, size, stride, pad, dtype, rng):
    x = rng.integers(0, 4, size=(2, 7, 6, 3)).astype(dtype)
    window = ((size, size), (stride, stride), (pad, pad), True)
    compare(lambda x: getattr(kernels, pool)(x, *window), (x,), dtype)


@pytest.mark.parametrize("pool", ["max_pool", "average_pool"])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("nd", [1, 3])
def test_pooling_axes_and_layouts(pool, nd, channels_last, rng):
    spatial = (7, 6, 8)[:nd]
    shape = (2, *spatial, 3) if channels_last else (2, 3, *spatial)
    x = rng.integers(0, 4, size=shape).astype("float32")
    window = ((3, 2, 2)[:nd], (2, 1, 2)[:nd], ((1, 1), (0, 1), (0, 0))[:nd], channels_last)
    compare(lambda x: getattr(kernels, pool)(x, *window), (x,), "float32")


def test_the_first_maximum_takes_the_whole_gradient():
    x = jnp.array([[1.0, 2.0, 2.0], [2.0, 2.0, 0.0], [0.0, 1.0, 2.0]]).reshape(1, 3, 3, 1)
    pool = lambda x: kernels.max_pool(x, (3, 3), (1, 1), ((0, 0), (0, 0)), True).sum()
    expected = np.zeros((3, 3))
    expected[0, 1] = 1
    np.testing.assert_array_equal(jax.grad(pool)(x).reshape(3, 3), expected)


def test_pooling_of_integers_and_gradient_of_gradient(rng):
    x = rng.integers(-9, 9, size=(1, 6, 2)).astype("int32")
    pooled = kernels.max_pool(x, (2,), (2,), ((1, 1),), True)
    assert pooled.dtype == jnp.int32
    with kernels.plain_formulations():
        np.testing.assert_array_equal(pooled, kernels.max_pool(x, (2,), (2,), ((1, 1),), True))

    def penalty(x):
        inner = jax.grad(lambda x: (kernels.max_pool(x, (2,), (2,), ((0, 0),), True) ** 3).sum())
        return (inner(x) ** 2).sum()

    x = jnp.arange(1.0, 7.0).reshape(1, 6, 1)
    expected = np.array([0, 36 * 2**3, 0, 36 * 4**3, 0, 36 * 6**3], "float32").reshape(1, 6, 1)
    np.testing.assert_allclose(jax.grad(penalty)(x), expected)


def test_vmap_over_the_custom_gradients(rng):
    x = draw(rng, 3, 2, 6, 6, 4, dtype="float32")
    kernel = draw(rng, 3, 3, 1, 4, dtype="float32")

    def one(x, kernel):
        y = kernels.conv(x, kernel, (1, 1), ((1, 1), (1, 1)), (1, 1), 4, True)
        return (kernels.max_pool(y, (2, 2), (2, 2), ((0, 0), (0, 0)), True) ** 2).sum()

    gradient = jax.jit(jax.vmap(jax.grad(one), (0, None)))(x, kernel)
    each = jnp.stack([jax.jit(jax.grad(one))(row, kernel) for row in x])
    np.testing.assert_allclose(gradient, each, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru without bias", "gru reset before"])
def test_recurrent(cell, reverse, masked, rng):
    dtype = "float64" if reverse and masked else "float32"
    time, batch, units = 5, 3, 4
    gates = 4 if cell == "lstm" else 3
    x = draw(rng, time, batch, gates * units, dtype=dtype)
    h, c = draw(rng, batch, units, dtype=dtype), draw(rng, batch, units, dtype=dtype)
    kernel = draw(rng, units, gates * units, dtype=dtype)
    bias = draw(rng, gates * units, dtype=dtype)
    mask = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1], [1, 0, 0, 0, 0]], bool) if masked else None
    if cell == "lstm":
        run = lambda x, h, c, k: kernels.lstm(x, h, c, None, k, None, mask, reverse)
        compare(run, (x, h, c, kernel), dtype)
    elif cell == "gru":
        run = lambda x, h, k, b: kernels.gru(x, h, None, k, None, b, mask, reverse, True)
        compare(run, (x, h, kernel, bias), dtype)
    else:
        after = cell == "gru without bias"
        run = lambda x, h, k: kernels.gru(x, h, None, k, None, None, mask, reverse, after)
        compare(run, (x, h, kernel), dtype)


def test_masked_steps_keep_the_state_and_repeat_the_output(rng):
    x, h = draw(rng, 4, 1, 8, dtype="float32"), draw(rng, 1, 2, dtype="float32")
    mask = np.array([[False, True, False, False]])
    kernel = draw(rng, 2, 8, dtype="float32")
    outputs, last, _ = kernels.lstm(x, h, h, None, kernel, None, mask, False)
    np.testing.assert_array_equal(outputs[:, 0], h)
    np.testing.assert_array_equal(outputs[:, 2], outputs[:, 1])
    np.testing.assert_array_equal(outputs[:, 3], last)
    assert np.abs(outputs[:, 1] - h).max() > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5), (4, 5, 6, 3)])
def test_batch_norm(shape, dtype, rng):
    x = draw(rng, *shape, dtype=dtype) * 3 + 2
    gamma, beta = draw(rng, shape[-1], dtype=dtype), draw(rng, shape[-1], dtype=dtype)
    fast = lambda x, g, b: kernels.batch_norm(x, g, b, 1e-3)
    compare(fast, (x, gamma, beta), dtype, tolerance=3e-5 if dtype == "float32" else 1e-10)
    _, mean, variance = fast(x, gamma, beta)
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(mean, x.mean(axes), rtol=1e-5)
    np.testing.assert_allclose(variance, x.var(axes), rtol=1e-5)


def test_batch_norm_variance_survives_a_large_mean(rng):
    x = (draw(rng, 4096, 3, dtype="float32") + np.float32(1000)).astype("float32")
    _, _, variance = kernels.batch_norm(x, jnp.ones(3), jnp.zeros(3), 1e-3)
    np.testing.assert_allclose(variance, x.astype("float64").var(0), rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_add_bias_and_column_sum(dtype, rng):
    x, bias = draw(rng, 4, 5, 3, dtype=dtype), draw(rng, 3, dtype=dtype)
    compare(kernels.add_bias, (x, bias), dtype)
    compare(kernels.add_bias, (x, x[0]), dtype)
    compare(kernels.add_bias, (draw(rng, 256, 64, dtype=dtype), draw(rng, 64, dtype=dtype)), dtype)
    rows, table = draw(rng, 9, 64, 128, dtype=dtype), draw(rng, 64, 128, dtype=dtype)
    compare(kernels.add, (rows, table), dtype)
    compare(kernels.add, (table[0], rows), dtype)
    compare(kernels.column_sum, (x,), dtype)
    assert kernels.column_sum(jnp.ones((3, 2), jnp.int32)).dtype == jnp.int32


FORWARD = {
    "a dense layer": ((6,), lambda L: [L.Dense(4)]),
    "normalized sequences": ((5, 6), lambda L: [L.Dense(4), L.LayerNormalization()]),
    "convolution": (
        (8, 8, 2),
        lambda L: [
            L.Conv2D(4, 3),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.GlobalMaxPooling2D(),
        ],
    ),
    "depthwise": ((8, 8, 2), lambda L: [L.DepthwiseConv2D(3), L.AveragePooling2D()]),
    "LSTM": ((5, 3), lambda L: [L.LSTM(4)]),
    "GRU": ((5, 3), lambda L: [L.GRU(4)]),
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward_mode(name, rng):
    """`jax.jvp` and `jax.hessian` of a model, which custom gradients refuse: physics-informed
    networks take them."""
    shape, layers = FORWARD[name]
    model = tricorn.Sequential([tricorn.Input(shape), *layers(tricorn.layers)])
    x, along = (jnp.asarray(draw(rng, 2, *shape, dtype="float32")) for _ in range(2))

    def total(x):
        return (model(x) ** 2).sum()

    wanted = (jax.grad(total)(x) * along).sum()
    for fn in (total, jax.jit(total)):
        np.testing.assert_allclose(jax.jvp(fn, (x,), (along,))[1], wanted, rtol=1e-4, atol=1e-5)
    forward, backward = jax.hessian(total)(x), jax.jacrev(jax.grad(total))(x)
    np.testing.assert_allclose(forward, backward, rtol=1e-3, atol=1e-4)


def test_what_is_kept_is_not_fused(rng):
    """XLA may not compute the gradient of a residual connection anew for each that reads it."""
    x = draw(rng, 256, 64, dtype="float32")

    def total(x):
        return (kernels.layer_norm(x, jnp.ones(64), jnp.zeros(64), 1e-3) ** 2).sum()

    compiled = policy.jit(jax.grad(total)).lower(x).compile().as_text()
    assert "opt-barrier" in compiled


def test_a_small_loop_with_a_barrier(monkeypatch):
    """XLA makes one kernel of a small loop, in which it cannot compile barriers."""
    monkeypatch.setattr(kernels, "_LARGE", 0)
    model = tricorn.Sequential([tricorn.Input((1,)), tricorn.layers.Dense(1)])
    model.compile("sgd", "mse")
    losses = model.fit(np.ones((12, 1)), np.zeros((12, 1)), 4, 3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


KEYS = {
    "counters": [(7, i) for i in range(256)],
    "seeds": [(i, 0) for i in range(256)],
    "both": [(i, i) for i in range(256)],
    "high bits": [(i << 20, i << 18) for i in range(256)],
}


@pytest.mark.parametrize("keys", KEYS)
def test_bits_look_independent(keys):
    """Within a stream and across streams of related keys: bits, neighbours, bytes, collisions."""
    keys = jnp.asarray(KEYS[keys], jnp.int32)
    signed = np.asarray(jax.jit(jax.vmap(lambda key: kernels.bits(key, (4096,))))(keys))
    assert signed.dtype == np.int32
    words = signed.view(np.uint32)
    u = words / 2.0**32 - 0.5

    def z(products):
        return abs(products.mean()) * 12 * np.sqrt(products.size)

    assert abs(u.mean()) * np.sqrt(12 * u.size) < 4.5
    for lag in (1, 2, 64):
        assert z(u[:, lag:] * u[:, :-lag]) < 4.5
        assert z(u[lag:] * u[:-lag]) < 4.5
    for related in (words, words[1:] ^ words[:-1], words[:, 1:] ^ words[:, :-1]):
        ones = (related[..., None] >> np.arange(32, dtype=np.uint32) & 1).mean((0, 1))
        assert np.abs(ones - 0.5).max() * 2 * np.sqrt(related.size) < 5
    counts = np.bincount(words.reshape(-1).view(np.uint8), minlength=256)
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert abs(chi_square - 255) / np.sqrt(510) < 5
    expected = words.size**2 / 2 / 2**32
    assert abs(words.size - len(np.unique(words)) - expected) < 5 * np.sqrt(expected)


def test_bits_depend_on_key_and_position_only():
    key = jnp.array([3, 4], jnp.int32)
    flat = kernels.bits(key, (12,))
    np.testing.assert_array_equal(kernels.bits(key, (3, 4)).reshape(-1), flat)
    np.testing.assert_array_equal(kernels.bits(key, (5,)), flat[:5])
    assert kernels.bits(key, ()) == flat[0]
    assert (kernels.bits(key[::-1], (12,)) != flat).all()


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
def test_bernoulli(probability):
    mask = kernels.bernoulli(jnp.array([5, 6], jnp.int32), (256, 256), probability)
    assert mask.dtype == bool
    deviation = np.sqrt(probability * (1 - probability) / mask.size)
    assert abs(mask.mean() - probability) < 5 * deviation + 1e-9


def test_convolutions_may_not_loop_but_their_matrix_form_may():
    x, few, many = jnp.ones((1, 8, 8, 1)), jnp.ones((3, 3, 1, 4)), jnp.ones((3, 3, 4, 4))
    plain = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1, True)

    def matrix_form(x):
        return jax.jit(lambda x: kernels.conv(x, few, *plain))(x)

    assert policy.loopable(jax.make_jaxpr(matrix_form)(x))
    assert policy.loopable(jax.make_jaxpr(jax.grad(lambda x: matrix_form(x).sum()))(x))
    y = jnp.ones((1, 8, 8, 4))
    library_form = lambda y: lax.cond(
        y.sum() > 0, lambda y: kernels.conv(y, many, *plain), lambda y: y[:, 2:, 2:], y
    )
    assert not policy.loopable(jax.make_jaxpr(library_form)(y))


def test_policy_jit_donates(rng):
    step = policy.jit(lambda state, x: state + x, donate_argnums=0)
    state = jnp.ones((4, 4))
    assert float(step(state, 1.0)[0, 0]) == 2.0
    assert state.is_deleted()


class TestCompilationCache:
    @pytest.fixture(autouse=True)
    def isolated(self, monkeypatch, tmp_path):
        names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
        before = {name: getattr(jax.config, name) for name in names}
        jax.config.update("jax_compilation_cache_dir", None)
        monkeypatch.delenv("TRICORN_COMPILATION_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        yield
        for name, value in before.items():
            jax.config.update(name, value)

    def test_private_folder(self, tmp_path):
        folder = policy.enable_compilation_cache()
        assert folder.is_relative_to(tmp_path / "tricorn" / "jax")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert jax.config.jax_compilation_cache_dir == str(folder)

    def test_users_own_setting_stays(self, tmp_path):
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
        assert policy.enable_compilation_cache() is None
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine")

    def test_switched_off_or_elsewhere(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TRICORN_COMPILATION_CACHE", "0")
        assert policy.enable_compilation_cache() is None
        assert jax.config.jax_compilation_cache_dir is None
        monkeypatch.setenv("TRICORN_COMPILATION_CACHE", str(tmp_path / "there"))
        assert policy.enable_compilation_cache().parent == tmp_path / "there"

    def test_no_folder_means_no_cache(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("TRICORN_COMPILATION_CACHE", str(tmp_path / "file" / "below"))
        assert policy.enable_compilation_cache() is None
        assert jax.config.jax_compilation_cache_dir is None

    def test_a_link_is_not_trusted(self, monkeypatch, tmp_path):
        folder = policy.enable_compilation_cache()
        jax.config.update("jax_compilation_cache_dir", None)
        folder.rmdir()
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
        assert policy.enable_compilation_cache() is None

    def test_old_entries_go_first(self, monkeypatch):
        folder = policy.enable_compilation_cache()
        jax.config.update("jax_compilation_cache_dir", None)
        for age, name in enumerate(["new", "old"]):
            (folder / name).write_bytes(b"x" * 100)
            os.utime(folder / name, (1e9 - age, 1e9 - age))
        monkeypatch.setattr(policy, "_MAX_CACHE_BYTES", 150)
        policy.enable_compilation_cache()
        assert [p.name for p in folder.iterdir()] == ["new"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def images_through(kind):
    """A small model with convolutions, its inputs, and whether it predicts by the forward form."""
    layers = tricorn.layers
    stacks = {
        "plain": ((9, 9, 1), [layers.Conv2D(4, 3), layers.Conv2D(16, 3), layers.MaxPool2D(2)]),
        "products": ((9, 9, 1), [layers.Conv2D(4, 3), layers.AveragePooling2D(2)]),
        "loop": ((3, 6, 6, 2), [layers.ConvLSTM2D(4, 3)]),
        "groups": ((9, 9, 4), [layers.Conv2D(16, 3), layers.DepthwiseConv2D(3)]),
        "dense": ((9,), [layers.Dense(4)]),
    }
    shape, stack = stacks[kind]
    model = tricorn.Sequential([tricorn.Input(shape), *stack, layers.Flatten(), layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(12, *shape)).astype("float32")
    return model, x, kind in ("plain", "products", "loop")


@pytest.mark.parametrize("kind", ["plain", "products", "loop", "groups", "dense"])
def test_what_takes_no_derivative_has_convolutions_of_its_own(kind, monkeypatch):
    model, x, forward = images_through(kind)
    model.compile("sgd", "mse", metrics=["mae"])
    asked, whole = [], policy.goes_forward
    monkeypatch.setattr(policy, "goes_forward", lambda j: asked.append(whole(j)) or asked[-1])

    y = np.ones((12, 2), "float32")
    with kernels.plain_formulations():
        expected = np.asarray(model(x, training=False))
    np.testing.assert_allclose(model.predict(x, 4, verbose=0), expected, rtol=1e-4, atol=1e-5)
    assert asked == [forward]
    loss, mae = model.evaluate(x, y, 4, verbose=0)
    assert asked == [forward, forward]
    errors = expected - 1
    np.testing.assert_allclose([loss, mae], [(errors**2).mean(), abs(errors).mean()], rtol=1e-4)
    model.fit(x, y, 4, verbose=0)
    assert asked == [forward, forward, False]


def test_derivatives_are_found_wherever_they_are_taken():
    x = jnp.ones((3, 3))
    f = lambda x: jnp.tanh(x @ x).sum()
    descent = lambda x: lax.scan(lambda c, _: (c - jax.grad(f)(c), None), x, None, length=2)
    taken = [jax.grad(f), jax.jit(jax.hessian(f)), descent, lambda x: jax.vjp(f, x)[1](1.0),
             jax.vmap(jax.grad(lambda x: f(x[None].T * x))), jax.jacfwd(f)]  # fmt: skip
    assert all(policy.derives(jax.make_jaxpr(fn)(x)) for fn in taken)
    assert not policy.derives(jax.make_jaxpr(jax.jit(f))(x))
