"""The contract between Tricorn and a tensor engine.

An engine is one module that defines every primitive declared here.  Primitives are called by the
ops layer only, with arguments that are already prepared: tensors are the engine's own and share
one dtype where they are combined, axes are non-negative ints or tuples of them, shapes are tuples
of ints, dtypes are names such as ``"float32"``.  Arguments are positional, and whatever is not a
tensor can be hashed (paddings are tuples of tuples).  In a binary primitive one of the two operands
may be a Python scalar, which then stands for a scalar of the other operand's dtype.

The abstract engine (abstract.py) takes None for an unknown dimension wherever a shape is given; in
`reshape`, None at position i keeps the input's own dimension i.

An engine may leave out what defaults.py composes of other primitives or answers on the host.

Beside the primitives an engine may define a function with the name of one of the library's
composed ops (``softmax``, ``batch_norm``, ``lstm`` ...) to replace Tricorn's composition where it
has something faster.  Such an override may return ``NotImplemented`` to decline a particular call;
one whose kernel has no derivative, or a wrong one, is an `OfValues`.
An op of a user's that has the same name is not replaced.

Every engine module also defines:

``CAPABILITIES``
    a dict with the keys of `CAPABILITIES` below; missing keys take the defaults given there.
``TENSOR_TYPES``
    a tuple of the concrete Python types of its tensors (a fast test; `is_tensor` is the exact one).

An engine module may define

``OVERRIDES``
    see above: name of a composed op -> function.
``HANDLE_TYPES``
    a tuple of types that are not tensors, but that `tensor` makes a tensor of without losing
    gradients: the framework's own variables.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, NamedTuple, Protocol

Tensor = Any
Tree = Any  # nested tuples, lists and dicts with tensors as leaves; None is a leaf-less tree

#: What an engine can do, asked as ``engine.capabilities["..."]``, with the default of each.
CAPABILITIES: dict[str, Any] = {
    "differentiates": False,  # vjp works
    "compiles": False,  # compile() makes a faster function (tracing); otherwise it runs eagerly
    "traces": False,  # transforms and compile() call Python once with tracers
    "distributes": False,  # the collectives work over more than one device
    "complex": False,  # has complex dtypes
    "sparse": False,  # compiled steps take sparse tensors
    "abstract": False,  # its tensors have no values, only shape and dtype
}

#: name -> declaration (signature and documentation) of every primitive.
PRIMITIVES: dict[str, Callable] = {}


class EngineError(RuntimeError):
    """An engine that cannot be loaded, is incomplete, or cannot do what was asked."""


class OfValues(NamedTuple):
    """An override by ``kernel(composed, *args)``, which gives the op's values; its derivative must
    be made that of `composed`, the op as the library writes it."""

    kernel: Callable


def primitive(fn: Callable) -> Callable:
    PRIMITIVES[fn.__name__] = fn
    return fn


class Rule(NamedTuple):
    """What a table says of a primitive, beside its formula."""

    #: the name of the table: "unary", "predicate", "binary", "comparison", "reduction" ...
    table: str
    #: the dtypes that it takes: "numeric or bool", "floating", "integer" ...
    takes: str


#: the rules of the primitives that are declared in tables
RULES: dict[str, Rule] = {}


def _table(signature: Callable, takes: str, **formulas: str) -> None:
    """Declare many primitives of one signature and kind of dtype, each with its formula."""
    for name, formula in formulas.items():
        base = (signature.__doc__ or "").strip()

        def declare(*args: Any, **kwargs: Any) -> Any:
            raise EngineError("a contract declaration is not callable")

        declare.__name__ = declare.__qualname__ = name
        declare.__doc__ = f"{formula} (takes: {takes})\n\n{base}"
        declare.__signature__ = inspect.signature(signature)  # type: ignore[attr-defined]
        PRIMITIVES[name] = declare
        RULES[name] = Rule(signature.__name__.strip("_"), takes)


# --------------------------------------------------------------------------------------- tensors


@primitive
def tensor(value, dtype):
    """A tensor of `dtype` from a NumPy array, NumPy or Python scalar, or engine tensor."""


@primitive
def numpy(x):
    """A NumPy array with its own memory (later donation or in-place work must not reach it), of a
    tensor or of what a run of `compile` or `function` gave."""


@primitive
def is_tensor(x):
    """Whether `x` is one of this engine's tensors, tracers included."""


@primitive
def shape(x):
    """A tuple of ints.  Graph engines may give scalar tensors for dimensions not known yet."""


@primitive
def dtype(x):
    """The dtype's name, e.g. ``"float32"``, ``"bool"``, ``"bfloat16"``."""


@primitive
def cast(x, dtype):
    """Convert values.  float→int truncates towards zero, complex→real drops the imaginary part,
    anything→bool is ``x != 0``."""


@primitive
def full(shape, value, dtype):
    """A tensor filled with `value`, a Python scalar or scalar tensor."""


@primitive
def arange(start, stop, step, dtype):
    """``start, start+step, ...`` below `stop`; Python scalars (scalar tensors in graph engines)."""


@primitive
def device(name):
    """A context manager that places what is made inside on `name` (``"cpu:0"``, ``"gpu:1"``)."""


@primitive
def devices():
    """Names of the devices that this engine sees, e.g. ``["gpu:0", "cpu:0"]``.  The first is the
    default one, which holds what no `device` block places."""


@primitive
def place(x, device):
    """`x` on the device (one of `devices`); gradients pass where the engine has any."""


@primitive
def device_of(x):
    """The name of the device that holds `x`; None where that is not known yet (in a trace)."""


@primitive
def is_eager():
    """Whether what is computed has values at once: outside of the engine's traces and graphs."""


@primitive
def block(x):
    """Wait until every tensor of the tree `x` is computed; returns `x`."""


# ------------------------------------------------------------ how an op comes to the primitives
# An engine that defines `variant` or `context_of` defines `direct` too.


@primitive
def variant():
    """The engine, a `registry.Engine`, that holds where this is asked: for one that is several, say
    an eager one and one for each graph.  Default: itself."""


@primitive
def context_of(args):
    """What an operation must run in: a context manager, or None where there is nothing to enter.
    `args` is a tree of the tensors, dtypes and settings that it is given.  Default: None."""


@primitive
def direct(args, kwargs):
    """Whether an op may go straight to the primitives: whether `variant` is this engine and
    `context_of` is None for these arguments, a tuple and a dict, whose tensors are all this
    engine's.  Asked at every op, so it takes no longer than a fraction of a microsecond.  Default:
    True."""


@primitive
def training(trains=True, numbers=None):
    """A context manager that a training (`fit`) runs in: what an engine keeps for the next step
    inside (memory, say) it gives back at the end.  Several may be open at once, in several threads.
    If not `trains`: that an evaluation or prediction of several batches runs in.  `numbers`: how
    many the layers give for a batch, all of them together, where that is known.  Default: one that
    does nothing."""


@primitive
def profile(folder):
    """A context manager that writes into a folder, for TensorBoard, what the framework was busy
    with inside.  Default: EngineError."""


@primitive
def random_state():
    """The state of the framework's own generator, which a user's code may draw from, as an array or
    a tuple of such; None: it has none that can be told.  Default: None."""


@primitive
def set_random_state(state):
    """Let the framework's own generator go on from a `random_state` (which may be another
    engine's).  Default: nothing."""


@primitive
def native_gradients(possible):
    """A context manager for code of which the framework itself may be asked for gradients
    (``loss.backward()``), such as a step that a user has written, where it does not record
    elsewhere; or, with False, for code of which it is not, such as an optimizer's update: what is
    computed there is recorded only if a transform or tape of this contract asks for it.  Default:
    one that does nothing."""


@primitive
def unchanging():
    """A context manager for code in which ``x *= y`` means ``x = x * y``, as it does where tensors
    do not change.  Default: one that does nothing."""


@primitive
def clear():
    """Forget what belongs to nobody any more: default graphs, caches; handles, tensors and compiled
    functions that are held stay good.  Default: nothing."""


# -------------------------------------------------------------------------------- sparse tensors
# They are no tensors to the other primitives: ops that know what to do with them ask for their
# entries, the others for a dense tensor.  An engine may leave all of this out, and has none then.


@primitive
def is_sparse(x):
    """Whether `x` is one of this engine's sparse tensors.  Default: False."""


@primitive
def sparse(indices, values, shape, distinct):
    """A sparse tensor of the `values` (n,) at the integer `indices` (n, rank), zero elsewhere.
    Entries of one place add up; `distinct`: there are none, and the indices ascend.  Both may be
    NumPy arrays, the data of a batch, to which an engine may add entries outside of the shape.
    Default: a dense tensor."""


@primitive
def entries(x):
    """(indices, values, shape) of a sparse tensor, no two of one place; what lies outside of the
    shape is nothing."""


@primitive
def dense(x):
    """A sparse tensor as a tensor."""


@primitive
def sparse_matmul(x, y):
    """The matrix product of a sparse matrix and a matrix, of one dtype: a tensor."""


# ----------------------------------------------------------------------------- unary, elementwise


def _unary(x):
    """Same shape and dtype."""


_table(
    _unary, "numeric or bool",
    abs="|x|; gradient 0 at 0; complex input gives the real modulus",
    floor="largest integer ≤ x, dtype kept; gradient 0",
    ceil="smallest integer ≥ x, dtype kept; gradient 0",
    round="nearest integer, halves to even, dtype kept; gradient 0",
    relu="max(x, 0); gradient 0 at 0",
    stop_gradient="x, with gradient zero",
)  # fmt: skip
_table(_unary, "numeric", negative="-x", sign="-1, 0 or 1; gradient 0")
_table(
    _unary, "floating or complex",
    sqrt="√x",
    rsqrt="1/√x",
    exp="eˣ",
    expm1="eˣ - 1, exact near 0",
    log="ln x",
    log1p="ln(1 + x), exact near 0",
    sin="sin x",
    cos="cos x",
    tan="tan x",
    asin="arcsin x",
    acos="arccos x",
    atan="arctan x",
    sinh="sinh x",
    cosh="cosh x",
    tanh="tanh x",
    asinh="arsinh x",
    acosh="arcosh x",
    atanh="artanh x",
    sigmoid="1 / (1 + e⁻ˣ), without overflow",
)  # fmt: skip
_table(
    _unary, "floating",
    erf="2/√π ∫₀ˣ exp(-t²) dt",
    erfinv="the inverse of erf",
    lgamma="ln |Γ(x)|",
    digamma="d/dx ln Γ(x)",
)  # fmt: skip
_table(_unary, "integer", bitwise_not="~x")


def _predicate(x):
    """Same shape; result dtype bool."""


_table(_predicate, "numeric or bool", isfinite="neither infinite nor NaN", isnan="is NaN")
_table(_predicate, "bool", logical_not="not x")

# ---------------------------------------------------------------------------- binary, elementwise


def _binary(x, y):
    """Broadcasts as NumPy does; both operands share one dtype, which is the result's."""


_table(
    _binary, "numeric or bool",
    add="x + y (bool: or)",
    multiply="x · y (bool: and)",
    floor_divide="⌊x / y⌋",
    remainder="x - y⌊x / y⌋, the sign of y",
    power="xʸ",
    maximum="the larger; NaN wins; at a tie each operand takes half of the gradient",
    minimum="the smaller; NaN wins; at a tie each operand takes half of the gradient",
)  # fmt: skip
_table(_binary, "numeric", subtract="x - y")
_table(_binary, "floating or complex", divide="x / y")
_table(_binary, "floating", atan2="the angle of (y, x): atan2(x=ordinate, y=abscissa)")
_table(
    _binary, "integer",
    bitwise_and="x & y",
    bitwise_or="x | y",
    bitwise_xor="x ^ y",
    shift_left="x · 2ʸ, wrapping",
    shift_right="⌊x / 2ʸ⌋ (arithmetic: keeps the sign)",
    shift_right_logical="x's bit pattern shifted right, zeros in at the left",
)  # fmt: skip


def _comparison(x, y):
    """Broadcasts as NumPy does; both operands share one dtype; result dtype bool."""


_table(
    _comparison, "numeric or bool", equal="x = y", not_equal="x ≠ y", less="x < y",
    less_equal="x ≤ y",
)  # fmt: skip
_table(_comparison, "bool", logical_and="x and y", logical_or="x or y")


@primitive
def where(condition, x, y):
    """`x` where `condition` (bool) holds, else `y`; all three broadcast."""


@primitive
def clip(x, low, high):
    """min(max(x, low), high) with scalar bounds of x's dtype; gradient 1 for low ≤ x ≤ high."""


# ------------------------------------------------------------------------------- reduce and order


def _reduction(x, axis, keepdims):
    """`axis` is a tuple of non-negative ints (all axes: every one is listed); same dtype."""


_table(
    _reduction, "numeric or bool",
    sum="Σx (the op has widened bool and small integers)",
    prod="Πx",
)  # fmt: skip
_table(_reduction, "floating or complex", mean="Σx / n")
_table(_reduction, "bool", any="whether any is true", all="whether all are true")


def _choice(x, axis, keepdims):
    """As a reduction, along axes that are not empty."""


_table(
    _choice, "numeric or bool",
    max="the largest; at a tie the gradient is divided equally",
    min="the smallest; at a tie the gradient is divided equally",
)  # fmt: skip


def _position(x, axis, keepdims):
    """`axis` is one int, that of an axis which is not empty; result int32."""


_table(
    _position, "numeric or bool",
    argmax="index of the first largest",
    argmin="index of the first smallest",
)  # fmt: skip


def _along(x, axis):
    """`axis` is one int; same shape and dtype."""


_table(
    _along, "numeric or bool",
    cumsum="running sum along `axis`",
    cumprod="running product along `axis`",
    sort="ascending along `axis`, NaN last",
)  # fmt: skip


def _order(x, axis):
    """`axis` is one int; same shape; result int32."""


_table(_order, "numeric or bool", argsort="indices that sort ascending, stable")


@primitive
def top_k(x, k):
    """(values, int32 indices) of the `k` largest on the last axis, descending, ties by index."""


@primitive
def searchsorted(sorted_sequence, values, side):
    """int32 positions in the 1-D ascending `sorted_sequence`; `side` is 'left' or 'right'."""


# -------------------------------------------------------------------------------- shape and index


@primitive
def reshape(x, shape):
    """`shape` is a tuple with at most one -1."""


@primitive
def expand_dims(x, axis):
    """Insert axes of length 1 at the positions `axis` (tuple, of the result)."""


@primitive
def squeeze(x, axis):
    """Drop the axes `axis` (tuple), each of length 1."""


@primitive
def transpose(x, axes):
    """Permute: result axis i is input axis ``axes[i]``."""


@primitive
def broadcast_to(x, shape):
    """Repeat along axes of length 1 (and new leading axes) until the shape is `shape`."""


@primitive
def concatenate(xs, axis):
    """Join tensors of one dtype along an axis."""


@primitive
def stack(xs, axis):
    """Join tensors of one shape and dtype along a new axis."""


@primitive
def slice(x, key):
    """Basic indexing: `key` is a tuple of int, slice(start, stop, step), None and Ellipsis.
    An int outside of its axis raises IndexError."""


@primitive
def dynamic_slice(x, start, size):
    """A block of the static shape `size` that begins at `start`, a tuple of non-negative ints or
    int32 scalar tensors; a start past the end is moved back so that the block fits."""


@primitive
def update_slice(x, start, update):
    """`x` with the block at `start` (as in dynamic_slice) replaced by `update`."""


@primitive
def pad(x, pads, mode, value):
    """`pads`: one non-negative (before, after) pair per axis; mode 'constant' (with a scalar
    `value`), 'reflect' or 'symmetric' (which ignore it)."""


@primitive
def flip(x, axis):
    """Reverse along the axes `axis` (tuple)."""


@primitive
def repeat(x, repeats, axis):
    """Repeat each element `repeats` (int, or tuple of one int per element) times along `axis`."""


@primitive
def take(x, indices, axis):
    """Gather along `axis` with an integer tensor of any shape; indices within [-n, n) (negative
    from the end).  Outside of it: engines differ (NaN/0, clamping or an error)."""


@primitive
def take_along_axis(x, indices, axis):
    """result[..., i, ...] = x[..., indices[..., i, ...], ...]; the other axes broadcast."""


@primitive
def scatter(x, indices, updates, mode):
    """`x` with ``x[indices[..., 0], ..., indices[..., k-1]]`` changed by `updates`.

    `indices`: integer, shape (*n, k); `updates`: shape (*n, *x.shape[k:]); mode 'set', 'add',
    'max', 'min' or 'multiply'; duplicates accumulate (for 'set' one of them wins)."""


# --------------------------------------------------------------------------------- linear algebra


@primitive
def matmul(x, y):
    """NumPy's matmul: 1-D operands contract, leading axes broadcast."""


@primitive
def einsum(subscripts, operands):
    """Einstein summation; `operands` is a tuple of tensors of one dtype."""


@primitive
def cholesky(x):
    """Lower L with L Lᵀ = x, on the last two axes."""


@primitive
def qr(x, full):
    """(q, r) of the last two axes; `full` gives a square q."""


@primitive
def svd(x, full, vectors):
    """(u, s, vᵀ), or s alone when `vectors` is false; s descending."""


@primitive
def eigh(x):
    """(eigenvalues ascending, eigenvectors as columns) of symmetric matrices."""


@primitive
def lu(x):
    """(lu packed, int32 pivots from 0) with partial pivoting."""


@primitive
def solve(a, b):
    """x with a x = b; `b` is (..., n, k)."""


@primitive
def solve_triangular(a, b, lower):
    """x with a x = b for triangular `a`; `b` is (..., n, k)."""


@primitive
def fft(x):
    """Discrete Fourier transform of complex `x` over its last axis."""


@primitive
def ifft(x):
    """Inverse of fft, divided by n."""


@primitive
def rfft(x, n):
    """Transform of real input, n//2+1 complex coefficients; `n` crops or zero-pads first."""


@primitive
def irfft(x, n):
    """Inverse of rfft giving `n` real values."""


# ---------------------------------------------------------------------------------------- windows


@primitive
def conv(x, kernel, strides, padding, dilation, groups, channels_last):
    """Cross-correlation over 1-3 spatial axes.

    `x`: (batch, *spatial, channels) or (batch, channels, *spatial); `kernel`: (*window,
    channels/groups, filters) in either layout; `strides`, `dilation`: one int per spatial axis;
    `padding`: one (before, after) pair of zeros per spatial axis."""


@primitive
def conv_transpose(x, kernel, strides, padding, dilation, channels_last):
    """The transpose of conv: input is spread by `strides`, padded by `padding` (pairs, may be
    negative) and correlated with the spatially flipped kernel (*window, filters, channels)."""


@primitive
def max_pool(x, size, strides, padding, channels_last):
    """Window maximum; padding never wins; the first maximum takes the whole gradient."""


@primitive
def average_pool(x, size, strides, padding, channels_last):
    """Window mean over the elements that are not padding."""


@primitive
def resize(x, size, method, channels_last, antialias):
    """Resize the two spatial axes of a batch of images with half-pixel centres; method 'nearest',
    'bilinear', 'bicubic', 'lanczos3' or 'lanczos5'."""


# ---------------------------------------------------------------------------------------- special


@primitive
def bitcast(x, dtype):
    """The same bits as another dtype of the same width."""


@primitive
def complex(real, imag):
    """real + i·imag (complex64 of float32, complex128 of float64)."""


@primitive
def real(x):
    """The real part."""


@primitive
def imag(x):
    """The imaginary part."""


@primitive
def nonzero(x):
    """A tuple of int32 index vectors; data-dependent, so not inside compile."""


@primitive
def unique(x):
    """(sorted values, first indices, inverse, counts) of the flattened input; data-dependent."""


@primitive
def eig(x):
    """(eigenvalues, eigenvectors) of general matrices, complex; may run on the host."""


# ----------------------------------------------------------------------------------------- random
# Every draw takes an explicit key, an int32 tensor of shape (2,).  Equal keys give equal draws.


@primitive
def bits(key, shape):
    """Uniform 32-bit patterns as int32."""


@primitive
def uniform(key, shape, dtype):
    """Uniform on [0, 1)."""


@primitive
def bernoulli(key, shape, probability):
    """Bool, each true with the given probability."""


@primitive
def normal(key, shape, dtype):
    """Standard normal."""


@primitive
def randint(key, shape, low, high, dtype):
    """Uniform integers in [low, high)."""


@primitive
def gamma(key, alpha, dtype):
    """Gamma(alpha, 1) of alpha's shape."""


# ---------------------------------------------------------------------------------------- control
# The functions given to control and transforms are pure: they read their arguments, return trees
# of tensors, and neither read nor assign Variables (tricorn/graph/transforms.py sees to that).


@primitive
def cond(pred, true_fn, false_fn, operands):
    """``true_fn(*operands)`` if the scalar bool `pred` else ``false_fn(*operands)``; both give
    trees of one structure, shapes and dtypes."""


@primitive
def while_loop(cond, body, state):
    """``while cond(*state): state = body(*state)``; `state` is a tuple of fixed shapes."""


@primitive
def scan(body, init, xs, length, reverse):
    """``carry, y = body(carry, x)`` over the leading axis of the tree `xs` (or `length` times with
    x=None); gives (last carry, ys stacked in the order of xs)."""


@primitive
def kernel_scan(body, constants, init, xs, length, reverse):
    """`scan` of ``body(constants, carry, x)``, products and elementwise operations of nothing but
    these: the loop of an op of ours, which an engine may compile apart from what stands around."""


@primitive
def vmap(fn, in_axes, out_axes):
    """`fn` mapped over an axis of its arguments.  `in_axes` is one axis for all, or a tuple with an
    entry per argument; an entry is an axis, None (not mapped), or a tree of them that begins like
    the argument.  `out_axes` says the same of the result."""


# ------------------------------------------------------------------------------------- transforms


@primitive
def vjp(fn, primals):
    """``fn(*primals) -> (out, aux)``: gives (out, pullback, aux) where ``pullback(cotangent)`` is a
    tuple like `primals`, None or zeros where nothing depends; the cotangent is like `out`, its
    integer leaves are ignored.  `aux`, a tree of tensors, is passed on."""


@primitive
def jvp(fn, primals, tangents):
    """(fn(*primals), its directional derivative along `tangents`)."""


@primitive
def custom_gradient(fn):
    """``fn(*args) -> (out, grad)`` becomes a function of args that gives out, whose gradient is
    ``grad(cotangent)``, a tuple like args."""


@primitive
def checkpoint(fn):
    """`fn`, recomputed rather than remembered when its gradient is taken."""


@primitive
def tape(persistent):
    """A new `Tape`; `persistent`: `gradient` may be called more than once.  Default: an error that
    says what else there is."""


class Tape(Protocol):
    """What `tape` gives: it records what is computed of watched tensors, by whatever code of the
    engine, and differentiates it afterwards.  Tapes may be open inside of each other, and inside of
    the engine's transforms and compiled functions.  A gradient that is taken while another tape is
    open is recorded by that one.
    """

    def start(self) -> None:
        """Record from now on, in this thread."""

    def pause(self) -> None:
        """Record nothing until `start` is called again."""

    def stop(self) -> None:
        """Record no more (`start` may go on later)."""

    def clear(self) -> None:
        """Forget everything: what was recorded, and what is watched."""

    def watch(self, x: Tensor) -> Tensor:
        """The tensor to use in place of `x`, floating, whose uses are recorded: `x` itself where
        tensors can be marked."""

    def recorded(self, x: Tensor) -> bool:
        """Whether `x` was computed from what is watched, as far as the engine knows."""

    def gradient(self, targets: list, sources: list, cotangents: list, batched: bool) -> list:
        """For each of the `sources` the derivative of the sum of ``target · cotangent`` (None: of
        ones), or None where no target depends on it.  With `batched` each cotangent has one more
        axis in front, and so has each result."""


@primitive
def eval_shape(fn, args):
    """``fn(*args)`` as a tree of AbstractTensors, where the leaves of args that have `.shape` and
    `.dtype` are abstract; nothing is computed.  With None dimensions `fn` may be called twice, with
    two lengths in their place: the dimensions of the result that differ are None."""


@primitive
def as_python(jit, pure):
    """How the Python of a step is run where it is run at every step: a function that gives a
    context manager for it.  None: steps like this are compiled.

    `jit` is what the user said: True, compile; False, do not; None, nothing.  `pure` tells whether
    the Python does nothing but compute with tensors, by the user's word or because all of it is the
    library's: then running it once and writing down what it computes changes nothing."""


@primitive
def compile(fn, loop, jit=None):
    """Make a step fast.  ``fn(state, *args) -> (result, new_state)`` is pure; `state` and
    `new_state` are lists of tensors, equal in length, shapes and dtypes; an entry of new_state that
    `is` its entry of state was not assigned.

    Without `loop` gives ``run(handles, *args) -> (result, handles)``: reads the handles of
    `variable`, calls `fn`, writes what changed, and returns the handles that are valid now (the old
    ones may have been donated).  With `loop` the function is ``fn(state, i, *args)`` and
    ``run(handles, start, stop, *args)`` runs it for i in [start, stop) (Python ints, passed at run
    time, at least one), giving the last result.  An engine may decline true looping and dispatch
    each step.

    `jit` is what the user said: True, all that the engine's compiler can do; False, as little as it
    must; None, the engine's choice.

    When a step fails, the handles hold the state that one earlier step left, whole.  No two entries
    of the result and the new handles share memory, whatever `fn` returns.  An engine that consumes
    handles updates the list `handles` itself as well, so that the list is valid wherever an
    interrupt ends the call."""


# ------------------------------------------------------------------------------------ collectives


@primitive
def all_reduce(x, op, axis_name):
    """Combine `x` ('sum', 'mean', 'max', 'min') over the named axis of devices."""


@primitive
def all_gather(x, axis, axis_name):
    """Concatenate each device's `x` along `axis`."""


@primitive
def axis_index(axis_name):
    """This device's int32 position on the named axis."""


# ---------------------------------------------------------------------- variables, K's primitives


@primitive
def variable(value, dtype, trainable, name):
    """A handle that holds `value` (NumPy array or tensor of this engine), in memory of its own.

    It outlives whatever trace, transform or abstract evaluation of the engine it is made in: what
    it holds is a value, then and afterwards."""


@primitive
def read(handle):
    """The tensor a handle holds now."""


@primitive
def write(handle, value):
    """Store a tensor, or a NumPy array, of the handle's shape and dtype; gives the handle that is
    valid now (the same one where handles are mutable)."""


@primitive
def unshared(handle):
    """The handle with memory of its own, where somebody holds a tensor that shares it and a run of
    `compile` may consume or overwrite what the handle holds: the same one or a new one.  Default:
    the same, for an engine whose runs leave the tensors as they are that `read` gave."""


@primitive
def set_trainable(handle, trainable):
    """Let the framework's own optimizers and tapes know that a handle is trained, or is not."""


@primitive
def is_live(x):
    """Whether a copy of `x` in NumPy would lose something: a gradient that is being recorded, or
    the trace that `x` is part of."""


@primitive
def must_not_escape(x):
    """Whether `x` belongs to a transform or trace of the framework in which nothing may be kept
    beyond its end."""


@primitive
def module(layer):
    """A layer as a module of the framework's own kind, e.g. a ``torch.nn.Module``, that holds the
    handles of the layer's Variables."""


@primitive
def foreign(framework):
    """The module of functions that run what was written for `framework` ("jax", "torch",
    "tensorflow") inside of layers; each framework has functions of its own.  Default: none."""


@primitive
def own_graph():
    """The framework's own graph that code builds here, a `Graph`, or None: symbolic tensors are
    Tricorn's.  Default: None."""


class Graph(Protocol):
    """What `own_graph` gives: a graph of the framework's own symbolic tensors and variables, which
    take attributes.  It is run by sessions or something like them; the primitives of the engine
    build into it."""

    def placeholder(self, shape: tuple, dtype: str, name: str) -> Tensor:
        """A symbolic tensor that is given a value when the graph is run; None: any size."""

    def data(self, name: str) -> Callable | None:
        """The framework's function for one of the functions and methods of `tricorn.data` that make
        datasets and iterators; None: it has none."""

    def learning_phase(self) -> Tensor:
        """The graph's learning phase: one bool scalar that is False unless it is fed."""

    def function(self, inputs: list, outputs: list, updates: list) -> Callable[[list], list]:
        """``run(values) -> results``, lists like `inputs` and `outputs`; it also runs the `updates`
        [(handle, tensor)], all computed from the state before."""

    def gradients(self, loss: Tensor, wrt: list) -> list[Tensor]:
        """The gradients of a loss with respect to the handles and tensors in the list `wrt`."""

    def alias(self, x: Tensor) -> Tensor:
        """A tensor of its own that equals `x`, to hang another history on."""

    def update(self, handle: Any, value: Tensor) -> Any:
        """An object that unpacks to the handle of a variable and the tensor it shall hold, and that
        a session can run to let it hold it."""

    def draw(self, handle: Any) -> Tensor:
        """The state of a random generator, an int32 tensor (seed, counter); counts up by itself
        whenever the graph is run."""

    def after(self, tensors: Collection) -> AbstractContextManager:
        """A block whose operations run after `tensors`."""

    def get_session(self) -> Any:
        """What runs the graph; every variable of the graph has a value in it."""

    def set_session(self, session: Any) -> None:
        """Let `session` run the graph that it is of; None: one of the engine's own."""


def validate(module: ModuleType | Any, name: str, optional: Collection[str] = ()) -> None:
    """Raise one EngineError that lists everything `module` lacks or declares wrongly; the
    primitives named in `optional` may be missing."""
    problems = []
    for primitive_name, declared in PRIMITIVES.items():
        found = getattr(module, primitive_name, None)
        want = inspect.signature(declared)
        if found is None and primitive_name in optional:
            continue
        if found is None:
            problems.append(f"missing: {primitive_name}{want}")
        elif not callable(found):
            problems.append(f"not callable: {primitive_name}")
        elif not _accepts(found, len(want.parameters)):
            got = inspect.signature(found)
            problems.append(f"wrong arguments: {primitive_name}{got}, expected {want}")
    for attribute in ("CAPABILITIES", "TENSOR_TYPES"):
        if not hasattr(module, attribute):
            problems.append(f"missing: {attribute}")
    for key in getattr(module, "CAPABILITIES", {}):
        if key not in CAPABILITIES:
            problems.append(f"unknown capability: {key!r} (known: {', '.join(CAPABILITIES)})")
    if problems:
        listed = "\n  ".join(problems)
        raise EngineError(
            f"engine {name!r} does not fulfil the contract (tricorn/engines/contract.py), "
            f"{len(problems)} problems:\n  {listed}"
        )


def _accepts(fn: Callable, count: int) -> bool:
    """Whether `fn` can be called with `count` positional arguments (unknown signatures pass)."""
    try:
        inspect.signature(fn).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True
