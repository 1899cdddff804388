"""Engines of other people: what the registry asks of a module, and the worked example, an engine
in NumPy, under the same cases as the engines that come with the library."""

import inspect
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import tricorn as keras
from tests.engines import test_contract
from tests.engines.cases import CASES, assert_close, call, floats, identities, to_numpy
from tricorn import layers, ops, tree
from tricorn.engines import EngineError, contract, defaults, registry

pytestmark = pytest.mark.engine_free

EXAMPLE = "examples.numpy_engine"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example():
    """The example engine, as a process that has it on its path loads it."""
    sys.path.insert(0, str(ROOT))
    try:
        return registry.load(EXAMPLE)
    finally:
        sys.path.remove(str(ROOT))


@pytest.fixture
def module(monkeypatch):
    """A function that makes importable modules."""

    def make(name, **content):
        monkeypatch.setitem(sys.modules, name.partition(".")[0], types.ModuleType("package"))
        made = types.ModuleType(name)
        made.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, made)
        monkeypatch.delitem(registry._by_name, name, raising=False)
        return name

    return make


# ---------------------------------------------------------------------------------- what is asked


def test_one_error_lists_everything_that_is_missing(module):
    with pytest.raises(EngineError) as caught:
        registry.load(module("their.engine"))
    message = str(caught.value)
    required = contract.PRIMITIVES.keys() - defaults.DEFAULTS.keys()
    assert {"variable", "tensor", "add", "matmul"} <= required
    for name in required:
        assert f"missing: {name}(" in message
    for name in defaults.of(object()):
        assert f"missing: {name}(" not in message
    assert "missing: CAPABILITIES" in message
    assert "missing: TENSOR_TYPES" in message
    assert f"{len(required) + 2} problems" in message


def test_what_capabilities_promise_is_asked_for(module):
    promises = dict.fromkeys(defaults.UNLESS, True)
    with pytest.raises(EngineError) as caught:
        registry.load(module("their.engine", CAPABILITIES=promises))
    for names in defaults.UNLESS.values():
        for name in names:
            assert f"missing: {name}(" in str(caught.value)


def test_defaults_are_of_primitives_and_take_their_arguments():
    for name, default in defaults.DEFAULTS.items():
        declared = inspect.signature(contract.PRIMITIVES[name])
        assert contract._accepts(default, 1 + len(declared.parameters)), name


def test_an_error_inside_of_the_module_is_told(module, tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("import a_library_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/engine.py").write_text("import a_library_that_is_not_there")
    with pytest.raises(EngineError, match="a_library_that_is_not_there"):
        registry.load("folder.engine")
    with pytest.raises(EngineError, match=r"No module named 'nowhere'.*sys\.path"):
        registry.load("nowhere.engine")


# ------------------------------------------------------------------------------------ the example


def test_the_example_is_short():
    code = (ROOT / "examples/numpy_engine.py").read_text()
    assert len(code.splitlines()) <= 500


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(example, case):
    result = call(example, case.name, case.tensors(example))
    found = to_numpy(example, result)
    assert all(map(example.is_tensor, tree.leaves(result)))
    if case.reference is not None:
        assert_close(found, case.reference(*case.args), case.tolerance)
    pair = identities(case, found)
    if pair is not None:
        np.testing.assert_allclose(*pair, atol=2e-5 * np.abs(pair[1]).max())


ASKED_OF_ENGINES = [
    name
    for name, test in vars(test_contract).items()
    if name.startswith("test_") and [*inspect.signature(test).parameters] == ["engine"]
]


@pytest.mark.parametrize("name", ASKED_OF_ENGINES)
def test_the_contract(example, name):
    try:
        getattr(test_contract, name)(example)
    except EngineError as error:
        if "computes no gradients" not in str(error):
            raise
        pytest.skip("needs gradients")


def network():
    keras.utils.set_random_seed(3)
    x = keras.Input((12, 12, 2))
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(y)
    y = layers.Concatenate()([layers.MaxPooling2D(2)(y), layers.AveragePooling2D(2)(y)])
    y = layers.Conv2DTranspose(3, 3, strides=2)(y)
    y = layers.DepthwiseConv2D(2, activation="gelu")(y)
    y = layers.UpSampling2D(2, interpolation="bilinear")(y)
    y = layers.Bidirectional(layers.GRU(5, return_sequences=True))(layers.Reshape((36, -1))(y))
    y = layers.LSTM(6)(layers.LayerNormalization()(y))
    model = keras.Model(x, layers.Dense(5, activation="softmax")(layers.Dropout(0.5)(y)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_model_predicts_and_evaluates_as_on_the_default_engine(example):
    model, x = network(), floats(20, 12, 12, 2)
    y = np.arange(20) % 5
    with registry.use("jax"):
        expected, scores = model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)
    with registry.use(example):
        found, found_scores = model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)
        eager = model(x)
    assert type(found) is np.ndarray
    assert example.is_tensor(eager)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(example.numpy(eager), found, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found_scores, scores, rtol=1e-5)


def test_training_says_which_engines_can(example):
    model = network()
    with registry.use(example), pytest.raises(EngineError) as caught:
        model.fit(floats(4, 12, 12, 2), np.zeros(4), verbose=0)
    message = str(caught.value)
    assert "'examples.numpy_engine' computes no gradients, so it cannot train" in message
    assert "engines that can: jax" in message
    with registry.use("jax"):  # nothing is broken by the attempt
        model.fit(floats(4, 12, 12, 2), np.zeros(4), verbose=0)


def test_other_things_it_cannot_do(example):
    with pytest.raises(EngineError, match="does not run collectives; engines that can: jax"):
        example.axis_index("devices")
    with pytest.raises(EngineError, match="no modules of its own"):
        example.module(layers.Dense(1))


def test_an_override_is_used_and_may_decline(example, monkeypatch):
    x, calls = floats(2, 3, 4), []
    override = example.overrides["softmax"]
    monkeypatch.setitem(
        example.overrides, "softmax", lambda *a, **k: calls.append(r := override(*a, **k)) or r
    )
    with registry.use(example):
        one, both = ops.softmax(x), ops.softmax(x, axis=(1, 2))
    assert example.is_tensor(calls[0])
    assert calls[1] is NotImplemented
    powers = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(
        example.numpy(one), powers / powers.sum(-1, keepdims=True), rtol=1e-5
    )
    np.testing.assert_allclose(np.sum(both, (1, 2)), 1, rtol=1e-5)


# --------------------------------------------------------------------------- defaults and gradients


@pytest.fixture(scope="module")
def bare():
    """The torch engine without everything that has a default."""
    pytest.importorskip("torch")
    full = registry.load("torch")
    promised = {name for key, names in defaults.UNLESS.items() if full.capabilities[key]
                for name in names}  # fmt: skip
    left_out = defaults.DEFAULTS.keys() - promised - {"read", "write"}
    content = {k: v for k, v in vars(full).items() if k not in left_out}
    content |= {"CAPABILITIES": full.CAPABILITIES, "TENSOR_TYPES": full.TENSOR_TYPES}
    return registry.Engine("bare", types.SimpleNamespace(**content))


COMPOSED = [case for case in CASES if case.name in defaults.DEFAULTS]


@pytest.mark.parametrize("case", COMPOSED, ids=str)
def test_defaults_on_an_engine_that_differentiates(bare, case):
    test_contract.test_case(bare, case)
    if case.smooth:
        test_contract.test_derivative(bare, case)


@pytest.mark.parametrize("name", ["max_pool_goes_to_the_first", "clip_is_one_at_the_bounds"])
def test_subgradients_of_defaults(bare, name):
    getattr(test_contract, f"test_gradient_of_{name}")(bare)


def test_subgradient_of_the_default_relu(bare):
    test_contract.test_gradient_at_ties(bare, "relu", ([0.0, 2, -1],), ([0, 1, 0],))
