"""Small functions that scripts take from ``keras.utils.generic_utils`` and its like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tricorn.serialization import bytecode, registry


def deserialize_keras_object(
    identifier: Any,
    module_objects: Any = None,
    custom_objects: Any = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that a config, or a name, describes.

    Args:
        identifier: the config, or the name.
        module_objects: names to look it up in.
        custom_objects: further names.
        printable_module_name: what such an object is called in errors.

    Raises:
        ValueError: for a name that is not known.
    """
    found = registry.deserialize_keras_object(
        identifier, custom_objects, module_objects=module_objects
    )
    if isinstance(found, str):
        raise ValueError(f"Unknown {printable_module_name}: {identifier!r}")
    return found


def serialize_keras_object(instance: Any) -> Any:
    """An object as data."""
    return registry.serialize_keras_object(instance)


def has_arg(fn: Callable, name: str, accept_all: bool = False) -> bool:
    """Whether a function takes an argument by name; with `accept_all` also by ``**``."""
    parameters = inspect.signature(fn).parameters
    if name not in parameters:
        loose = inspect.Parameter.VAR_KEYWORD
        return accept_all and any(p.kind is loose for p in parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return parameters[name].kind in kinds


def to_list(x: Any, allow_tuple: bool = False) -> list:
    """A list as it is, anything else in one."""
    if isinstance(x, list) or (allow_tuple and isinstance(x, tuple)):
        return list(x) if isinstance(x, tuple) else x
    return [x]


def unpack_singleton(x: Any) -> Any:
    """The only element of a list, a longer one as it is."""
    return x[0] if len(x) == 1 else x


def object_list_uid(object_list: Any) -> str:
    """A text that tells lists of objects apart."""
    return ", ".join(str(id(x)) for x in to_list(object_list))


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether there is nothing but None."""
    return all(x is None for x in to_list(iterable_or_element, allow_tuple=True))


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """``[start:stop]`` of an array, or of each in a list; `start` may be indices."""
    rows = np.asarray(start) if hasattr(start, "__len__") else slice(start, stop)
    if isinstance(arrays, list):
        return [None if x is None else x[rows] for x in arrays]
    return [None] if arrays is None else arrays[rows]


def func_dump(func: Any) -> tuple:
    """(bytecode, defaults, closure) of a function."""
    return tuple(bytecode.dump(func))


def func_load(code: Any, defaults: Any = None, closure: Any = None, globs: Any = None) -> Callable:
    """Refused: bytecode can do anything when it is run.

    Raises:
        ValueError: always, with what to do.
    """
    raise ValueError(
        "func_load would run bytecode, which can do anything; import the function, or register it "
        "with custom_object_scope"
    )


# ----------------------------------------------------------------------------- sizes of windows


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """`value` as a tuple of n ints: an int stands for all.

    Raises:
        ValueError: for something else.
    """
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) != n or not all(isinstance(x, (int, np.integer)) for x in values):
        raise ValueError(f"{name} must be an integer or {n} of them, got {value!r}")
    return tuple(int(x) for x in values)


def normalize_padding(value: str) -> str:
    """ "valid", "same" or "causal", in lower case.

    Raises:
        ValueError: for something else.
    """
    if value.lower() not in ("valid", "same", "causal"):
        raise ValueError(f'padding must be "valid", "same" or "causal", got {value!r}')
    return value.lower()


def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """The length of a convolution's output."""
    if input_length is None:
        return None
    window = filter_size + (filter_size - 1) * (dilation - 1)
    less = {"valid": window - 1, "same": 0, "causal": 0, "full": 1 - window}[padding]
    return (input_length - less + stride - 1) // stride


def conv_input_length(
    output_length: int | None, filter_size: int, padding: str, stride: int
) -> int | None:
    """The length of the input that gives an output."""
    if output_length is None:
        return None
    pad = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * pad + filter_size


def deconv_length(
    dim_size: int | None,
    stride_size: int,
    kernel_size: int,
    padding: str,
    output_padding: int | None,
    dilation: int = 1,
) -> int | None:
    """The length of a transposed convolution's output."""
    if dim_size is None:
        return None
    window = kernel_size + (kernel_size - 1) * (dilation - 1)
    if output_padding is None:
        more = {"valid": max(window - stride_size, 0), "full": 2 - stride_size - window, "same": 0}
        return dim_size * stride_size + more[padding]
    pad = {"same": window // 2, "valid": 0, "full": window - 1}[padding]
    return (dim_size - 1) * stride_size + window - 2 * pad + output_padding


# ----------------------------------------------------------------------------------------- tests


def get_test_data(
    num_train: int = 1000,
    num_test: int = 500,
    input_shape: tuple = (10,),
    output_shape: tuple = (2,),
    classification: bool = True,
    num_classes: int = 2,
) -> tuple:
    """((x, y), (x, y)): normal samples around their class, or around their target."""
    count = num_train + num_test
    if classification:
        y: Any = np.random.randint(0, num_classes, size=(count,))
        place = y.astype("float32")
    else:
        place = np.random.random((count,))
        around = place.reshape((count, *(1,) * len(output_shape)))
        y = np.random.normal(around, 0.7, (count, *output_shape)).astype("float32")
    around = place.reshape((count, *(1,) * len(input_shape)))
    x = np.random.normal(around, 0.7, (count, *input_shape)).astype("float32")
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


def keras_test(func: Callable) -> Callable:
    """Decorator of a test, after which names and state begin anew."""
    from tricorn.backend import clear_session

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return func(*args, **kwargs)
        finally:
            clear_session()

    return run
