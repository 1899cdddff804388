"""Policies by paths, and the paths of layers, beside genuine Keras's."""

import copy
import pickle

import keras
import numpy as np
import pytest

import tricorn

X = np.ones((2, 3, 4), "float32")


def table(k):
    policies = k.dtype_policies.DTypePolicyMap(default_policy="float32")
    policies["encoder/layer_0/dense"] = "bfloat16"
    policies["encoder/.*"] = k.dtype_policies.DTypePolicy("float16")
    policies["decoder"] = "mixed_bfloat16"
    return policies


LOOKS = {
    "exact": lambda k, m: m["encoder/layer_0/dense"].name,
    "pattern": lambda k, m: m["encoder/attention/query"].name,
    "not below": lambda k, m: m["decoder/attention"].name,
    "get": lambda k, m: m.get("other").name,
    "in": lambda k, m: ("decoder" in m, "encoder/attention" in m, len(m), list(m)),
    "dtypes": lambda k, m: (m.name, m.compute_dtype, m.variable_dtype, m.quantization_mode),
    "default": lambda k, m: (m.default_policy.name, k.dtype_policies.DTypePolicyMap().name),
    "config": lambda k, m: m.get_config(),
    "serialized": lambda k, m: k.dtype_policies.serialize(m),
    "round trip": lambda k, m: [
        (key, policy.name)
        for key, policy in k.dtype_policies.deserialize(k.dtype_policies.serialize(m)).items()
    ],
    "from a config": lambda k, m: list(type(m).from_config(m.get_config())),
    "from a dict": lambda k, m: type(k.dtype_policies.get(k.dtype_policies.serialize(m))).__name__,
    "itself": lambda k, m: k.dtype_policies.get(m) is m,
    "pop": lambda k, m: (m.pop("decoder").name, m["decoder"].name),
    "update": lambda k, m: (m.update({"x": "float16"}), m["x"].name),
}
WRONG = {
    "key twice": (lambda k, m: m.__setitem__("decoder", "float16"), "already exist"),
    "no policy": (lambda k, m: m.__setitem__("x", object()), "x"),
    "unknown policy": (lambda k, m: m.__setitem__("x", "float99"), "float99"),
    "two patterns": (
        lambda k, m: (m.__setitem__("encoder/attention/.*", "float32"), m["encoder/attention/q"]),
        "matches multiple",
    ),
    "map in a map": (lambda k, m: type(m)(default_policy=m), "cannot be a `DTypePolicyMap`"),
    "no dict": (lambda k, m: type(m)(policy_map=[1]), "`policy_map` must be a dict"),
    "nothing to delete": (lambda k, m: m.__delitem__("x"), "x"),
    "hash": (lambda k, m: hash(m), "unhashable"),
}


@pytest.mark.engine_free
@pytest.mark.parametrize("look", LOOKS)
def test_a_map_is_keras_s(look):
    ours, theirs = (LOOKS[look](k, table(k)) for k in (tricorn, keras))
    assert ours == theirs


@pytest.mark.engine_free
@pytest.mark.parametrize("mistake", WRONG)
def test_mistakes_are_keras_s(mistake):
    act, words = WRONG[mistake]
    with pytest.raises(Exception, match=words) as theirs:
        act(keras, table(keras))
    with pytest.raises(theirs.type, match=words):
        act(tricorn, table(tricorn))


@pytest.mark.engine_free
def test_what_keras_finds_later_or_loses():
    policies = table(tricorn)
    with pytest.raises(TypeError, match="must be a string, got 3"):
        policies[3] = "float32"
    with pytest.raises(ValueError, match="no regular expression"):
        policies["("] = "float32"
    of_default = tricorn.dtype_policies.DTypePolicyMap(policy_map={"a": "bfloat16"})
    again = type(of_default).from_config(of_default.get_config())
    assert again == of_default
    assert again["a"].name == "bfloat16"
    assert of_default != policies
    assert copy.deepcopy(policies) == pickle.loads(pickle.dumps(policies)) == policies


def attention(k):
    DTypePolicyMap = k.dtype_policies.DTypePolicyMap
    policies = {"mha/query": "bfloat16", "mha/.*out.*": "mixed_float16"}
    policies = {path: k.dtype_policies.DTypePolicy(name) for path, name in policies.items()}
    return k.layers.MultiHeadAttention(2, 3, dtype=DTypePolicyMap("float32", policies), name="mha")


def described(layer):
    inner = layer._flatten_layers(include_self=False)
    return (
        [(w.path, str(w.dtype)) for w in layer.weights],
        [(part.path, part.compute_dtype, part.variable_dtype) for part in (layer, *inner)],
    )


def test_layers_in_a_layer_take_theirs_by_path():
    found = []
    for k in (tricorn, keras):
        layer = attention(k)
        assert layer.path is None
        assert "float16" in str(layer(X, X).dtype)
        again = type(layer).from_config(layer.get_config())
        again(X, X)
        assert described(again) == described(layer)
        found.append(described(layer))
    assert found[0] == found[1]


def test_set_policies():
    for k in (tricorn, keras):
        DTypePolicyMap, policy = k.dtype_policies.DTypePolicyMap, k.dtype_policies.DTypePolicy
        policies = DTypePolicyMap("float32", {"d": policy("bfloat16")})
        layer = k.layers.Dense(2, dtype=policies, name="d")
        layer.build((1, 2))
        layer.dtype_policy = "mixed_float16"
        assert layer.dtype_policy is policies
        assert (layer.compute_dtype, layer.dtype, policies["d"].name) == (
            "float16", "float32", "mixed_float16",
        )  # fmt: skip
        plain = k.layers.Dense(2)
        plain.dtype_policy = "mixed_bfloat16"
        assert (plain.compute_dtype, plain.dtype_policy.name) == ("bfloat16", "mixed_bfloat16")
        with pytest.raises((ValueError, TypeError), match="float99"):
            plain.dtype_policy = "float99"


def test_a_map_as_the_global_policy():
    policies = tricorn.dtype_policies.DTypePolicyMap("mixed_bfloat16", {"one": "float32"})
    tricorn.config.set_dtype_policy(policies)
    try:
        assert tricorn.config.dtype_policy() is policies
        assert tricorn.dtype_policies.DTypePolicyMap().default_policy.name == "float32"
        found = [tricorn.layers.Dense(2, name=name) for name in ("one", "two")]
        for layer in found:
            layer.build((1, 2))
        assert [layer.compute_dtype for layer in found] == ["float32", "bfloat16"]
    finally:
        tricorn.config.set_dtype_policy(None)


def test_the_first_call_computes_in_the_layer_s_own_dtype():
    """In Keras it is in the default one, since the path is known afterwards only."""
    policies = tricorn.dtype_policies.DTypePolicyMap("float32", {"d": "bfloat16"})
    layer = tricorn.layers.Dense(2, dtype=policies, name="d")
    first, second = layer(X), layer(X)
    assert first.dtype == second.dtype
    assert "bfloat16" in str(first.dtype)


def paths(k):
    layers = k.layers

    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense, self.relu = layers.Dense(2, name="d"), layers.ReLU(name="r")

        def call(self, x):
            return self.relu(self.dense(x))

    block = Block(name="block")
    before = block.path, block.dense.path, layers.Dropout(0.5).path
    block(X)
    stack = k.Sequential([layers.Input((2,)), layers.Dense(2, name="q"), Block(name="b")], name="s")
    x = layers.Input((2,))
    graph = k.Model(x, stack(layers.Dense(2, name="w")(x)), name="g")
    return [
        *before,
        *(one.path for one in (block, block.dense, block.relu, stack, *stack.layers, graph)),
        stack.layers[1].dense.path, graph.layers[1].path, graph.layers[2].path,
    ]  # fmt: skip


def test_paths_of_layers():
    assert paths(tricorn) == paths(keras)


def test_a_model_with_policies_is_saved(tmp_path):
    policies = tricorn.dtype_policies.DTypePolicyMap("float32", {".*d": "mixed_bfloat16"})
    layers = tricorn.layers
    convolution = layers.Conv2D(2, 3, dtype=policies, name="d")
    dropout = layers.SpatialDropout2D(0.5, dtype=policies)
    parts = [layers.Input((8, 8, 3)), convolution, dropout, layers.Flatten(), layers.Dense(2)]
    model = tricorn.Sequential(parts)
    model.save(tmp_path / "m.keras")
    again = tricorn.saving.load_model(tmp_path / "m.keras")
    for one in (model, again):
        assert one.layers[0].compute_dtype == "bfloat16"
        assert one.layers[0].dtype_policy == policies
    assert again.layers[1].compute_dtype == "float32"
    theirs = keras.saving.load_model(tmp_path / "m.keras")
    assert theirs.layers[0].compute_dtype == "bfloat16"
