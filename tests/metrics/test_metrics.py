"""Every metric against Keras 3 over several batches; resets, weights, configs, errors."""

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import cached, masked
from tricorn import metrics, ops
from tricorn.graph.compiled import Compiled

RNG = np.random.default_rng(0)


def batches(kind):
    """Three batches: (y_true, y_pred, weight per sample)."""
    return [(*BATCH[kind](6), RNG.uniform(size=6).astype("float32")) for _ in range(3)]


def _real(n):
    return RNG.normal(size=(2, n, 4)).astype("float32")


def _one_hot(n):
    return np.eye(4, dtype="float32")[RNG.integers(4, size=n)]


def _probabilities(n):
    return RNG.dirichlet(np.ones(4), n).astype("float32")


BATCH = {
    "real": _real,
    "positive": lambda n: np.abs(_real(n)) + 0.1,
    "binary": lambda n: (RNG.integers(2, size=(n, 4)).astype("float32"), _probabilities(n)),
    "flat": lambda n: (RNG.integers(2, size=n), RNG.uniform(size=n).astype("float32")),
    "column": lambda n: (RNG.integers(2, size=n), RNG.uniform(size=(n, 1)).astype("float32")),
    "one_hot": lambda n: (_one_hot(n), _probabilities(n)),
    "sparse": lambda n: (RNG.integers(4, size=n), _probabilities(n)),
    "sparse_column": lambda n: (RNG.integers(4, size=(n, 1)), _probabilities(n)),
    "classes": lambda n: RNG.integers(4, size=(2, n)),
    "ranking": lambda n: (RNG.integers(4, size=n), np.argsort(-RNG.uniform(size=(n, 4)))),
    "steps": lambda n: (
        RNG.integers(4, size=(n, 6)),
        RNG.dirichlet(np.ones(4), (n, 6)).astype("float32"),
    ),
}
CASES = [
    ("MeanSquaredError", {}, "real"),
    ("RootMeanSquaredError", {}, "real"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "positive"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("LogCoshError", {}, "real"),
    ("CosineSimilarity", {}, "real"),
    ("KLDivergence", {}, "one_hot"),
    ("Poisson", {}, "positive"),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "binary"),
    ("CategoricalCrossentropy", {}, "one_hot"),
    ("SparseCategoricalCrossentropy", {}, "sparse"),
    ("Hinge", {}, "binary"),
    ("SquaredHinge", {}, "binary"),
    ("CategoricalHinge", {}, "one_hot"),
    ("Accuracy", {}, "classes"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.3}, "column"),
    ("CategoricalAccuracy", {}, "one_hot"),
    ("SparseCategoricalAccuracy", {}, "sparse"),
    ("SparseCategoricalAccuracy", {}, "sparse_column"),
    ("SparseCategoricalAccuracy", {}, "steps"),
    ("TopKCategoricalAccuracy", {"k": 2}, "one_hot"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "sparse"),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, "steps"),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "ranking"),
    ("TruePositives", {}, "binary"),
    ("FalsePositives", {"thresholds": [0.2, 0.5, 0.9]}, "binary"),
    ("TrueNegatives", {"thresholds": [0.0, 0.5, 1.0]}, "binary"),
    ("FalseNegatives", {}, "flat"),
    ("Precision", {}, "binary"),
    ("Precision", {"thresholds": [0.2, 0.6]}, "flat"),
    ("Precision", {"top_k": 2}, "binary"),
    ("Precision", {"class_id": 1, "thresholds": 0.3}, "binary"),
    ("Recall", {}, "column"),
    ("Recall", {"top_k": 2, "class_id": 2}, "one_hot"),
    ("SensitivityAtSpecificity", {"specificity": 0.4, "num_thresholds": 11}, "binary"),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4}, "binary"),
    ("PrecisionAtRecall", {"recall": 0.6, "class_id": 1}, "binary"),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 1}, "binary"),
    ("AUC", {}, "flat"),
    ("AUC", {"curve": "PR"}, "binary"),
    ("AUC", {"curve": "PR", "summation_method": "minoring"}, "flat"),
    ("AUC", {"curve": "PRGAIN", "summation_method": "majoring"}, "flat"),
    ("AUC", {"thresholds": [0.1, 0.4, 0.8]}, "flat"),
    ("AUC", {"multi_label": True}, "binary"),
    ("AUC", {"multi_label": True, "num_labels": 4, "thresholds": [0.3, 0.35]}, "binary"),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5, 0.0], "curve": "PR"}, "binary"),
    ("AUC", {"from_logits": True, "num_thresholds": 50}, "column"),
    ("FBetaScore", {"beta": 2.0, "threshold": 0.3}, "binary"),
    ("FBetaScore", {"average": "micro"}, "one_hot"),
    ("F1Score", {"average": "macro"}, "one_hot"),
    ("F1Score", {"average": "weighted", "threshold": 0.4}, "binary"),
    ("PearsonCorrelation", {}, "real"),
    ("ConcordanceCorrelation", {}, "real"),
    ("R2Score", {}, "real"),
    ("R2Score", {"class_aggregation": None, "num_regressors": 2}, "real"),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "real"),
    ("MeanIoU", {"num_classes": 4}, "classes"),
    ("IoU", {"num_classes": 4, "target_class_ids": [1, 2], "ignore_class": 0}, "classes"),
    ("BinaryIoU", {"threshold": 0.4}, "flat"),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [0, 3]}, "one_hot"),
    ("OneHotMeanIoU", {"num_classes": 4}, "one_hot"),
]
IDS = [f"{name}{i}" for i, (name, *_) in enumerate(CASES)]


def close(ours, theirs, tolerance=1e-5):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    bound = tolerance * max(np.abs(theirs).max(), 1e-6)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound)


@pytest.mark.parametrize(("name", "arguments", "kind"), CASES, ids=IDS)
def test_over_batches(name, arguments, kind):
    ours = getattr(metrics, name)(**arguments)
    theirs = getattr(keras.metrics, name)(**arguments)
    integer = ours.dtype == "int32"
    for i, (y_true, y_pred, weight) in enumerate(batches(kind)):
        weight = None if i == 0 or integer else weight
        ours.update_state(y_true, y_pred, weight)
        theirs.update_state(y_true, y_pred, weight)
    close(ours.result(), theirs.result())
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]
    for mine, other in zip(ours.variables, theirs.variables):
        close(mine.numpy(), other.numpy())
    ours.reset_state()
    theirs.reset_state()
    y_true, y_pred, _ = batches(kind)[0]
    close(ours(y_true, y_pred), theirs(y_true, y_pred))


@pytest.mark.parametrize(("name", "arguments", "kind"), CASES, ids=IDS)
def test_config(name, arguments, kind):
    metric = getattr(metrics, name)(**arguments, name="mine")
    config = metrics.serialize(metric)
    again = metrics.deserialize(config)
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    theirs = getattr(keras.metrics, name)(**arguments, name="mine").get_config()
    assert theirs.keys() <= metric.get_config().keys() | {"fn"}
    assert metric.get_config()["name"] == "mine"
    assert getattr(keras.metrics, name).from_config(metric.get_config()).name == "mine"


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [c for c in CASES if c[0] in ("SparseCategoricalAccuracy", "AUC", "F1Score", "MeanIoU")][:6],
)
def test_compiled(name, arguments, kind):
    ours, compiled = (getattr(metrics, name)(**arguments) for _ in range(2))
    step = Compiled(lambda y_true, y_pred, weight: compiled(y_true, y_pred, weight))
    for y_true, y_pred, weight in batches(kind):
        ours.update_state(y_true, y_pred, weight)
        result = step(y_true, y_pred, weight)
    close(result, ours.result())
    close(compiled.result(), ours.result())


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize("weighted", [None, "scalar", "samples", "all"])
def test_reductions(name, shape, weighted):
    values = RNG.normal(size=shape).astype("float32")
    weight = {
        None: None,
        "scalar": 0.5,
        "samples": RNG.uniform(size=shape[:1]).astype("float32"),
        "all": RNG.uniform(size=shape).astype("float32"),
    }[weighted]
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for _ in range(2):
        ours.update_state(values, weight)
        theirs.update_state(values, weight)
    close(ours.result(), theirs.result())


def test_mask():
    y_true, y_pred = RNG.normal(size=(2, 3, 5, 2)).astype("float32")
    mask = RNG.integers(2, size=(3, 5)).astype(bool)
    weight = RNG.uniform(size=(3, 5)).astype("float32")
    ours, theirs = metrics.MeanSquaredError(), keras.metrics.MeanSquaredError()
    for w in (None, weight):
        ours.update_state(y_true, masked(tricorn, y_pred, mask), w)
        theirs.update_state(y_true, masked(keras, y_pred, mask), w)
    close(ours.result(), theirs.result())


SWEEP = [
    *CASES,
    ("SparseCategoricalCrossentropy", {"ignore_class": 0}, "sparse"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 0}, "sparse_column"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "steps"),
    ("MeanIoU", {"num_classes": 4, "ignore_class": 1}, "classes"),
]


def circumstances(lib, number):
    """Every combination of weights, mask and dtype: what -> the result after two batches, or None
    where they are refused."""
    name, arguments, kind = SWEEP[number]
    data = [BATCH[kind](6) for _ in range(2)]
    integer = getattr(metrics, name)(**arguments).dtype == "int32"
    found = {}
    for weights in ("none", "samples", "number", "all"):
        for is_masked in (False, True):
            for dtype in ("float32", "float16") if weights == "samples" else ("float32",):
                metric = getattr(lib.metrics, name)(**arguments)
                key = weights, is_masked, dtype
                try:
                    for y_true, y_pred in data:
                        # values that are the same in both precisions
                        pred = y_pred.astype("float16") if y_pred.dtype == "float32" else y_pred
                        pred = pred.astype(dtype) if y_pred.dtype == "float32" else pred
                        shape = y_pred.shape[: max(1, y_pred.ndim - 1)]
                        mask = np.arange(np.prod(shape)).reshape(shape) % 3 > 0
                        weight = {
                            "none": None,
                            "samples": np.arange(1, 7),
                            "number": 2,
                            "all": 1 + np.arange(np.prod(shape)).reshape(shape) % 4,
                        }[weights]
                        if not integer and weight is not None:
                            weight = np.asarray(weight, "float32") / 4
                        metric.update_state(
                            y_true, masked(lib, pred, mask if is_masked else None), weight
                        )
                    found[key] = np.asarray(lib.ops.convert_to_numpy(metric.result()))
                except Exception:  # of which kind depends on the engine
                    found[key] = None
    return found


@cached
def of_keras(number):
    global RNG
    RNG = np.random.default_rng(number)
    return circumstances(keras, number)


@pytest.mark.parametrize("number", range(len(SWEEP)), ids=lambda i: f"{SWEEP[i][0]}{i}")
def test_every_circumstance(number):
    """Weights × masks × dtypes."""
    global RNG
    theirs, RNG = of_keras(number), np.random.default_rng(number)
    ours = circumstances(tricorn, number)
    assert any(value is not None for value in theirs.values())
    for key, value in theirs.items():
        if value is not None:
            assert ours[key] is not None, key
            half = key[-1] != "float32"
            # means of cosines and the like, which lie in [-1, 1], cancel: their error is absolute
            cancels = half and SWEEP[number][0] in ("CosineSimilarity", "ConcordanceCorrelation")
            if cancels:
                np.testing.assert_allclose(ours[key], value, rtol=0, atol=1e-3)
            else:
                close(ours[key], value, 2e-3 if half else 1e-5)


def test_batches_of_different_sizes():
    ours, theirs = metrics.SparseCategoricalAccuracy(), keras.metrics.SparseCategoricalAccuracy()
    for n in (5, 1, 8):
        batch = BATCH["sparse"](n)
        ours.update_state(*batch)
        theirs.update_state(*batch)
    close(ours.result(), theirs.result())


def test_mean_of_nothing_is_zero():
    assert float(metrics.Mean().result()) == 0


def test_metric_of_metrics_and_subclass():
    class Spread(metrics.Metric):
        def __init__(self, name="spread", **kwargs):
            super().__init__(name=name, **kwargs)
            self.high, self.low = metrics.Mean("high"), metrics.Mean("low")
            self.seen = self.add_weight(name="seen")

        def update_state(self, values):
            self.high.update_state(ops.max(values))
            self.low.update_state(ops.min(values))
            self.seen.assign_add(1.0)

        def result(self):
            return self.high.result() - self.low.result()

    spread = Spread()
    assert float(spread(np.array([1.0, 4.0]))) == 3
    assert len(spread.variables) == 5
    spread.reset_state()
    assert [float(v.numpy()) for v in spread.variables] == [0] * 5
    assert Spread.from_config(spread.get_config()).name == "spread"


def test_forgotten_super():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight()

    with pytest.raises(RuntimeError, match=r"super\(\).__init__\(\)"):
        Forgetful()


def test_mean_of_a_function():
    ours = metrics.MeanMetricWrapper(metrics.huber, name="h", delta=0.3)
    theirs = keras.metrics.MeanMetricWrapper(keras.losses.huber, name="h", delta=0.3)
    y_true, y_pred, weight = batches("real")[0]
    close(ours(y_true, y_pred, weight), theirs(y_true, y_pred, weight))
    again = metrics.deserialize(metrics.serialize(ours))
    close(again(y_true, y_pred, weight), theirs.result())


def test_default_names_count_up():
    first, second = metrics.Precision(), metrics.Precision()
    assert first.name.startswith("precision")
    assert first.name != second.name


@pytest.mark.parametrize("name", ["mse", "MAE", "AUC", "auc", "mean_squared_error", "Precision"])
def test_names(name):
    assert type(metrics.get(name)).__name__ == type(keras.metrics.get(name)).__name__


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.get("precission"), "'precission'.*precision"),
        (lambda: metrics.Precision(thresholds=1.5), r"within \[0, 1\], got 1.5"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds must be an integer of at least 2"),
        (lambda: metrics.AUC(curve="ROCK"), "'ROC', 'PR', 'PRGAIN', got 'ROCK'"),
        (lambda: metrics.AUC(num_labels=3), "multi_label"),
        (lambda: metrics.PrecisionAtRecall(recall=2), "recall must be"),
        (lambda: metrics.FBetaScore(average="mean"), "average must be"),
        (lambda: metrics.FBetaScore(beta=0), "beta must be"),
        (lambda: metrics.F1Score()(np.ones(3), np.ones(3)), r"\(3,\)"),
        (lambda: metrics.Precision(class_id=1)(np.ones(3), np.ones(3)), "class_id=1"),
        (lambda: metrics.IoU(3, [3]), r"target_class_ids must .* within \[0, 3\)"),
        (lambda: metrics.R2Score()(np.ones((2, 2, 2)), np.ones((2, 2, 2))), r"\(2, 2, 2\)"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("binary_accuracy", {"threshold": 0.3}, "binary"),
        ("categorical_accuracy", {}, "one_hot"),
        ("sparse_categorical_accuracy", {}, "sparse"),
        ("sparse_categorical_accuracy", {}, "sparse_column"),
        ("top_k_categorical_accuracy", {"k": 2}, "one_hot"),
        ("sparse_top_k_categorical_accuracy", {"k": 2}, "sparse"),
        ("sparse_top_k_categorical_accuracy", {"k": 2, "from_sorted_ids": True}, "ranking"),
        ("concordance_correlation", {}, "real"),
        ("pearson_correlation", {"axis": 0}, "real"),
    ],
)
def test_functions(name, arguments, kind):
    """Of arrays and lists, arguments by name and by position."""
    y_true, y_pred = BATCH[kind](6)
    ours, want = getattr(metrics, name), getattr(keras.metrics, name)(y_true, y_pred, **arguments)
    for found in (
        ours(y_true, y_pred, **arguments),
        ours(y_true.tolist(), y_pred.tolist(), **arguments),
        ours(y_true, y_pred, *arguments.values()),
    ):
        np.testing.assert_allclose(ops.convert_to_numpy(found), want, rtol=0, atol=1e-5)
