"""Keras 1's spellings of arguments, and what they are today.

A spelling is converted where the class or function has no argument of that name, but one of those
that took its place.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: Keras 1's name of an argument -> the names that it has in Keras 2, each in some classes; where
#: "and" stands between two of them it became both
NAMES: dict[str, tuple[str, ...]] = {
    # of layers with weights
    "init": (
        "kernel_initializer", "embeddings_initializer", "alpha_initializer",
        "depthwise_initializer and pointwise_initializer",
    ),
    "inner_init": ("recurrent_initializer",),
    "inner_activation": ("recurrent_activation",),
    "W_regularizer": ("kernel_regularizer", "embeddings_regularizer"),
    "U_regularizer": ("recurrent_regularizer",),
    "b_regularizer": ("bias_regularizer",),
    "W_constraint": ("kernel_constraint", "embeddings_constraint"),
    "b_constraint": ("bias_constraint",),
    "bias": ("use_bias",),
    "output_dim": ("units",),
    "gamma_init": ("gamma_initializer",),
    "beta_init": ("beta_initializer",),
    "forget_bias_init": ("unit_forget_bias",),
    "dropout_W": ("dropout",),
    "dropout_U": ("recurrent_dropout",),
    "consume_less": ("implementation",),
    # of convolutions, pooling and the like
    "nb_filter": ("filters",),
    "filter_length": ("kernel_size",),
    "subsample": ("strides",),
    "subsample_length": ("strides",),
    "stride": ("strides",),
    "atrous_rate": ("dilation_rate",),
    "border_mode": ("padding",),
    "dim_ordering": ("data_format",),
    "pool_length": ("pool_size",),
    "length": ("size",),
    # of others
    "p": ("rate",),
    "sigma": ("stddev",),
    "input_dtype": ("dtype",),
    "m": ("max_value",),
    # of models and their methods
    "input": ("inputs",),
    "output": ("outputs",),
    "nb_epoch": ("epochs",),
    "samples_per_epoch": ("steps_per_epoch",),
    "nb_val_samples": ("validation_steps",),
    "val_samples": ("steps",),
    "max_q_size": ("max_queue_size",),
    "nb_worker": ("workers",),
    "pickle_safe": ("use_multiprocessing",),
    # of utilities
    "nb_classes": ("num_classes",),
    "nb_words": ("num_words",),
}  # fmt: skip
#: the values of some of them
VALUES: dict[str, dict[Any, Any]] = {
    "dim_ordering": {"tf": "channels_last", "th": "channels_first", "default": None},
    "consume_less": {"cpu": 0, "mem": 1, "gpu": 2},
    "forget_bias_init": {"one": True, "ones": True, "zero": False, "zeros": False},
}
#: the sizes of a kernel were arguments of their own
KERNELS = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))

_FOLDER = str(Path(__file__).parent.parent)


def warn(text: str) -> None:
    """A DeprecationWarning at the line outside of the library that is to be changed."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_FOLDER):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, DeprecationWarning, stacklevel=level)


def convert(owner: str, known: Iterable[str], given: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments with the names of Keras 2, with a warning for each that had another.

    Args:
        owner: the class or function, for the warnings.
        known: the names that it has.
        given: the arguments.

    Raises:
        TypeError: for one that is given in both spellings.
    """
    known, found = set(known), dict(given)
    for old in [name for name in given if name in NAMES and name not in known]:
        for new in NAMES[old]:
            names = new.split(" and ")
            if known.issuperset(names):
                value = found.pop(old)
                if old in VALUES and isinstance(value, str):
                    value = VALUES[old].get(value, value)
                for name in names:
                    if name in found:
                        raise TypeError(f"{owner}: {old} is the older name of {name}; give one")
                    found[name] = value
                warn(f"{owner}: {old} is Keras 1's spelling; write {new}={value!r}")
                break
    return found


def with_kernel_size(owner: str, args: tuple, given: dict[str, Any], at: int) -> tuple:
    """The positional and keyword arguments of a convolution, whose kernel's sizes may be several
    numbers, as in ``Convolution2D(32, 3, 3)`` and ``nb_row=3, nb_col=3``.

    Args:
        at: the place of `kernel_size` among the positional arguments.
    """
    axes = 2 if "2D" in owner else 3 if "3D" in owner else 0
    names = next((names for names in KERNELS if len(names) == axes), ())
    named = [given[name] for name in names if name in given]
    rest = axes - len(named)
    sizes = args[at : at + rest]
    if not axes or "kernel_size" in given or len(sizes) < rest or not (named or rest > 1):
        return args, given
    if not all(isinstance(n, int) for n in sizes):
        return args, given
    size = (*sizes, *named)
    warn(f"{owner}: several numbers are Keras 1's kernel size; write kernel_size={size}")
    given = {key: value for key, value in given.items() if key not in names}
    if len(args) < at:
        return args, {**given, "kernel_size": size}
    return (*args[:at], size, *args[at + rest :]), given
