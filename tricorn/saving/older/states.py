"""The state of optimizers in ``.h5`` files of whole models.

The group ``optimizer_weights`` has the number of steps, other scalars, and the slots, each in the
order of the weights that were trained.  The slots are converted as these weights are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tricorn.optimizers.adafactor import Adafactor
from tricorn.optimizers.legacy import LegacyOptimizer
from tricorn.saving import conversions, hdf5, weights
from tricorn.saving.hdf5 import Layout
from tricorn.saving.older import keras2
from tricorn.saving.older.origin import Origin
from tricorn.saving.weights import WeightsFile
from tricorn.variable import Variable

GROUP = "optimizer_weights"


class _Unit(NamedTuple):
    """The arrays of a layer's unit: their names in the file, and themselves."""

    unit: conversions.Unit
    names: list[str]
    arrays: list[np.ndarray]
    trained: int


def read(model: Any, file: WeightsFile, found: Layout, origin: Origin) -> None:
    """Assign the optimizer's state; warns, and assigns nothing, where the file has another."""
    if GROUP not in file.groups or model.optimizer is None:
        return
    stored = hdf5.weights_of(file, "", GROUP)
    if not (names := stored.names):
        return
    optimizer = weights.inner_of(model.optimizer)
    units = list(_units(model, file, found))
    slots = keras2.SLOTS.get(type(optimizer).__name__, ())
    arrays = [stored.store[name] for name in names]
    order = [name for unit in units for name in unit.names[: unit.trained]]
    scalars = [arrays.pop(0) for _ in range(_leading_scalars(arrays, len(order)))]
    if origin.version < (2, 0):
        order.sort()
    if isinstance(optimizer, Adafactor):
        count = len(order) if optimizer.use_ema else 0
        arrays = arrays[:count] + _with_unused(arrays[count:], units, order)
    columns = _columns(optimizer, arrays, len(order), slots, origin)
    plan = list(_plan(optimizer, units, order, columns, found)) if columns is not None else None
    if plan is None or any(slot.shape != value.shape for slot, value in plan):
        warnings.warn(
            f"{file.name}: the optimizer's state is not loaded, it starts anew: the file has "
            f"{len(names)} arrays for {type(optimizer).__name__} and {len(order)} trained weights",
            stacklevel=5,
        )
        return
    if scalars:
        optimizer._iterations.assign(int(scalars[0]))
        complete(optimizer)
    for slot, value in plan:
        slot.assign(value)


def complete(optimizer: Any) -> None:
    """Work out what older files left out: Nadam's product of the schedule's values so far, which
    tf.keras lost from 2.11 on."""
    optimizer = weights.inner_of(optimizer)
    if "product" in optimizer._tricorn.shared and not optimizer._of_variables:
        steps = range(1, min(int(optimizer._iterations), 1 << 14) + 1)  # by then it is 0
        optimizer._tricorn.shared["product"].assign(math.prod(map(optimizer._mu, steps)))


def _leading_scalars(arrays: list, size: int) -> int:
    """How many scalars come before the slots of `size` weights, the first of which may be scalars
    too."""
    most = next((i for i, array in enumerate(arrays) if np.ndim(array)), len(arrays))
    fit = (count for count in range(most, 0, -1) if size and (len(arrays) - count) % size == 0)
    return next(fit, most)


def _units(model: Any, file: WeightsFile, found: Layout) -> Iterator[_Unit]:
    """The units with their arrays in the file, layer by layer; what stands there twice, once."""
    seen: set[Variable] = set()
    for units, stored in hdf5.pairs(model, file, found, by_name=False):
        arrays = [stored.store[name] for name in stored.names]
        places = {id(array): name for array, name in zip(arrays, stored.names)}
        parts = conversions.distribute(units, stored.names, arrays) or []
        for unit, part in zip(units, parts):
            if not seen.isdisjoint(unit.variables):
                continue
            seen.update(unit.variables)
            count = 0 if unit.frozen else len(part) - len(unit.fixed)
            yield _Unit(unit, [places[id(array)] for array in part], part, count)


def _with_unused(arrays: list, units: list[_Unit], order: list[str]) -> list:
    """The state of Adafactor with r and c for each weight: vectors have none in files of
    tf.keras."""
    ranks = {name: np.ndim(array) for unit in units for name, array in zip(unit.names, unit.arrays)}
    found: list[Any] = []
    rest = iter(arrays)
    for name in order:
        found += [np.zeros(())] * 2 if ranks[name] < 2 else [next(rest, None), next(rest, None)]
        found.append(next(rest, None))
    return [array for array in (*found, *rest) if array is not None]


def _columns(
    optimizer: Any, arrays: list, size: int, slots: tuple[str, ...], origin: Origin
) -> dict[str, list] | None:
    """The slots by name, each in the order of the trained weights; None: they do not fit."""
    if not arrays:
        return {}
    if not size or len(arrays) % size:
        return None
    count = len(arrays) // size
    names = list(slots)
    if len(names) > count:  # those that settings ask for are left out
        known = {name for own in optimizer._tricorn.slots.values() for name in own}
        names = [name for name in names if name in known]
    if optimizer.use_ema:
        names = ["average", *names]
    if len(names) < count:
        return None
    together = ()
    new = origin.tensorflow and origin.version >= (2, 11)
    new = new and not isinstance(optimizer, LegacyOptimizer)
    if new or type(optimizer).__name__ == "Ftrl":
        together = optimizer.together
    columns: dict[str, list] = {}
    rest = iter(arrays)
    for group in dict.fromkeys(together if name in together else (name,) for name in names[:count]):
        rows = [[next(rest) for _ in group] for _ in range(size)] if len(group) > 1 else None
        for i, name in enumerate(group):
            columns[name] = [row[i] for row in rows] if rows else [next(rest) for _ in range(size)]
    return columns


def _plan(
    optimizer: Any, units: list[_Unit], order: list[str], columns: dict[str, list], found: Layout
) -> Iterator[tuple[Variable, np.ndarray]]:
    """What each slot is assigned."""
    for name, column in columns.items():
        places = {v: own[name] for v, own in optimizer._tricorn.slots.items() if name in own}
        places = optimizer._tricorn.averages if name == "average" else places
        values = dict(zip(order, column))
        for unit, names, arrays, trained in units:
            variables = [v for v in unit.trainable if v in optimizer._tricorn.slots]
            if not trained or not all(v in places for v in variables):
                continue
            part = [values[n] for n in names[:trained]]
            part += [np.zeros_like(array) for array in arrays[trained:]]
            like = all(np.shape(a) == np.shape(b) for a, b in zip(part, arrays))
            converted = conversions.convert(unit, part, found.origin) if like else part
            for variable, value in zip(unit.trainable, converted):
                yield places[variable], value
