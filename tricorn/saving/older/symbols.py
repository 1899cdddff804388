"""TensorFlow's functions in the graphs of tf.keras, and the ops that compute them.

There, ``x + 1`` or ``tf.reduce_mean(x)`` of a tensor of a functional model became a layer: from 2.4
on of the class TFOpLambda or SlicingOpLambda, which names the function; before, of the class
TensorFlowOpLayer, which holds a node of TensorFlow's graph.  `SYMBOLS` has a row for each function
that is known, `NODES` says which function a node computes; nothing else is called.
"""

from __future__ import annotations

import base64
import inspect
from typing import Any

from tricorn import naming
from tricorn.arithmetic import OPS
from tricorn.saving.older.changes import Change, Config

#: the classes of such layers
CLASSES = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
#: arguments without an effect, and the second of two tensors
_COMMON = {
    "dim": "axis", "input": "", "name": "", "output_type": "", "use_cudnn_on_gpu": "", "y": "x2",
}  # fmt: skip
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


_ELLIPSIS = {"class_name": "__ellipsis__", "config": {}}


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
    return _ELLIPSIS if whole else spec


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


def _window(config: Config, origin: Any) -> Config:
    """Sizes could be given for the axes of batch and channels too."""
    for key in ("ksize", "strides", "dilations"):
        if isinstance(size := config.get(key), list):
            size = size * (2 if len(size) == 1 else 1)
            config[key] = size[1:-1] if len(size) == 4 else size
    if config.get("data_format") == "NHWC":
        del config["data_format"]
    return {**config, "padding": config["padding"].lower()}


def _strided_slice(config: Config, origin: Any) -> Config:
    """Bits say which places of a slice are left out, new axes, single, or all others."""
    kinds = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    masks = [config.pop(f"{kind}_mask", 0) for kind in kinds]
    key: list[Any] = []
    for axis, (begin, end, step) in enumerate(zip(*map(config.pop, ("begin", "end", "strides")))):
        no_begin, no_end, rest, new, single = (mask >> axis & 1 for mask in masks)
        part = _part(None if no_begin else begin, None if no_end else end, step)
        key.append(_ELLIPSIS if rest else None if new else begin if single else part)
    return {**config, "key": key}


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
    "add_n": Change("layers.Add"),
    "atan2": Change("arctan2", {"x": "x2"}),
    "avg_pool": Change("average_pool", {"ksize": "pool_size"}, convert=_window),
    "avg_pool2d": Change("average_pool", {"ksize": "pool_size"}, convert=_window),
    "clip_by_value": Change("clip", {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "conv2d": Change(
        "conv", {"filter": "kernel", "filters": "kernel", "dilations": "dilation_rate"},
        convert=_window,
    ),
    "gather": Change("take", fixed={"axis": 0}),
    "gelu": Change("gelu", fixed={"approximate": False}),
    "getitem": Change("get_item", convert=_get_item),
    "l2_normalize": Change("normalize", convert=_normalize),
    "leaky_relu": Change("leaky_relu", {"alpha": "negative_slope"}),
    "matmul": Change("matmul", {"b": "x2"}, convert=_matmul),
    "max_pool": Change("max_pool", {"ksize": "pool_size"}, convert=_window),
    "max_pool2d": Change("max_pool", {"ksize": "pool_size"}, convert=_window),
    "norm": Change("norm"),
    "one_hot": Change("one_hot", {"depth": "num_classes"}),
    "pad": Change("pad", {"paddings": "pad_width"}, convert=_pad),
    "reshape": Change("reshape", {"shape": "newshape"}),
    "resize": Change("resize", {"method": "interpolation"}),
    "slice": Change("get_item", convert=_slice),
    "split": Change("split", fixed={"axis": 0}, convert=_split),
    "strided_slice": Change("get_item", convert=_strided_slice),
    "tile": Change("tile", {"multiples": "repeats"}),
    "transpose": Change("transpose", {"perm": "axes"}),
    "where": Change("where", {"x": "x1"}),
}  # fmt: skip
_PLACES = ("compat.v1.", "math.", "nn.", "linalg.", "image.", "__operators__.", "")


#: node of a graph -> the function; its operands, "*" for the first argument, "[]" where that is a
#: list of all that are left; its attributes.  Others have one operand and the function's name.
NODES = {
    **{f"{kind}": f"reduce_{kind.lower()} * axis keep_dims:keepdims"
       for kind in ("All", "Any", "Max", "Mean", "Min", "Prod", "Sum")},
    **{node: f"{function} * y" for node, function in (
        ("Add", "add"), ("AddV2", "add"), ("BiasAdd", "add"), ("DivNoNan", "divide_no_nan"),
        ("Div", "divide"), ("RealDiv", "divide"), ("FloorDiv", "floor_div"), ("FloorMod", "mod"),
        ("Mul", "multiply"), ("Sub", "subtract"))},
    **{node: f"{naming.snake_case(node)} * y" for node in (
        "Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr",
        "Maximum", "Minimum", "NotEqual", "Pow", "SquaredDifference")},
    "AddN": "add_n []",
    "ArgMax": "argmax * axis",
    "ArgMin": "argmin * axis",
    "AvgPool": "avg_pool * ksize:ksize strides:strides padding:padding",
    "BatchMatMul": "matmul * b adj_x:transpose_a adj_y:transpose_b",
    "BatchMatMulV2": "matmul * b adj_x:transpose_a adj_y:transpose_b",
    "Cast": "cast * DstT:dtype",
    "ClipByValue": "clip_by_value * clip_value_min clip_value_max",
    "ConcatV2": "concat [] axis",
    "Conv2D": "conv2d * filters strides:strides padding:padding dilations:dilations",
    "Cumsum": "cumsum * axis exclusive:exclusive reverse:reverse",
    "ExpandDims": "expand_dims * axis",
    "GatherV2": "gather * indices axis",
    "LeakyRelu": "leaky_relu * alpha:alpha",
    "MatMul": "matmul * b transpose_a:transpose_a transpose_b:transpose_b",
    "MaxPool": "max_pool * ksize:ksize strides:strides padding:padding",
    "MirrorPad": "pad * paddings mode:mode",
    "Neg": "negative *",
    "Pack": "stack [] axis:axis",
    "Pad": "pad * paddings",
    "PadV2": "pad * paddings constant_values",
    "Reshape": "reshape * shape",
    "ReverseV2": "reverse * axis",
    "Select": "where * x y",
    "SelectV2": "where * x y",
    "Slice": "slice * begin size",
    "Split": "split axis * num_split:num_or_size_splits",
    "SplitV": "split * num_or_size_splits axis",
    "Squeeze": "squeeze * squeeze_dims:axis",
    "StridedSlice": "strided_slice * begin end strides begin_mask:begin_mask end_mask:end_mask "
    "ellipsis_mask:ellipsis_mask new_axis_mask:new_axis_mask shrink_axis_mask:shrink_axis_mask",
    "Tile": "tile * multiples",
    "TopKV2": "top_k * k",
    "Transpose": "transpose * perm",
    "Unpack": "unstack * axis:axis",
}  # fmt: skip


def call_of(config: Config, tensors: list, layer: str) -> tuple[str, Any, Config]:
    """The function that a node of TensorFlow's graph computes, its first argument and the others.

    Args:
        config: of a TensorFlowOpLayer.
        tensors: what it was called with.
        layer: its name, for errors.

    Raises:
        ValueError: for a node that is no readable text, as in files of tf.keras 2.0 and 2.1.
    """
    node = config["node_def"]
    if not isinstance(node, dict):
        raise ValueError(
            f"the layer {layer!r} holds a node of TensorFlow's graph in binary form, which is not "
            "read. Make the model from code, and load the file's weights"
        )
    function, *names = NODES.get(node["op"], f"{naming.snake_case(node['op'])} *").split()
    keys = [name for name in names if ":" not in name]
    operands = list(tensors)
    for place, constant in sorted((int(k), v) for k, v in (config.get("constants") or {}).items()):
        operands.insert(place, constant)
    if keys[0] == "[]":
        count = len(operands) - len(keys) + 1
        operands = [operands[:count], *operands[count:]]
    given = dict(zip(["*" if key == "[]" else key for key in keys], operands, strict=True))
    for name, _, key in (name.partition(":") for name in names if ":" in name):
        if node["attr"].get(name):
            given[key] = _attribute(node["attr"][name])
    return function, given.pop("*"), given


def _attribute(value: Config) -> Any:
    """The value of a node's attribute, ``{kind: value}``."""
    ((kind, found),) = value.items()
    if kind == "list":
        return [_attribute({kind: item}) for kind, items in found.items() for item in items]
    if kind == "type":
        return _TYPES.get(found, found.removeprefix("DT_").lower())
    if kind == "s":
        return base64.b64decode(found).decode()
    return int(found) if kind == "i" else found


_TYPES = {"DT_HALF": "float16", "DT_FLOAT": "float32", "DT_DOUBLE": "float64"}


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
    takes = inspect.signature(OPS[names[0]]).parameters if names[0] in OPS else {}
    for key in [key for key in arguments if key not in takes]:
        value = arguments.pop(key)
        if not isinstance(value, (list, dict)) and value in _NEUTRAL:
            continue
        if names != ["_einsum"] or key != "x2":
            raise ValueError(f"{where} with {key}={value!r:.60}, which is not understood here")
        arguments[key] = value
    return names, arguments
