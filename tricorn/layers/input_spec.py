"""What a layer accepts: rank, shape, dtype of its inputs, checked before and after it is built."""

from __future__ import annotations

from typing import Any

from tricorn import checks, dtypes, tree


class InputSpec:
    """A description of one input of a layer.

    Args:
        dtype: dtype name, or None for any.
        shape: tuple with None for any size; fixes the rank.
        ndim, min_ndim, max_ndim: the rank, or its bounds.
        axes: {axis: size} that must hold; a size of None is any.
        allow_last_axis_squeeze: a missing or extra last axis of length 1 is fine.
        name: the key, for inputs given as a dict.
        optional: the input may be None.

    Example:
        >>> layer = keras.layers.Layer()
        >>> layer.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: 3})
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: tuple | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtypes.standardize(dtype) if dtype is not None else None
        self.shape = checks.shape(self, "shape", shape) if shape is not None else None
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        try:
            self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        except (AttributeError, TypeError, ValueError):
            raise TypeError(
                f"InputSpec: axes must be a dict of axes, integers, and sizes, got {axes!r}"
            ) from None
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional

    def __repr__(self) -> str:
        shown = {k: v for k, v in self.get_config().items() if v not in (None, {}, False)}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in shown.items())})"

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        return cls(**config)

    def asks_nothing(self) -> bool:
        """Whether every tensor fits, and None too."""
        bounds = self.shape, self.ndim, self.min_ndim, self.max_ndim
        return all(bound is None for bound in bounds) and not self.axes

    def problem(self, shape: tuple, dtype: str) -> str | None:
        """What is wrong with an input of this shape and dtype, or None."""
        rank = len(shape)
        if self.shape and self.allow_last_axis_squeeze:
            if rank == len(self.shape) + 1 and shape[-1] == 1:
                shape, rank = shape[:-1], rank - 1
            elif rank == len(self.shape) - 1 and self.shape[-1] == 1:
                shape, rank = (*shape, 1), rank + 1
        if self.ndim is not None and rank != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        if self.dtype is not None and dtype != self.dtype:
            return f"expected dtype={self.dtype}, found dtype={dtype}"
        for axis, size in self.axes.items():
            if size is not None and -rank <= axis < rank and shape[axis] not in (size, None):
                return (
                    f"expected axis {axis} of input shape to have value {size}, got {shape[axis]}"
                )
        if self.shape is not None:
            for axis, (want, got) in enumerate(zip(self.shape, shape)):
                if want is not None and got is not None and want != got:
                    return f"expected shape={self.shape}, found shape={shape} (axis {axis} differs)"
        return None


def check(spec: Any, inputs: Any, owner: Any) -> None:
    """Check inputs (a tree of things with shape and dtype) against a spec or a tree of specs.

    Raises:
        ValueError: names the owner, what was expected and what came.
    """
    if spec is None:
        return
    for index, (one, value) in enumerate(_pairs(spec, inputs, owner)):
        if value is None and (one.optional or one.asks_nothing()):
            continue
        if not hasattr(value, "shape"):
            hint = "; the input is not optional" if value is None else ""
            raise ValueError(f"{owner}: Inputs to a layer should be tensors. Got {value!r}{hint}")
        shape = tuple(value.shape)
        found = one.problem(shape, str(getattr(value, "dtype", "")))
        if found is not None:
            raise ValueError(
                f"Input {index} of {owner} is incompatible with the layer: {found}. Full shape "
                f"received: {shape}"
            )


def _pairs(spec: Any, inputs: Any, owner: Any) -> list[tuple[InputSpec, Any]]:
    """The specs of a tree, each with its input."""
    if isinstance(spec, InputSpec) and not isinstance(inputs, (list, tuple, dict)):
        return [(spec, inputs)]
    if isinstance(spec, dict) and isinstance(inputs, dict):
        missing = [name for name, s in spec.items() if name not in inputs and not _optional(s)]
        if missing:
            raise ValueError(
                f"{owner}: Missing data for inputs {missing}; expected {sorted(spec)}, "
                f"got {sorted(inputs)}"
            )
        parts = [(spec[name], inputs[name]) for name in spec if name in inputs]
    elif (
        isinstance(spec, (list, tuple))
        and isinstance(inputs, (list, tuple))
        and len(spec) == len(inputs)
    ):
        parts = list(zip(spec, inputs))
    else:
        specs, values = tree.leaves(spec), tree.leaves(inputs)
        if len(specs) != len(values):
            raise ValueError(
                f"Layer {owner} expects {len(specs)} input(s), but it received {len(values)} "
                "input tensors: "
                f"{[tuple(getattr(v, 'shape', ())) for v in values]}"
            )
        return list(zip(specs, values))
    return [pair for part in parts for pair in _pairs(*part, owner)]


def _optional(spec: Any) -> bool:
    return isinstance(spec, InputSpec) and spec.optional
