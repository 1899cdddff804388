"""Weights as older versions kept them, brought into today's form.

- Keras 1 kept an array for each gate of LSTM and GRU, and the axes of convolution kernels in other
  orders.
- Theano's convolutions turn the kernel around (they are convolutions proper; all engines here
  compute cross-correlations).
- CuDNNLSTM and CuDNNGRU kept transposed kernels and two biases.
- tf.keras had three forms of kernels for LocallyConnected1D and 2D.
- A layer with layers inside keeps all weights that are trained before all that are not, so their
  order depends on what was frozen when the file was written.

Source: the formats were found out from files that Keras 1.2.2, Keras 2.3.1 and tf.keras wrote.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tricorn import layers
from tricorn.layers import Layer, state
from tricorn.models import Model
from tricorn.variable import Variable

Arrays = list[np.ndarray]


class Origin(NamedTuple):
    """What wrote a file.

    Attributes:
        version: the major version of Keras.
        flipped: whether its convolutions turned kernels around, as Theano's do.
    """

    version: int = 2
    flipped: bool = False


# ------------------------------------------------------------------------------------------- units


def name_of(layer: Layer, variable: Variable) -> str:
    """What Keras 2 calls a weight of a layer's."""
    depthwise = isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D))
    return f"{'depthwise_' * (depthwise and variable.leaf == 'kernel')}{variable.leaf}"


class Unit(NamedTuple):
    """A layer whose weights are converted together.

    Attributes:
        layer: the layer.
        trainable: the Variables that it would train.
        fixed: its other Variables.
    """

    layer: Layer
    trainable: list[Variable]
    fixed: list[Variable]

    @property
    def variables(self) -> list[Variable]:
        """All, in the order in which a file has them."""
        return [*self.trainable, *self.fixed]

    @property
    def frozen(self) -> bool:
        """Whether it trains nothing now."""
        return not any(variable.trainable for variable in self.trainable)


def units(layer: Layer) -> list[Unit]:
    """The layer and those inside that have weights, each once; a recurrent layer and its cells
    count as one."""
    found: dict[int, Unit] = {}

    def visit(layer: Layer) -> None:
        if id(layer) in found:
            return
        whole = isinstance(layer, layers.RNN)
        members = state.flatten(layer) if whole else [layer]
        found[id(layer)] = Unit(
            layer,
            list(dict.fromkeys(v for member in members for v in state.own_trainable(member))),
            list(dict.fromkeys(v for member in members for v in state.own_frozen(member))),
        )
        for child in () if whole else inner_layers(layer):
            visit(child)

    visit(layer)
    return [unit for unit in found.values() if unit.variables]


def inner_layers(layer: Layer) -> list[Layer]:
    """The layers directly inside a layer or model."""
    return layer.layers if isinstance(layer, Model) else state.children(layer)


def ordered(found: Sequence[Unit]) -> list[tuple[Unit, Variable]]:
    """The weights in the order in which they are written: those that are trained come first."""
    places = _order(found, [len(unit.trainable) for unit in found], lambda unit: unit.frozen)
    return [(found[i], found[i].variables[k]) for i, k in places]


_Place = tuple[int, int]  # which unit, which of its arrays


def _order(
    found: Sequence[Unit], counts: Sequence[int], frozen: Callable[[Unit], bool]
) -> list[_Place]:
    """The order of a file, where unit i has counts[i] trainable arrays, written with some units
    `frozen`."""
    first: list[_Place] = []
    then: list[_Place] = []
    for i, unit in enumerate(found):
        (then if frozen(unit) else first).extend((i, k) for k in range(counts[i]))
        then.extend((i, counts[i] + k) for k in range(len(unit.fixed)))
    return first + then


#: how Keras 1 called some weights
_OLD_NAMES = {
    "kernel": "W", "recurrent_kernel": "U", "embeddings": "W", "bias": "b",
    "moving_mean": "running_mean", "moving_variance": "running_std",
}  # fmt: skip


def distribute(found: Sequence[Unit], names: list[str], arrays: Arrays) -> list[Arrays] | None:
    """The arrays of a layer's group in a file, apart by unit; None: their number does not fit.

    Args:
        found: the units of the layer.
        names: what the file calls the arrays.
        arrays: in the file's order.
    """
    for counts in ([len(u.trainable) for u in found], [_gate_arrays(u) for u in found]):
        if sum(counts) + sum(len(unit.fixed) for unit in found) == len(arrays):
            break
    else:
        return None
    places = _places_by_name(found, counts, names) or max(
        (_order(found, counts, frozen) for frozen in (lambda u: u.frozen, _never, _always)),
        key=lambda places: _agreement(found, places, names, arrays),
    )
    by_place = dict(zip(places, arrays))
    return [
        [by_place[i, k] for k in range(counts[i] + len(unit.fixed))] for i, unit in enumerate(found)
    ]


def _never(unit: Unit) -> bool:
    return False


def _always(unit: Unit) -> bool:
    return True


def _parts(name: str) -> list[str]:
    """``"dense_1/kernel:0"`` as ``["dense_1", "kernel"]``."""
    return name.split(":")[0].split("/")


def _places_by_name(
    found: Sequence[Unit], counts: Sequence[int], names: list[str]
) -> list[_Place] | None:
    """The places that the names tell, where they tell one for each array; these hold whatever was
    frozen."""
    known: dict[tuple[str, str], _Place | None] = {}
    for i, unit in enumerate(found):
        if counts[i] != len(unit.trainable):
            return None
        for k, variable in enumerate(unit.variables):
            key = (unit.layer.name, name_of(unit.layer, variable))
            known[key] = None if key in known else (i, k)
    places = []
    for name in names:
        *owners, leaf = _parts(name)
        hits = [place for owner in owners if (place := known.get((owner, leaf)))]
        if len(hits) != 1:
            return None
        places += hits
    return places if len(set(places)) == len(names) else None


def _agreement(
    found: Sequence[Unit], places: list[_Place], names: list[str], arrays: Arrays
) -> int:
    """How many names and shapes are those of the Variables at their places."""
    agree = 0
    for (i, k), name, array in zip(places, names, arrays):
        variables = found[i].variables
        if len(variables) > k:
            own, leaf = variables[k].leaf, _parts(name)[-1]
            agree += leaf.endswith((own, f"_{_OLD_NAMES.get(own, own)}"))
            agree += array.shape == variables[k].shape
    return agree


# ------------------------------------------------------------------------------------- conversions


def convert(unit: Unit, arrays: Arrays, origin: Origin) -> Arrays:
    """The arrays of one layer in today's form, where an older form of them is known."""
    if isinstance(unit.layer, (layers.LSTM, layers.GRU)):
        return _recurrent(unit, arrays)
    if isinstance(unit.layer, _RECURRENT_CONVOLUTIONS):
        return _recurrent_convolution(unit, arrays, origin)
    if isinstance(unit.layer, _CONVOLUTIONS):
        return _convolution(unit, arrays, origin)
    if isinstance(unit.layer, LOCAL) and arrays[0].ndim != 3:
        return [local_kernel(unit.layer, arrays[0]), *arrays[1:]]
    return arrays


#: the gates in Keras 1's order, i c f o and z r h, at today's places
_GATES = {layers.LSTM: (0, 2, 1, 3), layers.GRU: (0, 1, 2), layers.ConvLSTM2D: (0, 2, 1, 3)}


def _gates(layer: Layer) -> tuple[int, ...]:
    return next((gates for kind, gates in _GATES.items() if isinstance(layer, kind)), ())


def _gate_arrays(unit: Unit) -> int:
    """How many trainable arrays Keras 1 kept for a unit."""
    return 3 * len(_gates(unit.layer)) or len(unit.trainable)


def _recurrent(unit: Unit, arrays: Arrays) -> Arrays:
    gates = _gates(unit.layer)
    if len(arrays) == 3 * len(gates):  # kernel, recurrent kernel and bias of each gate
        return [np.concatenate([arrays[3 * g + i] for g in gates], -1) for i in range(3)]
    if len(arrays) == 3 and arrays[2].shape == (2 * arrays[0].shape[-1],):
        return _from_cudnn(arrays, len(gates), unit.variables[-1].shape)
    return arrays


def _from_cudnn(arrays: Arrays, gates: int, bias_shape: tuple[int, ...]) -> Arrays:
    """cuDNN keeps each gate's matrix transposed, and a bias for each of the two products."""
    kernel, recurrent, bias = arrays
    biases = bias.reshape(2, -1)
    return [
        np.hstack([k.reshape(k.shape[::-1]).T for k in np.hsplit(kernel, gates)]),
        np.hstack([k.T for k in np.hsplit(recurrent, gates)]),
        biases if bias_shape == biases.shape else biases.sum(0),
    ]


_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_PLAIN = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_CONVOLUTIONS = _PLAIN + _TRANSPOSED + _SEPARABLE + _DEPTHWISE
_RECURRENT_CONVOLUTIONS = (layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)
#: the layers whose kernel may be as large as input times output in a file
LOCAL = (layers.LocallyConnected1D, layers.LocallyConnected2D)
#: the layers whose kernel Theano turned around
FLIPPED = _PLAIN + _TRANSPOSED + _RECURRENT_CONVOLUTIONS


def _recurrent_convolution(unit: Unit, arrays: Arrays, origin: Origin) -> Arrays:
    gates = _gates(unit.layer)
    if gates and len(arrays) == 3 * len(gates):
        shapes = [variable.shape for variable in unit.variables]
        shapes = [(*shape[:-1], shape[-1] // len(gates)) for shape in shapes]
        arrays = [
            a if a.ndim < 3 else _keras1_kernel(unit.layer, a, shapes[i % 3])
            for i, a in enumerate(arrays)
        ]
        arrays = [np.concatenate([arrays[3 * g + i] for g in gates], -1) for i in range(3)]
    return [convert_kernel(a) if origin.flipped and a.ndim > 2 else a for a in arrays]


def _convolution(unit: Unit, arrays: Arrays, origin: Origin) -> Arrays:
    converted = list(arrays)
    for i, (array, variable) in enumerate(zip(arrays, unit.variables)):
        if array.ndim < 3:
            continue
        if origin.version == 1:
            array = _keras1_kernel(unit.layer, array, variable.shape)
        if origin.flipped and isinstance(unit.layer, FLIPPED):
            array = convert_kernel(array)
        converted[i] = array
    return converted


def _keras1_kernel(layer: Any, kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel of Keras 1 with its axes as today.

    Theano's order was (filters, channels, *space), TensorFlow's (*space, channels, filters), both
    with a second axis of space in 1D.
    """
    if kernel.ndim == len(shape) + 1:
        axis = next((axis for axis in (1, -1) if kernel.shape[axis] == 1), None)
        kernel = kernel if axis is None else np.squeeze(kernel, axis)
    if kernel.ndim != len(shape):
        return kernel
    candidates = [kernel, np.moveaxis(kernel, (0, 1), (-1, -2))]
    if isinstance(layer, _TRANSPOSED):
        candidates = [np.swapaxes(candidate, -1, -2) for candidate in candidates]
    if layer.data_format == "channels_first":
        candidates.reverse()
    return next((c for c in candidates if c.shape == shape), candidates[0])


def local_kernel(layer: Any, kernel: np.ndarray) -> np.ndarray:
    """A kernel of `LocallyConnected1D` or 2D, (positions, a window's elements, filters).

    tf.keras's implementation 2 had an entry for each pair of an element of the input and one of the
    output; 3 had those of pairs in a window, in a row: output by output, and of each in the order
    of the input.
    """
    grid, window = np.indices(layer._places), np.indices(layer.kernel_size)
    rank, (positions, elements, filters) = len(grid), layer.kernel.shape
    channels, size = elements // math.prod(layer.kernel_size), math.prod(layer._size)

    def along(x: Any) -> np.ndarray:
        return np.reshape(x, (rank, -1, 1))

    begin = along(grid.reshape(rank, -1) * np.reshape(layer.strides, (rank, 1)))
    begin = begin - along([low for low, _ in layer._pads])
    place = begin + window.reshape(rank, 1, -1)
    inside = ((place >= 0) & (place < along(layer._size))).all(0)
    place = np.ravel_multi_index(tuple(place), layer._size, mode="clip")
    channel, filter_ = np.arange(channels), np.arange(filters)
    position = np.arange(positions)[:, None]
    if layer.data_format == "channels_last":
        source = place[..., None] * channels + channel
        inside, target = np.repeat(inside, channels, -1), position * filters + filter_
    else:
        source = place[:, None] + (size * channel)[:, None]
        inside, target = np.tile(inside, channels), position + positions * filter_
    source = np.broadcast_to(source.reshape(positions, elements, 1), layer.kernel.shape)
    target = np.broadcast_to(target[:, None], layer.kernel.shape)
    inside = np.broadcast_to(inside[..., None], layer.kernel.shape)
    found = np.zeros(layer.kernel.shape, kernel.dtype)
    pairs = source[inside], target[inside]
    if kernel.ndim > 1 and kernel.size == size * channels * positions * filters:
        found[inside] = kernel.reshape(size * channels, -1)[pairs]
    elif kernel.shape == pairs[0].shape:
        values = np.empty_like(kernel)
        values[np.lexsort(pairs)] = kernel
        found[inside] = values
    else:
        return kernel
    return found


def convert_kernel(kernel: Any) -> np.ndarray:
    """A convolution kernel for cross-correlation made from one for convolution proper, or back.

    ``y[i, ..., c, f] = kernel[size - 1 - i, ..., c, f]``: all axes but the last two are reversed.

    Args:
        kernel: array (*space, channels, filters) with one to three axes of space.

    Returns:
        an array of its own.

    Raises:
        ValueError: for another number of axes.

    Source: ``keras.utils.conv_utils.convert_kernel`` of Keras 2.

    Example:
        >>> keras.utils.convert_kernel(np.arange(3.0).reshape(3, 1, 1))[:, 0, 0]
        array([2., 1., 0.])
    """
    kernel = np.asarray(kernel)
    if not 3 <= kernel.ndim <= 5:
        raise ValueError(
            "convert_kernel: a kernel has 3 to 5 axes, (*space, channels, filters); got the shape "
            f"{kernel.shape}"
        )
    return np.flip(kernel, tuple(range(kernel.ndim - 2))).copy()
