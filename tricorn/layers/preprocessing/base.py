"""The bases of the layers that prepare data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tricorn import dtypes, ops, tree
from tricorn.checks import boolean
from tricorn.engines import registry
from tricorn.engines.contract import EngineError
from tricorn.graph.symbolic import is_symbolic
from tricorn.layers.arguments import choice
from tricorn.layers.base import Layer
from tricorn.ops.host import on_host
from tricorn.serialization.registry import refuse_unless_trusted


class DataLayer(Layer):
    """A layer that computes on the engine its input comes from: in the functions of a ``tf.data``
    pipeline that is TensorFlow, whichever engine is active."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with engine_of(args):
            return super().__call__(*args, **kwargs)

    @property
    def _tricorn_learns(self) -> bool:
        """Whether `adapt` finds what the layer needs, since it was not given at the start."""
        return hasattr(self, "adapt") and getattr(self, "_given", None) in (None, False)


def engine_of(inputs: Any) -> contextlib.AbstractContextManager:
    """A block that computes on the engine that the first tensor among `inputs` comes from."""
    for leaf in tree.leaves(inputs):
        owner = None if is_symbolic(leaf) else registry.owner_of(leaf)
        if owner is not None:
            return registry.use(owner)
    return contextlib.nullcontext()


class HostLayer(DataLayer):
    """A layer that computes with NumPy on the host: it takes lists and arrays, also of strings,
    and tensors; in a graph it is a call back to Python.

    Subclasses define `values` and `result_shape`.
    """

    #: whether results that have values are sparse tensors; in a graph they are dense
    sparse = False

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The layer that `get_config` describes; in safe mode no file with a vocabulary is read."""
        if isinstance(path := config.get("vocabulary"), str):
            refuse_unless_trusted(f"the path of a file with a vocabulary, {path!r}")
        return super().from_config(config, custom_objects)

    def values(self, *arrays: np.ndarray) -> np.ndarray:
        """The result for arrays; strings are ``str`` objects."""
        raise NotImplementedError

    def result_shape(self, *shapes: tuple) -> tuple:
        """The shape of the result for the inputs' shapes."""
        raise NotImplementedError

    @property
    def result_dtype(self) -> str:
        """The dtype of the result."""
        return "int32"

    def inputs_of(self, inputs: Any) -> list:
        """The arrays or tensors of a call."""
        return [inputs]

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        found = self.inputs_of(inputs)
        if any(map(is_symbolic, found)):
            return super().__call__(inputs, *args, **kwargs)
        with engine_of(found):
            return self.call(inputs)

    def call(self, inputs: Any) -> Any:
        found = self.inputs_of(inputs)
        if any(is_symbolic(x) or registry.owner_of(x) is not None for x in found):
            if self.sparse and registry.active().is_eager() and not any(map(is_symbolic, found)):
                return self._given_out(self._on_arrays(*map(ops.convert_to_numpy, found)))
            found = [x if hasattr(x, "dtype") else ops.convert_to_tensor(x) for x in found]
            return on_host(found, self._on_arrays, self.result_shape, self.result_dtype)
        return self._given_out(self._on_arrays(*found))

    def _on_arrays(self, *arrays: Any) -> np.ndarray:
        return self.values(*map(as_host, arrays))

    def _given_out(self, result: np.ndarray) -> Any:
        """A result as a tensor, if the engine has such tensors."""
        engine = registry.active()
        try:
            if self.sparse:
                places = np.stack(np.nonzero(result), 1)
                values = result[result != 0].astype(dtypes.to_numpy(self.result_dtype))
                return engine.sparse(places, values, result.shape, True)
            return engine.tensor(result, self.result_dtype)
        except EngineError:
            return result

    def compute_output_shape(self, *shapes: Any) -> Any:
        return tuple(self.result_shape(*self.inputs_of(shapes[0] if len(shapes) == 1 else shapes)))


def as_host(x: Any) -> np.ndarray:
    """An array; bytes in it as text."""
    array = np.asarray(x)
    if array.dtype.kind == "S" or (array.dtype.kind == "O" and _has_bytes(array)):
        array = np.vectorize(text_of, otypes=[object])(array)
    return array.astype(object) if array.dtype.kind == "U" else array


def _has_bytes(array: np.ndarray) -> bool:
    return any(isinstance(x, bytes) for x in array.flat)


def text_of(x: Any) -> str:
    return x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x)


def batches(data: Any, steps: int | None) -> Iterable:
    """The batches of a source; an array is one."""
    whole = hasattr(data, "shape") or isinstance(data, str)
    if isinstance(data, Sequence) and not whole:
        whole = not any(hasattr(x, "shape") and np.ndim(x) for x in data)
    if whole:
        yield data
        return
    for i, batch in enumerate(data):
        if i == steps:
            return
        yield batch[0] if isinstance(batch, tuple) else batch


OUTPUTS = ("int", "one_hot", "multi_hot", "count")


def output_mode(layer: Layer, value: Any, known: tuple = OUTPUTS) -> str:
    return choice(layer, "output_mode", value, known)


def sparse_result(layer: Layer, value: Any, mode: str, ragged: bool = False) -> bool:
    """The argument `sparse`, for results in the mode `mode`; ragged results are refused."""
    name = type(layer).__name__
    if ragged:
        raise ValueError(f"{name}: ragged results are not supported; leave the argument out")
    if boolean(layer, "sparse", value) and mode == "int":
        raise ValueError(
            f"{name}: sparse=True is for vectors, which output_mode='int' does not give; take "
            "another mode or sparse=False"
        )
    return value


def encoded_shape(shape: tuple, mode: str, size: int | None) -> tuple:
    """The shape of `encode`'s result."""
    if mode == "int":
        return tuple(shape)
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape or (1,)), size)
    return (*shape[:-1], size)


def encode(indices: np.ndarray, mode: str, size: int, weights: Any = None) -> np.ndarray:
    """Indices as vectors of `size` entries, float32.

    Args:
        indices: integers of shape (..., n); those outside of [0, size) have no place.
        mode: "one_hot": a vector for each index (of several axes a last one of length 1 goes);
            "multi_hot": ones at all of the last axis; "count": how often each occurs there.
        weights: what each index counts in the mode "count"; None: 1.

    Returns:
        array of `encoded_shape`.
    """
    if mode == "one_hot":
        rows = indices[..., 0] if indices.ndim > 1 and indices.shape[-1] == 1 else indices
        rows = np.atleast_1d(rows)
        return (rows[..., None] == np.arange(size)).astype(np.float32)
    rows = np.atleast_1d(indices)
    found = np.zeros((*rows.shape[:-1], size), np.float32)
    flat, places = found.reshape(-1, size), rows.reshape(-1, rows.shape[-1])
    sample, at = np.nonzero((places >= 0) & (places < size))
    given = np.broadcast_to(1.0 if weights is None else weights, rows.shape).reshape(places.shape)
    np.add.at(flat, (sample, places[sample, at]), given[sample, at])
    return np.minimum(found, 1.0) if mode == "multi_hot" else found
