"""Every tensor function, by Keras 3's `keras.ops` names; the files say what they do.

The names of ``ops.linalg``, ``ops.nn`` and ``ops.numpy`` are those of these modules' `__all__`.
"""

from tricorn.ops import image, linalg, nn, numpy
from tricorn.ops.arrays import (
    cast,
    convert_to_numpy,
    convert_to_tensor,
    dtype,
    is_tensor,
    rearrange,
    saturate_cast,
    scatter,
    scatter_update,
    shape,
    slice,
    slice_update,
    top_k,
    unstack,
)
from tricorn.ops.control import (
    associative_scan,
    cond,
    custom_gradient,
    fori_loop,
    map,
    scan,
    stop_gradient,
    switch,
    vectorized_map,
    while_loop,
)
from tricorn.ops.elementwise import digamma, erf, erfc, erfinv, lgamma, rsqrt, view_as_complex
from tricorn.ops.linalg import *
from tricorn.ops.linalg import cdist, fft, fft2, ifft2, irfft, logdet, rfft, view_as_real
from tricorn.ops.nn import *
from tricorn.ops.nn import extract_sequences, in_top_k
from tricorn.ops.numpy import *
from tricorn.ops.reductions import logsumexp, segment_max, segment_min, segment_prod, segment_sum
from tricorn.ops.signal import istft, stft

__all__ = [
    "associative_scan", "cast", "cdist", "cond", "convert_to_numpy", "convert_to_tensor",
    "custom_gradient", "digamma", "dtype", "erf", "erfc", "erfinv", "extract_sequences", "fft",
    "fft2", "fori_loop", "ifft2", "image", "in_top_k", "irfft", "is_tensor", "istft", "lgamma",
    "linalg", "logdet", "logsumexp", "map", "nn", "numpy", "rearrange", "rfft", "rsqrt",
    "saturate_cast", "scan", "scatter", "scatter_update", "segment_max", "segment_min",
    "segment_prod", "segment_sum", "shape", "slice", "slice_update", "stft", "stop_gradient",
    "switch", "top_k", "unstack", "vectorized_map", "view_as_complex", "view_as_real", "while_loop",
]  # fmt: skip
__all__ += linalg.__all__
__all__ += nn.__all__
__all__ += numpy.__all__

__dir__ = lambda: list(__all__)
