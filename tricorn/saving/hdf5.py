"""The weights of a model in HDF5 as Keras 1, Keras 2 and tf.keras lay them out.

A group has an attribute ``layer_names``; each of these names is a group inside whose attribute
``weight_names`` names arrays in it, in the order of the layer's weights.  The group is the file
itself, or ``model_weights`` in the file of a whole model.  Its attributes ``backend`` and
``keras_version`` say what wrote it; Keras 1 wrote neither.
"""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import h5py
import numpy as np

from tricorn.layers.state import flatten
from tricorn.saving import conversions, weights
from tricorn.saving.conversions import Origin
from tricorn.saving.weights import Store, WeightsFile
from tricorn.variable import Variable

#: the version whose layout is written, and the engine with whose kernels ours agree
KERAS_VERSION, BACKEND = "2.15.0", "tensorflow"
_WHOLE, _TOP = "model_weights", "top_level_model_weights"
#: bytes that an attribute may have in the files of HDF5's first versions
_ATTRIBUTE_LIMIT = 64512


# ----------------------------------------------------------------------------------------- writing


def write(model: Any, group: h5py.Group) -> None:
    """Put the weights of `model` into an empty HDF5 file or group.

    Raises:
        ValueError: two layers of one name, weights that are in none of `model.layers`, or that are
            quantized or adapted.
    """
    for layer in flatten(model):
        if layer._tricorn.parts.keys() & {"quantized", "adapted"}:
            raise ValueError(
                f"the layer {layer.name!r} is quantized or has LoRA, which this layout cannot say: "
                "save to a .keras or .weights.h5 file"
            )
    names = [layer.name for layer in model.layers]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(
            f"the weights of {model.name!r} cannot be saved in this layout: several layers are "
            f"called {', '.join(map(repr, twice))}. Rename them, or save to a .weights.h5 file"
        )
    write_strings(group, "layer_names", names)
    group.attrs["backend"] = BACKEND.encode()
    group.attrs["keras_version"] = KERAS_VERSION.encode()
    written: set[Variable] = set()
    with weights.held(model):
        for layer in model.layers:
            written |= _write_layer(group.create_group(layer.name), conversions.units(layer))
        if own := _own_units(model):
            written |= _write_layer(group.create_group(_TOP), own)
    units = (unit for layer in flatten(model) for unit in conversions.units(layer))
    held = (variable for unit in units for variable in unit.variables)
    missed = list(dict.fromkeys(variable.path for variable in held if variable not in written))
    if missed:
        raise ValueError(
            f"the weights of {model.name!r} cannot be saved in this layout: it holds weights in "
            f"layers that are not among model.layers: {', '.join(missed[:10])}. Save to a "
            ".weights.h5 file"
        )


def _own_units(model: Any) -> list[conversions.Unit]:
    """The weights that the model itself has."""
    return [unit for unit in conversions.units(model) if unit.layer is model]


def _write_layer(group: h5py.Group, found: list[conversions.Unit]) -> set[Variable]:
    names: list[str] = []
    variables = conversions.ordered(found)
    for unit, variable in variables:
        name = plain = f"{unit.layer.name}/{conversions.name_of(unit.layer, variable)}"
        count = 0
        while f"{name}:0" in names:
            count += 1
            name = f"{plain}_{count}"
        names.append(f"{name}:0")
        weights.write_array(group, names[-1], variable)
    write_strings(group, "weight_names", names)
    return {variable for _, variable in variables}


def write_strings(group: h5py.Group, key: str, texts: list[str]) -> None:
    """An attribute with texts; in several, ``key0``, ``key1`` ..., when they are too long for
    one."""
    data = np.array([text.encode() for text in texts], dtype=None if texts else "S1")
    if data.itemsize > _ATTRIBUTE_LIMIT:
        raise ValueError(f"a name of {data.itemsize:,} bytes is too long for an HDF5 attribute")
    if data.nbytes <= _ATTRIBUTE_LIMIT:
        group.attrs[key] = data
        return
    rows = _ATTRIBUTE_LIMIT // data.itemsize
    for number, start in enumerate(range(0, len(data), rows)):
        group.attrs[f"{key}{number}"] = data[start : start + rows]


# ------------------------------------------------------------------------------- looking into files


class Stored(NamedTuple):
    """The weights of one layer in a file.

    Attributes:
        name: the layer's.
        names: the weights', in order.
        path: of the group.
        store: name -> array.
    """

    name: str
    names: list[str]
    path: str
    store: Store

    @property
    def size(self) -> int:
        """How many numbers they are."""
        return sum(dataset.size for dataset in self.store.datasets.values())


class Layout(NamedTuple):
    """The weights in a file.

    Attributes:
        layers: in the file's order.
        own: those of the model itself.
        origin: what wrote them.
        sure: whether the file says so; otherwise its age and names tell.
    """

    layers: list[Stored]
    own: Stored | None
    origin: Origin
    sure: bool


def layout(file: WeightsFile) -> Layout | None:
    """The weights in a file; None: it is not laid out in this way.

    Raises:
        ValueError: where a layer or weight that the file names is missing from it.
    """
    for group in ("", _WHOLE):
        names = _strings(file, group, "layer_names") if group in file.groups else None
        if names is not None:
            break
    else:
        return None
    layers = [weights_of(file, group, name) for name in names]
    top = weights.join(group, _TOP) in file.groups and _TOP not in names
    origin, sure = _origin(file, layers)
    return Layout(layers, weights_of(file, group, _TOP) if top else None, origin, sure)


def weights_of(file: WeightsFile, group: str, name: str) -> Stored:
    """The weights that a group inside a group names."""
    path = weights.join(group, name)
    names = _strings(file, path, "weight_names") if path in file.groups else None
    if names is None:
        raise ValueError(
            f"{file.name}: the layer {name!r} is named in layer_names, but there is no group "
            f"{path!r} with an attribute weight_names; the file is not loaded"
        )
    datasets = {}
    for weight in names:
        member = f"{path}/{weight}"
        if weight in datasets or member not in file.datasets:
            why = "twice" if weight in datasets else "but is not there"
            raise ValueError(
                f"{file.name}: the member {member!r} is named in weight_names {why}; the file is "
                "not loaded"
            )
        datasets[weight] = file.datasets[member]
    return Stored(name, names, path, Store(datasets, file.name))


def _strings(file: WeightsFile, group: str, key: str) -> list[str] | None:
    """The texts of an attribute that may be split into ``key0``, ``key1`` ..."""
    texts = file.strings(group, key)
    if texts is not None:
        return texts
    numbered = (file.strings(group, f"{key}{number}") for number in itertools.count())
    parts = list(itertools.takewhile(lambda part: part is not None, numbered))
    return [text for part in parts for text in part or ()] if parts else None


def said(file: WeightsFile, key: str) -> str | None:
    """The text of an attribute at a file's root, or where a whole model's weights are; None: there
    is none."""
    groups = (group for group in ("", _WHOLE) if group in file.groups)
    return next((texts[0] for group in groups if (texts := file.strings(group, key))), None)


def _origin(file: WeightsFile, layers: list[Stored]) -> tuple[Origin, bool]:
    """What wrote the file, and whether it says so.

    Keras 1 does not say its engine; but TensorFlow's names end in ":0", and Theano's do not.
    """
    version, backend = said(file, "keras_version") or "1", said(file, "backend")
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise ValueError(f"{file.name}: the attribute keras_version is {version!r}, not a version")
    if backend is not None:
        return Origin(int(major), backend == "theano"), True
    names = [name for stored in layers for name in stored.names]
    flipped = int(major) == 1 and not any(":" in n or n.startswith("param_") for n in names)
    return Origin(int(major), flipped), False


# ----------------------------------------------------------------------------------------- reading


def read(
    model: Any,
    file: WeightsFile,
    found: Layout,
    *,
    by_name: bool = False,
    skip_mismatch: bool = False,
    reshape: bool = False,
) -> None:
    """Assign the weights in `file` to `model`: all of them, or nothing.

    Args:
        found: what `layout` found in the file.
        by_name: a layer gets the weights of the file's layer of its name, if there is one;
            otherwise the layers with weights correspond in order.
        skip_mismatch: leave out the layers that do not fit, with a warning.
        reshape: weights of another shape but as many numbers fit.

    Raises:
        ValueError: weights that do not fit: all are listed.
    """
    plan: list[tuple[Variable, np.ndarray]] = []
    misfits: list[str] = []
    for units, stored in pairs(model, file, found, by_name):
        fit = _fit(units, stored, found.origin, reshape)
        if isinstance(fit, str):
            misfits.append(fit)
        else:
            plan += fit
    weights.refuse(file.name, misfits, skip_mismatch)
    for variable, array in plan:
        variable.assign(array)
    if found.origin.flipped and not found.sure:
        _tell(model, file.name)


def _tell(model: Any, name: str) -> None:
    """Say, and keep in mind, that convolution kernels were converted though no file asked for
    it."""
    if any(isinstance(layer, conversions.FLIPPED) for layer in flatten(model)):
        model._kernels_converted_from = name
        warnings.warn(
            f"{name} does not say which engine wrote it; the names in it are Theano's, therefore "
            "the convolution kernels were converted. Do not convert them again",
            stacklevel=5,
        )


_Pair = tuple[list[conversions.Unit], Stored]


def pairs(model: Any, file: WeightsFile, found: Layout, by_name: bool) -> Iterator[_Pair]:
    """What belongs together: units of the model, weights of the file."""
    stored = [layer for layer in found.layers if layer.names]
    layers = [(layer, units) for layer in model.layers if (units := conversions.units(layer))]
    if by_name:
        known = {layer.name: layer for layer in stored}
        pairs = [(units, known[layer.name]) for layer, units in layers if layer.name in known]
        if not pairs and stored:
            warnings.warn(
                f"{file.name}: by_name=True loads nothing, because no layer has a name in common; "
                f"the model's are {_listed([layer.name for layer, _ in layers])}, the file's "
                f"{_listed(list(known))}",
                stacklevel=5,
            )
        yield from pairs
    else:
        if len(stored) != len(layers):
            raise ValueError(
                f"{file.name} has weights for {len(stored)} layers, the model {model.name!r} has "
                f"{len(layers)} layers with weights. In the file: "
                f"{_listed([layer.name for layer in stored])}; in the model: "
                f"{_listed([layer.name for layer, _ in layers])}. "
                "load_weights(..., by_name=True) loads the layers whose names agree"
            )
        yield from ((units, layer) for (_, units), layer in zip(layers, stored))
    own = _own_units(model)
    if own or (found.own is not None and found.own.names):
        yield own, found.own or Stored(model.name, [], _TOP, Store({}))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _fit(
    units: list[conversions.Unit], stored: Stored, origin: Origin, reshape: bool
) -> list[tuple[Variable, np.ndarray]] | str:
    """The arrays for the units' Variables; or what does not fit."""
    variables = [v for unit in units for v in unit.variables]
    own = [f"{v.leaf} {v.shape}" for v in variables]
    there = [f"{key} {stored.store.shape(key)}" for key in stored.names]
    differ = (
        f"the layer {stored.name!r} in the file has {len(there)} weights ({_listed(there)}), the "
        f"model's {units[0].layer.name if units else 'model itself'!r} has {len(own)} "
        f"({_listed(own)})"
    )
    local = any(isinstance(unit.layer, conversions.LOCAL) for unit in units)
    if not local and stored.size > 2 * sum(v.size for v in variables):  # cuDNN's biases are twice
        return differ
    arrays = [stored.store.read(key) for key in stored.names]
    parts = conversions.distribute(units, stored.names, arrays)
    if parts is None:
        return differ
    fit: list[tuple[Variable, np.ndarray]] = []
    for unit, part in zip(units, parts):
        converted = conversions.convert(unit, part, origin)
        if len(converted) != len(unit.variables):
            return differ
        for variable, array in zip(unit.variables, converted):
            if reshape and array.size == variable.size:
                array = array.reshape(variable.shape)
            if array.shape != variable.shape:
                return differ
            fit.append((variable, array))
    return fit
