"""Dtype names and how they combine: one table for every engine.

A dtype is a string such as ``"float32"``.  Promotion is JAX's and Keras 3's lattice: Python
scalars are weak (they take the dtype of the tensor they meet, unless their kind is higher), and an
integer that meets a float becomes that float, whatever the widths.
"""

from __future__ import annotations

import functools
from typing import Any

from tricorn import config

FLOATS = ("bfloat16", "float16", "float32", "float64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
SIGNED = ("int8", "int16", "int32", "int64")
COMPLEX = ("complex64", "complex128")
FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
ALL = ("bool", *UNSIGNED, *SIGNED, *FLOAT8, *FLOATS, *COMPLEX, "string")

_ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "int": "int32",
    "long": "int64",
}
#: Weak scalars: a Python bool, int, float or complex.
_WEAK = {bool: "bool", int: "int", float: "float", complex: "complex"}

# dtype -> its direct successors in the promotion lattice ("int", "float", "complex": weak scalars)
_LATTICE = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16", "complex"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "complex": ("complex64",),
    "complex64": ("complex128",),
    "complex128": (),
}


@functools.cache
def _above(dtype: str) -> frozenset[str]:
    """`dtype` and everything reachable from it."""
    return frozenset((dtype,)).union(*map(_above, _LATTICE[dtype]))


def standardize(dtype: Any) -> str:
    """The name of `dtype`: a string, Python type, NumPy or engine dtype; None is floatx.

    Raises:
        ValueError: for something that is not a dtype.

    Example:
        >>> keras.utils.standardize_dtype(np.float32), keras.utils.standardize_dtype("int")
        ('float32', 'int32')
    """
    if dtype is None:
        return config.floatx()
    if isinstance(dtype, str):
        name = dtype
    elif isinstance(dtype, type) and dtype in _WEAK:
        name = {bool: "bool", int: "int32", float: config.floatx(), complex: "complex64"}[dtype]
    else:
        name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
        name = name.rsplit(".", 1)[-1]  # torch.float32, <dtype: 'float32'>
    name = _ALIASES.get(name, name)
    if name.startswith(("str", "<U", "object")):
        name = "string"
    if name not in ALL:
        raise ValueError(f"unknown dtype {dtype!r}; known: {', '.join(ALL)}")
    return name


def is_text(array: Any) -> bool:
    """Whether a NumPy array holds strings."""
    if array.dtype.kind == "O":
        return array.size > 0 and all(isinstance(x, (str, bytes)) for x in array.flat)
    return array.dtype.kind in "US"


def of(value: Any) -> str:
    """The dtype a value has as a tensor; Python scalars give the weak names int, float, complex."""
    weak = _WEAK.get(type(value))
    return weak if weak is not None else standardize(value.dtype)


def result_type(*dtypes: Any) -> str:
    """The dtype of an operation on values of the given dtypes.

    Arguments are dtype names, or the Python types bool, int, float, complex for weak scalars.  No
    argument gives floatx; weak scalars alone give int32, floatx or complex64.
    """
    names = [_WEAK.get(d, d) for d in dtypes]
    return _join(frozenset(names), config.floatx())


@functools.cache
def _join(names: frozenset[str], floatx: str) -> str:
    weak = {"int": "int32", "float": floatx, "complex": "complex64"}
    if not names:
        return floatx
    if len(names) == 1:
        name = next(iter(names))
        return weak.get(name, name)
    for name in names:
        if name not in _LATTICE:
            raise TypeError(f"{name} does not combine with {', '.join(sorted(names - {name}))}")
    common = frozenset.intersection(*(_above(name) for name in names))
    least = next(
        name for name in common if common == _above(name) & common and common <= _above(name)
    )
    # uint64 with a signed integer, and any integer with a weak float, land on the weak float
    return weak.get(least, least)


def is_float(dtype: str) -> bool:
    return dtype in FLOATS or dtype in FLOAT8


def is_integer(dtype: str) -> bool:
    return dtype in SIGNED or dtype in UNSIGNED


def is_complex(dtype: str) -> bool:
    return dtype in COMPLEX


def floating(dtype: str) -> str:
    """`dtype` when it is floating or complex; for integers and bool, the result with a float."""
    return dtype if is_float(dtype) or is_complex(dtype) else config.floatx()


def size(dtype: str) -> int:
    """Bytes of one element."""
    if dtype == "bool":
        return 1
    if dtype.startswith("float8"):
        return 1
    return int("".join(filter(str.isdigit, dtype))) // 8


def to_numpy(dtype: str) -> Any:
    """The NumPy dtype object (bfloat16 and float8 through ml_dtypes)."""
    import numpy as np

    if dtype == "bfloat16" or dtype in FLOAT8:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, dtype))
    return np.dtype(object if dtype == "string" else dtype)


def bounds(dtype: str) -> tuple[float, float]:
    """The lowest and the highest finite number of a real dtype (ints for integer dtypes)."""
    import ml_dtypes

    limits = ml_dtypes.iinfo if is_integer(dtype) else ml_dtypes.finfo
    found, kind = limits(to_numpy(dtype)), int if is_integer(dtype) else float
    return kind(found.min), kind(found.max)
