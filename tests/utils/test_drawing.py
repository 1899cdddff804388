"""Drawings of models: the same nodes, edges and texts as Keras's."""

import re

import keras as oracle
import pytest

import tricorn as keras

pytestmark = pytest.mark.engine_free
pydot = pytest.importorskip("pydot")


def chain(k):
    return k.Sequential(
        [
            k.Input((4,)),
            k.layers.Dense(3, activation="relu", name="a"),
            k.layers.Dropout(0.1, name="d"),
        ],
        name="chain",
    )


def graph(k):
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    shared = k.layers.Dense(4, name="shared")
    both = k.layers.Add(name="sum")([shared(x), shared(y)])
    frozen = k.layers.Dense(2, activation="softmax", name="frozen")
    frozen.trainable = False
    return k.Model([x, y], [frozen(both), both], name="graph")


def nested(k):
    x = k.Input((4,), name="x")
    out = chain(k)(x)
    inner_in = k.Input((3,), name="inner_in")
    inner = k.Model(inner_in, k.layers.Dense(5, name="deep")(inner_in), name="inner")
    return k.Model(x, k.layers.Dense(1, name="last")(inner(out)), name="nested")


def own(k):
    class Own(k.Model):
        def call(self, x):
            return x

    model = Own(name="own")
    model.build((None, 2))
    return model


def facts(dot):
    """(texts of nodes, edges between texts, names of groups), of a graph and its groups."""
    texts, edges, groups = {}, [], []

    def walk(part):
        for node in part.get_nodes():
            if node.get_name() not in ("node", '"node"'):
                label = re.sub(r"</(td|tr|font)>", " ", node.get_label())
                texts[node.get_name()] = " ".join(re.sub(r"<[^>]*>|[<>]", "", label).split())
        edges.extend((edge.get_source(), edge.get_destination()) for edge in part.get_edges())
        for group in part.get_subgraphs():
            groups.append(group.get_label())
            walk(group)

    walk(dot)
    return (
        sorted(texts.values()),
        sorted({(texts[a], texts[b]) for a, b in edges}),
        sorted(groups),
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"show_layer_names": False},
        {"show_shapes": True, "show_dtype": True},
        {"show_layer_activations": True, "show_trainable": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [chain, graph, nested, own])
def test_the_graph_is_keras_s(make, settings):
    ours, theirs = (facts(k.utils.model_to_dot(make(k), **settings)) for k in (keras, oracle))
    assert ours == theirs


def test_models_in_models():
    texts, edges, groups = facts(keras.utils.model_to_dot(nested(keras), expand_nested=True))
    assert groups == ["chain", "inner"]
    assert edges == [
        ("a (Dense)", "d (Dropout)"),
        ("d (Dropout)", "inner_in (InputLayer)"),
        ("deep (Dense)", "last (Dense)"),
        ("inner_in (InputLayer)", "deep (Dense)"),
        ("x (InputLayer)", "a (Dense)"),
    ]
    assert len(texts) == 6


def test_bad_arguments_and_missing_programs(tmp_path, monkeypatch):
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    for settings, message in (({}, "not yet been built"), ({"x": 1}, "Unrecognized")):
        model = unbuilt if not settings else chain(keras)
        with pytest.raises(ValueError, match=message):
            keras.utils.model_to_dot(model, **settings)
    assert isinstance(keras.utils.model_to_dot(chain(keras), subgraph=True), pydot.Cluster)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="Graphviz"):
        keras.utils.plot_model(chain(keras), tmp_path / "m.png")


def test_plot_model_asks_graphviz_for_the_file(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(pydot.Dot, "write", lambda dot, path, format: asked.append((path, format)))
    keras.utils.plot_model(chain(keras), tmp_path / "m.svg", show_shapes=True)
    keras.utils.plot_model(chain(keras), str(tmp_path / "plain"))
    assert asked == [(str(tmp_path / "m.svg"), "svg"), (str(tmp_path / "plain.png"), "png")]
