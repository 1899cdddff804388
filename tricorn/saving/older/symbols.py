"""TensorFlow's functions in the graphs of tf.keras 2.4 to 2.15, and the ops that compute them.

There, ``x + 1`` or ``tf.reduce_mean(x)`` of a tensor of a functional model became a layer of the
class TFOpLambda or SlicingOpLambda that names the function.  `SYMBOLS` has a row for each function
that is known; nothing else is called.
"""

from __future__ import annotations

import inspect
from typing import Any

from tricorn.arithmetic import OPS
from tricorn.saving.older.changes import Change, Config

#: the classes of such layers
CLASSES = ("TFOpLambda", "SlicingOpLambda")
#: arguments without an effect, and the second of two tensors
_COMMON = {"name": "", "y": "x2", "output_type": "", "dim": "axis", "input": ""}
#: values that mean nothing where the op has no such argument
_NEUTRAL = (None, False, 0, "ASCENDING", "NHWC", "euclidean")


def _split(config: Config, origin: Any) -> Config:
    """Sizes of the parts were given, places where they begin are now."""
    sizes = config.pop("num_or_size_splits")
    if isinstance(sizes, list):
        sizes = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return {**config, "indices_or_sections": sizes}


def _slice(config: Config, origin: Any) -> Config:
    """Sizes were given, -1 for all that is left."""
    pairs = zip(config.pop("begin"), config.pop("size"), strict=True)
    return {**config, "key": [_part(begin, None if n == -1 else begin + n) for begin, n in pairs]}


def _part(start: Any, stop: Any, step: Any = None) -> Config:
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


def _get_item(config: Config, origin: Any) -> Config:
    def index(value: Any) -> Any:
        if isinstance(value, list):
            return [index(item) for item in value]
        return _part(**value) if isinstance(value, dict) and "start" in value else value

    spec = index(config.pop("slice_spec"))
    if isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__":
        spec = [spec]
    return {**config, "key": _ellipses(spec)}


def _ellipses(spec: Any) -> Any:
    if isinstance(spec, list):
        return [_ellipses(item) for item in spec]
    whole = isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__"
    return {"class_name": "__ellipsis__", "config": {}} if whole else spec


def _matmul(config: Config, origin: Any) -> Config:
    """Products with a matrix transposed are sums over other axes."""
    turned = config.pop("transpose_a", False), config.pop("transpose_b", False)
    if any(turned):
        left, right = ("...ji" if turned[0] else "...ij"), ("...kj" if turned[1] else "...jk")
        config["subscripts"] = f"{left},{right}->...ik"
    return config


def _pad(config: Config, origin: Any) -> Config:
    config["mode"] = str(config.get("mode", "constant")).lower()
    if config["mode"] != "constant":
        config.pop("constant_values", None)
    return config


def _pool(config: Config, origin: Any) -> Config:
    """Sizes could be given for the axes of batch and channels too."""
    for key in ("ksize", "strides"):
        if isinstance(config[key], list):
            size = config[key] * (2 if len(config[key]) == 1 else 1)
            config[key] = size[1:-1] if len(size) == 4 else size
    return {**config, "padding": config["padding"].lower()}


def _normalize(config: Config, origin: Any) -> Config:
    """ε was compared with the sum of squares, and is with its root."""
    return {**config, "epsilon": config.get("epsilon", 1e-12) ** 0.5}


def _rows(text: str, **settings: Any) -> dict[str, Change]:
    """Rows for ``symbol`` of the same name, and ``symbol=op``."""
    pairs = (row.partition("=") for row in text.split())
    return {symbol: Change(op or symbol, **settings) for symbol, _, op in pairs}


#: symbol below ``tf``, "math", "nn", "linalg", "compat.v1" or "__operators__" -> the op, or several
#: that follow each other; the first argument is the op's first
SYMBOLS = {
    **_rows("""
        abs acos=arccos acosh=arccosh asin=arcsin asinh=arcsinh atan=arctan atanh=arctanh ceil conj
        cos cosh erf erfc erfinv exp expm1 floor identity=copy imag is_finite=isfinite is_inf=isinf
        is_nan=isnan log log1p log_sigmoid logical_not negative ones_like real reciprocal relu relu6
        round rsqrt selu sigmoid sign silu sin sinh softplus softsign sqrt square
        stop_gradient=_stop_one swish=silu tan tanh zeros_like elu log_softmax softmax
        add divide divide_no_nan equal floor_div=floor_divide floordiv=floor_divide floormod=mod
        greater greater_equal less less_equal logical_and logical_or logical_xor maximum minimum mod
        multiply not_equal pow=power subtract truediv=divide xdivy=divide_no_nan bias_add=add
        squared_difference=subtract/square
        reduce_all=all reduce_any=any reduce_logsumexp=logsumexp reduce_max=max reduce_mean=mean
        reduce_min=min reduce_prod=prod reduce_std=std reduce_sum=sum reduce_variance=var
        broadcast_to cast concat=concatenate expand_dims reverse=flip roll sort argsort squeeze
        repeat top_k depth_to_space space_to_depth rgb_to_grayscale
    """, renamed={"value": "x2", "bias": "x2"}),
    **_rows("argmax argmin cumprod cumsum stack unstack", fixed={"axis": 0}),
    "atan2": Change("arctan2", {"x": "x2"}),
    "avg_pool": Change("average_pool", {"ksize": "pool_size"}, convert=_pool),
    "avg_pool2d": Change("average_pool", {"ksize": "pool_size"}, convert=_pool),
    "clip_by_value": Change("clip", {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "gather": Change("take", fixed={"axis": 0}),
    "gelu": Change("gelu", fixed={"approximate": False}),
    "getitem": Change("get_item", convert=_get_item),
    "l2_normalize": Change("normalize", convert=_normalize),
    "leaky_relu": Change("leaky_relu", {"alpha": "negative_slope"}),
    "matmul": Change("matmul", {"b": "x2"}, convert=_matmul),
    "max_pool": Change("max_pool", {"ksize": "pool_size"}, convert=_pool),
    "max_pool2d": Change("max_pool", {"ksize": "pool_size"}, convert=_pool),
    "norm": Change("norm"),
    "one_hot": Change("one_hot", {"depth": "num_classes"}),
    "pad": Change("pad", {"paddings": "pad_width"}, convert=_pad),
    "reshape": Change("reshape", {"shape": "newshape"}),
    "resize": Change("resize", {"method": "interpolation"}),
    "slice": Change("get_item", convert=_slice),
    "split": Change("split", fixed={"axis": 0}, convert=_split),
    "tile": Change("tile", {"multiples": "repeats"}),
    "transpose": Change("transpose", {"perm": "axes"}),
    "where": Change("where", {"x": "x1"}),
}  # fmt: skip
_PLACES = ("math.", "nn.", "linalg.", "image.", "compat.v1.", "__operators__.", "")


def op_of(symbol: str, arguments: Config, layer: str) -> tuple[list[str], Config]:
    """The ops that compute a function of TensorFlow, and the first one's further arguments.

    Args:
        symbol: the function, e.g. "math.reduce_mean".
        arguments: all but the first.
        layer: whose call it is, for errors.

    Raises:
        ValueError: for a function, or an argument, that is not in `SYMBOLS`.
    """
    where = f"the layer {layer!r} calls TensorFlow's function tf.{symbol}"
    short = symbol
    for place in _PLACES:
        short = short.removeprefix(place)
    change = SYMBOLS.get(short)
    if change is None:
        raise ValueError(
            f"{where}, for which there is no op in tricorn.saving.older.symbols. Make the model "
            "from code with ops or a layer in its place, and load the file's weights"
        )
    arguments = {key: value for key, value in arguments.items() if value is not None}
    arguments = change.apply(arguments, None, _COMMON)
    names = ["_einsum"] if "subscripts" in arguments else change.name.split("/")
    takes = inspect.signature(OPS[names[0]]).parameters
    for key in [key for key in arguments if key not in takes]:
        value = arguments.pop(key)
        if not isinstance(value, (list, dict)) and value in _NEUTRAL:
            continue
        if names != ["_einsum"] or key != "x2":
            raise ValueError(f"{where} with {key}={value!r}, which is not understood here")
        arguments[key] = value
    return names, arguments
