"""The ops with NumPy's names and meaning: Keras's ``keras.ops.numpy``."""

# ruff: noqa: I001 (lists of names, many to a line)

from tricorn.ops.arrays import (
    append, arange, argpartition, argsort, array, array_split, broadcast_to, concatenate, copy,
    diag, diagflat, diagonal, digitize, dsplit, dstack, empty, empty_like, expand_dims, eye,
    flip, fliplr, flipud, full, full_like, geomspace, get_item, hsplit, hstack, identity,
    linspace, logspace, meshgrid, moveaxis, ndim, nonzero, ones, ones_like, pad, ravel, repeat,
    reshape, roll, rot90, searchsorted, select, size, sort, split, squeeze, stack, swapaxes,
    take, take_along_axis, tile, transpose, tri, tril, triu, unique, unravel_index, vander,
    view, vsplit, vstack, where, zeros, zeros_like,
)  # fmt: skip
from tricorn.ops.control import (
    vectorize,
)  # fmt: skip
from tricorn.ops.elementwise import (
    abs, absolute, add, angle, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh,
    bitwise_and, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or,
    bitwise_right_shift, bitwise_xor, cbrt, ceil, clip, conj, conjugate, cos, cosh, deg2rad,
    divide, divide_no_nan, equal, exp, exp2, expm1, fabs, floor, floor_divide, fmax, fmin,
    fmod, gcd, greater, greater_equal, heaviside, hypot, imag, isclose, isfinite, isinf, isnan,
    isneginf, isposinf, isreal, lcm, ldexp, left_shift, less, less_equal, log, log10, log1p,
    log2, logaddexp, logaddexp2, logical_and, logical_not, logical_or, logical_xor, maximum,
    minimum, mod, multiply, nan_to_num, negative, nextafter, not_equal, power, rad2deg, real,
    reciprocal, right_shift, round, sign, signbit, sin, sinc, sinh, sqrt, square, subtract,
    tan, tanh, true_divide, trunc,
)  # fmt: skip
from tricorn.ops.linalg import (
    corrcoef, correlate, cross, dot, einsum, inner, kron, matmul, outer, slogdet, tensordot,
    trace, vdot,
)  # fmt: skip
from tricorn.ops.reductions import (
    all, allclose, amax, amin, any, argmax, argmin, average, bincount, count_nonzero, cumprod,
    cumsum, diff, histogram, isin, max, mean, median, min, nanargmax, nanargmin, nancumprod,
    nancumsum, nanmax, nanmean, nanmedian, nanmin, nanpercentile, nanprod, nanquantile, nanstd,
    nansum, nanvar, percentile, prod, ptp, quantile, std, sum, trapezoid, var,
)  # fmt: skip
from tricorn.ops.signal import (
    bartlett, blackman, hamming, hanning, i0, kaiser,
)  # fmt: skip

__all__ = [
    "abs", "absolute", "add", "all", "allclose", "amax", "amin", "angle", "any", "append",
    "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "argmax", "argmin", "argpartition", "argsort", "array", "array_split", "average",
    "bartlett", "bincount", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman",
    "broadcast_to", "cbrt", "ceil", "clip", "concatenate", "conj", "conjugate", "copy",
    "corrcoef", "correlate", "cos", "cosh", "count_nonzero", "cross", "cumprod", "cumsum",
    "deg2rad", "diag", "diagflat", "diagonal", "diff", "digitize", "divide", "divide_no_nan",
    "dot", "dsplit", "dstack", "einsum", "empty", "empty_like", "equal", "exp", "exp2",
    "expand_dims", "expm1", "eye", "fabs", "flip", "fliplr", "flipud", "floor", "floor_divide",
    "fmax", "fmin", "fmod", "full", "full_like", "gcd", "geomspace", "get_item", "greater",
    "greater_equal", "hamming", "hanning", "heaviside", "histogram", "hsplit", "hstack",
    "hypot", "i0", "identity", "imag", "inner", "isclose", "isfinite", "isin", "isinf",
    "isnan", "isneginf", "isposinf", "isreal", "kaiser", "kron", "lcm", "ldexp", "left_shift",
    "less", "less_equal", "linspace", "log", "log10", "log1p", "log2", "logaddexp",
    "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logspace",
    "matmul", "max", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mod",
    "moveaxis", "multiply", "nan_to_num", "nanargmax", "nanargmin", "nancumprod", "nancumsum",
    "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod", "nanquantile",
    "nanstd", "nansum", "nanvar", "ndim", "negative", "nextafter", "nonzero", "not_equal",
    "ones", "ones_like", "outer", "pad", "percentile", "power", "prod", "ptp", "quantile",
    "rad2deg", "ravel", "real", "reciprocal", "repeat", "reshape", "right_shift", "roll",
    "rot90", "round", "searchsorted", "select", "sign", "signbit", "sin", "sinc", "sinh",
    "size", "slogdet", "sort", "split", "sqrt", "square", "squeeze", "stack", "std",
    "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot",
    "tile", "trace", "transpose", "trapezoid", "tri", "tril", "triu", "true_divide", "trunc",
    "unique", "unravel_index", "vander", "var", "vdot", "vectorize", "view", "vsplit",
    "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip
