"""Ops as nodes of a saved graph.

Keras 3 has a class for every op (``keras.src.ops.numpy.Multiply``): its constructor takes the
settings, its call the tensors.  An `OpCall` is our op in that form.  The class's name is the op's
in camel case, and its arguments have the op's names; where that does not hold, a table says so.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from tricorn import limits, ops, tree
from tricorn.arithmetic import OPS
from tricorn.graph.op import Op
from tricorn.graph.symbolic import Node
from tricorn.serialization.names import get_registered_name

#: Keras's module of the classes that are not in ``keras.src.ops.numpy``
_MODULES = {
    "nn": ops.nn.__all__,
    "linalg": ops.linalg.__all__,
    "image": ops.image.__all__,
    "einops": ["rearrange"],
    "core": ["cast", "saturate_cast", "scatter", "scatter_update", "slice", "slice_update",
             "_stop_one", "unstack"],
    "math": ["cdist", "erf", "erfc", "erfinv", "extract_sequences", "fft", "fft2", "ifft2",
             "in_top_k", "irfft", "logdet", "istft", "logsumexp", "rfft", "rsqrt", "segment_max",
             "segment_min", "segment_prod", "segment_sum", "stft", "top_k", "view_as_complex",
             "view_as_real"],
}  # fmt: skip
_MODULE = {op: module for module, names in _MODULES.items() for op in names}
#: classes whose names are not the op's in camel case
_CLASSES = {
    "allclose": "AllClose", "batch_normalization": "BatchNorm", "bitwise_invert": "BitwiseInvert",
    "bitwise_left_shift": "LeftShift", "bitwise_right_shift": "RightShift", "cdist": "CDist",
    "conj": "Conjugate", "ctc_decode": "CTCDecode", "ctc_loss": "CTCLoss", "_einsum": "Einsum",
    "fft": "FFT", "fft2": "FFT2", "ifft2": "IFFT2", "irfft": "IRFFT", "isin": "IsIn",
    "hsv_to_rgb": "HSVToRGB", "istft": "ISTFT", "layer_normalization": "LayerNorm", "psnr": "PSNR",
    "rfft": "RFFT", "rgb_to_grayscale": "RGBToGrayscale", "rgb_to_hsv": "RGBToHSV",
    "rms_normalization": "RMSNorm", "searchsorted": "SearchSorted", "ssim": "SSIM", "stft": "STFT",
    "_stop_one": "StopGradient", "svd": "SVD",
}  # fmt: skip
_OPS = {class_name: op for op, class_name in _CLASSES.items()}
#: call arguments of the classes where they are more than the op's tensors
_CALL = {
    "arange": ("start", "stop", "step"),
    "average": ("x", "weights"),
    "batch_normalization": ("x", "mean", "variance", "offset", "scale"),
    "digitize": ("x", "bins"),
    "dot_product_attention": ("query", "key", "value", "bias", "mask", "scale"),
    "full": ("fill_value",),
    "full_like": ("x", "fill_value"),
    "geomspace": ("start", "stop"),
    "get_item": ("x", "key"),
    "isclose": ("x1", "x2", "rtol", "atol"),
    "layer_normalization": ("x", "gamma", "beta"),
    "linspace": ("start", "stop"),
    "logspace": ("start", "stop"),
    "nanpercentile": ("x", "q"),
    "nanquantile": ("x", "q"),
    "pad": ("x", "constant_values"),
    "percentile": ("x", "q"),
    "quantile": ("x", "q"),
    "rearrange": ("tensor", "pattern"),
    "rms_normalization": ("x", "scale"),
    "scale_and_translate": ("images", "output_shape", "scale", "translation"),
    "select": ("condlist", "choicelist", "default"),
    "slice": ("inputs", "start_indices"),
    "slice_update": ("inputs", "start_indices", "updates"),
}
#: ops of a list of tensors whose classes are called with each tensor as an argument
_LISTED = frozenset(("_einsum",))

#: settings that say how often an op does something, and how long something is that it makes before
#: anything is computed
_COUNTS = frozenset(("axes", "n"))
_LENGTHS = frozenset((
    "N", "filter_size", "kernel_size", "output_size", "repeats", "sequence_length", "sigma", "size",
))  # fmt: skip


class OpCall:
    """An op with its settings; called with the tensors.

    Args:
        op: the op.
        name: unique among the layers and ops of a model.
        settings: the arguments that are no tensors.

    Attributes:
        node: the node of the graph that it was made from, or None.
    """

    def __init__(self, op: Callable, name: str, settings: dict[str, Any]) -> None:
        self.op, self.name, self.settings = op, name, settings
        self.node: Node | None = None
        self._inputs: tuple = ()
        self._named: dict[str, Any] = {}

    @classmethod
    def of(cls, node: Node, name: str) -> OpCall:
        """The op of a node of a graph."""
        op = node.operation
        signature = inspect.signature(op)
        bound = signature.bind(*node.args, **node.kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        free = [p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]
        named = arguments.pop(free[0]) if free else {}
        inputs = [arguments.pop(key) for key in _call_names(op) if key in arguments]
        made = cls(op, name, arguments)
        made.node = node
        made._inputs = tuple(inputs[0]) if _starred(op) else tuple(inputs)
        made._named = named
        return made

    def arguments(self) -> tuple[list, dict[str, Any]]:
        """The call's arguments as the node of a config has them."""
        return list(self._inputs), self._named

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The op on tensors."""
        if _starred(self.op):
            own = (list(args),) if _is_listed(self.op) else args
            return self.op(*own, **kwargs, **self.settings)
        given = dict(zip(_call_names(self.op), map(_tupled, args)))
        return self.op(**{**given, **kwargs, **self.settings})

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.settings}

    def serialized_as(self) -> tuple[str, str, str]:
        """Keras's (module, class name, registered name); an op of the user's is written as the
        user's classes are."""
        own = self.op.__name__
        if OPS.get(own) is not self.op:  # a user's
            return self.op.__module__, own, get_registered_name(self.op)
        module, class_name = class_of(own)
        return module, class_name, class_name


def _call_names(op: Callable) -> tuple[str, ...]:
    own = op.op  # type: ignore[attr-defined]
    return _CALL.get(own.known_as) or own.names


def _is_listed(op: Callable) -> bool:
    return op.op.known_as in _LISTED  # type: ignore[attr-defined]


def _starred(op: Callable) -> bool:
    """Whether the class's call takes any number of tensors."""
    return _is_listed(op) or op.op.variadic  # type: ignore[attr-defined]


def is_op(target: Any) -> bool:
    """Whether `target` is an op, the library's or a user's."""
    return isinstance(getattr(target, "op", None), Op)


def is_op_module(module: str | None) -> bool:
    """Whether a config's module is one of those that hold Keras's op classes."""
    return bool(module) and module.startswith("keras.src.ops.")  # type: ignore[union-attr]


def class_of(op: str) -> tuple[str, str]:
    """(module, class name) of Keras's class for the library's op of this name."""
    class_name = _CLASSES.get(op) or "".join(part.capitalize() for part in op.split("_"))
    return f"keras.src.ops.{_MODULE.get(op, 'numpy')}", class_name


def find(class_name: str) -> Callable | None:
    """The op of a Keras class; None: there is none."""
    if class_name in _OPS:
        return OPS.get(_OPS[class_name])
    return _by_class().get(class_name)


def _by_class() -> dict[str, Callable]:
    return {
        "".join(part.capitalize() for part in name.split("_")): op
        for name, op in OPS.items()
        if not name.startswith("_") and name not in _CLASSES
    }


def from_config(op: Callable, config: dict[str, Any]) -> OpCall:
    """The `OpCall` that `OpCall.get_config` describes.

    Raises:
        ValueError: a setting that the op does not have.
    """
    settings = {key: _tupled(value) for key, value in config.items() if key != "name"}
    surplus = settings.keys() - set(inspect.signature(op).parameters)
    if surplus:
        raise ValueError(f"the op {op.__name__} has no settings {sorted(surplus)}")
    for name in settings.keys() & (_COUNTS | _LENGTHS):
        value = settings[name]
        size = math.prod(int(x) for x in tree.leaves(value) if isinstance(x, (int, float)))
        if name in _COUNTS:
            limits.take_calls(size)
        else:
            limits.take(f"the op {op.__name__} with {name}={value}", 64 * size)
    return OpCall(op, str(config.get("name", op.__name__)), settings)


def _tupled(value: Any) -> Any:
    """Lists of numbers, slices and the like from JSON, as the tuples they were: axes, shapes,
    indices."""
    if isinstance(value, list) and all(_is_setting(item) for item in value):
        return tuple(_tupled(item) for item in value)
    return value


def _is_setting(item: Any) -> bool:
    if isinstance(item, list):
        return all(map(_is_setting, item))
    return item is None or item is Ellipsis or isinstance(item, (int, float, slice))
