"""Ops on images and signals, and on functions, beside Keras 3 on JAX: values, dtypes, gradients and
the shapes of symbolic calls, as in `test_against_keras`, whose tables these continue."""

import functools
import inspect
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import tricorn
from tests.ops.test_against_keras import close, leaves, loss, name_of, opened, parse
from tests.oracle import array, cached, filled, first_of_each, quick
from tricorn import ops, tree
from tricorn.graph.symbolic import SymbolicTensor, is_symbolic
from tricorn.graph.transforms import value_and_grad

_rng = np.random.default_rng(11)


def _f(*shape, low=-2.0, high=2.0):
    return _rng.uniform(low, high, shape).astype("float32")


def _first(x):
    return np.moveaxis(x, -1, -3)


_IMG = _f(2, 7, 8, 3, low=0.05, high=0.95)

DATA = {
    "img": _IMG,
    "one": _IMG[0],
    "cf": _first(_IMG),
    "cf1": _first(_IMG[0]),
    "other": _f(2, 7, 8, 3, low=0.0, high=1.0),
    "big": _f(2, 13, 12, 2, low=0.0, high=1.0),
    "h": _IMG.astype("float16"),
    "u": _rng.integers(0, 256, (2, 7, 8, 3)).astype("uint8"),
    "i": _rng.integers(-90, 90, (2, 7, 8, 3)).astype("int32"),
    "grey": _IMG[..., :1],
    "vol": _f(2, 5, 6, 5, 2),
    "t": np.array([1.1, 0.2, -0.7, -0.15, 0.9, 0.6, 0.0, 0.0], "float32"),
    "ts": np.array(
        [[1.1, 0.2, -0.7, -0.15, 0.9, 0.6, 0, 0], [0.6, -0.3, 2.2, 0.4, 0.7, -1.6, 0, 0]], "float32"
    ),
    "p": np.array([[0, 0], [0, 6], [7, 0], [7, 6]], "float32"),
    "q": np.array([[0.5, 1.2], [0.3, 6.4], [6.1, -0.8], [7.9, 5.7]], "float32"),
    "qs": np.array(
        [
            [[0.5, 1.2], [0.3, 6.4], [6.1, -0.8], [7.9, 5.7]],
            [[1.1, 0.4], [-0.6, 5.3], [6.8, 0.9], [5.9, 6.2]],
        ],
        "float32",
    ),
    "grid": _f(4, 5),
    "places": _f(2, 3, 6, low=-4.0, high=8.0),
    "halves": np.array([[-0.5, 0.5, 1.5, 2.5, 3.5, 4.5], [0.5, -1.5, 4.5, 2.5, 0, 1]], "float32"),
    "line": _f(9),
    "spots": _f(1, 7, low=-12.0, high=21.0),
    "s2": np.array([1.7, 0.6], "float32"),
    "m2": np.array([-0.4, 1.3], "float32"),
    "wave": _f(2, 3, 40),
    "waves": _f(2, 40),
    "re": _f(2, 7, 5),
    "im": _f(2, 7, 5),
    "w6": _f(6, low=0.2, high=1.0),
    "x": _f(3, 4, low=-9.0, high=9.0),
    "far": _f(3, 4, low=-40.0, high=40.0),
    "n": np.array([0.0, 1.0, -1.0, 3.5, -2.5, np.inf, np.nan, 0.0], "float32"),
    "to": np.array([1.0, 2.0, 1.0, 3.5, -9.0, 0.0, 1.0, -1.0], "float32"),
    "k": np.array([1, 2, 3], "int32"),
}
DATA["big2"] = DATA["big"] + _f(2, 13, 12, 2, low=-0.3, high=0.3)
DATA["ps"] = np.stack([DATA["p"]] * 2)

_SIZES = [
    f"resize {x}, {size}, {method!r}, {antialias}"
    for method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    for x, size, antialias in (("img", (5, 11), False), ("big", (4, 7), True))
]
_MODES = [
    case
    for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    for case in (
        f"affine_transform img, ts, 'nearest', {mode!r}, 0.3",
        f"map_coordinates grid, places, 1, {mode!r}, -1.5",
        f"map_coordinates grid, places, 0, {mode!r}, 2",
    )
]

#: values, gradients and symbolic shapes
SMOOTH = """
resize cf, (5, 11), data_format='channels_first' | resize cf1, (5, 3), data_format='channels_first'
resize img, (4, 9), crop_to_aspect_ratio=True | resize img, (9, 4), 'bicubic', True, True
resize img, (4, 9), pad_to_aspect_ratio=True, fill_value=0.7
resize one, (9, 4), pad_to_aspect_ratio=True, fill_value=-1.0
resize cf, (9, 4), pad_to_aspect_ratio=True, data_format='channels_first'
resize cf, (9, 4), crop_to_aspect_ratio=True, data_format='channels_first'
rgb_to_grayscale img | rgb_to_grayscale one | rgb_to_grayscale cf, 'channels_first'
rgb_to_grayscale grey | rgb_to_hsv img | rgb_to_hsv one
rgb_to_hsv cf, data_format='channels_first'
hsv_to_rgb img | hsv_to_rgb one | hsv_to_rgb cf1, data_format='channels_first'
hsv_to_rgb other*3-1
affine_transform one, t.tolist() | affine_transform img, ts.tolist(), fill_mode='reflect'
affine_transform cf, ts.tolist(), data_format='channels_first'
affine_transform img, ts.tolist(), 'bilinear', 'wrap', 0.3 | perspective_transform one, p, q
perspective_transform img, ps, qs, 'nearest', 0.4
perspective_transform cf, ps, qs, 'bilinear', 0.4, 'channels_first'
map_coordinates img[..., 0], places[[0, 1, 0]], 1 | map_coordinates line, spots, 1, 'mirror'
map_coordinates grid, halves, 0
extract_patches img, 2 | extract_patches img, (3, 2) | extract_patches img, (3, 2), (1, 2)
extract_patches img, 3, 2, padding='same' | extract_patches img, 2, 1, 2
extract_patches img, 3, 1, 2, 'same' | extract_patches one, 3, 1
extract_patches cf, (2, 3), data_format='channels_first'
extract_patches cf1, 2, 3, data_format='channels_first', padding='same'
extract_patches vol, (2, 3, 2), (1, 2, 2), padding='same' | extract_patches_3d vol, 2
extract_patches_3d vol, (2, 3, 2), 1 | extract_patches_3d vol[0], 3, (1, 2, 1), padding='same'
extract_patches_3d vol.transpose(0, 4, 1, 2, 3), 2, 1, data_format='channels_first'
pad_images img, 1, 2, 3, 0 | pad_images one, 2, 3, target_height=12, target_width=11
pad_images cf, None, None, 1, 2, 9, 10, data_format='channels_first'
crop_images img, 1, 2, 3, 0 | crop_images one, 2, 3, target_height=4, target_width=5
crop_images cf, None, None, 1, 2, 4, 5, data_format='channels_first'
gaussian_blur img, data_format='channels_last'
gaussian_blur one, (5, 5), (0.8, 0.8), 'channels_last'
gaussian_blur cf, (4, 4), (1.5, 1.5), 'channels_first' | sobel_edges img
sobel_edges cf, 'channels_first' | ssim big, big2
ssim img, other, 1.0, 5, 0.9, 0.02, 0.05
ssim cf, _first(other), filter_size=3, data_format='channels_first'
scale_and_translate grid, (6, 4), s2, m2, (0, 1), 'linear'
scale_and_translate grid, (6, 4), s2, m2, (0, 1), 'cubic', False
scale_and_translate img, (2, 5, 9, 3), s2, m2, (1, 2), 'lanczos3'
scale_and_translate img, (2, 7, 4, 3), s2[:1], m2[:1], (2,), 'lanczos5', False
stft wave, 8, 4, 8 | stft waves, 6, 3, 8, 'hamming', False | stft waves, 6, 4, 8, None
stft waves, 6, 2, 7, w6 | stft wave[0, 0], 8, 3, 16 | stft waves, 5, 2, 5, center=False
istft (re, im), 8, 4, 8 | istft (re, im), 6, 3, 8, window='hamming', center=False
istft (re, im), 8, 4, 8, 11 | istft (re, im), 6, 2, 9, window=w6
istft (re, im), 8, 4, 8, None, None
istft (re[0], im[0]), 8, 2, 8 | i0 x | i0 far | rearrange img, 'b h w c -> b c h w'
rearrange img, 'b h w c -> (b h) w c' | rearrange img, 'b h w c -> h (b w) c'
rearrange img, 'b h (w v) c -> (b v) h w c', v=2
rearrange img, '(a b) h (v w) c -> a (w b) (h v c)', v=4, b=2
rearrange one, 'h w c->c (h w)'
"""
#: values, dtypes and symbolic shapes; numbers that are rounded stand far from halves
DISCRETE = """
resize u, (5, 11), 'bicubic', True | resize u, (4, 3), 'bicubic', True
resize i, (5, 9), 'nearest' | resize h, (5, 9)
resize u, (4, 9), 'bicubic', False, False, True, fill_value=7 | resize i, (5, 4), 'lanczos3'
rgb_to_grayscale u | rgb_to_grayscale i | rgb_to_grayscale h | rgb_to_hsv h | hsv_to_rgb h
affine_transform u, ts*np.float32(1.017)
affine_transform i, ts, 'nearest', 'wrap' | affine_transform h, ts
perspective_transform u, ps, qs | map_coordinates i[0, :, :, 0], halves, 1
map_coordinates i[0, :, :, 0], k[:2, None], 0 | map_coordinates u[0, :, :, 0], places, 1, 'mirror'
extract_patches i, 2 | pad_images u, 1, 2, 3, 0 | crop_images u, 1, 2, 3, 0
gaussian_blur h, data_format='channels_last' | sobel_edges h
scale_and_translate i, (2, 5, 9, 3), s2, m2, (1, 2), 'linear'
i0 k | i0 h*4 | nextafter n, to | nextafter n[:, None], to | nextafter 1.0, to | nextafter k, 2.0
bartlett 7 | blackman 8 | hamming 7 | hanning 1 | hanning 9 | kaiser 7, 3.5 | bartlett 0
rearrange k, 'a -> a'
"""
SMOOTH = [*parse(SMOOTH), *_SIZES, *_MODES]
DISCRETE = parse(DISCRETE)
DATA["_first"] = _first


def names(library):
    """The names of a library's ops, those of images among them."""
    return SimpleNamespace(**{**vars(library.ops), **vars(library.ops.image)})


OURS, THEIRS = names(tricorn), names(keras)


def scalar(library, case):
    """(floating arrays, function of them that gives a scalar and the op's own results)."""
    name, values, run = opened(case, "f", DATA)

    def fn(values):
        result = run(getattr(library, name), values)
        return loss(library, result), leaves(result)

    return values, fn


@pytest.mark.parametrize("case", first_of_each(SMOOTH, name_of))
def test_values_and_gradients(case):
    values, fn = scalar(OURS, case)
    (_, result), grads = quick(value_and_grad(fn, has_aux=True))(values)
    close([*filled(grads, values), *result], expected_gradients(case))


@cached
def expected_gradients(case):
    values, fn = scalar(THEIRS, case)
    derived = jax.value_and_grad(fn, has_aux=True)
    (_, result), grads = (derived if case.split()[0] in ON_VALUES else jax.jit(derived))(values)
    return [*grads, *result]


#: what Keras computes on values only
ON_VALUES = {"rearrange", "bartlett", "blackman", "hamming", "hanning", "kaiser"}


@pytest.mark.parametrize("case", first_of_each(DISCRETE, name_of))
def test_values_and_dtypes(case):
    name, values, run = opened(case, "biufc", DATA)
    close(run(getattr(OURS, name), values), expected_values(case))


@cached
def expected_values(case):
    name, values, run = opened(case, "biufc", DATA)
    if name in ON_VALUES:
        return getattr(THEIRS, name)(*opened(case, "", DATA)[2](lambda *a, **k: a, []))
    return jax.jit(functools.partial(run, getattr(THEIRS, name)))(values)


# The abstract engine gives the shapes: one real engine is enough to compare them with.
@pytest.mark.engine("jax")
@pytest.mark.parametrize("case", SMOOTH + DISCRETE)
@pytest.mark.parametrize("batch", [True, False], ids=["unknown", "known"])
def test_symbolic_shapes(case, batch):
    """A call on symbolic tensors records one node of the op, with the shape of the real result."""
    name, values, run = opened(case, "biufc", DATA)
    if name in HOST:
        return
    real = jax.eval_shape(functools.partial(run, getattr(OURS, name)), values)
    unknown = batch and values[0].ndim > 1 and name not in WHOLE and "cf1" not in case
    made = [SymbolicTensor(v.shape, v.dtype.name) for v in values]
    if unknown:
        made[0] = SymbolicTensor((None, *values[0].shape[1:]), values[0].dtype.name)
    found, expected = leaves(run(getattr(OURS, name), made)), leaves(real)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert is_symbolic(a)
        assert a.dtype == ops.dtype(b)
        assert len(a.shape) == len(b.shape)
        assert [m for m, n in zip(a.shape, b.shape) if m != n] == [None] * a.shape.count(None)
        assert a.shape.count(None) <= unknown


#: windows are made on the host, of numbers
HOST = {"bartlett", "blackman", "hamming", "hanning", "kaiser"}
#: the first axis of the first argument is no batch
WHOLE = {"map_coordinates", "scale_and_translate", "istft", "nextafter"}


ANY = (None, None, None, 3)
#: op, its arguments (tuples are shapes of tensors), shape of the result
UNKNOWN = [
    ("crop_images", (ANY, 1, 2, None, None, 4, 5), (None, 4, 5, 3)),
    ("pad_images", (ANY, 1, 2, None, None, 9, 9), (None, 9, 9, 3)),
    ("pad_images", ((None, None, 8, 3), None, 2, 1, None, 9, 12), (None, 9, 12, 3)),
    ("pad_images", ((2, None, 8, 3), 1, 2, 3, 4), (2, None, 14, 3)),
    ("extract_patches", (ANY, 3), (None, None, None, 27)),
    ("gaussian_blur", (ANY,), ANY),
    ("rgb_to_hsv", (ANY,), ANY),
    ("affine_transform", (ANY, (None, 8)), ANY),
    ("elastic_transform", ((None, 7, 8, 3),), (None, 7, 8, 3)),
    ("sobel_edges", (ANY,), (*ANY, 2)),
    ("ssim", (ANY, ANY), (None,)),
    ("resize", (ANY, [4, 5]), (None, 4, 5, 3)),
    ("map_coordinates", ((None, 5), (2, None), 1), (None,)),
    ("rearrange", ((None, 6, 8), "b h w -> h (w) b"), (6, 8, None)),
    ("rearrange", ((None, 6, 8), "b h w -> (b h) w"), (None, 8)),
]  # fmt: skip


@pytest.mark.engine_free
@pytest.mark.parametrize("name, args, expected", UNKNOWN)
def test_unknown_sizes(name, args, expected):
    given = [SymbolicTensor(a, "float32") if isinstance(a, tuple) else a for a in args]
    assert getattr(OURS, name)(*given).shape == expected


def test_sizes_that_are_known_when_a_graph_runs():
    """A model of images of any size."""
    inputs = tricorn.Input((None, None, 3))
    padded = ops.image.pad_images(
        inputs, bottom_padding=1, right_padding=0, target_height=9, target_width=10
    )
    cut = ops.image.crop_images(inputs, 1, 2, target_height=3, target_width=4)
    parts = ops.image.extract_patches(inputs, 2, padding="same")
    model = tricorn.Model(inputs, [padded, cut, parts])
    x = DATA["img"]
    found = [array(y) for y in model(x)]
    np.testing.assert_array_equal(found[0], np.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0))))
    np.testing.assert_array_equal(found[1], x[:, 1:4, 2:6])
    np.testing.assert_array_equal(found[2], array(ops.image.extract_patches(x, 2, padding="same")))


# ------------------------------------------------------------------------------- namespaces, names


@pytest.mark.engine_free
@pytest.mark.parametrize("name", ["", "image", "linalg", "nn", "numpy"])
def test_every_name_of_keras_is_there_with_its_arguments(name):
    ours, theirs = (getattr(k.ops, name) if name else k.ops for k in (tricorn, keras))
    for op in [n for n in dir(theirs) if not n.startswith("_")]:
        assert hasattr(ours, op), op
        assert op in ours.__all__, op
        if inspect.ismodule(getattr(theirs, op)):
            continue
        assert getattr(ours, op) is getattr(tricorn.ops if name != "image" else ours, op)
        want, got = (
            [p for p in inspect.signature(getattr(m, op)).parameters.values() if p.kind < 4]
            for m in (theirs, ours)
        )
        assert [p.name for p in got[: len(want)]] == [p.name for p in want], op
        if name == "image":
            assert [p.default for p in got] == [p.default for p in want], op


# ------------------------------------------------------------------------- functions of functions


def pair(a, b):
    """An associative operation of pairs: x ↦ m x + c, one after the other."""
    return {"m": a["m"] * b["m"], "c": b["m"] * a["c"] + b["c"]}


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_associative_scan(count, reverse, axis):
    shape = [2, 3, 2]
    shape[axis] = count
    elems = {"m": _f(*shape), "c": _f(*shape)}
    found = ops.associative_scan(pair, tree.map(ops.convert_to_tensor, elems), reverse, axis)
    theirs = tree.map(jnp.asarray, elems)  # Keras knows no negative axis with `reverse`
    expected = keras.ops.associative_scan(pair, theirs, reverse, axis % 3)
    for key in elems:
        close(found[key], expected[key])


def test_associative_scan_of_symbolic_tensors_and_gradients():
    inputs = tricorn.Input((5,))
    model = tricorn.Model(inputs, ops.associative_scan(ops.add, inputs, axis=1))
    x = _f(2, 5)
    close(model(x), np.cumsum(x, 1))
    _, grad = value_and_grad(lambda x: ops.sum(ops.associative_scan(ops.multiply, x)))(x[0])
    expected = jax.grad(lambda x: jnp.sum(jnp.cumprod(x)))(jnp.asarray(x[0]))
    close(grad, expected)


@pytest.mark.parametrize("has_aux", [False, True])
def test_jvp(has_aux):
    def fn(library, x, y):
        out = {"a": library.ops.sin(x["x"]) * y, "b": library.ops.sum(y)}
        return (out, library.ops.cos(y)) if has_aux else out

    primals, tangents = ({"x": _f(3)}, _f(3)), ({"x": _f(3)}, _f(3))
    found = ops.jvp(functools.partial(fn, tricorn), primals, tangents, has_aux)
    theirs = functools.partial(fn, keras)
    expected = keras.ops.jvp(theirs, *tree.map(jnp.asarray, (primals, tangents)), has_aux)
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        close(a, b)


def test_jvp_keeps_what_layers_assign():
    layer = tricorn.layers.BatchNormalization(momentum=0.5)
    drop = tricorn.layers.Dropout(0.5, seed=1)
    x = _f(8, 3)
    layer.build(x.shape)
    ops.jvp(lambda x: drop(layer(x, training=True), training=True), (x,), (x,))
    close(layer.moving_mean, x.mean(0) / 2)
    assert array(drop.seed_generator.state)[-1] > 0
    with pytest.raises(ValueError, match="tangents"):
        ops.jvp(ops.sin, (x,), (x, x))


def test_vectorize():
    a, b, m = _f(4, 1), _f(3), _f(2, 3, 5)
    close(ops.vectorize(lambda x, y: x * y + 1)(a, b), a * b + 1)
    close(ops.vectorize(lambda x, y: (x, x - y))(2.0, b)[1], 2 - b)
    product = ops.vectorize(lambda m, v: ops.matmul(m, v), signature="(m,n),(n)->(m)")
    v = _f(4, 1, 5)
    close(product(m, v), np.einsum("bmn,abn->abm", m, np.broadcast_to(v, (4, 2, 5))))
    kept = ops.vectorize(lambda x, k, flag=None: ops.sum(x) ** k, excluded={1}, signature="(n)->()")
    close(kept(m, 2, flag=True), m.sum(-1) ** 2)
    close(ops.vectorize(lambda x, y: x if y is None else y)(b, None), b)
    mistakes = {
        "callable": lambda: ops.vectorize(3),
        "signature": lambda: ops.vectorize(abs, signature="n->n"),
        "'n'": lambda: product(m, _f(4)),
        "2 arguments": lambda: product(m),
    }
    for text, wrong in mistakes.items():
        with pytest.raises(ValueError, match=text):
            wrong()


# -------------------------------------------------------------------------------- one by one


def test_nextafter_in_every_width():
    for dtype in ("float16", "float32", "float64"):
        x = np.array([0.0, 1.0, -1.0, 2.5, 0.0], dtype)
        to = np.array([1.0, 2.0, 1.0, -9.0, -1.0], dtype)
        np.testing.assert_array_equal(array(ops.nextafter(x, to)), np.nextafter(x, to))


def test_i0_in_double_precision():
    x = np.linspace(-60, 60, 97)
    np.testing.assert_allclose(array(ops.i0(x)), np.i0(x), rtol=1e-12)


@pytest.mark.parametrize("window", ["hann", "hamming", DATA["w6"]], ids=["hann", "hamming", "own"])
@pytest.mark.parametrize("center", [True, False])
def test_istft_gives_the_signal_back(window, center):
    x, settings = DATA["waves"], {"window": window, "center": center}
    parts = ops.stft(x, 6, 2, 8, **settings)
    again = array(ops.istft(parts, 6, 2, 8, length=40, **settings))
    inner = slice(None) if center else slice(2, -2)  # windows are 0 or close to it at the ends
    np.testing.assert_allclose(again[:, inner], x[:, inner], atol=2e-5)
    assert array(ops.istft(parts, 6, 2, 8, length=50, **settings)).shape == (2, 50)


def test_elastic_transform():
    """Displacements are drawn: what holds of any."""
    x = DATA["img"]
    settings = {"alpha": 1.5, "sigma": 0.8}
    first = array(ops.image.elastic_transform(x, seed=3, **settings))
    assert first.shape == x.shape
    assert first.dtype == x.dtype
    np.testing.assert_array_equal(first, array(ops.image.elastic_transform(x, seed=3, **settings)))
    assert not np.allclose(first, array(ops.image.elastic_transform(x, seed=4, **settings)))
    assert x.min() - 1e-6 <= first.min()
    assert first.max() <= x.max() + 1e-6
    still = array(ops.image.elastic_transform(x, alpha=0.0, seed=3))
    np.testing.assert_allclose(still, x, atol=1e-6)
    ramp = np.broadcast_to(np.arange(40.0, dtype="float32")[:, None, None], (40, 30, 1))
    down, across = (
        array(ops.image.elastic_transform(r, 3.0, 1.0, seed=5))[8:-8, 8:-8] - r[8:-8, 8:-8]
        for r in (
            ramp,
            np.broadcast_to(np.arange(30.0, dtype="float32")[None, :, None], ramp.shape),
        )
    )
    assert abs(np.corrcoef(down.ravel(), across.ravel())[0, 1]) < 0.3  # two fields, not one


def test_one_perspective_for_a_batch():
    x, p, q = DATA["img"], DATA["p"], DATA["q"]
    every = array(ops.image.perspective_transform(x, p, q))
    np.testing.assert_allclose(every, ops.image.perspective_transform(x, [p, p], [q, q]), atol=1e-6)
    t = DATA["t"]
    every = array(ops.image.affine_transform(x, t))
    np.testing.assert_allclose(every, ops.image.affine_transform(x, [t, t]), atol=1e-6)


def test_projection_is_that_of_the_documentation():
    """(x', y') = ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1: Keras on
    JAX and PyTorch leaves c0 and c1 out, or moves channels by them."""
    y, x = np.mgrid[:7.0, :8.0].astype("float32")
    k = 0.05 * x - 0.02 * y + 1
    places = np.stack([(0.9 * y + 0.3) / k, (1.1 * x + 0.1 * y) / k])
    t = np.array([1.1, 0.1, 0, 0, 0.9, 0.3, 0.05, -0.02], "float32")
    image = DATA["img"][0, :, :, :1]
    expected = ops.image.map_coordinates(image[..., 0], places, 1)
    close(ops.image.affine_transform(image, t)[..., 0], array(expected))


def test_blur_has_the_height_and_width_of_the_documentation():
    """kernel_size and sigma are those along height and width; Keras's backends disagree."""
    spot = np.zeros((1, 9, 9, 1), "float32")
    spot[0, 4, 4] = 1
    blurred = array(ops.image.gaussian_blur(spot, (1, 5), (1.0, 2.0)))[0, :, :, 0]
    bell = np.exp(-0.5 * (np.arange(-2, 3) / 2.0) ** 2)
    np.testing.assert_allclose(blurred[4, 2:7], bell / bell.sum(), rtol=1e-5)
    assert blurred.sum() == pytest.approx(blurred[4].sum())


def test_whole_numbers():
    """Blurred whole numbers are rounded; the likeness of whole numbers is a fraction."""
    u = DATA["u"]
    blurred = array(ops.image.gaussian_blur(u))
    assert blurred.dtype == np.uint8
    exact = array(ops.image.gaussian_blur(u.astype("float32")))
    np.testing.assert_allclose(blurred, exact, atol=0.501)
    other = np.clip(u.astype("int32") + 9, 0, 255).astype("uint8")
    found = array(ops.image.ssim(u, other, 255.0, 5))
    np.testing.assert_allclose(
        found, ops.image.ssim(u.astype("float32"), other.astype("float32"), 255.0, 5), rtol=1e-6
    )
    assert (found > 0.5).all()


ERRORS = """
Invalid images rank: resize img[0, 0], (3, 3)
`interpolation`: resize img, (3, 3), 'area'
`fill_mode`: resize img, (3, 3), fill_mode='reflect'
Only one of: resize img, (3, 3), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True
`size`: resize img, (3,)
`size`: resize img, (0, 3)
`interpolation`: affine_transform img, ts, 'bicubic'
`fill_mode`: affine_transform img, ts, fill_mode='edge'
transform rank: affine_transform img, ts[:, :6]
start_points: perspective_transform img, p[:3], q
same shape: perspective_transform img, ps, q
`order`: map_coordinates grid, places, 2
First dim of `coordinates`: map_coordinates line, places, 1
channel size: rgb_to_grayscale big
dtype: rgb_to_hsv u
3 channels: hsv_to_rgb big
exactly two of: crop_images img, 1, 2
exactly two of: pad_images img, 1, 2, 3, 4, 12
must be >= 0: pad_images img, 1, 2, target_height=5, target_width=12
must be >= 0: pad_images img, -1, 2, 3, 4
must be >= 0: crop_images img, 5, 2, 3, 4
must be >= 0: crop_images img, 1, 2, target_height=9, target_width=3
`size`: extract_patches vol, (2, 2)
`method`: scale_and_translate grid, (6, 4), s2, m2, (0, 1), 'nearest'
`fft_length`: stft wave, 8, 4, 6
`window`: stft wave, 8, 4, 8, 'kaiser'
shape of `window`: stft wave, 8, 4, 8, w6
`sequence_stride`: stft wave, 8, 0, 8
`sequence_stride`: istft (re, im), 8, 1.5, 8
must name each axis: rearrange img, 'b h w -> b (h w)'
must name each axis: rearrange img, 'b h w c -> b h w d'
lengths: rearrange img, 'b (h x) w c -> b h x w c'
lengths: rearrange img, 'b (h x) w c -> b h x w c', x=2
a pattern like: rearrange img, 'b h w c'
"""


@pytest.mark.parametrize("line", ERRORS.strip().split("\n"))
def test_errors_say_what_was_expected(line):
    text, case = line.split(": ", 1)
    name, values, run = opened(case, "biufc", DATA)
    with pytest.raises(ValueError, match=text) as found:
        run(getattr(OURS, name), values)
    assert name.split("_")[0] in str(found.value) + "".join(getattr(found.value, "__notes__", []))


def test_wrong_kinds():
    with pytest.raises(TypeError, match="`size`"):
        ops.image.extract_patches(DATA["img"], "2")
    with pytest.raises(TypeError, match="float32"):
        ops.stft(DATA["i"], 8, 4, 8)


@pytest.mark.engine("tensorflow")
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("antialias", [False, True])
def test_images_of_unknown_sizes_are_resized_in_a_graph(method, antialias):
    """As in the functions of tf.data; two sizes, one graph."""
    import tensorflow as tf

    known = tf.TensorSpec((None, None, None, 3), tf.float32)

    @tf.function(input_signature=[known])
    def resized(x):
        return ops.image.resize(x, (4, 8), method, antialias)

    for shape in ((2, 7, 9, 3), (1, 3, 5, 3)):
        x = np.random.default_rng(0).uniform(0, 1, shape).astype("float32")
        close(resized(x), ops.image.resize(x, (4, 8), method, antialias))
