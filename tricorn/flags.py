"""Flags of scripts on the command line: those of absl, which TensorFlow's scripts use, and its
`run`.

Needs ``pip install "tricorn[flags]"``.  Source: https://abseil.io/docs/python/guides/flags.

Example:
    >>> from tricorn import flags
    >>> values = flags.FlagValues()
    >>> rate = flags.DEFINE_float("rate", 0.1, "the learning rate", flag_values=values)
    >>> values(["train.py", "--rate=0.5"])
    ['train.py']
    >>> rate.value
    0.5
"""

try:
    from absl.app import UsageError, run
    from absl.flags import *  # noqa: F403
    from absl.flags import __all__ as _names
except ImportError:
    raise ImportError('tricorn.flags are those of absl: pip install "tricorn[flags]"') from None

__all__ = ["UsageError", "run", *_names]
