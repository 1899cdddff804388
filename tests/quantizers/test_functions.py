"""The functions of `quantizers`, and the quantizers and configurations themselves, beside genuine
Keras's."""

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, close

pytestmark = pytest.mark.heavy

rng = np.random.default_rng(0)
X = rng.normal(size=(5, 6)).astype("float32")
#: every group of rows has values of both signs
MIXED = abs(X) * np.array([[1], [-1], [1], [-1], [1]], "float32")
CUBE = rng.normal(size=(4, 3, 5)).astype("float32")
SMALL = rng.integers(-8, 8, (5, 3, 4)).astype("int8")
HISTORY = np.array([1.0, 3.0, 2.0], "float32")

#: (name, arguments, keyword arguments): results are equal, integers to the last one
CALLS = {
    "rows": ("abs_max_quantize", (X, -1), {}),
    "columns": ("abs_max_quantize", (X, 0), {}),
    "both axes": ("abs_max_quantize", (X, (0, 1)), {}),
    "axes of three": ("abs_max_quantize", (CUBE, [0, 2]), {"value_range": (-8, 7)}),
    "on the host": ("abs_max_quantize", (X, -1), {"to_numpy": True}),
    "epsilon": ("abs_max_quantize", (X, 1), {"epsilon": 0.1, "dtype": "int32"}),
    "half": ("abs_max_quantize", (X.astype("float16"), 1), {"epsilon": 1e-3}),
    "groups": ("abs_max_quantize_grouped_with_zero_point", (MIXED, 2), {}),
    "groups, host": ("abs_max_quantize_grouped_with_zero_point", (MIXED, 4), {"to_numpy": True}),
    "one group": ("abs_max_quantize_grouped_with_zero_point", (MIXED, 9), {"epsilon": 0.01}),
    "packed": ("pack_int4", (SMALL,), {}),
    "packed, middle": ("pack_int4", (SMALL,), {"axis": 1}),
    "packed, last": ("pack_int4", (SMALL,), {"axis": -1}),
    "packed, unsigned": ("pack_int4", ((SMALL + 8).astype("uint8"),), {"dtype": "uint8"}),
    "float8 scale": ("compute_float8_scale", (np.float32(3.0), np.float32(2.0), 448.0), {}),
    "float8, margin": ("compute_float8_scale", (np.float32(3.0), np.float32(2.0), 448.0, 2), {}),
    "float8, nothing": ("compute_float8_scale", (np.float32(0.0), np.float32(2.0), 448.0), {}),
    "float8, endless": ("compute_float8_scale", (np.float32(np.inf), np.float32(2.0), 448.0), {}),
    "history": ("compute_float8_amax_history", (X, HISTORY), {}),
    "e4m3": ("quantize_and_dequantize", (X, 0.01, "float8_e4m3fn", "float32"), {}),
    "e5m2": ("quantize_and_dequantize", (X, 2.0, "float8_e5m2", "float32"), {}),
    "fake": ("fake_quant_with_min_max_vars", (X, -1.1, 0.8), {}),
    "fake, bits": ("fake_quant_with_min_max_vars", (X, -1.1, 0.8), {"num_bits": 3}),
    "fake, narrow": (
        "fake_quant_with_min_max_vars", (X, -1.1, 0.8), {"num_bits": 4, "narrow_range": True}
    ),
    "fake, positive": ("fake_quant_with_min_max_vars", (X, 0.3, 0.8), {"num_bits": 4}),
    "fake, channels": (
        "fake_quant_with_min_max_vars",
        (X, -np.linspace(0.1, 2, 6, dtype="float32"), np.linspace(0.2, 3, 6, dtype="float32")),
        {"axis": 1, "num_bits": 4},
    ),
}  # fmt: skip


def tensors(found):
    """The parts of a result as arrays."""
    parts = found if isinstance(found, (tuple, list)) else (found,)
    return [np.asarray(p) if isinstance(p, (int, tuple)) else array(p) for p in parts]


@cached
def said(name):
    function, args, kwargs = CALLS[name]
    found = getattr(keras.quantizers, function)(*args, **kwargs)
    parts = found if isinstance(found, (tuple, list)) else (found,)
    return [np.asarray(p) for p in parts]


@pytest.mark.parametrize("name", CALLS)
def test_a_function_gives_what_keras_gives(name):
    function, args, kwargs = CALLS[name]
    ours = tensors(getattr(tricorn.quantizers, function)(*args, **kwargs))
    assert len(ours) == len(said(name))
    for a, b in zip(ours, said(name)):
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.kind in "iu":
            np.testing.assert_array_equal(a, b)
        else:
            close(a, b, 2e-3 if a.dtype == "float16" else 1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_what_is_unpacked_was_packed(axis, dtype):
    values = SMALL if dtype == "int8" else (SMALL + 8).astype("uint8")
    packed, shape, length = tricorn.quantizers.pack_int4(values, axis, dtype)
    assert tuple(packed.shape) == shape and shape[axis] == -(-values.shape[axis] // 2)
    np.testing.assert_array_equal(
        array(tricorn.quantizers.unpack_int4(packed, length, axis, dtype)), values
    )


def test_weights_of_one_sign_are_quantized_well():
    """0 belongs to the range of every group; Keras loses groups that it does not lie in."""
    x = np.array([[3.0], [3.5], [4.0], [2.0]], "float32")
    q, scale, zero = map(
        array, tricorn.quantizers.abs_max_quantize_grouped_with_zero_point(x, block_size=4)
    )
    assert abs((q - zero) * scale - x).max() <= scale.max() / 2 + 1e-6


def gradients(k, axis):
    """Of a sum weighted by 0, 1, ... to inputs, minima and maxima."""
    size = () if axis is None else (X.shape[axis],)
    args = X, np.full(size, -0.7, "float32"), np.full(size, 0.9, "float32")

    def loss(x, least, most):
        rounded = k.quantizers.fake_quant_with_min_max_vars(x, least, most, num_bits=4, axis=axis)
        factors = np.arange(X.size, dtype="float32").reshape(X.shape)
        return k.ops.sum(k.ops.multiply(rounded, factors))

    if k is keras:
        import jax

        return jax.grad(loss, (0, 1, 2))(*args)
    return tricorn.gradients_function(loss)(*args)


@cached
def keras_gradients(axis):
    return [np.asarray(g) for g in gradients(keras, axis)]


@pytest.mark.parametrize("axis", [None, 1])
def test_the_gradient_of_fake_quantization(axis):
    for ours, theirs in zip(gradients(tricorn, axis), keras_gradients(axis), strict=True):
        close(ours, theirs)


def test_fake_quantization_of_a_symbolic_tensor():
    inputs = tricorn.Input((6,))
    outputs = tricorn.quantizers.fake_quant_with_min_max_vars(inputs, -1.0, 1.0, num_bits=4)
    found = tricorn.Model(inputs, outputs).predict(X, verbose=0)
    close(found, keras.quantizers.fake_quant_with_min_max_vars(X, -1.0, 1.0, num_bits=4), 1e-6)


# ---------------------------------------------------------------------------------------- objects

OBJECTS = {
    "quantizer": lambda q: q.AbsMaxQuantizer(axis=0, value_range=(-8, 7), epsilon=1e-5),
    "quantizer, no axis": lambda q: q.AbsMaxQuantizer(),
    "int8": lambda q: q.Int8QuantizationConfig(),
    "int8, floats": lambda q: q.Int8QuantizationConfig(q.AbsMaxQuantizer(axis=0), None),
    "int4": lambda q: q.Int4QuantizationConfig(),
    "int4, channels": lambda q: q.Int4QuantizationConfig(
        q.AbsMaxQuantizer(0, (-8, 7)), q.AbsMaxQuantizer(-1), None
    ),
    "float8": lambda q: q.Float8QuantizationConfig(),
    "gptq": lambda q: q.GPTQConfig([1], len, weight_bits=8, group_size=-1, symmetric=True),
    "awq": lambda q: q.AWQConfig([1], len, num_grid_points=3),
}


@pytest.mark.engine_free
@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_written_as_keras_writes_it(name):
    ours, theirs = OBJECTS[name](tricorn.quantizers), OBJECTS[name](keras.quantizers)
    written = keras.saving.serialize_keras_object(theirs)
    assert tricorn.quantizers.serialize(ours) == written
    again = tricorn.quantizers.deserialize(written)
    assert type(again) is type(ours) and again.get_config() == ours.get_config()
    if hasattr(theirs, "mode"):
        assert ours.mode == theirs.mode
    if hasattr(theirs, "dtype_policy_string"):
        assert ours.dtype_policy_string() == theirs.dtype_policy_string()
    keras.saving.deserialize_keras_object(tricorn.quantizers.serialize(ours))


Q = tricorn.quantizers
REFUSED = {
    "range": (lambda: Q.AbsMaxQuantizer(value_range=(-200, 7)), ValueError, "value_range"),
    "the base": (lambda: Q.QuantizationConfig(), NotImplementedError, "Int8QuantizationConfig"),
    "block size": (lambda: Q.Int4QuantizationConfig(block_size=0), ValueError, "block_size"),
    "block size and quantizer": (
        lambda: Q.Int4QuantizationConfig(Q.AbsMaxQuantizer(value_range=(-8, 7))),
        ValueError, "sub-channel",
    ),
    "range of int4": (
        lambda: Q.Int4QuantizationConfig(Q.AbsMaxQuantizer(), None, None), ValueError, "-8, 7"
    ),
    "dtype": (
        lambda: Q.Int8QuantizationConfig(Q.AbsMaxQuantizer(output_dtype="int32")),
        ValueError, "int8",
    ),
    "bits": (lambda: Q.GPTQConfig([], None, weight_bits=5), ValueError, "weight_bits"),
    "bits of AWQ": (lambda: Q.AWQConfig([], None, weight_bits=8), ValueError, "weight_bits"),
    "samples": (lambda: Q.AWQConfig([], None, num_samples=0), ValueError, "num_samples"),
    "group size": (lambda: Q.GPTQConfig([], None, group_size=0), ValueError, "group_size"),
    "damping": (lambda: Q.GPTQConfig([], None, hessian_damping=2), ValueError, "hessian_damping"),
    "identifier": (lambda: Q.get("nothing"), ValueError, "quantizer identifier: 'nothing'"),
    "to be packed": (lambda: Q.pack_int4(X), TypeError, "expected int8"),
    "packing into": (lambda: Q.pack_int4(SMALL, dtype="int32"), ValueError, "uint8"),
    "to be unpacked": (lambda: Q.unpack_int4(X, 3), TypeError, "expected int8"),
}  # fmt: skip


@pytest.mark.engine("jax")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    act, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        act()


@pytest.mark.engine_free
def test_a_quantizer_is_found():
    assert Q.get(None) is None
    assert Q.get("abs_max_quantizer", axis=0).axis == (0,)
    assert Q.get("AbsMaxQuantizer").axis is None
    assert Q.get(Q.AbsMaxQuantizer, value_range=(-8, 7)).value_range == (-8, 7)
    own = Q.AbsMaxQuantizer(axis=1)
    assert Q.get(own) is own and Q.get(Q.serialize(own)).get_config() == own.get_config()
    default = Q.AbsMaxQuantizer()
    config = Q.Int8QuantizationConfig(own, None)
    assert Q.QuantizationConfig.weight_quantizer_or_default(config, default) is own
    assert Q.QuantizationConfig.weight_quantizer_or_default(None, default) is default
    assert Q.QuantizationConfig.activation_quantizer_or_default(config, default) is None
    assert Q.QuantizationConfig.activation_quantizer_or_default(None, default) is default


# --------------------------------------------------------------------------------------- policies

POLICIES = (
    "int8_from_float32", "int8_from_mixed_bfloat16", "int4_from_float32", "int4/32_from_bfloat16",
    "int4/-1_from_float32", "float8_from_float32", "float8_from_mixed_float16",
    "gptq/4/128_from_float32", "gptq/2/-1_from_mixed_float16", "awq/4/64_from_mixed_bfloat16",
)  # fmt: skip


@pytest.mark.engine_free
@pytest.mark.parametrize("name", POLICIES)
def test_a_quantized_policy_is_keras_s(name):
    ours, theirs = tricorn.dtype_policies.get(name), keras.dtype_policies.get(name)
    for attribute in ("name", "compute_dtype", "variable_dtype", "quantization_mode"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    for attribute in ("amax_history_length", "block_size", "weight_bits", "group_size"):
        assert getattr(ours, attribute, None) == getattr(theirs, attribute, None)
    assert repr(ours) == repr(theirs) and type(ours).__name__ == type(theirs).__name__
    written = keras.dtype_policies.serialize(theirs)
    assert tricorn.dtype_policies.serialize(ours) == written
    assert tricorn.dtype_policies.deserialize(written) == ours
    assert ours != tricorn.DTypePolicy(theirs.variable_dtype)
    tricorn.config.set_dtype_policy(name)
    assert tricorn.config.dtype_policy() == ours


@pytest.mark.engine_free
@pytest.mark.parametrize(
    "name",
    ["int8_from_float16", "int4/0_from_float32", "int4/x_from_float32", "gptq/5/2_from_float32",
     "gptq/4_from_float32", "awq/8/2_from_float32", "awq_from", "int8_from_nothing", "float8"],
)  # fmt: skip
def test_no_policy(name):
    for lib in (tricorn, keras):
        with pytest.raises(ValueError):
            lib.dtype_policies.get(name)


BY_CLASS = {
    "QuantizedDTypePolicy": ("int8", "bfloat16"),
    "Int4DTypePolicy": ("int4/8", "float32"),
    "GPTQDTypePolicy": ("gptq/8/-1", "float32"),
    "AWQDTypePolicy": ("awq/4/8", "mixed_float16"),
}


@pytest.mark.engine_free
@pytest.mark.parametrize("name", BY_CLASS)
def test_a_policy_by_its_class(name):
    ours, theirs = (getattr(k.dtype_policies, name)(*BY_CLASS[name]) for k in (tricorn, keras))
    assert ours.get_config() == theirs.get_config() and ours.name == theirs.name
    assert type(ours).from_config(ours.get_config()) == ours
    with pytest.raises(ValueError):
        getattr(tricorn.dtype_policies, name)("int2", "float32")


@pytest.mark.engine_free
def test_a_length_of_the_history():
    make = tricorn.dtype_policies.QuantizedFloat8DTypePolicy
    policy = make("float8", "float32", amax_history_length=8)
    assert make.from_config(policy.get_config()).amax_history_length == 8
    assert policy != make("float8", "float32")
    with pytest.raises(TypeError, match="integer"):
        make("float8", "float32", amax_history_length="8")
