"""One tree walk for every entry point: nested dicts and lists of inputs and outputs, optional
inputs, masks and `training` given by hand.  Keras 3 is the oracle."""

import json

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, close
from tricorn import ops, tree

X = np.random.default_rng(3).normal(size=(4, 3)).astype("float32")
STEPS = np.random.default_rng(4).normal(size=(2, 3, 2)).astype("float32")
MASK = np.array([[True, False, True], [True, True, False]])


def ones(lib, units):
    return lib.layers.Dense(units, kernel_initializer="ones")


# name -> (structure of the inputs, structure of the outputs): "a", "b" are places of tensors
STRUCTURES = {
    "tensor": ("a", "a"),
    "list": (["a", "b"], ["a", "b"]),
    "tuple": (("a", "b"), ("a", "b")),
    "list of one": (["a"], ["a"]),
    "dict": ({"p": "a", "q": "b"}, {"r": "a", "s": "b"}),
    "dict not in order": ({"q": "a", "p": "b"}, {"s": "a", "r": "b"}),
    "dict of one": ({"p": "a"}, {"r": "a"}),
    "dict of dicts": ({"x": {"p": "a", "q": "b"}}, {"y": {"r": "a"}, "z": {"s": "b"}}),
    "dict with lists": ({"x": {"p": "a"}, "l": ["b"]}, {"o": {"r": "a"}, "l": ["b"]}),
    "list of lists": ([["a"], ["b"]], [["a", "b"]]),
    "list of dicts": ([{"p": "a"}, "b"], ["b", {"r": "a"}]),
}


def filled(structure, values):
    return tree.map(values.__getitem__, structure)


def data(structure):
    return filled(structure, {"a": X, "b": 2 * X})


def model(lib, name):
    given, wanted = STRUCTURES[name]
    places = {p: lib.Input((3,), name=p) for p in sorted(set(tree.leaves(given)))}
    results = {"a": ones(lib, 2)(places["a"]), "b": ones(lib, 1)(places.get("b", places["a"]))}
    return lib.Model(filled(given, places), filled(wanted, results))


def same(ours, theirs):
    ours, theirs = tree.map(array, ours), tree.map(np.asarray, theirs)
    assert tree.structure(ours) == tree.structure(theirs)
    for one, other in zip(tree.leaves(ours), tree.leaves(theirs)):
        close(one, other)


def through_json(made):
    return type(made).from_config(json.loads(json.dumps(made.get_config())))


def listed(outputs):
    """JSON knows lists only."""
    return list(outputs) if isinstance(outputs, tuple) else outputs


ENTRIES = {
    "call": lambda lib, m, x: m(x),
    "method": lambda lib, m, x: m.call(tree.map(lib.ops.convert_to_tensor, x)),
    "predict": lambda lib, m, x: m.predict(x, batch_size=3, verbose=0),
    "predict_on_batch": lambda lib, m, x: m.predict_on_batch(x),
    "in a model": lambda lib, m, x: lib.Model(m.input, tree.map(lambda t: t * 2.0, m(m.input)))(x),
    "clone": lambda lib, m, x: lib.models.clone_model(m)(x),
    "generator": lambda lib, m, x: m.predict(((x,) for _ in range(2)), steps=2, verbose=0),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_of_graphs(name, entry):
    x, run = data(STRUCTURES[name][0]), ENTRIES[entry]
    same(run(tricorn, model(tricorn, name), x), run(keras, model(keras, name), x))


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_in_configs_and_files(name, tmp_path):
    x, made = data(STRUCTURES[name][0]), model(tricorn, name)
    made.save(tmp_path / "model.keras")
    for again in (through_json(made), tricorn.models.load_model(tmp_path / "model.keras")):
        again.set_weights(made.get_weights())
        same(listed(again(x)), tree.map(array, listed(made(x))))
    theirs = keras.models.load_model(tmp_path / "model.keras")
    same(listed(made(x)), listed(theirs(x)))


class Join(tricorn.layers.Layer):
    """Takes any structure."""

    def call(self, inputs):
        return sum(tree.leaves(inputs)[1:], tree.leaves(inputs)[0])


class Fork(tricorn.layers.Layer):
    def __init__(self, structure):
        super().__init__()
        self.structure = structure

    def call(self, inputs):
        return filled(self.structure, {"a": inputs, "b": inputs * 2.0})


@pytest.mark.parametrize("how", ["built", "called", "fitted"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_stacks_take_and_give_structures(name, how):
    given, wanted = STRUCTURES[name]
    made = tricorn.Sequential([Join(), ones(tricorn, 2), Fork(given), Join(), Fork(wanted)])
    x = data(given)
    if how == "built":
        made.build(tree.map(lambda a: (None, *a.shape[1:]), x))
        assert [w.shape for w in made.weights] == [(3, 2), (2,)]
    if how == "fitted":
        made = tricorn.Sequential(made.layers[:2])
        made.compile("sgd", "mse")
        made.fit(x, X[:, :2], verbose=0)
        assert made.predict(x, verbose=0).shape == (4, 2)
    else:
        out = made(x)
        assert {a.shape for a in map(array, tree.leaves(out))} == {(4, 2)}


class Maybe(tricorn.layers.Layer):
    def call(self, first, second=None):
        return first if second is None else first + second


@pytest.mark.parametrize("kind", [list, dict])
def test_optional_inputs_may_be_none(kind):
    a, b = tricorn.Input((3,), name="a"), tricorn.Input((3,), name="b", optional=True)
    pack = (lambda *x: list(x)) if kind is list else (lambda *x: dict(zip("ab", x)))
    made = tricorn.Model(pack(a, b), ones(tricorn, 1)(Maybe()(a, b)))
    close(made(pack(X, None)), X.sum(1, keepdims=True))
    close(made(pack(X, X)), 2 * X.sum(1, keepdims=True))
    if kind is dict:
        close(made({"a": X}), X.sum(1, keepdims=True))
    made.compile("sgd", "mse")
    made.fit(pack(X, None), X[:, :1], verbose=0)
    assert made.predict(pack(X, None), verbose=0).shape == (4, 1)
    with pytest.raises(ValueError, match="optional"):
        made(pack(None, X))


# ---------------------------------------------------------------------------- masks and training


def mean_over_steps(lib):
    class Mean(lib.layers.Layer):
        supports_masking = property(lambda self: True, lambda self, value: None)

        def call(self, x, mask=None):
            if mask is None:
                return lib.ops.mean(x, axis=1)
            there = lib.ops.expand_dims(lib.ops.cast(mask, x.dtype), -1)
            return lib.ops.sum(x * there, axis=1) / lib.ops.sum(there, axis=1)

    return Mean()


def times_ten_in_training(lib):
    class Times(lib.layers.Layer):
        def call(self, x, training=False):
            return x * (10.0 if training else 1.0)

    return Times()


def functional(lib, layer, shape):
    x = lib.Input(shape)
    return lib.Model(x, layer(x))


def stack(lib, layer, shape):
    return lib.Sequential([lib.Input(shape), layer])


def unbuilt(lib, layer, shape):
    return lib.Sequential([layer])


def inside(lib, layer, shape):
    inner = functional(lib, layer, shape)

    class Outer(lib.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def call(self, x, training=None, mask=None):
            return self.inner(x, training=training, mask=mask)

    return Outer()


KINDS = [functional, stack, unbuilt, inside]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_given_by_hand_reaches_the_layers(kind):
    def run(lib):
        made = kind(lib, mean_over_steps(lib), (3, 2))
        x, mask = lib.ops.convert_to_tensor(STEPS), lib.ops.convert_to_tensor(MASK)
        return array(made(x)), array(made(x, mask=mask)), array(made(x))

    ours, theirs = run(tricorn), run(keras)
    close(ours[0], theirs[0])
    close(ours[1], theirs[1])
    close(ours[2], ours[0])  # the mask was that of one call; Keras leaves it on the tensor


def test_masks_of_several_inputs_and_of_the_method():
    a, b = tricorn.Input((3, 2)), tricorn.Input((3, 2))
    made = tricorn.Model([a, b], [mean_over_steps(tricorn)(a), mean_over_steps(tricorn)(b)])
    x, mask = ops.convert_to_tensor(STEPS), ops.convert_to_tensor(MASK)
    masked = (STEPS * MASK[..., None]).sum(1) / MASK.sum(1, keepdims=True)
    for out in (made([x, x * 1.0], mask=[mask, None]), made.call([x, x * 1.0], mask=[mask, None])):
        close(out[0], masked)
        close(out[1], STEPS.mean(1))
    close(made([x, x * 1.0])[0], STEPS.mean(1))


@pytest.mark.parametrize("kind", KINDS)
def test_training_reaches_the_layers(kind):
    made = kind(tricorn, times_ten_in_training(tricorn), (3,))
    x = ops.convert_to_tensor(X)
    made(x)
    for training, factor in ((True, 10), (False, 1), (None, 1)):
        for out in (made(x, training=training), made(x, training), made.call(x, training=training)):
            close(out, factor * X)
    with tricorn.graph.calls.calling(True):
        close(made(x), 10 * X)
        close(made.call(x, training=False), X)
