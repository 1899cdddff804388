"""Quantized layers, and layers with LoRA, beside genuine Keras's: what they hold, what they give,
and their gradients."""

import copy
import pickle

import jax
import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, close, program
from tricorn import tree
from tricorn.graph.transforms import value_and_grad

pytestmark = pytest.mark.heavy

rng = np.random.default_rng(1)
X = rng.normal(size=(2, 3, 7)).astype("float32")
HEADS = rng.normal(size=(2, 3, 2, 4)).astype("float32")
INDICES = rng.integers(0, 6, (2, 3)).astype("int32")
VECTORS = rng.normal(size=(2, 3, 5)).astype("float32")

#: layer -> (how it is made, its inputs, keyword arguments of the call)
LAYERS = {
    "dense": (lambda k: k.layers.Dense(5, activation="tanh"), X, {}),
    "dense, matrix": (lambda k: k.layers.Dense(4, use_bias=False), X[0], {}),
    "einsum": (lambda k: k.layers.EinsumDense("abc,cd->abd", (None, 5), "tanh", "d"), X, {}),
    "heads": (lambda k: k.layers.EinsumDense("abc,cde->abde", (None, 2, 3), None, "de"), X, {}),
    "heads back": (lambda k: k.layers.EinsumDense("abcd,cde->abe", (None, 9)), HEADS, {}),
    "embedding": (lambda k: k.layers.Embedding(6, 5), INDICES, {}),
    "reversible": (lambda k: k.layers.ReversibleEmbedding(6, 5), INDICES, {}),
    "way back": (
        lambda k: k.layers.ReversibleEmbedding(6, 5, logit_soft_cap=2.0), VECTORS, {"reverse": True}
    ),
    "own way back": (
        lambda k: k.layers.ReversibleEmbedding(6, 5, tie_weights=False), VECTORS, {"reverse": True}
    ),
}  # fmt: skip
TABLES = ("embedding", "reversible", "way back", "own way back")
MODES = {
    "int8": lambda q: q.Int8QuantizationConfig(),
    "int8, floats": lambda q: q.Int8QuantizationConfig(None, None),
    "int4": lambda q: q.Int4QuantizationConfig(block_size=None),
    "int4, inputs": lambda q: q.Int4QuantizationConfig(None, q.AbsMaxQuantizer(), None),
    "int4, groups": lambda q: q.Int4QuantizationConfig(block_size=4),
    "float8": lambda q: q.Float8QuantizationConfig(),
}
CASES = [(kind, mode) for kind in LAYERS for mode in MODES
         if mode != "float8" or kind not in TABLES]  # fmt: skip


def weights_like(shapes):
    """Values whose neighbours have different signs, so that each group has both."""
    own = np.random.default_rng(2)
    signs = [(-1.0) ** sum(np.indices(shape)) if shape else 1.0 for shape in shapes]
    return [abs(own.normal(size=s)).astype("float32") * sign for s, sign in zip(shapes, signs)]


def made(k, kind):
    """A built layer, with weights that depend on their shapes alone."""
    build, inputs, _ = LAYERS[kind]
    layer = build(k)
    layer.build(inputs.shape)
    layer.set_weights(weights_like([tuple(w.shape) for w in layer.weights]))
    return layer


def stored(layer):
    """What files have of a layer."""
    store = {}
    layer.save_own_variables(store)
    return {key: v.numpy() if hasattr(v, "numpy") else np.asarray(v) for key, v in store.items()}


def outputs_and_gradient(k, layer, kind):
    """The outputs, and the gradient of a weighted sum of them to the inputs (None: of indices)."""
    _, inputs, kwargs = LAYERS[kind]
    factors = np.linspace(-1, 1, 64, dtype="float32")

    def loss(x):
        outputs = layer(x, **kwargs)
        y = k.ops.reshape(outputs, (-1,))
        return k.ops.sum(k.ops.multiply(y, factors[: y.shape[0]])), outputs

    if inputs.dtype != np.float32:
        return array(program(k, lambda x: layer(x, **kwargs))(inputs)), None
    differentiate = jax.value_and_grad if k is keras else value_and_grad
    (_, outputs), gradient = program(k, differentiate(loss, has_aux=True))(
        k.ops.convert_to_tensor(inputs)
    )
    return array(outputs), array(gradient)


def called(k, layer, inputs, **kwargs):
    """What a layer gives, as an array; or what several do."""
    run = program(k, lambda x: tree.map(lambda one: one(x, **kwargs), layer))
    return tree.map(array, run(k.ops.convert_to_tensor(inputs)))


@cached
def said(kind, mode):
    """What Keras's layer holds and gives when it is quantized."""
    layer = made(keras, kind)
    layer.quantize(config=MODES[mode](keras.quantizers))
    found = outputs_and_gradient(keras, layer, kind)
    return stored(layer), found, layer.dtype_policy.name, layer.get_config()


#: gradients that Keras takes through the rounding of the inputs, or not at all
ROUNDED = ("way back", "own way back")


@pytest.mark.parametrize("kind, mode", CASES)
def test_a_quantized_layer_is_keras_s(kind, mode):
    layer = made(tricorn, kind)
    layer.quantize(config=MODES[mode](tricorn.quantizers))
    held, (outputs, gradient), policy, config = said(kind, mode)
    ours = stored(layer)
    assert ours.keys() == held.keys()
    for key, value in held.items():
        if value.dtype.kind in "iu" or ours[key].dtype.kind in "iu":
            np.testing.assert_array_equal(ours[key], value)
        else:
            close(ours[key], value, 1e-6)
    assert layer.dtype_policy.name == policy and layer.quantization_mode == mode[:6].split(",")[0]
    found, slope = outputs_and_gradient(tricorn, layer, kind)
    close(found, outputs, 1e-5)
    if gradient is not None and not (kind in ROUNDED and mode in ("int8", "int4, inputs")):
        close(slope, gradient, 1e-4)
    assert layer.get_config()["quantization_config"] == config["quantization_config"]
    assert layer.get_config()["dtype"] == config["dtype"]


@pytest.mark.parametrize("kind", ["dense", "heads", "own way back"])
@pytest.mark.parametrize("mode", ["int8", "int4, groups"])
def test_copies_compute_the_same(kind, mode):
    layer = made(tricorn, kind)
    layer.quantize(config=MODES[mode](tricorn.quantizers))
    _, inputs, kwargs = LAYERS[kind]
    again = type(layer).from_config(layer.get_config())
    again.build(inputs.shape)
    again.load_own_variables(stored(layer))
    layers = [layer, again, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    outputs = called(tricorn, layers, inputs, **kwargs)
    for other, found in zip(layers[1:], outputs[1:]):
        close(found, outputs[0], 1e-6)
        assert [w.dtype for w in other.weights] == [w.dtype for w in layer.weights]


def test_the_weight_of_a_quantized_layer():
    layer = made(tricorn, "dense")
    before = layer.kernel.numpy()
    layer.quantize("int8")
    close(layer.kernel, before, 0.01)
    assert [w.name for w in layer.weights] == ["bias", "kernel", "kernel_scale"]
    assert layer.trainable_weights == [layer.bias]
    assert layer._kernel.dtype == "int8" and tuple(layer._kernel.shape) == before.shape


@pytest.mark.parametrize("policy", ["int8_from_mixed_bfloat16", "int4/4_from_mixed_bfloat16"])
def test_mixed_precision(policy):
    """bfloat16 has three digits."""
    layers = [made(k, "dense") for k in (tricorn, keras)]
    for layer in layers:
        layer.dtype_policy = "mixed_bfloat16"
        layer.quantize("int8" if "int8" in policy else "int4")
    ours, theirs = (called(k, layer, X) for k, layer in zip((tricorn, keras), layers))
    assert tricorn.backend.dtype(layers[0](X)) == layers[0].compute_dtype == "bfloat16"
    close(ours.astype("float32"), theirs.astype("float32"), 0.02)


@pytest.mark.parametrize("policy", ["int8_from_float32", "int4/4_from_float32",
                                    "float8_from_float32", "gptq/4/4_from_float32",
                                    "gptq/8/-1_from_float32", "awq/4/4_from_float32"])  # fmt: skip
def test_a_layer_is_built_quantized(policy):
    """By its policy, with the Variables that Keras makes."""
    ours, theirs = tricorn.layers.Dense(5, dtype=policy), keras.layers.Dense(5, dtype=policy)
    for layer in (ours, theirs):
        layer.build((None, 7))
    describe = lambda layer: sorted((tuple(w.shape), str(w.dtype)) for w in layer.weights)
    assert describe(ours) == describe(theirs)
    assert called(tricorn, ours, X).shape == (2, 3, 5)


def test_a_policy_set_later_quantizes():
    layer = made(tricorn, "dense")
    layer.dtype_policy = "int8_from_float32"
    close(layer(X), said("dense", "int8")[1][0])


def test_policies_by_paths():
    policies = tricorn.dtype_policies.DTypePolicyMap("float32", {"mine": "int8_from_float32"})
    layers = [tricorn.layers.Dense(2, dtype=policies, name=name) for name in ("mine", "other")]
    for layer in layers:
        layer.build((None, 3))
    assert [layer.quantization_mode for layer in layers] == ["int8", None]


def test_an_equation_with_dots():
    """Which Keras fails at."""
    layer = tricorn.layers.EinsumDense("...x,xy->...y", 5, bias_axes="y")
    dense = made(tricorn, "dense, matrix")
    layer = tricorn.layers.EinsumDense("...x,xy->...y", 4)
    layer.build(X.shape)
    layer.set_weights(dense.get_weights())
    for one in (layer, dense):
        one.quantize("int8")
    close(layer(X), dense(X), 1e-6)
    turned = tricorn.layers.EinsumDense("ax...,xy->ay...", 4)
    turned.build((2, 7, 3))
    turned.set_weights([dense.kernel])
    turned.quantize("int8")
    close(turned(np.swapaxes(X, 1, 2)), np.swapaxes(array(dense(X)), 1, 2), 0.02)


Q = tricorn.quantizers


class Own(tricorn.layers.Dense):
    pass


def lora(kind="dense", **kwargs):
    layer = made(tricorn, kind)
    layer.enable_lora(2, **kwargs)
    return layer


def quantized(mode, kind="dense"):
    layer = made(tricorn, kind)
    config = Q.GPTQConfig(None, None) if mode == "gptq" else None
    layer.quantize(mode, config=config)
    return layer


REFUSED = {
    "no mode": (lambda: made(tricorn, "dense").quantize(), ValueError, "mode"),
    "mode": (lambda: made(tricorn, "dense").quantize("int2"), ValueError, "int2"),
    "data": (lambda: made(tricorn, "dense").quantize("gptq"), ValueError, "GPTQConfig"),
    "config": (lambda: made(tricorn, "dense").quantize(config=3), ValueError, "QuantizationConfig"),
    "both": (
        lambda: made(tricorn, "dense").quantize("int4", config=Q.Int8QuantizationConfig()),
        ValueError, "Contradictory",
    ),
    "not built": (lambda: tricorn.layers.Dense(2).quantize("int8"), ValueError, "isn't yet built"),
    "twice": (lambda: quantized("int8").quantize("int4"), ValueError, "already quantized"),
    "table": (lambda: quantized("float8", "embedding"), NotImplementedError, "Embedding"),
    "layer": (lambda: tricorn.layers.Dropout(0.5).quantize("int8"), NotImplementedError, "Dropout"),
    "half": (
        lambda: tricorn.layers.Dense(2, dtype="int8_from_float16"), ValueError, "float16"
    ),
    "scales": (
        lambda: made(tricorn, "dense").quantize(
            config=Q.Int8QuantizationConfig(Q.AbsMaxQuantizer(axis=1))
        ), ValueError, "axis",
    ),
    "LoRA, not built": (
        lambda: tricorn.layers.Dense(2).enable_lora(2), ValueError, "isn't yet built"
    ),
    "LoRA twice": (lambda: lora().enable_lora(2), ValueError, "already enabled"),
    "LoRA and GPTQ": (lambda: quantized("gptq").enable_lora(2), NotImplementedError, "gptq"),
    "LoRA and float8": (lambda: quantized("float8").enable_lora(2), NotImplementedError, "float8"),
    "float8 and LoRA": (lambda: lora().quantize("float8"), NotImplementedError, "float8"),
    "GPTQ and LoRA": (
        lambda: lora().quantize(config=Q.GPTQConfig(None, None)), NotImplementedError, "gptq"
    ),
    "LoRA, float8 by the policy": (
        lambda: tricorn.layers.Dense(2, lora_rank=1, dtype="float8_from_float32").build((1, 2)),
        NotImplementedError, "float8",
    ),
    "rank": (lambda: tricorn.layers.Dense(2, lora_rank=0), ValueError, "lora_rank"),
    "rank of LoRA": (lambda: made(tricorn, "dense").enable_lora("2"), ValueError, "rank"),
}  # fmt: skip


@pytest.mark.engine("jax")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    act, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        act()


@pytest.mark.engine("jax")
def test_classes_of_ones_own():
    layer = Own(3)
    layer.build((None, 4))
    with pytest.raises(NotImplementedError, match="Own"):
        layer.quantize("int8")
    layer.quantize("int8", type_check=False)
    assert layer.quantization_mode == "int8"
    constrained = tricorn.layers.Dense(2, kernel_constraint="non_neg")
    constrained.build((None, 3))
    with pytest.raises(ValueError, match="kernel_constraint"):
        constrained.enable_lora(2)


def test_a_layer_that_quantizes_itself():
    """As Keras's own layers do: by a policy, and a method of the mode's name."""

    class Scale(tricorn.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight((shape[-1],), "ones", name="scale")

        def call(self, x):
            return x * self.scale

        def quantize(self, mode, type_check=True, config=None):
            self.dtype_policy = f"{mode}_from_{self.dtype_policy.name}"

        def _int8_call(self, x):
            return tricorn.ops.round(x) * self.scale

    model = tricorn.Sequential([tricorn.Input((2,)), Scale()])
    x = np.array([[0.6, 1.2]], "float32")
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    model.quantize("int8")
    np.testing.assert_array_equal(model.predict(x, verbose=0), [[1.0, 1.0]])


# ------------------------------------------------------------------------------------------- LoRA

ADAPTED = {
    **{kind: LAYERS[kind] for kind in ("dense", "einsum", "heads", "embedding", "way back")},
    "conv": (lambda k: k.layers.Conv1D(4, 2, activation="tanh"), X, {}),
    "images": (lambda k: k.layers.Conv2D(4, (2, 1), groups=2), HEADS, {}),
}


def adapted(k, kind, mode=None):
    """A layer with LoRA whose B is not 0."""
    build, inputs, _ = ADAPTED[kind]
    layer = build(k)
    layer.build(inputs.shape)
    layer.set_weights(weights_like([tuple(w.shape) for w in layer.weights]))
    if mode is not None:
        layer.quantize(config=MODES[mode](k.quantizers))
    layer.enable_lora(2, lora_alpha=3)
    factors = [w for w in layer.weights if w.name.startswith("lora")]
    for factor, value in zip(factors, weights_like([tuple(w.shape) for w in factors]), strict=True):
        factor.assign(value * 0.3)
    return layer


@cached
def adapted_by_keras(kind, mode):
    layer = adapted(keras, kind, mode)
    outputs = called(keras, layer, ADAPTED[kind][1], **ADAPTED[kind][2])
    return outputs, stored(layer), [(w.name, tuple(w.shape), w.trainable) for w in layer.weights]


@pytest.mark.parametrize("kind", ADAPTED)
def test_lora_is_keras_s(kind):
    layer = adapted(tricorn, kind)
    outputs, held, weights = adapted_by_keras(kind, None)
    assert [(w.name, tuple(w.shape), w.trainable) for w in layer.weights] == weights
    close(called(tricorn, layer, ADAPTED[kind][1], **ADAPTED[kind][2]), outputs, 1e-5)
    ours = stored(layer)
    assert ours.keys() == held.keys()
    for key, value in held.items():
        close(ours[key], value, 1e-6)
    assert (layer.lora_rank, layer.lora_alpha, layer.lora_enabled) == (2, 3, True)
    assert {"lora_rank": 2, "lora_alpha": 3}.items() <= layer.get_config().items()


#: Keras leaves LoRA out of the way back of a quantized table
QUANTIZED = [(kind, mode) for kind in ("dense", "heads", "embedding")
             for mode in ("int8", "int4", "int4, groups")]  # fmt: skip


@pytest.mark.parametrize("kind, mode", QUANTIZED)
def test_lora_of_a_quantized_layer(kind, mode):
    layer = adapted(tricorn, kind, mode)
    outputs, held, _ = adapted_by_keras(kind, mode)
    close(called(tricorn, layer, ADAPTED[kind][1]), outputs, 1e-5)
    ours = stored(layer)
    assert ours.keys() == held.keys()
    for key, value in held.items():  # the sum is rounded again: a last digit may differ
        close(ours[key], value, 1e-5 if value.dtype.kind == "f" else 0.16 if "4" in mode else 0.01)


@pytest.mark.parametrize("mode", ["int8", "int4", "int4, groups"])
def test_lora_on_the_way_back_of_a_quantized_table(mode):
    layer = adapted(tricorn, "way back", mode)
    layer.inputs_quantizer = None
    whole = array(layer.embeddings)
    expected = 2.0 * np.tanh(VECTORS @ whole.T / 2.0)
    close(called(tricorn, layer, VECTORS, reverse=True), expected, 1e-5)
    layer.inputs_quantizer = tricorn.quantizers.AbsMaxQuantizer()
    close(called(tricorn, layer, VECTORS, reverse=True), expected, 0.02)
    close(called(tricorn, layer, INDICES), whole[INDICES], 1e-5)


def test_only_the_factors_learn():
    layer = lora()
    model = tricorn.Sequential([tricorn.Input(X.shape[1:]), layer])
    model.compile(tricorn.optimizers.SGD(0.1), "mse")
    base = layer._kernel.numpy()
    before = array(layer.kernel)
    model.fit(X, np.ones((2, 3, 5), "float32"), epochs=2, verbose=0)
    np.testing.assert_array_equal(layer._kernel.numpy(), base)
    assert (
        abs(layer.lora_kernel_b.numpy()).max() > 0 and abs(array(layer.kernel) - before).max() > 0
    )


def trained(k, mode):
    layers = [k.layers.Dense(6, activation="tanh", name="a"), k.layers.Dense(2, name="b")]
    model = k.Sequential([k.Input((4,)), *layers])
    model.set_weights([w * 0.3 for w in weights_like([tuple(w.shape) for w in model.weights])])
    if mode is not None:
        model.quantize(mode)
    if mode != "float8":
        for layer in layers:
            layer.enable_lora(2)
            layer.lora_kernel_a.assign(weights_like([tuple(layer.lora_kernel_a.shape)])[0] * 0.3)
    model.compile(k.optimizers.SGD(0.02, momentum=0.5), "mse")
    x = weights_like([(8, 4)])[0]
    history = model.fit(x, x[:, :2] ** 2, epochs=6, batch_size=4, shuffle=False, verbose=0)
    weights = {"/".join(w.path.split("/")[-2:]): w.numpy() for w in model.weights}
    return history.history["loss"], weights


@cached
def trained_by_keras(mode):
    losses, weights = trained(keras, mode)
    return losses, {path: np.asarray(w) for path, w in weights.items()}


@pytest.mark.parametrize("mode", [None, "int8", "int4", "float8"])
def test_training_is_keras_s(mode):
    """LoRA on weights of any kind, and products of float8 with their scales: the same losses and
    Variables after some steps; roundings may tip over, by one step of the small numbers."""
    losses, weights = trained(tricorn, mode)
    known, theirs = trained_by_keras(mode)
    close(losses, known, 1e-4 if mode is None else 0.02)
    assert losses[-1] < losses[0]
    assert weights.keys() == theirs.keys()
    if mode == "float8":
        for path, value in theirs.items():
            close(weights[path], value, 0.05)
