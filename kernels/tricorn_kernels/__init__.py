"""Convolutions by oneDNN, for Tricorn's JAX engine on CPUs: finds the compiled library, and what
it can do here.

Nothing is loaded before a function is called, and JAX is not imported before `register`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
import importlib.metadata
import os
from collections.abc import Sequence
from pathlib import Path

#: name of the target for XLA's foreign-function interface, and of the library's function
TARGET = "tricorn_conv"

# bits of dnnl_cpu_isa_t
_AVX2, _AVX512, _BFLOAT16, _AMX = 0x7, 0x27, 0xE7, 0xFEF


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled library.

    Raises:
        OSError: it or oneDNN cannot be loaded.
    """
    # Other libraries in the process have oneDNNs of their own, under the same names: ours looks
    # for them in what it was linked with first.
    mode = os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND
    ctypes.CDLL(_onednn(), mode=mode)
    found = ctypes.CDLL(_compiled(), mode=mode)
    found.tricorn_conv_implementation.argtypes = [
        ctypes.POINTER(ctypes.c_int64),
        ctypes.c_size_t,
        ctypes.c_bool,
    ]
    found.tricorn_conv_implementation.restype = ctypes.c_char_p
    found.tricorn_onednn.restype = ctypes.c_char_p
    return found


def _onednn() -> str:
    try:
        files = importlib.metadata.files("onednn-cpu-gomp") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    # where it came otherwise, the system's linker may know it
    return next((str(f.locate()) for f in files if f.name == "libdnnl.so.3"), "libdnnl.so.3")


def _compiled() -> str:
    folder = Path(__file__).parent
    names = [f"_onednn{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES]
    for name in names:
        if (folder / name).exists():
            return str(folder / name)
    raise OSError(f"the compiled library is not in {folder}")


def register() -> None:
    """Tells XLA of the target."""
    import jax

    target = jax.ffi.pycapsule(library().tricorn_conv)
    jax.ffi.register_ffi_target(TARGET, target, platform="cpu")


def implementation(geometry: Sequence[int], bfloat16: bool) -> str:
    """oneDNN's name of what computes a convolution on this processor; "" if nothing does.

    Args:
        geometry: the numbers that describe it, as `Geometry` in convolution.cc reads them.
        bfloat16: whether it is of bfloat16 numbers, not of float32.
    """
    numbers = (ctypes.c_int64 * len(geometry))(*geometry)
    return library().tricorn_conv_implementation(numbers, len(numbers), bfloat16).decode()


def dtypes() -> tuple[str, ...]:
    """The dtypes for which the processor has instructions that oneDNN uses."""
    if not _has(_AVX2):
        return ()
    return ("float32", "bfloat16") if _has(_BFLOAT16) else ("float32",)


def description() -> str:
    """oneDNN's version, and what it uses of the processor."""
    used = (
        (_AVX2, "AVX2"),
        (_AVX512, "AVX-512"),
        (_BFLOAT16, "bfloat16"),
        (_AMX, "AMX"),
    )
    names = ", ".join(name for bits, name in used if _has(bits))
    return f"oneDNN {library().tricorn_onednn().decode()}, {names or 'not used: no AVX2'}"


def _has(bits: int) -> bool:
    return library().tricorn_processor() & bits == bits
