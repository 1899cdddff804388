"""Calls of ``K`` and what NumPy gives for them.

NumPy arrays among the arguments are tensors of the engine in the eager test and placeholders in the
symbolic ones, where arrays of floats may also have a first axis of unknown size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.backend import references as ref

random = np.random.default_rng(5)


def floats(*shape, low=-2.0, high=2.0):
    return random.uniform(low, high, shape).astype("float32")


def positive(*shape):
    return floats(*shape, low=0.1)


def probabilities(*shape):
    return ref.softmax(floats(*shape))


def ints(*shape, below):
    return random.integers(0, below, shape).astype("int32")


@dataclass(frozen=True, eq=False)
class Case:
    """One call.

    Attributes:
        name: the function.
        args, kwargs: its arguments.
        reference: function of the same arguments.
        label: tells cases of one function apart.
        unknown: whether it also works when the sizes of first axes are not known.
        tolerance: of the largest value.
    """

    name: str
    args: tuple
    reference: Callable
    kwargs: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    unknown: bool = True
    tolerance: float = 1e-5

    def __str__(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name


def case(name, *args, reference=None, label="", unknown=True, tolerance=1e-5, **kwargs):
    reference = reference or getattr(ref, name, None) or getattr(np, name)
    return Case(name, args, reference, kwargs, label, unknown, tolerance)


X, Y = floats(3, 4), floats(3, 4)
WHOLE = np.array([[1.0, -2.0, 2.5], [0.5, 1.5, -0.5]], "float32")
CUBE = floats(3, 4, 5)
BOOLS = np.array([[True, False], [True, True]])

ELEMENTWISE = [
    case("abs", X),
    case("sqrt", positive(3, 4)),
    case("square", X),
    case("exp", X),
    case("log", positive(3, 4)),
    case("sin", X),
    case("cos", X),
    case("tanh", X),
    case("round", WHOLE),
    case("sign", WHOLE),
    case("sigmoid", X),
    case("softplus", X, reference=lambda x: np.log1p(np.exp(x))),
    case("softsign", X, reference=lambda x: x / (1 + abs(x))),
    case("hard_sigmoid", 2 * X, reference=lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    case("elu", X, reference=lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x))),
    case("elu", X, alpha=0.3, label="alpha",
         reference=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x))),
    case("relu", X),
    case("relu", X, alpha=0.1, label="alpha"),
    case("relu", X, max_value=1.0, label="max_value"),
    case("relu", X, alpha=0.2, max_value=1.5, threshold=0.5, label="all"),
    case("relu", X, threshold=-1.0, label="threshold below 0"),
    case("softmax", CUBE),
    case("softmax", CUBE, axis=1, label="axis"),
    case("l2_normalize", X),
    case("l2_normalize", X, axis=1, label="axis"),
    case("clip", X, -1.0, 0.5),
    case("clip", X, 0.5, -1.0, reference=lambda x, a, b: np.clip(x, a, a), label="crossed"),
    case("clip", X, None, 0.5, label="below"),
    case("pow", positive(3), 2.5, reference=np.power),
    case("pow", positive(3), floats(3), reference=np.power, label="tensors"),
    case("maximum", X, Y),
    case("minimum", X, Y),
    case("equal", WHOLE, np.abs(WHOLE)),
    case("not_equal", WHOLE, np.abs(WHOLE)),
    case("greater", X, Y),
    case("greater_equal", WHOLE, np.abs(WHOLE)),
    case("less", X, Y),
    case("less_equal", WHOLE, np.abs(WHOLE)),
    case("cast", WHOLE, "int32", reference=lambda x, dtype: x.astype(dtype)),
    case("cast", BOOLS, "float32", reference=lambda x, dtype: x.astype(dtype), label="bool"),
    case("cast_to_floatx", ints(3, below=5), reference=lambda x: x.astype("float32")),
    case("identity", X, reference=lambda x: x),
    case("stop_gradient", X, reference=lambda x: x),
    case("zeros_like", X),
    case("zeros_like", X, dtype="int32", label="dtype"),
    case("ones_like", X),
    case("print_tensor", X, message="here:", reference=lambda x, message: x),
]  # fmt: skip

REDUCTIONS = [
    made
    for name in ("max", "min", "sum", "prod", "mean", "var", "std", "logsumexp")
    for made in (
        case(name, CUBE),
        case(name, CUBE, axis=1, label="axis"),
        case(name, CUBE, axis=(0, 2), keepdims=True, label="axes, kept"),
    )
] + [
    case("mean", BOOLS, axis=0, label="of bools"),
    case("any", BOOLS, axis=1),
    case("all", BOOLS, axis=1),
    case("any", np.array([[0.0, 2.0], [0.0, 0.0]], "float32"), axis=1, keepdims=True,
         label="of floats"),
    case("all", np.array([[1.0, 2.0], [0.0, 0.0]], "float32"), axis=-1, label="of floats"),
    case("argmax", CUBE, reference=lambda x: x.argmax(-1)),
    case("argmax", CUBE, axis=0, label="axis"),
    case("argmin", CUBE, reference=lambda x: x.argmin(-1)),
    case("argmin", CUBE, axis=1, label="axis"),
    case("cumsum", CUBE, reference=lambda x: x.cumsum(0)),
    case("cumsum", CUBE, axis=2, label="axis"),
    case("cumprod", CUBE, reference=lambda x: x.cumprod(0)),
    case("cumprod", CUBE, axis=1, label="axis"),
]  # fmt: skip

PRODUCTS = [
    case("dot", floats(2, 3), floats(3, 4), unknown=False),
    case("dot", floats(2, 3), floats(4, 3, 5), unknown=False, label="with three axes"),
    case("dot", floats(2, 4, 3), floats(3), unknown=False, label="with a vector"),
    case("batch_dot", floats(5, 4), floats(5, 4), label="vectors"),
    case("batch_dot", floats(5, 2, 4), floats(5, 4, 3)),
    case("batch_dot", floats(5, 4), floats(5, 3, 4), (1, 2), label="axes"),
    case("batch_dot", floats(5, 3, 4), floats(5, 4), label="matrix and vector"),
    case("batch_dot", floats(5, 2, 4), floats(5, 3, 4), 2, label="one axis for both"),
    case("batch_dot", floats(5, 2, 3, 4), floats(5, 4, 6), label="four axes"),
    case("batch_dot", floats(5, 2, 3, 4), floats(5, 7, 3, 6), (2, -2), label="negative"),
]

SHAPES = [
    case("transpose", CUBE),
    case("permute_dimensions", CUBE, (0, 2, 1), reference=np.transpose),
    case("reshape", CUBE, (-1, 10)),
    case("flatten", CUBE, reference=np.ravel),
    case("batch_flatten", CUBE, reference=lambda x: x.reshape(len(x), -1)),
    case("expand_dims", X, reference=lambda x: x[..., None]),
    case("expand_dims", X, axis=1, label="axis"),
    case("squeeze", floats(3, 1, 2), 1),
    case("concatenate", [X, Y], reference=lambda xs: np.concatenate(xs, -1)),
    case("concatenate", [X, Y], axis=0, label="axis"),
    case("stack", [X, Y]),
    case("stack", [X, Y], axis=-1, label="axis"),
    case("gather", CUBE, ints(2, 2, below=3), reference=lambda x, i: x[i]),
    case("slice", CUBE, (0, 1, 2), (3, 2, -1), reference=lambda x, start, size: x[:3, 1:3, 2:]),
    case("reverse", CUBE, 1, reference=np.flip),
    case("reverse", CUBE, (0, 2), reference=np.flip, label="axes"),
    case("repeat", X, 3, reference=lambda x, n: x[:, None].repeat(n, 1)),
    case("repeat_elements", CUBE, 2, 1, reference=np.repeat),
    case("tile", X, (2, 3), unknown=False),
    case("tile", X, 2, reference=lambda x, n: np.tile(x, (n, n)), unknown=False, label="int"),
    case("one_hot", ints(3, 2, below=4), 4, reference=lambda i, n: np.eye(n, dtype="float32")[i]),
    case("temporal_padding", CUBE, reference=lambda x: np.pad(x, [(0, 0), (1, 1), (0, 0)])),
    case("temporal_padding", CUBE, (0, 2), label="behind",
         reference=lambda x, pair: np.pad(x, [(0, 0), pair, (0, 0)])),
    case("spatial_2d_padding", floats(2, 3, 4, 2),
         reference=lambda x: np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])),
    case("spatial_2d_padding", floats(2, 2, 3, 4), ((1, 0), (0, 2)), "channels_first",
         label="channels first",
         reference=lambda x, pairs, layout: np.pad(x, [(0, 0), (0, 0), *pairs])),
    case("spatial_3d_padding", floats(1, 2, 3, 2, 2),
         reference=lambda x: np.pad(x, [(0, 0), *[(1, 1)] * 3, (0, 0)])),
    case("spatial_3d_padding", floats(1, 2, 2, 3, 2), ((0, 1), (1, 0), (2, 0)), "channels_first",
         label="channels first",
         reference=lambda x, pairs, layout: np.pad(x, [(0, 0), (0, 0), *pairs])),
    case("resize_images", floats(2, 3, 4, 2), 2, 3, "channels_last",
         reference=lambda x, a, b, layout: ref.enlarged(x, (a, b))),
    case("resize_images", floats(2, 2, 3, 4), 2, 3, "channels_first", label="channels first",
         reference=lambda x, a, b, layout: ref.channels_last(ref.enlarged)(x, (a, b))),
    case("resize_images", floats(2, 3, 4, 2), 2, 3, "channels_last", "bilinear", label="bilinear",
         reference=lambda x, a, b, *_: ref.bilinear(x, (a, b))),
    case("resize_volumes", floats(1, 2, 3, 2, 2), 2, 1, 3, "channels_last",
         reference=lambda x, a, b, c, layout: ref.enlarged(x, (a, b, c))),
    case("resize_volumes", floats(1, 2, 2, 3, 2), 2, 1, 3, "channels_first", label="channels first",
         reference=lambda x, a, b, c, layout: ref.channels_last(ref.enlarged)(x, (a, b, c))),
    case("shape", CUBE, reference=lambda x: np.array(x.shape, "int32")),
    case("size", CUBE),
]  # fmt: skip

LOSSES = [
    case("categorical_crossentropy", probabilities(4, 3), positive(4, 3)),
    case("categorical_crossentropy", probabilities(4, 3), floats(4, 3), from_logits=True,
         label="logits"),
    case("categorical_crossentropy", ref.softmax(floats(4, 3, 2), 1), positive(4, 3, 2), axis=1,
         label="axis"),
    case("categorical_crossentropy", np.eye(3, dtype="float32"),
         np.eye(3, dtype="float32")[[0, 2, 1]], label="clipped", tolerance=1e-4),
    case("sparse_categorical_crossentropy", ints(4, below=3), probabilities(4, 3)),
    case("sparse_categorical_crossentropy", ints(4, 1, below=3), probabilities(4, 3),
         label="a column"),
    case("sparse_categorical_crossentropy", ints(4, 2, below=3), floats(4, 2, 3), from_logits=True,
         label="logits"),
    case("sparse_categorical_crossentropy", ints(4, 2, below=3), ref.softmax(floats(4, 3, 2), 1),
         axis=1, label="axis"),
    case("binary_crossentropy", probabilities(4, 3), probabilities(4, 3)),
    case("binary_crossentropy", probabilities(4, 3), floats(4, 3), from_logits=True,
         label="logits"),
    case("binary_crossentropy", np.eye(2, dtype="float32"), 1 - np.eye(2, dtype="float32"),
         label="clipped", tolerance=1e-2),  # 1 - 1e-7 has one digit in float32
    case("in_top_k", probabilities(5, 4), ints(5, below=4), 2,
         reference=lambda p, t, k: (p > p[range(5), t][:, None]).sum(1) < k),
]  # fmt: skip

C = floats(4), positive(4), floats(4), floats(4)  # mean, variance, beta, gamma
NORMALISATION = [
    case("batch_normalization", CUBE[..., :4], *C, unknown=False),
    case("batch_normalization", CUBE, *C, axis=1, unknown=False, label="axis"),
    case("batch_normalization", CUBE[..., :4], *C[:2], None, None, unknown=False, label="plain"),
    case("batch_normalization", CUBE, *[c[:, None] for c in C], epsilon=0.1, unknown=False,
         label="broadcast"),
    case("normalize_batch_in_training", CUBE[..., :4], C[3], C[2], (0, 1), unknown=False),
    case("normalize_batch_in_training", CUBE, C[3], C[2], (0, 2), epsilon=0.1, unknown=False,
         label="middle axis"),
    case("normalize_batch_in_training", CUBE, None, None, (0, 2), unknown=False, label="plain"),
    case("bias_add", CUBE, floats(5), unknown=False, reference=np.add),
    case("bias_add", CUBE, floats(4, 5), unknown=False, reference=np.add, label="per place"),
    case("bias_add", floats(2, 3, 4, 5), floats(3), "channels_first", unknown=False,
         reference=lambda x, b, layout: x + b[:, None, None], label="channels first"),
    case("bias_add", floats(2, 3, 4, 5), floats(4, 5, 3), "channels_first", unknown=False,
         reference=lambda x, b, layout: x + b.reshape(3, 4, 5), label="first, per place"),
]  # fmt: skip


def convolutions():
    """In all layouts, paddings, strides and dilations, one after the other."""
    for name, x, kernel, options in (
        ("conv1d", floats(2, 7, 3), floats(3, 3, 4), [(1, 1), (2, 1), (1, 2)]),
        ("conv2d", floats(2, 6, 5, 3), floats(3, 2, 3, 4), [((1, 1), 1), ((2, 1), 1), (1, (2, 1))]),
        ("conv3d", floats(1, 4, 5, 4, 2), floats(2, 3, 2, 2, 3), [(1, 1), ((2, 1, 2), 1)]),
        ("depthwise_conv2d", floats(2, 6, 5, 3), floats(3, 2, 3, 2), [((1, 1), 1), ((2, 2), 1)]),
    ):
        reference = ref.depthwise_conv if "depth" in name else ref.conv
        for number, (strides, dilation) in enumerate(options):
            for padding in ("valid", "same", "causal")[: 3 if name == "conv1d" else 2]:
                for layout in ("channels_last", "channels_first")[: 1 if number else 2]:
                    last = layout == "channels_last"
                    run = reference if last else ref.channels_last(reference)
                    yield Case(
                        name,
                        (x if last else np.ascontiguousarray(np.moveaxis(x, -1, 1)), kernel),
                        functools.partial(_laid_out, run),
                        {"strides": strides, "padding": padding, "data_format": layout,
                         "dilation_rate": dilation},
                        f"{padding} {layout} {strides} {dilation}",
                        unknown=False,
                    )  # fmt: skip


def _laid_out(run, *args, data_format, **kwargs):
    return run(*args, **kwargs)


def transposed():
    for rank, kernel in ((2, floats(3, 2, 4, 3)), (3, floats(2, 3, 2, 2, 3))):
        for padding, strides, lengths in (
            ("valid", 1, (7, 8, 6)), ("valid", 2, (9, 8, 8)), ("same", 1, (5, 6, 5)),
            ("same", 2, (9, 8, 7)), ("same", 3, (7, 8, 9)),
        ):  # fmt: skip
            for layout in ("channels_last", "channels_first")[: 1 if strides == 1 else 2]:
                last = layout == "channels_last"
                lengths_, size = lengths[:rank], kernel.shape[:rank]
                places = [
                    -(-n // strides) if padding == "same" else (n - k) // strides + 1
                    for n, k in zip(lengths_, size)
                ]
                channels = kernel.shape[-2]
                x = floats(2, *places, 3) if last else floats(2, 3, *places)
                shape = (2, *lengths_, channels) if last else (2, channels, *lengths_)
                run = functools.partial(_transposed, lengths_, last)
                yield Case(
                    f"conv{rank}d_transpose", (x, kernel, shape), run,
                    {"strides": (strides,) * rank, "padding": padding, "data_format": layout},
                    f"{padding} {layout} {strides}", unknown=False,
                )  # fmt: skip


def _transposed(lengths, last, x, kernel, shape, strides, padding, data_format):
    run = ref.conv_transpose if last else ref.channels_last(ref.conv_transpose)
    return run(x, kernel, (None, *lengths, None), strides, padding)


IMAGE = floats(2, 5, 6, 3)
FIRST = np.ascontiguousarray(np.moveaxis(IMAGE, -1, 1))
WINDOWS = [
    *convolutions(),
    *transposed(),
    case("separable_conv1d", floats(2, 7, 3), floats(3, 3, 2), floats(1, 6, 4), strides=2,
         padding="same", reference=ref.separable_conv, unknown=False),
    case("separable_conv2d", IMAGE, floats(2, 3, 3, 2), floats(1, 1, 6, 4), padding="same",
         reference=ref.separable_conv, unknown=False),
    case("separable_conv2d", FIRST, floats(2, 3, 3, 2), floats(1, 1, 6, 4),
         data_format="channels_first", label="channels first", unknown=False,
         reference=functools.partial(_laid_out, ref.channels_last(ref.separable_conv))),
    case("local_conv1d", floats(2, 7, 3), floats(3, 9, 4), (3,), (2,), reference=ref.local_conv,
         unknown=False),
    case("local_conv1d", floats(2, 3, 7), floats(3, 9, 4), (3,), (2,), "channels_first",
         reference=lambda *a: ref.local_conv_channels_first(*a[:4]), label="channels first",
         unknown=False),
    case("local_conv2d", IMAGE, floats(4 * 2, 18, 2), (2, 3), (1, 2), (4, 2), unknown=False,
         reference=lambda *a: ref.local_conv(*a[:4])),
    case("local_conv2d", FIRST, floats(4 * 2, 18, 2), (2, 3), (1, 2), (4, 2), "channels_first",
         reference=lambda *a: ref.local_conv_channels_first(*a[:4]), label="channels first",
         unknown=False),
    *[
        case("pool2d", x, (2, 3), strides, padding, layout, mode, unknown=False,
             label=f"{strides} {padding} {layout} {mode}",
             reference=lambda x, size, strides, padding, layout, mode: (
                 ref.pool if layout == "channels_last" else ref.channels_last(ref.pool)
             )(x, size, strides, padding, mode))
        for x, layout in ((IMAGE, "channels_last"), (FIRST, "channels_first"))
        for strides in ((1, 1), (2, 3))
        for padding in ("valid", "same")
        for mode in ("max", "avg")
    ],
    case("pool2d", IMAGE, (2, 2), reference=lambda x, n: ref.pool(x, n, (1, 1)), label="defaults"),
    *[
        case("pool3d", floats(1, 4, 5, 4, 2), (2, 2, 3), (2, 1, 2), "same", None, mode,
             label=mode, unknown=False,
             reference=lambda x, n, s, padding, layout, mode: ref.pool(x, n, s, padding, mode))
        for mode in ("max", "avg")
    ],
    case("pool3d", floats(1, 3, 3, 3, 2), (2, 2, 2), label="defaults",
         reference=lambda x, n: ref.pool(x, n, (1, 1, 1))),
]  # fmt: skip

LABELS = np.array([[0, 1], [1, 1], [0, 0], [0, 0]], "int32")
CTC = [
    case("ctc_batch_cost", LABELS, probabilities(4, 5, 3),
         np.array([[5], [5], [4], [3]], "int32"), np.array([[2], [2], [1], [0]], "int32"),
         unknown=False),
    case("ctc_decode", probabilities(3, 6, 4), np.array([6, 5, 3], "int32"), unknown=False,
         reference=ref.ctc_greedy),
    case("ctc_decode", probabilities(2, 4, 3), np.array([4, 3], "int32"), greedy=False,
         beam_width=40, top_paths=3, unknown=False, label="beam search",
         reference=lambda p, n, greedy, beam_width, top_paths: ref.ctc_best(p, n, top_paths)),
]  # fmt: skip

TABLES = {
    "elementwise": ELEMENTWISE,
    "reductions": REDUCTIONS,
    "products": PRODUCTS,
    "shapes": SHAPES,
    "losses": LOSSES,
    "normalisation": NORMALISATION,
    "windows": WINDOWS,
    "ctc": CTC,
}
