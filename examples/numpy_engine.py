"""An engine of one's own: Tricorn on NumPy, forward only.

An engine is one module that defines the primitives of ``tricorn/engines/contract.py``.  What can be
composed of others (convolutions, loops, ``vmap`` ...) may be left out, and so may gradients: this
engine predicts and evaluates, and says so when it is asked to train.  It is chosen by its dotted
name, in ``keras.json`` (``"backend": "examples.numpy_engine"``), in ``KERAS_BACKEND``, or by
``tricorn.engine("examples.numpy_engine")``.  ``docs/engines.md`` explains every part.

Run as a script it trains a classifier on another engine and evaluates it on this one.
"""

import functools

import ml_dtypes
import numpy as np
import scipy.linalg
import scipy.special

from tricorn import dtypes, tree

# -------------------------------------------------------------------------------- what it can do


class Tensor(np.ndarray):
    """This engine's tensors: arrays, told apart from those that users give."""


CAPABILITIES = {"complex": True}
TENSOR_TYPES = (Tensor,)

# --------------------------------------------------------------------------------------- tensors


def tensor(value, dtype):
    return np.array(value, dtypes.to_numpy(dtype)).view(Tensor)


def numpy(x):
    return np.array(x, subok=False)


def is_tensor(x):
    return isinstance(x, Tensor)


def shape(x):
    return x.shape


def dtype(x):
    return x.dtype.name


# -------------------------------------------------------------------------------------- wrapping


def primitive(fn):
    """`fn` with tensors as results, and without NumPy's warnings."""

    @functools.wraps(fn)
    def call(*args):
        with np.errstate(all="ignore"):
            return tree.map(lambda x: np.asarray(x).view(Tensor), fn(*args))

    return call


def keeping(fn):
    """`fn`, whose result takes the dtype of its first tensor."""

    def call(*args):
        kind = next(x.dtype for x in args if is_tensor(x))
        return np.asarray(fn(*args)).astype(kind, copy=False)

    return primitive(call)


def in_double(fn):
    """`fn` of SciPy, computed in double precision."""
    return keeping(lambda x: fn(np.asarray(x, np.float64)))


def define(wrap, functions):
    """Define a table of primitives: {name: function}, or the names of NumPy's functions."""
    if isinstance(functions, str):
        functions = {name: getattr(np, name) for name in functions.split()}
    globals().update({name: wrap(fn) for name, fn in functions.items()})


# ----------------------------------------------------------------------------------- elementwise

define(
    keeping,
    "negative sign floor ceil sqrt exp expm1 log log1p sin cos tan sinh cosh tanh "
    "add subtract multiply divide floor_divide remainder power maximum minimum "
    "bitwise_and bitwise_or bitwise_xor",
)
define(
    keeping,
    {
        "round": np.rint,
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atanh": np.arctanh,
        "atan2": np.arctan2,
        "bitwise_not": np.invert,
        "shift_left": np.left_shift,
        "shift_right": np.right_shift,
    },
)
define(
    in_double,
    {
        "erf": scipy.special.erf,
        "erfinv": scipy.special.erfinv,
        "lgamma": scipy.special.gammaln,
        "digamma": scipy.special.digamma,
    },
)
define(primitive, "abs isfinite isnan logical_not equal not_equal less less_equal")
define(primitive, "logical_and logical_or real imag")


@primitive
def shift_right_logical(x, y):
    unsigned = f"uint{8 * x.itemsize}"
    return (x.view(unsigned) >> np.asarray(y, x.dtype).view(unsigned)).view(x.dtype)


@primitive
def where(condition, x, y):
    kind = (x if is_tensor(x) else y).dtype
    return np.where(condition, x, y).astype(kind, copy=False)


@primitive
def cast(x, dtype):
    if dtype == "bool":
        return x != 0
    kind = dtypes.to_numpy(dtype)
    return (x.real if kind.kind != "c" else x).astype(kind)


@primitive
def bitcast(x, dtype):
    return x.view(dtypes.to_numpy(dtype))


@primitive
def complex(real, imag):
    return real + 1j * imag


@primitive
def full(shape, value, dtype):
    return np.full(shape, value, dtypes.to_numpy(dtype))


@primitive
def arange(start, stop, step, dtype):
    return np.arange(start, stop, step).astype(dtypes.to_numpy(dtype))


# ------------------------------------------------------------------------------ reduce and order


def reduction(fn):
    return keeping(lambda x, axis, keepdims: fn(x, axis=axis, keepdims=keepdims))


def arg_reduction(fn):
    return primitive(lambda x, axis, keep: fn(x, axis=axis, keepdims=keep).astype(np.int32))


define(reduction, "sum prod max min any all")
define(arg_reduction, "argmax argmin")
define(keeping, "cumsum cumprod sort")


@primitive
def argsort(x, axis):
    return np.argsort(x, axis, kind="stable").astype(np.int32)


@primitive
def top_k(x, k):
    backwards = np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1]
    order = x.shape[-1] - 1 - backwards[..., :k]
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


@primitive
def searchsorted(sorted_sequence, values, side):
    return np.searchsorted(sorted_sequence, values, side).astype(np.int32)


# ------------------------------------------------------------------------------- shape and index

define(primitive, "reshape transpose broadcast_to concatenate take take_along_axis")


@primitive
def slice(x, key):
    return x[key]


def block_at(x, start, size):
    """The key of a block of `x`, moved back so that it fits."""
    first = [int(np.clip(int(s), 0, n - m)) for s, n, m in zip(start, x.shape, size)]
    return tuple(np.s_[s : s + m] for s, m in zip(first, size))


@primitive
def dynamic_slice(x, start, size):
    return x[block_at(x, start, size)]


@primitive
def update_slice(x, start, update):
    x = x.copy()
    x[block_at(x, start, update.shape)] = update
    return x


@primitive
def pad(x, pads, mode, value):
    return np.pad(x, pads, mode, **({"constant_values": value} if mode == "constant" else {}))


@primitive
def scatter(x, indices, updates, mode):
    x, places = numpy(x), tuple(np.moveaxis(indices, -1, 0))
    if mode == "set":
        x[places] = updates
    else:
        ufunc = {"add": np.add, "max": np.maximum, "min": np.minimum, "multiply": np.multiply}
        ufunc[mode].at(x, places, updates)
    return x


# -------------------------------------------------------------------------------- linear algebra

define(
    primitive,
    {
        "matmul": np.matmul,
        "einsum": lambda subscripts, operands: np.einsum(subscripts, *operands),
        "cholesky": np.linalg.cholesky,
        "qr": lambda x, full: tuple(np.linalg.qr(x, "complete" if full else "reduced")),
        "eigh": lambda x: tuple(np.linalg.eigh(x)),
        "eig": lambda x: tuple(np.linalg.eig(x + np.zeros((), np.result_type(x, np.complex64)))),
        "solve": np.linalg.solve,
        "solve_triangular": lambda a, b, lower: np.linalg.solve((np.triu, np.tril)[lower](a), b),
        "fft": np.fft.fft,
        "ifft": np.fft.ifft,
        "rfft": np.fft.rfft,
        "irfft": np.fft.irfft,
    },
)


@primitive
def svd(x, full, vectors):
    found = np.linalg.svd(x, full, vectors)
    return tuple(found) if vectors else found


@primitive
def lu(x):
    packed, pivots = scipy.linalg.lu_factor(x)
    return packed, pivots.astype(np.int32)


# ---------------------------------------------------------------------------------------- random


def generator(key):
    """Equal keys draw equally; `key` is two int32."""
    high, low = (int(n) % 2**32 for n in key)
    return np.random.Generator(np.random.Philox(key=high << 32 | low))


@primitive
def bits(key, shape):
    return generator(key).integers(-(2**31), 2**31, shape, np.int32)


@primitive
def uniform(key, shape, dtype):
    kind = dtypes.to_numpy(dtype)
    steps = 2.0 ** (ml_dtypes.finfo(kind).nmant + 1)  # so that nothing is rounded up to 1
    return (np.floor(generator(key).random(shape) * steps) / steps).astype(kind)


@primitive
def normal(key, shape, dtype):
    return generator(key).standard_normal(shape).astype(dtypes.to_numpy(dtype))


@primitive
def randint(key, shape, low, high, dtype):
    return generator(key).integers(int(low), int(high), shape).astype(dtype)


@primitive
def gamma(key, alpha, dtype):
    return generator(key).standard_gamma(alpha).astype(dtypes.to_numpy(dtype))


# ------------------------------------------------------------------------------------- variables


def variable(value, dtype, trainable, name):
    return tensor(value, dtype)


# ------------------------------------------------------------------------------------- overrides


def softmax(x, axis=-1):
    """In place of the composition in ``tricorn/ops/nn.py``, where it sums over one axis."""
    if not isinstance(axis, int):
        return NotImplemented
    return tensor(scipy.special.softmax(np.asarray(x), axis), dtype(x))


OVERRIDES = {"softmax": softmax}

# --------------------------------------------------------------------------------------- the demo


def main():
    import argparse

    import tricorn as keras
    from tricorn.datasets import digits

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=arguments.epochs)
    with keras.engine("examples.numpy_engine"):
        _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on held-out digits: {accuracy:.4f}")
    assert accuracy > 0.9


if __name__ == "__main__":
    main()
