"""Whole models quantized and adapted: beside genuine Keras's, and in files that go both ways."""

import contextlib
import warnings

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, close
from tests.quantizers.test_layers import weights_like
from tricorn.quantizers import calibrated

pytestmark = pytest.mark.heavy

TOKENS = np.random.default_rng(3).integers(0, 12, (6, 4)).astype("int32")

MODES = {
    "int8": lambda q: q.Int8QuantizationConfig(),
    "int8, floats": lambda q: q.Int8QuantizationConfig(None, None),
    "int4, groups": lambda q: q.Int4QuantizationConfig(block_size=4),
    "float8": lambda q: q.Float8QuantizationConfig(),
}


def block(k, name, width=8):
    """Attention's and a transformer's matrices, without attention."""
    return k.Sequential(
        [
            k.Input((None, width)),
            k.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", name="split"),
            k.layers.EinsumDense("abcd,cde->abe", (None, width), bias_axes="e", name="join"),
            k.layers.Dense(width, activation="tanh", name="inner"),
        ],
        name=name,
    )


def network(k):
    """Tokens -> a number each, by a table and two blocks; weights depend on their shapes alone."""
    inputs = k.Input((4,), dtype="int32")
    table, blocks = k.layers.Embedding(12, 8, name="table"), [block(k, "one"), block(k, "two")]
    x = table(inputs)
    for one in blocks:
        x = one(x)
    model = k.Model(inputs, k.layers.Dense(3, name="head")(x))
    values = weights_like([tuple(w.shape) for w in model.weights])
    model.set_weights([v * 0.4 for v in values])
    return model, {"pre_block_layers": [table], "sequential_blocks": blocks}


def quantized(k, mode, **kwargs):
    model, _ = network(k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that have nothing to quantize
        model.quantize(config=MODES[mode](k.quantizers), **kwargs)
    return model


def predicted(model):
    return np.asarray(array(model(TOKENS)))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """Keras's models in files, made when first asked for: (predictions, path without ending)."""
    folder = tmp_path_factory.mktemp("keras")

    @cached
    def make(mode):
        model = quantized(keras, mode) if mode in MODES else adapted(keras, mode)
        path = folder / mode.replace(", ", "-")
        model.save(f"{path}.keras")
        model.save_weights(f"{path}.weights.h5")
        return predicted(model), str(path)

    return make


@pytest.mark.parametrize("mode", MODES)
def test_files_go_both_ways(mode, theirs, tmp_path):
    known, path = theirs(mode)
    close(predicted(tricorn.saving.load_model(f"{path}.keras")), known, 1e-5)
    model = quantized(tricorn, mode)
    close(predicted(model), known, 1e-4)
    model.set_weights([w * 0 for w in model.get_weights()])
    model.load_weights(f"{path}.weights.h5")
    close(predicted(model), known, 1e-5)
    model.save(tmp_path / "ours.keras")
    for k in (tricorn, keras):
        close(predicted(k.saving.load_model(tmp_path / "ours.keras")), known, 1e-5)


def adapted(k, mode):
    model, structure = network(k)
    if mode == "LoRA, int8":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.quantize("int8")
    for name in ("split", "inner"):
        layer = structure["sequential_blocks"][0].get_layer(name)
        layer.enable_lora(2, lora_alpha=4)
        for factor in (layer.lora_kernel_a, layer.lora_kernel_b):
            factor.assign(weights_like([tuple(factor.shape)])[0] * 0.1)
    return model


@pytest.mark.parametrize("mode", ["LoRA", "LoRA, int8"])
def test_lora_is_merged_in_files(mode, theirs, tmp_path):
    """In int8 the sum is rounded once more."""
    known, path = theirs(mode)
    tolerance = 1e-5 if mode == "LoRA" else 0.02
    model = adapted(tricorn, mode)
    close(predicted(model), known, 1e-4)
    model.save(tmp_path / "ours.keras")
    model.save_weights(tmp_path / "ours.weights.h5")
    close(predicted(model), known, 1e-4)  # the model itself goes on as it was
    plain, _ = network(tricorn)
    if mode == "LoRA":
        plain.load_weights(tmp_path / "ours.weights.h5")
        close(predicted(plain), known, tolerance)
    again = tricorn.saving.load_model(tmp_path / "ours.keras")
    layer = again.get_layer("one").get_layer("split")
    assert (layer.lora_rank, layer.lora_alpha, layer.lora_enabled) == (2, 4, True)
    assert not layer.lora_kernel_b.numpy().any() and layer.lora_kernel_a.numpy().any()
    for other in (
        again,
        keras.saving.load_model(tmp_path / "ours.keras"),
        tricorn.saving.load_model(f"{path}.keras"),
    ):
        close(predicted(other), known, tolerance)
    model.load_weights(f"{path}.weights.h5")
    close(predicted(model), known, tolerance)


@pytest.mark.parametrize("mode", ["int8", "int4, groups"])
def test_layers_that_are_made_by_others_come_back_quantized(mode, tmp_path):
    """Keras saves such models, and cannot load them."""
    x = tricorn.Input((5, 8))
    model = tricorn.Model(x, tricorn.layers.MultiHeadAttention(2, 4)(x, x))
    model.quantize(config=MODES[mode](tricorn.quantizers))
    model.compile("adam", "mse")
    data = np.random.default_rng(6).normal(size=(4, 5, 8)).astype("float32")
    model.fit(data, data, verbose=0)
    model.save(tmp_path / "ours.keras")
    again = tricorn.saving.load_model(tmp_path / "ours.keras")
    for _ in range(2):
        close(again.predict(data, verbose=0), model.predict(data, verbose=0), 1e-6)
        for one in (model, again):
            one.fit(data, data, shuffle=False, verbose=0)


@pytest.mark.engine("jax")
@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("inner|head", {"inner", "head"}),
        (["^split$", "^join$"], {"split", "join"}),
        (lambda layer: layer.name == "table", {"table"}),
    ],
    ids=["pattern", "patterns", "function"],
)
def test_filters(filters, names):
    for k in (tricorn, keras):
        model = quantized(k, "int8", filters=filters)
        found = {x.name for x in model._flatten_layers() if x.quantization_mode is not None}
        assert found == names


def test_what_was_compiled_before_is_compiled_anew():
    model, _ = network(tricorn)
    before = model.predict(TOKENS, verbose=0)
    function = tricorn.function(model)
    function(TOKENS)
    other = tricorn.Sequential([tricorn.Input((3,)), tricorn.layers.LayerNormalization()])
    with pytest.warns(UserWarning, match="LayerNormalization"):
        other.quantize("int8")
    model.quantize("int4")
    after = model.predict(TOKENS, verbose=0)
    assert abs(after - before).max() > 1e-3
    close(function(TOKENS), after, 1e-5)
    assert model.count_params() > 0 and model.summary(print_fn=lambda text: None) is None


def test_a_quantized_model_learns_what_is_left():
    """The biases of int8 layers; gradients go through the quantized weights."""
    model = quantized(tricorn, "int8")
    model.compile(tricorn.optimizers.SGD(0.05), "mse")
    held = {w.path: w.numpy() for w in model.weights if w.dtype == "int8"}
    losses = model.fit(TOKENS, np.ones((6, 4, 3), "float32"), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0] and held
    for weight in model.weights:
        if weight.path in held:
            np.testing.assert_array_equal(weight.numpy(), held[weight.path])


# ---------------------------------------------------------------------------------- GPTQ and AWQ

CALIBRATED = {
    "gptq": lambda q, **kw: q.GPTQConfig(TOKENS, "", sequence_length=4, num_samples=6, **kw),
    "awq": lambda q, **kw: q.AWQConfig(TOKENS, "", sequence_length=4, num_samples=6, **kw),
}
SETTINGS = [
    ("awq", {"group_size": 4}),
    ("awq", {"group_size": -1, "num_grid_points": 4}),
    ("gptq", {"group_size": -1, "weight_bits": 8}),
    ("gptq", {"group_size": 4, "activation_order": True}),
]
IDS = [f"{mode}-{i}" for i, (mode, _) in enumerate(SETTINGS)]


def calibrate(k, number):
    mode, settings = SETTINGS[number]
    model, structure = network(k)
    config = CALIBRATED[mode](k.quantizers, quantization_layer_structure=structure, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.quantize(mode, config=config, filters="split|join|inner")
    return model


@contextlib.contextmanager
def watching(layers, objects):
    """What Keras means to do: it watches `call`, where `quantized_call` is run."""

    def watched(name, call):
        one = objects[name]
        see = getattr(one, "update_hessian_with_batch", None) or one.update_activation_magnitudes

        def run(inputs):
            see(keras.ops.reshape(inputs, (-1, one.rows)))
            return call(inputs)

        return run

    for name, layer in layers.items():
        layer.quantized_call = watched(name, layer.quantized_call)
    yield
    for layer in layers.values():
        del layer.quantized_call


@cached
def calibrated_by_keras(number):
    from keras.src.quantizers import awq_core, gptq_core

    gptq_core.hash = lambda _: 0  # its sequences begin where Python's hash of a text says
    awq_core.stream_activations = gptq_core.stream_hessians = watching
    model = calibrate(keras, number)
    return predicted(model), [stored(layer) for layer in inner(model)]


def stored(layer):
    store = {}
    layer.save_own_variables(store)
    return [v.numpy() if hasattr(v, "numpy") else np.asarray(v) for v in store.values()]


def inner(model):
    return [model.get_layer(b).get_layer(n) for b in ("one", "two")
            for n in ("split", "join", "inner")]  # fmt: skip


@pytest.mark.parametrize("number", range(len(SETTINGS)), ids=IDS)
def test_calibrated_models_are_keras_s(number, tmp_path):
    """AWQ to the last integer.  GPTQ takes the paper's factor of the inverse Hessian, where Keras
    takes rows of the inverse: see below."""
    model = calibrate(tricorn, number)
    floats = predicted(network(tricorn)[0])
    known, layers = calibrated_by_keras(number)
    found = predicted(model)
    for layer, held in zip(inner(model), layers, strict=True):
        ours = stored(layer)
        del ours[3]  # the zero points, which Keras does not save
        assert [(v.shape, v.dtype) for v in ours] == [(v.shape, v.dtype) for v in held]
        if SETTINGS[number][0] == "awq":
            np.testing.assert_array_equal(ours[1], held[1])
            for a, b in zip(ours[2:], held[2:], strict=True):
                close(a, b, 1e-5)
    if SETTINGS[number][0] == "awq":
        close(found, known, 1e-4)
    else:
        close(found, floats, 1e-3 if SETTINGS[number][1].get("weight_bits") == 8 else 0.1)
    model.save(tmp_path / "ours.keras")
    for k in (tricorn, keras):
        close(predicted(k.saving.load_model(tmp_path / "ours.keras")), found, 1e-4)


@pytest.mark.engine("jax")
@pytest.mark.parametrize("number", [0, 3], ids=[IDS[0], IDS[3]])
def test_keras_s_own_files_lack_the_zero_points(number, tmp_path):
    """Nobody can read them, Keras neither."""
    theirs = calibrate(keras, number)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    for k in (keras, tricorn):
        with pytest.raises(ValueError, match="kernel_zero|expected"):
            calibrate(k, number).load_weights(tmp_path / "theirs.weights.h5")


MATRIX = weights_like([(5, 12)])[0].astype("float32")
INPUTS = np.random.default_rng(4).normal(size=(40, 12)).astype("float32") @ (
    np.eye(12, dtype="float32") + 0.3
)
#: settings, and the columns of a block: Keras measures groups that blocks cut twice
CORRECTED = {
    "default": ({}, 128),
    "groups": ({"group_size": 4}, 128),
    "groups in blocks": ({"group_size": 4}, 4),
    "uneven groups": ({"group_size": 5}, 10),
    "two bits": ({"weight_bits": 2, "group_size": -1}, 128),
    "one scale": ({"per_channel": False, "group_size": -1}, 128),
    "symmetric": ({"symmetric": True, "group_size": -1, "weight_bits": 8}, 128),
}


@pytest.mark.engine_free
@pytest.mark.parametrize("name", CORRECTED)
def test_errors_are_made_good_as_keras_does(name):
    """With the same factors, the same integers."""
    from keras.src.quantizers import gptq
    from keras.src.quantizers.quantizers import GPTQQuantizer

    settings, columns = CORRECTED[name]
    inverse = np.linalg.inv(INPUTS.T @ INPUTS / 20 + 0.01 * np.eye(12)).astype("float32")
    config = tricorn.quantizers.GPTQConfig(None, None, **settings)
    q, scale, zero = calibrated.corrected(MATRIX, inverse, config, columns)
    find = GPTQQuantizer(keras.quantizers.GPTQConfig(None, None, **settings)).find_params
    theirs = gptq.gptq_quantize_matrix(
        MATRIX, inverse, blocksize=columns, group_size=config.group_size, compute_scale_zero=find
    )
    # the largest weight of a symmetric range lies between two integers
    assert abs(q - np.asarray(theirs[0])).max() <= (name == "symmetric")
    close(scale, theirs[1], 1e-6)
    np.testing.assert_array_equal(zero, theirs[2])


@pytest.mark.engine_free
@pytest.mark.parametrize("group_size", [4, 5, -1])
def test_scales_of_inputs_are_keras_s(group_size):
    from keras.src.quantizers.awq import awq_quantize_matrix

    magnitudes = abs(INPUTS).max(0)
    config = tricorn.quantizers.AWQConfig(None, None, group_size=group_size)
    q, scale, zero, groups, scales = calibrated.awq(MATRIX, magnitudes, config)
    theirs = awq_quantize_matrix(MATRIX, magnitudes, group_size=group_size)
    np.testing.assert_array_equal(q, theirs[0])
    np.testing.assert_array_equal(groups, theirs[4])
    for ours, known in zip((scale, zero, scales), theirs[1:4], strict=True):
        close(ours, known, 1e-6)
    assert scales.max() > scales.min()


@pytest.mark.engine_free
def test_the_papers_gptq_is_better_than_rounding():
    """And than with rows of the inverse Hessian."""
    config = tricorn.quantizers.GPTQConfig(None, None, weight_bits=3, group_size=-1)
    hessian = 2 * INPUTS.T @ INPUTS / len(INPUTS)

    def error(found):
        q, scale, zero, groups, _ = found
        back = (q - zero[:, groups]) * scale[:, groups]
        return np.square((MATRIX - back) @ INPUTS.T).sum()

    made_good = error(calibrated.gptq(MATRIX, hessian, config))
    assert made_good < 0.7 * error(calibrated.rounded(MATRIX, config))
    damped = hessian + 0.01 * np.diag(hessian).mean() * np.eye(12)
    rows = np.linalg.inv(damped).astype("float32")
    of_rows = calibrated.corrected(MATRIX, rows, config)
    assert made_good < error((*of_rows, np.zeros(12, int), None))


Q = tricorn.quantizers


class Words:
    def tokenize(self, text):
        return np.array([ord(letter) - 97 for letter in text])


@pytest.mark.engine("jax")
def test_texts_are_calibration_data():
    from keras.src.quantizers import gptq_core

    from tricorn.models.quantization import samples

    gptq_core.hash = lambda _: 0
    texts = ["abcdefgh", "ijkla", "bcd"]
    config = Q.GPTQConfig(texts, Words(), sequence_length=4, num_samples=3)
    theirs = gptq_core.get_dataloader(Words(), 4, texts, 3)
    np.testing.assert_array_equal(samples(config), theirs)


def refuse(**kwargs):
    model, structure = network(tricorn)
    config = Q.GPTQConfig(**{"dataset": TOKENS, "tokenizer": None, **kwargs})
    config.quantization_layer_structure = kwargs.get("quantization_layer_structure", structure)
    model.quantize("gptq", config=config)


REFUSED = {
    "structure": (lambda: refuse(quantization_layer_structure=None), ValueError, "structure"),
    "blocks": (
        lambda: refuse(quantization_layer_structure={"pre_block_layers": []}), ValueError, "blocks"
    ),
    "data": (lambda: refuse(dataset=None), TypeError, "iterable"),
    "no data": (lambda: refuse(dataset=[]), ValueError, "empty"),
    "tokenizer": (lambda: refuse(dataset=["ab"]), ValueError, "tokenizer"),
    "filters": (
        lambda: network(tricorn)[0].quantize("int8", filters=3), ValueError, "filters"
    ),
    "mode": (lambda: network(tricorn)[0].quantize("int3"), ValueError, "int3"),
}  # fmt: skip


@pytest.mark.engine("jax")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    act, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        act()


@pytest.mark.engine("jax")
def test_a_model_knows_its_blocks():
    class Known(tricorn.Model):
        def get_quantization_layer_structure(self, mode=None):
            return structure

    model, structure = network(tricorn)
    known = Known(model.inputs, model.outputs)
    assert network(tricorn)[0].get_quantization_layer_structure("gptq") is None
    known.quantize(config=Q.AWQConfig(TOKENS, None, sequence_length=4, num_samples=2))
    modes = {x.name: x.quantization_mode for x in known._flatten_layers()}
    assert modes["inner"] == "awq" and modes["head"] is None


@pytest.mark.engine("jax")
def test_older_files_have_no_place_for_them(tmp_path):
    for model in (quantized(tricorn, "int8"), adapted(tricorn, "LoRA")):
        with pytest.raises(ValueError, match=r"\.keras"):
            model.save(tmp_path / "model.h5")
        with pytest.raises(ValueError, match=r"\.weights\.h5"):
            model.save_weights(tmp_path / "model.h5")
