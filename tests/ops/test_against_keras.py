"""Every op against Keras 3: values and dtypes, gradients, and the shapes of symbolic calls.

A case is the op's name, its arguments as Python source over the arrays of `DATA`, and what is
compared.  One table, three tests.
"""

import functools

import jax
import keras
import numpy as np
import pytest

from tests.oracle import array, cached, filled, first_of_each, quick
from tricorn import ops, tree
from tricorn.graph.symbolic import SymbolicTensor, is_symbolic
from tricorn.graph.transforms import value_and_grad

_rng = np.random.default_rng(7)


def _f(*shape, low=-2.0, high=2.0):
    return _rng.uniform(low, high, shape).astype("float32")


_SPECIAL = np.array([[np.nan, 1.0, -2.0, np.inf], [-np.inf, 0.0, 3.5, np.nan]], "float32")

DATA = {
    "x": _f(3, 4),  # any real numbers
    "y": _f(3, 4),
    "p": _f(3, 4, low=0.1, high=0.9),  # probabilities
    "q": _f(3, 4, low=0.1, high=0.9),
    "big": _f(3, 4, low=1.1, high=3.0),
    "s": _SPECIAL,
    "i": _rng.integers(-5, 6, (3, 4)).astype("int32"),
    "j": _rng.integers(1, 6, (3, 4)).astype("int32"),
    "u": _rng.integers(0, 200, (3, 4)).astype("uint8"),
    "b": _rng.integers(0, 2, (3, 4)).astype(bool),
    "c": _rng.integers(0, 2, (3, 4)).astype(bool),
    "h": _f(3, 4).astype("float16"),
    "x3": _f(2, 3, 4),
    "v": _f(4),
    "w": _f(3),
    "n": np.sort(_f(6)),
    "m": _f(4, 5),
    "k": np.array([2, 0, 3], "int32"),
    "a": (lambda z: z @ z.T + 3 * np.eye(4, dtype="float32"))(_f(4, 4)),
    "bd": (lambda z: z @ z.transpose(0, 2, 1) + 3 * np.eye(3, dtype="float32"))(_f(2, 3, 3)),
    "g": _f(4, 4),
    "seq": _f(2, 9, 4),
    "img": _f(2, 7, 8, 4),
    "vol": _f(2, 5, 6, 5, 2),
    "k1": _f(3, 4, 6),
    "k2": _f(3, 2, 4, 6),
    "kg": _f(3, 3, 2, 6),
    "k3": _f(2, 3, 2, 2, 3),
    "kd": _f(3, 2, 4, 2),
    "kp": _f(1, 1, 8, 5),
    "kt": _f(3, 2, 5, 4),
    "kt1": _f(3, 6, 4),
    "at": _f(2, 5, 3, 4),
    "bt": _f(2, 6, 3, 4),
    "mask": _rng.integers(0, 2, (2, 3, 5, 6)).astype(bool),
    "onehot": np.eye(4, dtype="float32")[[1, 3, 0]],
    "at1": np.array([[0], [2]], "int32"),
    "at2": np.array([[0, 1], [2, 3]], "int32"),
    "ids": np.array([0, 2, 2, 0, 1, 2], "int32"),
    "rows": _f(6, 2),
    "none": np.zeros((0, 3), "float32"),
    "inf": np.array([1.0, np.inf, np.inf, -np.inf, -np.inf], "float32"),
    "tiny": np.array([-1.0, -0.0, 1e-45], "float32"),
    "i8": np.array([100, 100, 3], "int8"),
    "i16": np.array([1, 2, 3], "int16"),
    "pairs": np.array([[1, 2, 1], [1, 2, 1], [0, 1, 0]], "int32"),
    "cast": np.array([60000.0, -60000.0, 0.0], "float16"),
}

# "name args" with source for the arguments; groups by what is compared
#: unary ops on real numbers: values, gradients, symbolic shapes
SMOOTH = """
negative x | absolute x | abs x | fabs x | square x | reciprocal p | exp x | exp2 x | expm1 x
log p | log1p p | log2 p | log10 p | sqrt p | rsqrt p | cbrt p | sin x | cos x | tan p | arcsin p
arccos p | arctan x | sinh x | cosh x | tanh x | arcsinh x | arccosh big | arctanh p | sinc x
erf x | erfc x | erfinv p | deg2rad x | rad2deg x | hypot x, y | arctan2 x, y | logaddexp x, y
logaddexp2 x, y | add x, y | subtract x, y | multiply x, y | divide x, big | true_divide x, big
divide_no_nan x, y | power big, y | power x, 3 | power x, 2.0 | mod x, big | fmod x, big
maximum x, y | minimum x, y | maximum x, 0.5 | minimum x, v | fmax x, y | fmin x, y | add x, v
subtract 1.0, x | multiply 2, x | divide 1, big | add x, i | clip x, -0.5, 0.7 | clip x, 0, 1
heaviside x, 0.5 | sigmoid x | relu x | relu6 x*4 | leaky_relu x | leaky_relu x, 0.3
sparse_sigmoid x | hard_sigmoid x*3 | log_sigmoid x*9 | tanh_shrink x | hard_tanh x | softplus x*9
softsign x | sparse_plus x | silu x | swish x | hard_silu x*3 | hard_swish x | elu x | elu x, 0.7
selu x | celu x, 0.5 | gelu x | gelu x, False | glu x | glu x3, 0 | glu x3, axis=-1 | squareplus x
squareplus x, 2 | soft_shrink x | hard_shrink x, 0.3 | threshold x, 0.2, -1.0 | softmax x
softmax x, 0 | softmax x3, (1, 2) | log_softmax x | log_softmax x3, 1 | ldexp x, i | stop_gradient x
copy x | sum x | sum x, 0 | sum x3, (0, -1) | sum x, 1, True | prod x | prod x, 1 | mean x
mean x3, (0, 2) | mean x, -1, keepdims=True | var x | var x, 0 | std x, 1 | average x, 1
logsumexp x | logsumexp x3, (0, 2) | logsumexp x, 1, True | max x | max x, 1 | min x, 0, True
amax x, 1 | amin x | ptp x, 1 | cumsum x | cumsum x, 1 | cumprod x, 0 | cumprod x | diff x
diff x, 2, 0 | trapezoid x | trapezoid x, dx=0.5, axis=0 | quantile x, 0.3 | quantile x3, 0.4, 1
quantile x3, 0.7, (0, 2), keepdims=True | percentile x, 40.0 | median x | median x, 1
median x3, (0, 1), True | norm x | norm x, axis=1 | norm x, 1, axis=1 | norm x, 3, axis=0
norm x, axis=(0, 1) | norm x, np.inf, 1 | norm x3, 'fro', (0, 2) | norm x, 1, (0, 1)
norm x, np.inf, (0, 1), True | norm x, 'nuc', (0, 1) | norm x, 2, (0, 1) | norm x, -2, (0, 1)
normalize x | normalize x, 0, 3 | moments x3, (0, 1) | moments x, 1, True | reshape x, (4, 3)
reshape x, -1 | reshape x3, (-1, 6) | ravel x | expand_dims x, 1 | expand_dims x, (0, -1)
squeeze x3[:1] | squeeze x3[:1], 0 | transpose x | transpose x3, (1, 2, 0) | moveaxis x3, 0, -1
moveaxis x3, (0, 1), (2, 0) | swapaxes x3, 0, -1 | broadcast_to w[:, None], (3, 4) | flip x
flip x, 1 | flipud x | fliplr x | rot90 x | rot90 x, 2 | rot90 x, -1 | rot90 x3, 3, (1, 2)
roll x, 2 | roll x, 1, 1 | roll x, (1, -2), (0, 1) | repeat x, 2 | repeat x, 3, 1
repeat x, np.array([1, 0, 2]), 0 | tile x, 2 | tile x, (2, 3) | tile v, (2, 1, 3) | pad x, 1
pad x, ((0, 1), (2, 0)) | pad x, ((1, 1), (1, 2)), 'reflect' | pad x, 1, 'symmetric'
pad x, 1, 'constant', 5.0 | concatenate [x, y] | concatenate [x]
concatenate [x, y, big], axis=-1 | stack [x, y]
stack [x, y], 1 | append x, y | append x, y, 0 | hstack [x, y] | hstack [v, w] | vstack [x, y]
vstack [v, v] | dstack [x, y] | dstack [v, v] | split x, 2, 1 | split x, [1, 2], 0
array_split x, 3, 1 | hsplit x, 2 | vsplit x3, 2 | dsplit x3, 2 | unstack x | unstack x3, axis=1
sort x | sort x, 0 | top_k x, 2 | where b, x, y | where b, x, 0.0 | where x > 0, 1.0, y
select [b, c], [x, y], 0 | take x, k, 1 | take x, i % 3, 0 | take x, k
take_along_axis x, k[:, None], 1 | slice x, (1, 1), (2, 3) | slice_update x, (1, 1), m[:2, :2]
get_item x, (0,) | get_item x3, (slice(None), 1) | get_item x3, (Ellipsis, None, 0)
get_item x, slice(0, 2) | scatter_update x, at2, w[:2] | scatter_update x, at1, x[:2], 'add'
scatter_update x, at2, w[:2], reduction='max' | scatter at1, v[:2], (4,) | tril x | triu x
tril x3, 1 | triu x3, -1 | diag v | diag x | diag x, 1 | diag v, -2 | diagflat v, 1 | diagonal x
diagonal x3, 1, 0, 2 | diagonal x, -1 | trace x | trace x3, 1, 1, 2 | vander v | vander w, 2, True
matmul x, m | matmul x3, m | matmul v, m | matmul x, v | matmul x3[0], x3.transpose(0, 2, 1)
dot x, m | dot v, v | dot x, np.float32(2) | dot x3, x3.transpose(0, 2, 1) | inner x, y | inner v, v
outer v, w | vdot x, y | tensordot x, m, 1 | tensordot x3, x3, ([0, 1], [0, 1]) | tensordot x, y, 2
einsum 'ij,jk->ik', x, m | einsum 'ij->j', x | einsum '...j,jk', x3, m | cross x[:, :3], y[:, :3]
cross x[:, :2], y[:, :2] | cross x[:, :3], y[:, :2] | kron x, w | kron w, v | correlate n, w
correlate n, w, 'same' | correlate w, n, 'full' | correlate n, v, 'same' | corrcoef x | cdist x, y
cholesky a | cholesky bd | cholesky a, True | inv a | inv bd | det a | det bd | solve a, m
solve a, v | solve bd, x3 | solve_triangular np.tril(a), m, True | solve_triangular np.triu(a), v
logdet a | slogdet g | batch_normalization x, v, v**2, 1
batch_normalization img, v, v**2, -1, v, v
batch_normalization x, w, w**2, 0, offset=w, epsilon=0.1 | layer_normalization x
layer_normalization x, v, v | layer_normalization x3, x3[0], x3[1], (1, 2)
layer_normalization x3, w, axis=1 | rms_normalization x | rms_normalization x, v
rms_normalization x, axis=0, epsilon=0.1 | categorical_crossentropy onehot, p
categorical_crossentropy q, x, True | categorical_crossentropy q, x, True, 0
binary_crossentropy q, p | binary_crossentropy onehot, x, True
sparse_categorical_crossentropy k, p | sparse_categorical_crossentropy k[:, None], x, True
psnr x, y, 4.0 | dot_product_attention at, bt, bt | dot_product_attention at, bt, bt, mask=mask
dot_product_attention at, at, at, is_causal=True, scale=0.3
dot_product_attention at, bt, bt, bias=mask*np.float32(0.5) | conv seq, k1 | conv seq, k1, 2, 'same'
conv seq, k1, padding='same', dilation_rate=2 | conv img, k2 | conv img, k2, (2, 1), 'same'
conv img, kg, padding='same' | conv vol, k3, 2 | conv img, k2, 3, 'same'
conv img.transpose(0, 3, 1, 2), k2, 2, 'same', 'channels_first' | depthwise_conv img, kd
depthwise_conv img, kd, 2, 'same' | separable_conv img, kd, kp
separable_conv img, kd, kp, 2, 'same' | conv_transpose img, kt | conv_transpose img, kt, 2
conv_transpose img, kt, 2, 'same' | conv_transpose img, kt, 3, 'same'
conv_transpose seq, kt1, 2, 'same', 1 | conv_transpose img, kt, (1, 2), 'valid', dilation_rate=1
conv_transpose seq, kt1, 4, 'valid' | conv_transpose seq, kt1, 1, 'same', dilation_rate=2
conv_transpose img.transpose(0, 3, 1, 2), kt, 2, 'same', None, 'channels_first' | max_pool seq, 2, 2
max_pool img, (2, 2), (2, 2) | max_pool img, (3, 2), 2, 'same' | max_pool vol, 2, 1, padding='same'
max_pool img.transpose(0, 3, 1, 2), 2, 2, 'valid', 'channels_first' | average_pool seq, 3, 2
average_pool img, 2, 2 | average_pool img, 3, 2, 'same'
average_pool vol, (1, 2, 2), 2, padding='same' | adaptive_average_pool seq, 4
adaptive_average_pool img, (3, 5) | adaptive_max_pool img, 3 | adaptive_max_pool seq, 2
extract_sequences x, 2, 1 | depth_to_space img, 2 | space_to_depth img[:, :6], 2
unfold img.transpose(0, 3, 1, 2), 3, 1, 1, 2 | unfold img, 2 | fold unfolded, (7, 8), 3, 1, 1, 2
segment_sum rows, ids, 4 | segment_max rows, ids, 3 | segment_min rows, ids, 3
segment_prod rows, ids, 3 | view_as_real x+1j*y | real x | imag x | fft2 (x3, x3) | ifft2 (x3, x3)
rfft x | rfft x, 6 | fft (x, y) | irfft (x, y) | irfft (x, y), 5 | nansum s | nanmean s[:, 1:3], 1
linspace v, 2.0, 5 | meshgrid v, w | meshgrid v, w, indexing='ij'
"""
DATA["unfolded"] = np.asarray(
    keras.ops.unfold(DATA["img"].transpose(0, 3, 1, 2), 3, 1, 1, 2), "float32"
)

#: values, dtypes and symbolic shapes only
DISCRETE = """
sign x | sign i | floor x | ceil x | trunc x | round x | round x, 1 | round i, -1 | round x*50, -1
floor i | ceil b | isfinite s | isnan s | isinf s | isposinf s | isneginf s | isreal x | signbit x
signbit i | isclose x, y | isclose s, s | isclose s, s, equal_nan=True | allclose x, x
nan_to_num s | nan_to_num s, 1.0, 2.0, 3.0 | nan_to_num i | equal x, y | equal i, 1 | not_equal i, j
less x, y | less i, 0.5 | less_equal x, v | greater x, 0 | greater_equal i, j | logical_and b, c
logical_or b, c | logical_xor b, c | logical_not b | logical_not i | logical_and i, x
bitwise_and i, j | bitwise_or i, j | bitwise_xor i, j | bitwise_not i | bitwise_invert j
bitwise_left_shift j, i % 3 | bitwise_right_shift i, 1 | left_shift j, 2 | right_shift j, j
add i, j | add b, c | subtract i, 2 | multiply i, j | multiply b, c | divide i, j
floor_divide i, j | floor_divide x, big | mod i, j | mod i, -3 | power j, 2 | maximum i, j
minimum i, 2 | square i | absolute i | abs b | negative i | exp i | sqrt j | log j | sin i | tanh b
clip i, 0, 2 | clip b, 0, 1 | gcd i, j | lcm i, j | fmod i, j | relu i | sum i | sum b, 1 | sum u
prod j, 1 | prod b | mean i, 1 | mean b | var i | std i | mean h | var h | sum h, 0 | max i, 1
min i | max x, 1, initial=0.5 | min i, initial=-9 | any b, 1 | all b | any x | all i, (0, 1), True
argmax x | argmax x, 1 | argmax x3, -1, True | argmin x, 0 | argmin x, keepdims=True | argmax i, 1
count_nonzero i | count_nonzero b, 1 | cumsum i | cumsum b, 1 | cumprod j, 1
cumsum i, 1, 'float32' | sort i | argsort x | argsort i, 0 | argsort x, None | argpartition n, 2
searchsorted n, x | searchsorted n, x, 'right' | digitize x, n | nonzero i | unique i
unique i, return_counts=True | unique i, return_index=True, return_inverse=True, return_counts=True
unravel_index k*3, (4, 5) | where i | get_item x, b | get_item x.T, k | get_item g, (k, k)
get_item x3, (0, slice(None), k) | get_item x, -1
get_item x, (slice(None, None, 2), slice(None, None, -1)) | isin i, j | isin i, j, invert=True
bincount k | bincount k, minlength=7 | bincount k, w | histogram n | histogram n, 4, (-1.0, 1.0)
one_hot k, 4 | one_hot k, 4, 0 | one_hot k, 3, dtype='int32' | one_hot i, 4, 1
one_hot k, 4, dtype='bool' | multi_hot k, 5 | multi_hot abs(i), 6 | in_top_k k, x, 2
in_top_k k, p, 1 | cast x, 'int32' | cast i, 'bool' | cast b, 'float32'
saturate_cast x*300, 'uint8' | saturate_cast i, 'uint8' | saturate_cast x*1e12, 'int32'
zeros_like x | ones_like i | full_like x, 2 | zeros_like x, 'int32' | tri 3 | tri 3, 4, 1, 'int32'
eye 3 | eye 3, 4, -1 | identity 3 | zeros (2, 3) | ones 3 | full (2, 2), 7 | full (2,), 1.5, 'int32'
arange 5 | arange 1, 7, 2 | arange 0.0, 1.0, 0.25 | arange 5, 1, -1 | arange 3, dtype='float32'
linspace 0, 1, 5 | linspace 0.0, 3.0, 4, False | linspace 0, 10, 4, dtype='int32'
linspace v, v+1, 3, axis=1 | logspace 0, 2, 3 | logspace 0.0, 2.0, 5, base=2 | geomspace 1, 1000, 4
nanmax s | nanmax s, 0 | nanmin s, 1 | nanargmax s, 1 | nanargmin s | nanprod s[:, 1:3]
nanvar s[:, 1:3], 1 | nanstd s[:, 1:3] | nancumsum s[:, 1:3] | nancumprod s[:, 1:3], 1 | nanmax i
nanmedian s[:, 1:3], 1 | nanquantile s[:, 1:], 0.3, 1 | nanpercentile s[:, 1:3], 30.0, 0
nanquantile s[:1, :3], [0.1, 0.5], 1, keepdims=True | quantile x, [0.1, 0.6], 1
quantile x, 0.3, 1, 'lower' | quantile x, 0.3, 1, 'higher' | quantile x, 0.3, 0, 'midpoint'
quantile x, 0.3, 1, 'nearest' | quantile x, [0.2, 0.7], keepdims=True | quantile i, 0.3 | median i
matrix_rank g | matrix_rank a*0 | svd x, False, False | qr a | pinv x | lstsq a, m | lstsq a, v
lu_factor a | cholesky_inverse np.linalg.cholesky(a) | matmul i, j.T | dot i, j.T | angle x | conj x
conjugate x | view x, 'int32' | view i, 'float32' | vdot i, j | view_as_complex x[:, :2]
polar p, x | empty_like x, 'int32' | add h, 1.5 | multiply u, 2 | add x, 1 | mean u | max u
cumsum u, 1 | power i, 2 | divide 3, 2 | add 1, 2 | add 1, 2.5 | where b, 1, 2 | where b, h, 1.0
concatenate [i, x] | stack [h, i] | maximum b, c | max b | reciprocal j
unique i, size=20, fill_value=0 | diff b, axis=1 | trunc i | median inf[:3] | median inf
nanmedian inf[:3] | quantile inf, 0.4, method='higher' | quantile inf, [0.3, 0.9], method='midpoint'
argmax tiny | argmin -tiny | max none, 0, initial=5.0 | min none, initial=2.0
max i8, initial=2 | moments cast, 0 | nanmin b | nanmax b, 1 | dot i8, i8 | vdot i8, i8
matmul i8, i8 | inner i8, i8 | tensordot i8, i8, 1 | bincount k, i16 | average i8, None, h[0, :3]
slice x3, (0, 1, 2), (-1, -1, 2) | concatenate [x, v], None | linspace 0, 1, np.int32(3)
dot 2, x | dot v, 2.5 | dot k, 2.5 | inner 2, x | tensordot 2, v, 0 | kron 2, v
einsum ',i->i', 2.0, v | einsum 'i,->i', k, 2 | unique pairs, axis=0 | unique pairs, axis=1
unique pairs, True, True, True, True, 0 | unique pairs, axis=0, size=4
unique pairs, True, True, True, True, None, 5, 9 | unique pairs, axis=0, size=1
dot_product_attention at[:, :, [0, 1, 2, 0]], bt[:, :, :2], bt[:, :, :2]
dot_product_attention at, bt[:, :, :1], bt[:, :, :1], mask=mask
"""


def parse(table):
    return [case.strip() for line in table.split("\n") for case in line.split("|") if case.strip()]


def name_of(case):
    return case.partition(" ")[0]


def arguments(case, data=DATA):
    name, _, source = case.partition(" ")
    scope = {"np": np, **data}
    return name, eval(f"(lambda *a, **k: (a, k))({source})", scope)


def opened(case, kinds="biufc", data=DATA):
    """(name, arrays of those kinds among the arguments, function of an op and such arrays)."""
    name, call = arguments(case, data)
    flat, shape = tree.leaves(call), tree.structure(call)
    places = [i for i, v in enumerate(flat) if isinstance(v, np.ndarray) and v.dtype.kind in kinds]

    def run(fn, values):
        full = list(flat)
        for i, value in zip(places, values):
            full[i] = value
        args, kwargs = tree.unflatten(shape, full)
        return fn(*args, **kwargs)

    return name, [flat[i] for i in places], run


def close(ours, theirs):
    """One tree of equal dtypes, shapes and values: max|a - b| ≤ 1e-5 max|b| for floats."""
    ours, theirs = leaves(ours), leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        a, b = array(a), np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if b.dtype.kind not in "fc":
            np.testing.assert_array_equal(a, b)
            continue
        tolerance = 4e-3 if b.dtype == np.float16 else 1e-5
        size = np.abs(b[np.isfinite(b)].astype("complex128")).max(initial=1e-30)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * size)


def leaves(result):
    return tree.leaves(list(result) if isinstance(result, (tuple, list)) else result)


@pytest.mark.parametrize("case", first_of_each(parse(DISCRETE), name_of, most=2))
def test_values_and_dtypes(case):
    name, values, run = opened(case)
    result = run(getattr(ops, name), values)
    if name == "qr":  # signs are free
        q, r = map(array, result)
        np.testing.assert_allclose(q @ r, values[0], atol=1e-4)
        np.testing.assert_allclose(q.T @ q, np.eye(len(q)), atol=1e-5)
        return
    close(result, expected_values(case))


@cached
def expected_values(case):
    name, values, run = opened(case)
    oracle = functools.partial(run, getattr(keras.ops, name))
    dynamic = name in VALUES_ONLY or case in MASKED
    return (oracle if dynamic else jax.jit(oracle))(values)


#: gradients that Keras defines otherwise on JAX: where, and why
OTHER_GRADIENT = {
    "stop_gradient x": "its Keras form is not differentiable through jax.grad of a sum of zeros",
    "heaviside x, 0.5": "JAX's heaviside has none",
    "segment_prod rows, ids, 3": "JAX's scatter_mul has none",
}


def loss(library, result):
    """A scalar that depends differently on each element of each result."""
    total = 0.0
    for leaf in leaves(result):
        dtype = str(leaf.dtype)
        if "complex" in dtype:
            leaf = library.real(leaf) + 0.5 * library.imag(leaf)
        elif "float" not in dtype:
            continue
        shape = tuple(leaf.shape)
        weights = np.cos(np.arange(np.prod(shape), dtype="float32")).reshape(shape)
        total = total + library.sum(library.multiply(leaf, weights))
    return total


def scalar(library, case):
    """(arrays, function of them that gives a scalar and the op's own results)."""
    name, values, run = opened(case, "f")

    def fn(values):
        result = run(getattr(library, name), values)
        return loss(library, result), leaves(result)

    return values, fn


@pytest.mark.parametrize("case", first_of_each(parse(SMOOTH), name_of, most=2))
def test_values_and_gradients(case):
    values, fn = scalar(ops, case)
    if case in OTHER_GRADIENT:
        found = quick(fn)(values)[1]
    else:
        (_, result), grads = quick(value_and_grad(fn, has_aux=True))(values)
        found = [*filled(grads, values), *result]
    close(found, expected_gradients(case))


@cached
def expected_gradients(case):
    values, fn = scalar(keras.ops, case)
    if case in OTHER_GRADIENT:
        return jax.jit(fn)(values)[1]
    (_, result), grads = jax.jit(jax.value_and_grad(fn, has_aux=True))(values)
    return [*grads, *result]


def test_eigh():
    values, vectors = map(array, ops.eigh(DATA["a"]))
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, DATA["a"], atol=1e-4)


def test_sparsemax():
    """Keras 3.15's own result does not sum to 1; the definition is a projection on the simplex."""
    x = DATA["x"]
    result = array(ops.sparsemax(x))
    np.testing.assert_allclose(result.sum(-1), 1, atol=1e-6)
    for row, z in zip(result, x):  # the nearest point: moving weight to another class goes away
        kept = row > 0
        np.testing.assert_allclose((z - row)[kept], (z - row)[kept][0], atol=1e-6)
        assert (z[~kept] <= (z - row)[kept][0] + 1e-6).all()


#: ops whose result's shape depends on values, or which make tensors of plain numbers
#: cases whose result's length depends on values
MASKED = {"where i", "get_item x, b"}
VALUES_ONLY = {"nonzero", "unique", "bincount", "repeat"}


# The abstract engine gives the shapes: one real engine is enough to compare them with.  Lengths
# that are not known: tests/ops/test_sweep.py.
@pytest.mark.engine("jax")
@pytest.mark.parametrize("case", parse(SMOOTH) + parse(DISCRETE))
def test_symbolic_shapes(case):
    """A call on symbolic tensors records one node of the op, with the shape of the real result."""
    name, (args, kwargs) = arguments(case)
    made = []

    def symbolic(leaf):
        if not isinstance(leaf, np.ndarray) or not leaf.ndim:
            return leaf
        made.append(SymbolicTensor(leaf.shape, leaf.dtype.name))
        return made[-1]

    args, kwargs = tree.map(symbolic, (args, kwargs))
    if not made or name in VALUES_ONLY or case in MASKED:
        return
    _, values, run = opened(case)
    real = jax.eval_shape(functools.partial(run, getattr(ops, name)), values)
    result = getattr(ops, name)(*args, **kwargs)
    found, expected = leaves(result), leaves(real)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert is_symbolic(a)
        assert a.dtype == ops.dtype(b)
        assert a.shape == b.shape
        if name not in NAMELESS:
            assert a.node.operation in (getattr(ops, name), getattr(ops, name).__dict__.get("node"))
    assert len({id(a.node) for a in found}) == 1


#: recorded under the name of the op that does the work
NAMELESS = {"einsum", "stop_gradient", "copy"}
