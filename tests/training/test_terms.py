"""Losses, metrics, targets and weights of several outputs: names, order and numbers beside Keras.

`test_on_batch` with `run_eagerly` compiles nothing, so a table of many structures is quick.
"""

import functools

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import cached, close

X = np.ones((4, 3), "float32")
WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0], "float32")


def signed(y_true, y_pred):
    return y_pred - y_true


#: name -> outputs made of three tensors, or of their targets
STRUCTURES = {
    "one": lambda a, b, c: a,
    "list of one": lambda a, b, c: [a],
    "dict of one": lambda a, b, c: {"k": a},
    "list": lambda a, b, c: [a, b],
    "tuple": lambda a, b, c: (a, b),
    "dict": lambda a, b, c: {"zz": a, "aa": b},
    "dict of other names": lambda a, b, c: {"k2": a, "k1": b},
    "lists": lambda a, b, c: [a, [b, c]],
    "dicts": lambda a, b, c: {"q": a, "p": {"y": b, "x": c}},
    "list of dicts": lambda a, b, c: [a, {"y": b, "x": c}],
    "dict of lists": lambda a, b, c: {"q": a, "p": [b, c]},
}
_ONE = [
    ("mse", ["mae"], ["mae"]),
    (["mse"], ["mae", "mse"], ["mse"]),
    (["mse"], [["mae", "mse"]], None),
    ("mse", [signed], [signed]),
    ("mse", ["accuracy", "Accuracy"], ["acc"]),
]
_SEVERAL = [
    ("mse", None, None),
    (["mse", "mae"], [["mse"], ["mae"]], [["mse"], None]),
    (["mse", "mae"], ["mse", "mae"], ["mse", "mae"]),
    (["mse", None], [["mse"], None], None),
    ([signed, "mse"], [[signed], []], None),
    (["mse", "mae"], [["mse", "mse"], ["accuracy"]], [["mse"], ["accuracy"]]),
]
_NAMED = [
    ({"zz": "mse", "aa": "mae"}, {"aa": ["mse", "mae"]}, {"zz": "mae"}),
    ("mse", {"zz": "mae", "aa": "mae"}, None),
]


def _keyed(one, two):
    return [
        ("mse", None, None),
        ({one: "mse", two: "mae"}, {one: ["mse"], two: ["mae"]}, {one: ["mse"]}),
        ({two: "mse", one: "mae"}, {two: "mse"}, None),
        (["mse", "mae"], [["mse"], ["mae"]], None),
        ({one: "mse"}, None, None),
        ({one: "mse", two: None}, {two: ["mae"]}, None),
    ]


#: structure -> (loss, metrics, weighted_metrics)
SETTINGS = {
    "one": _ONE,
    "list of one": _ONE,
    "dict of one": [*_ONE, ({"k": "mse"}, {"k": ["mae"]}, None)],
    "list": [*_SEVERAL, *_NAMED],
    "tuple": [*_SEVERAL, *_NAMED],
    "dict": _keyed("zz", "aa"),
    "dict of other names": _keyed("k2", "k1"),
    "lists": [
        ("mse", None, None),
        (["mse", ["mae", "mse"]], [["mse"], [["mae"], ["mse"]]], None),
    ],
    "dicts": [
        ("mse", None, None),
        (
            {"q": "mse", "p": {"y": "mae", "x": "mse"}},
            {"q": ["mse"], "p": {"y": ["mae"], "x": ["mse"]}},
            None,
        ),
    ],
    "list of dicts": [
        (["mse", {"y": "mae", "x": "mse"}], [["mse"], {"y": ["mae"], "x": ["mse"]}], None)
    ],
    "dict of lists": [
        ({"q": "mse", "p": ["mae", "mse"]}, {"q": ["mse"], "p": [["mae"], ["mse"]]}, None)
    ],
}
CASES = [
    (kind, name, number)
    for kind in ("graph", "class")
    for name, settings in SETTINGS.items()
    for number in range(len(settings))
    # outputs that have no names cannot be named
    if kind == "graph" or not (name in ("list", "tuple") and number >= len(_SEVERAL))
]


def made(lib, kind, structure):
    layers = [lib.layers.Dense(1, name=n, kernel_initializer="ones") for n in ("zz", "aa", "mm")]
    if kind == "graph":
        inputs = lib.Input((3,))
        return lib.Model(inputs, structure(*(layer(inputs) for layer in layers)))

    class Classes(lib.Model):
        def __init__(self):
            super().__init__()
            self.parts = layers

        def call(self, x):
            return structure(*(layer(x) for layer in self.parts))

    return Classes()


def run(lib, kind, name, loss, metrics, weighted):
    """(name -> value, the list, the names) of `test_on_batch`."""
    structure = STRUCTURES[name]
    model = made(lib, kind, structure)
    model.compile(
        "sgd", loss, metrics=metrics, weighted_metrics=weighted, run_eagerly=True
    )  # fmt: skip
    y = structure(*(np.full((4, 1), v, "float32") for v in (1, 0, 2)))
    logs = model.test_on_batch(X, y, sample_weight=WEIGHTS, return_dict=True)
    values = model.test_on_batch(X, y, sample_weight=WEIGHTS)
    return {k: float(v) for k, v in logs.items()}, np.atleast_1d(values), model.metrics_names


@cached
def of_keras(kind, name, number):
    return run(keras, kind, name, *SETTINGS[name][number])[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_names_and_values(case):
    kind, name, number = case
    ours, values, names = run(tricorn, kind, name, *SETTINGS[name][number])
    theirs = of_keras(*case)
    numbered = {key: value for key, value in ours.items() if key not in theirs}
    assert theirs.keys() <= ours.keys()
    if numbered:  # losses of outputs without names: Keras logs those of one name as the last one
        assert kind == "class" and all(key.endswith("_loss_1") for key in numbered)
        ours = {**ours, **{key.removesuffix("_1"): value for key, value in numbered.items()}}
    for key, value in theirs.items():
        close(ours[key], value)
    # the list has what the names say, and these are the names of the logs
    assert len(names) == len(set(names)) == len(values)
    every = {**ours, **numbered}
    original = run(tricorn, kind, name, *SETTINGS[name][number])[0] if numbered else every
    close(values, [original[key] for key in names])


@pytest.mark.parametrize(
    "outputs, loss, metrics, names",
    [
        (
            "list",
            ["mse", "mae"],
            [["mse", "mae"], ["mae"]],
            ["loss", "zz_loss", "aa_loss", "zz_mse", "zz_mae", "aa_mae", "zz_weighted_mae"],
        ),
        (
            "dict",
            {"zz": "mse", "aa": "mae"},
            {"zz": ["mse", "mae"], "aa": ["mae"]},
            ["loss", "zz_loss", "aa_loss", "aa_mae", "zz_mse", "zz_mae", "zz_weighted_mae"],
        ),
        ("one", "mse", ["mse", "accuracy", "mae"], ["loss", "mse", "accuracy", "mae",
                                                    "weighted_mae"]),
    ],
)  # fmt: skip
def test_order_of_the_list(outputs, loss, metrics, names):
    """The loss, those of the outputs, the metrics in the order of `compile`."""
    weighted = ["mae"] if outputs == "one" else {"zz": ["mae"]}
    _, values, found = run(tricorn, "graph", outputs, loss, metrics, weighted)
    assert found == names and len(values) == len(names)


TARGETS = {
    "list with None": (["mse", None], lambda y: [y, None]),
    "a list of one": (["mse", None], lambda y: [y]),
    "one array": (["mse", None], lambda y: y),
    "one array for the second": ([None, "mse"], lambda y: y),
    "a dict of one": ({"zz": "mse"}, lambda y: {"zz": y}),
    "all": (["mse", None], lambda y: [y, y]),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", TARGETS)
def test_targets_for_the_outputs_that_have_a_loss(case, weighted):
    loss, form = TARGETS[case]
    model = made(tricorn, "graph", STRUCTURES["list"])
    second = case == "one array for the second"
    metrics = [None, ["mae"]] if second else [["mae"], None]
    model.compile("sgd", loss, metrics=metrics, run_eagerly=True)
    y = np.ones((4, 1), "float32")
    given = {"sample_weight": WEIGHTS} if weighted else {}
    logs = model.test_on_batch(X, form(y), return_dict=True, **given)
    label = "aa_mae" if second else "zz_mae"
    assert sorted(logs) == sorted(["loss", label])  # no entry for an output without a loss
    close(logs["loss"], 10.0 if weighted else 4.0)
    close(logs[label], 2.0)


BAD = {
    "unknown output": ({"other": "mse"}, None, None, r"loss has the keys \['other'\]"),
    "number of losses": (["mse", "mae", "mse"], None, None, "loss has 3 entries"),
    "number of targets": ("mse", None, lambda y: [y, y, y], "y has 3 entries"),
    "one array for two losses": ("mse", None, lambda y: y, "y has 1 array"),
    "no targets": (["mse", "mae"], None, lambda y: [y, None], "'aa' has a loss"),
    "metrics without targets": (["mse", None], [None, ["mae"]], lambda y: y, "has metrics"),
    "metrics of an unknown output": ("mse", {"other": ["mae"]}, None, "metrics has the keys"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_the_outputs_is_refused(case):
    loss, metrics, form, message = BAD[case]
    model = made(tricorn, "graph", STRUCTURES["list"])
    model.compile("sgd", loss, metrics=metrics, run_eagerly=True)
    y = np.ones((4, 1), "float32")
    with pytest.raises(ValueError, match=message):
        model.test_on_batch(X, (form or (lambda y: [y, y]))(y))


def test_a_step_of_ones_own_over_all_metrics():
    """The compiled metrics are one of `self.metrics`, also when the step is first traced."""

    class Own(tricorn.Model):
        def __init__(self):
            super().__init__()
            self.dense = tricorn.layers.Dense(1, kernel_initializer="ones")

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(tricorn.ops.mean(y_pred - y))
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    model = Own()
    model.compile("sgd", "mse", metrics=["mae", "mse"])
    history = model.fit(X, np.ones((4, 1), "float32"), verbose=0, epochs=2).history
    assert sorted(history) == ["loss", "mae", "mse"]
    close(history["mae"], [2.0, 2.0])
    assert [metric.name for metric in model.metrics] == ["loss", "compile_metrics"]


ENTRIES = {
    "train_on_batch": lambda model, y, **given: model.train_on_batch(X, y, **given),
    "test_on_batch": lambda model, y, **given: model.test_on_batch(X, y, **given),
    "evaluate": lambda model, y, **given: model.evaluate(X, y, verbose=0, **given),
}


@pytest.mark.parametrize("outputs", ["one", "list", "dict"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_entry_points_give_a_list_or_a_dict(entry, outputs):
    structure = STRUCTURES[outputs]
    y = structure(*(np.full((4, 1), v, "float32") for v in (1, 0, 2)))
    found = {}
    for lib in (tricorn, keras):
        model = made(lib, "graph", structure)
        metrics = {"one": ["mae"], "list": [["mae"], ["mse"]], "dict": {"zz": ["mae"]}}[outputs]
        model.compile(lib.optimizers.SGD(0.0), "mse", metrics=metrics, run_eagerly=True)
        call = functools.partial(ENTRIES[entry], model, y)
        found[lib] = call(return_dict=True), call()
        predicted = model.predict(X, verbose=0)
        assert type(predicted) is type(structure(1, 2, 3) if outputs != "one" else predicted)
        assert type(model.predict_on_batch(X)) is type(predicted)
    (ours, values), (theirs, _) = found[tricorn], found[keras]
    assert list(ours) == sorted(theirs)
    for name in theirs:
        close(ours[name], theirs[name])
    assert sorted(values) == pytest.approx(sorted(ours.values()))
