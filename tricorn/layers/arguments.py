"""What layers do with their constructor's arguments: numbers, windows, makers of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tricorn import activations, config, constraints, initializers, regularizers
from tricorn.checks import choice as choice
from tricorn.checks import integer, named, number, wrong
from tricorn.checks import is_int as is_int
from tricorn.layers.base import Layer
from tricorn.variable import Variable

_MAKERS = {
    "initializer": initializers.get,
    "regularizer": regularizers.get,
    "constraint": constraints.get,
    "activation": activations.get,
}


def resolve(layer: Layer, given: Mapping[str, Any]) -> None:
    """Set the arguments that make or change weights, and activations, as the layer's attributes of
    their names, names of functions turned into objects.

    Args:
        layer: in its constructor.
        given: the constructor's arguments, ``locals()`` there.  The last word of an argument's name
            says what it is: ``kernel_initializer``, ``bias_regularizer``, ``gamma_constraint``,
            ``recurrent_activation``; other ones are left out.  (The ``activity_regularizer``
            belongs to all layers, see `Layer`.)
    """
    for name, value in given.items():
        get = _MAKERS.get(name.rpartition("_")[2])
        if get is not None and name != "activity_regularizer":
            setattr(layer, name, named(layer, name, get, value))


def weight(
    layer: Layer, name: str, shape: tuple, like: str | None = None, **kwargs: Any
) -> Variable:
    """A weight with the layer's own ``<name>_initializer``, regularizer and constraint.

    Args:
        layer: what owns it.
        name: of the weight.
        shape: of the weight.
        like: the prefix of those attributes where it is not `name`.
        kwargs: what else `Layer.add_weight` takes; goes before the attributes.
    """
    prefix = like or name
    chosen = {kind: getattr(layer, f"{prefix}_{kind}", None) for kind in _MAKERS}
    del chosen["activation"]
    return layer.add_weight(shape, name=name, **{**chosen, **kwargs})


def positive(layer: Layer, name: str, value: Any) -> int:
    """A positive integer argument.

    Raises:
        ValueError: when it is something else.
    """
    return integer(layer, name, value, 1)


def fraction(layer: Layer, name: str, value: Any) -> Any:
    """A number between 0 and 1, as it was given."""
    return number(layer, name, value, 0, 1)


def ints(layer: Layer, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """`count` integers of at least `least`, from one integer or a sequence."""
    values = (value,) * count if is_int(value) else value
    fits = isinstance(values, (tuple, list)) and len(values) == count
    if not fits or not all(is_int(v) and v >= least for v in values):
        bound = "positive" if least == 1 else "non-negative"
        wanted = f"a {bound} integer" + (f" or {count} of them" if count > 1 else "")
        raise wrong(layer, name, wanted, value)
    return tuple(int(v) for v in values)


def pairs(layer: Layer, name: str, value: Any, count: int) -> tuple[tuple[int, int], ...]:
    """`count` pairs (before, after) from an integer, one integer an axis, or one pair an axis."""
    values = (value,) * count if is_int(value) else value
    if not isinstance(values, (tuple, list)) or len(values) != count:
        raise wrong(layer, name, f"an integer, {count} integers, or {count} pairs of them", value)
    return tuple(ints(layer, name, v, 2, least=0) for v in values)  # type: ignore[misc]


def data_format(value: str | None) -> str:
    """``"channels_last"`` or ``"channels_first"``; None: as configured."""
    return config.data_format(value)


def channel_axis(layer: Any) -> int:
    """Where the channels are in the layer's data format."""
    return -1 if layer.data_format == "channels_last" else 1


def check_fits(layer: Any, input_shape: tuple, size: tuple, dilation: tuple) -> None:
    """Windows without padding must fit into the spatial axes of the layer's input.

    Raises:
        ValueError: when one does not; names the layer and both sizes.
    """
    first = 1 if layer.data_format == "channels_last" else 2
    spatial = tuple(input_shape[first : first + len(size)])
    spans = tuple((k - 1) * d + 1 for k, d in zip(size, dilation))
    if any(n is not None and n < span for n, span in zip(spatial, spans)):
        raise ValueError(
            f"the layer {layer.name!r} has windows of size {spans}, which do not fit into the "
            f"spatial size {spatial} of its input {tuple(input_shape)}; padding='same' would pad it"
        )
