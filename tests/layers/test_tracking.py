"""What layers, models and metrics hold: set, replaced, deleted, in containers, frozen, copied."""

import collections
import copy
import json
import pickle

import keras
import numpy as np
import pytest

import tricorn
from tricorn import tracking

X = np.ones((2, 3), "float32")
Pair = collections.namedtuple("Pair", "first second")


class Shelf(list):
    """A user's own list."""


CONTAINERS = {
    "plain": lambda k: k.layers.Dense(1),
    "list": lambda k: [k.layers.Dense(1)],
    "dict": lambda k: {"a": k.layers.Dense(1)},
    "set": lambda k: {k.layers.Dense(1)},
    "tuple": lambda k: (k.layers.Dense(1),),
    "namedtuple": lambda k: Pair(k.layers.Dense(1), 3),
    "OrderedDict": lambda k: collections.OrderedDict(a=k.layers.Dense(1)),
    "nested": lambda k: [{"x": [(k.layers.Dense(1),)]}],
    "Variable": lambda k: k.Variable(np.ones(2, "float32")),
    "list of Variables": lambda k: [k.Variable(np.ones(2, "float32"))],
    "dict of Variables": lambda k: {"v": k.Variable(np.ones(2, "float32"))},
    "metric": lambda k: k.metrics.Mean(),
    "list of metrics": lambda k: [k.metrics.Mean()],
    "seeds": lambda k: k.random.SeedGenerator(1),
    "list of seeds": lambda k: [k.random.SeedGenerator(1)],
    "numbers": lambda k: [1, 2.0, "three", None],
}
#: attributes that other classes of the library, or Keras's trainer, give a meaning to
NAMES = [
    "history",
    "loss",
    "tracker",
    "graph",
    "_frozen",
    "_trained",
    "_nodes",
    "_stack",
    "_programs",
    "_plan",
    "_functional",
    "_operations",
    "_losses_of",
    "_body",
    "_filled",
]


def held(k, layer):
    """How many (layers, variables, metrics) a layer holds, by the public lists."""
    inside = layer._flatten_layers(include_self=False)
    inside = [one for one in inside if not isinstance(one, k.metrics.Metric)]
    return len(inside), len(layer.variables), len(layer.metrics_variables if k is keras else [
        v for m in layer.metrics for v in m.variables
    ])  # fmt: skip


def holder(k, value):
    class Holder(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.value = value(k)

        def call(self, inputs):
            return inputs

    return Holder()


@pytest.mark.parametrize("kind", CONTAINERS)
def test_what_an_attribute_holds_is_tracked_as_in_keras(kind):
    ours, theirs = holder(tricorn, CONTAINERS[kind]), holder(keras, CONTAINERS[kind])
    assert held(tricorn, ours)[:2] == held(keras, theirs)[:2]


@pytest.mark.parametrize("kind", CONTAINERS)
def test_what_is_deleted_or_replaced_is_not_held_any_more(kind):
    empty = held(tricorn, holder(tricorn, CONTAINERS["numbers"]))
    layer = holder(tricorn, CONTAINERS[kind])
    del layer.value
    assert held(tricorn, layer) == empty
    assert not hasattr(layer, "value")
    for other in (None, 1, [], "text"):
        layer = holder(tricorn, CONTAINERS[kind])
        held(tricorn, layer)  # also what was gathered and kept
        layer.value = other
        assert held(tricorn, layer) == empty


def test_what_two_attributes_hold_stays_until_both_are_gone():
    layer = holder(tricorn, CONTAINERS["plain"])
    layer.again = [layer.value]
    del layer.value
    assert held(tricorn, layer)[0] == 1
    layer.again.clear()
    assert held(tricorn, layer)[0] == 0


CHANGES = {
    "append": (lambda c, new: c.append(new), 2),
    "extend": (lambda c, new: c.extend([new, 1]), 2),
    "insert": (lambda c, new: c.insert(0, new), 2),
    "+=": (lambda c, new: c.__iadd__([new]), 2),
    "setitem": (lambda c, new: c.__setitem__(0, new), 1),
    "slice": (lambda c, new: c.__setitem__(slice(None), [new, new]), 1),
    "delitem": (lambda c, new: c.__delitem__(0), 0),
    "remove": (lambda c, new: c.remove(c[0]), 0),
    "pop": (lambda c, new: c.pop(), 0),
    "clear": (lambda c, new: c.clear(), 0),
    "*= 0": (lambda c, new: c.__imul__(0), 0),
    "*= 2": (lambda c, new: c.__imul__(2), 1),
    "reverse": (lambda c, new: c.reverse(), 1),
}
DICT_CHANGES = {
    "setitem": (lambda c, new: c.__setitem__("b", new), 2),
    "replace": (lambda c, new: c.__setitem__("a", new), 1),
    "update": (lambda c, new: c.update(b=new), 2),
    "|=": (lambda c, new: c.__ior__({"b": new}), 2),
    "setdefault": (lambda c, new: c.setdefault("b", new), 2),
    "kept default": (lambda c, new: c.setdefault("a", new), 1),
    "delitem": (lambda c, new: c.__delitem__("a"), 0),
    "pop": (lambda c, new: c.pop("a"), 0),
    "pop nothing": (lambda c, new: c.pop("z", None), 1),
    "popitem": (lambda c, new: c.popitem(), 0),
    "clear": (lambda c, new: c.clear(), 0),
}
SET_CHANGES = {
    "add": (lambda c, new: c.add(new), 2),
    "update": (lambda c, new: c.update([new]), 2),
    "|=": (lambda c, new: c.__ior__({new}), 2),
    "&=": (lambda c, new: c.__iand__(set()), 0),
    "-=": (lambda c, new: c.__isub__(set(c)), 0),
    "^=": (lambda c, new: c.__ixor__({new}), 2),
    "remove": (lambda c, new: c.remove(next(iter(c))), 0),
    "discard": (lambda c, new: c.discard(new), 1),
    "pop": (lambda c, new: c.pop(), 0),
    "clear": (lambda c, new: c.clear(), 0),
}


@pytest.mark.parametrize(
    "container, change",
    [
        *((c, n) for c in ("list", "Shelf", "inner list") for n in CHANGES),
        *((c, n) for c in ("dict", "OrderedDict", "defaultdict") for n in DICT_CHANGES),
        *(("set", n) for n in SET_CHANGES),
    ],
)
def test_changes_of_a_container_are_noticed(container, change):
    first = tricorn.layers.Dense(1)
    made = {
        "list": lambda: [first],
        "Shelf": lambda: Shelf([first]),
        "inner list": lambda: {"deep": ([first],)},
        "dict": lambda: {"a": first},
        "OrderedDict": lambda: collections.OrderedDict(a=first),
        "defaultdict": lambda: collections.defaultdict(list, a=first),
        "set": lambda: {first},
    }[container]()
    table = {"set": SET_CHANGES, "list": CHANGES, "Shelf": CHANGES, "inner list": CHANGES}
    act, count = table.get(container, DICT_CHANGES)[change]
    layer = tricorn.layers.Layer()
    layer.box = made
    target = layer.box["deep"][0] if container == "inner list" else layer.box
    assert layer._flatten_layers(include_self=False) == [first]
    act(target, tricorn.layers.Dense(2))
    assert len(layer._flatten_layers(include_self=False)) == count
    assert len(tricorn.Sequential([layer])._flatten_layers(include_self=False)) == count + 1


def test_missing_keys_of_a_defaultdict_become_tracked_lists():
    layer = tricorn.layers.Layer()
    layer.groups = collections.defaultdict(list)
    layer.groups["a"].append(tricorn.layers.Dense(1))
    assert len(layer._layers) == 1


@pytest.mark.parametrize(
    "value",
    [[1, [2, {"a": 3}]], {"a": [1], "b": {}}, {1, 2}, (1, [2]), collections.OrderedDict(a=[1]),
     collections.defaultdict(list, a=[1]), Pair([1], 2)],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_containers_stay_what_they_are(value):
    layer = tricorn.layers.Layer()
    layer.value = value
    assert isinstance(layer.value, type(value))
    assert layer.value == value and repr(layer.value) == repr(value)
    for again in (pickle.loads(pickle.dumps(layer.value)), copy.deepcopy(layer.value)):
        assert type(again) is type(value) and again == value
    if not isinstance(value, set):
        assert json.dumps(layer.value) == json.dumps(value)
    plain = tracking.plain(layer.value)
    assert plain == value


def test_a_million_strings_cost_nothing_per_call(monkeypatch):
    layer = holder(tricorn, lambda k: ["word"] * 100_000)
    layer(X)
    looked = []
    contents = tracking._contents
    monkeypatch.setattr(tracking, "_contents", lambda v: looked.append(v) or contents(v))
    layer(X)
    assert layer.variables == [] and layer.losses == []
    assert not looked


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("base", ["Layer", "Model"])
def test_no_name_of_an_attribute_hides_what_it_holds(base, name):
    kind = tricorn.layers.Layer if base == "Layer" else tricorn.Model

    class Holder(kind):
        def __init__(self):
            super().__init__()
            setattr(self, name, tricorn.layers.Dense(2))
            getattr(self, name).build((None, 3))

        def call(self, inputs):
            return getattr(self, name)(inputs)

    layer = Holder()
    assert len(layer.weights) == 2
    assert layer(X).shape == (2, 2)
    assert len(copy.deepcopy(layer).weights) == 2


# ------------------------------------------------------------------------------- built, and frozen


def small(k):
    class Small(k.Model):
        def __init__(self):
            super().__init__()
            self.dense = k.layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Small()
    model(X)
    return model


LATE = {
    "a new layer": lambda k, m: setattr(m, "other", k.layers.Dense(2)),
    "in the place of one": lambda k, m: setattr(m, "dense", k.layers.Dense(2)),
    "a list": lambda k, m: setattr(m, "some", [k.layers.Dense(2)]),
    "a Variable": lambda k, m: setattr(m, "w", k.Variable(1.0)),
    "a weight": lambda k, m: m.add_weight(shape=(2,)),
    "a metric": lambda k, m: setattr(m, "score", k.metrics.Mean()),
    "inside": lambda k, m: setattr(m.dense, "w", k.Variable(1.0)),
    "numbers": lambda k, m: setattr(m, "sizes", [1, 2]),
    "a layer again": lambda k, m: setattr(m, "same", m.dense),
    "deleted": lambda k, m: delattr(m, "dense"),
}


@pytest.mark.parametrize("what", LATE)
def test_what_comes_after_building(what):
    """Refused where Keras refuses it; the model is as it was then."""
    outcomes = []
    for k in (keras, tricorn):
        model = small(k)
        try:
            LATE[what](k, model)
            outcomes.append("taken")
        except ValueError:
            outcomes.append("refused")
            assert len(model.weights) == 2
    assert outcomes[0] == outcomes[1]


def test_before_building_a_layer_can_be_replaced():
    model = type(small(tricorn))()
    model.dense = tricorn.layers.Dense(5)
    assert model(X).shape == (2, 5)
    assert [w.shape for w in model.weights] == [(3, 5), (5,)]


def test_graphs_and_stacks_take_further_attributes_as_in_keras():
    for k in (keras, tricorn):
        i = k.Input((3,))
        for model in (k.Model(i, k.layers.Dense(2)(i)), k.Sequential([i, k.layers.Dense(2)])):
            before = len(model.layers)
            model.extra = k.layers.Dense(3)
            assert len(model.layers) == before and len(model.weights) == 2
            if k is tricorn:  # Keras forgets those of a stack
                model.extra.build((None, 2))
                assert len(model.weights) == 4


def test_lists_follow_the_trainable_flags():
    model = small(tricorn)
    assert len(model.trainable_variables) == 2
    model.dense.kernel.trainable = False
    assert [v.name for v in model.trainable_variables] == ["bias"]
    model.trainable = False
    assert model.trainable_variables == [] and len(model.non_trainable_variables) == 2
    model.trainable = True
    assert len(model.trainable_variables) == 2


# --------------------------------------------------------------------------------- copies of models


def subclassed(k):
    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [k.layers.Dense(4), k.layers.Dropout(0.5, seed=3)]
            self.heads = {"a": k.layers.Dense(1), "b": k.layers.Dense(1)}
            self.sizes = [1, 2]

        def call(self, inputs):
            for block in self.blocks:
                inputs = block(inputs)
            return self.heads["a"](inputs) + self.heads["b"](inputs)

    model = Net()
    model(X)
    return model


def graph(k):
    i = k.Input((3,))
    return k.Model(i, k.layers.Dense(1)(k.layers.BatchNormalization()(k.layers.Dense(4)(i))))


def stack(k):
    return k.Sequential([k.Input((3,)), k.layers.Dense(4), k.layers.Dense(1)])


class Net(tricorn.Model):
    """At the top of a module, as pickle needs it."""

    def __init__(self, units):
        super().__init__()
        self.blocks = [tricorn.layers.Dense(units) for _ in range(2)]

    def call(self, inputs):
        return self.blocks[1](self.blocks[0](inputs))


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("make", [subclassed, graph, stack], ids=lambda f: f.__name__)
def test_a_deep_copy_shares_nothing_and_tracks_the_same(make, trained):
    model = make(tricorn)
    if trained:
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, X[:, :1], verbose=0)
    other = copy.deepcopy(model)
    assert [w.path for w in other.weights] == [w.path for w in model.weights]
    assert not {id(w) for w in other.variables} & {id(w) for w in model.variables}
    np.testing.assert_array_equal(model.predict(X, verbose=0), other.predict(X, verbose=0))
    if trained:
        a = model.fit(X, X[:, :1], verbose=0).history
        assert a == other.fit(X, X[:, :1], verbose=0).history
    other.weights[0].assign(np.zeros(other.weights[0].shape))
    assert model.get_weights()[0].any()
    if make is subclassed and not trained:
        other.heads.pop("b")
        assert len(other.weights) == 4 and len(model.weights) == 6


def test_pickled_models_go_on():
    model = Net(1)
    model(X)
    again = pickle.loads(pickle.dumps(model))
    assert isinstance(again.blocks, list) and len(again.weights) == 4
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))
    with pytest.raises(ValueError, match="is built"):
        again.blocks.append(tricorn.layers.Dense(1))


def test_containers_of_tensors_are_trees_to_the_engine(engine):
    layer = tricorn.layers.Layer()
    layer.values = {"b": np.ones(2, "float32"), "a": [np.zeros(3, "float32")]}
    if engine.name == "jax":
        import jax

        found = jax.tree.map(lambda x: x + 1, layer.values)
    elif engine.name == "torch":
        import torch

        found = torch.utils._pytree.tree_map(lambda x: x + 1, layer.values)
    else:
        import tensorflow as tf

        found = tf.nest.map_structure(lambda x: x + 1, layer.values)
    assert found["b"].tolist() == [2.0, 2.0] and found["a"][0].tolist() == [1.0, 1.0, 1.0]


def test_metrics_hold_metrics_and_variables():
    class Both(tricorn.metrics.Metric):
        def __init__(self):
            super().__init__(name="both")
            self.parts = [tricorn.metrics.Mean(), tricorn.metrics.Sum()]
            self._variables = self.add_weight((), name="own")

        def update_state(self, x):
            for part in self.parts:
                part.update_state(x)
            self._variables.assign_add(1.0)

        def result(self):
            return self.parts[0].result() + self._variables

    metric = Both()
    assert len(metric.variables) == 4
    assert float(metric([1.0, 3.0])) == 3.0
    metric.reset_state()
    assert [float(v) for v in metric.variables] == [0.0] * 4
    assert len(copy.deepcopy(metric).variables) == 4


@pytest.mark.parametrize("shared", [False, True])
def test_deep_graphs_are_copied_and_pickled(shared):
    x = i = tricorn.Input((3,))
    layer = tricorn.layers.Dense(3)
    for _ in range(300):
        x = layer(x) if shared else tricorn.layers.Activation("tanh")(x)
    model = tricorn.Model(i, layer(x))
    expected = model.predict(X, verbose=0)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(X, verbose=0), expected)
        assert len(again.layers) == len(model.layers)
        assert again.layers[-1].get_output_at(-1) is again.output
        assert not {id(w) for w in again.weights} & {id(w) for w in model.weights}
        config = again.get_config()
        assert [entry["inbound_nodes"] for entry in config["layers"]] == [
            entry["inbound_nodes"] for entry in model.get_config()["layers"]
        ]
