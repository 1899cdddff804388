"""Every loss against Keras 3: values, gradients, weights, masks, reductions, configs, errors."""

import inspect
import re

import jax
import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, masked, quick
from tricorn import losses, metrics, ops
from tricorn.graph.transforms import grad, value_and_grad

RNG = np.random.default_rng(0)
PROBABILITIES = RNG.dirichlet(np.ones(4), (6,)).astype("float32")
SCORES = RNG.normal(size=(6, 4)).astype("float32")
ONE_HOT = np.eye(4, dtype="float32")[RNG.integers(4, size=6)]
INDICES = RNG.integers(4, size=6)
BINARY = RNG.integers(2, size=(6, 4)).astype("float32")
REAL = RNG.normal(size=(6, 4)).astype("float32")
POSITIVE = RNG.uniform(0.5, 3, (6, 4)).astype("float32")
UNIT = SCORES / np.linalg.norm(SCORES, axis=1, keepdims=True)

# class name, arguments, targets, predictions
CASES = [
    ("MeanSquaredError", {}, REAL, SCORES),
    ("MeanAbsoluteError", {}, REAL, SCORES),
    ("MeanAbsolutePercentageError", {}, POSITIVE, SCORES),
    ("MeanSquaredLogarithmicError", {}, POSITIVE, POSITIVE[::-1].copy()),
    ("CosineSimilarity", {}, REAL, SCORES),
    ("CosineSimilarity", {"axis": 0}, REAL, SCORES),
    ("Huber", {}, REAL, SCORES),
    ("Huber", {"delta": 0.3}, REAL, SCORES),
    ("LogCosh", {}, REAL, SCORES),
    ("Hinge", {}, BINARY, SCORES),
    ("Hinge", {}, 2 * BINARY - 1, SCORES),
    ("SquaredHinge", {}, BINARY, SCORES),
    ("CategoricalHinge", {}, ONE_HOT, SCORES),
    ("KLDivergence", {}, PROBABILITIES[::-1].copy(), PROBABILITIES),
    ("Poisson", {}, POSITIVE, PROBABILITIES),
    ("BinaryCrossentropy", {}, BINARY, PROBABILITIES),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, BINARY, SCORES),
    ("BinaryFocalCrossentropy", {}, BINARY, PROBABILITIES),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True}, BINARY, PROBABILITIES),
    ("BinaryFocalCrossentropy", {"gamma": 3.0}, BINARY, PROBABILITIES),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, BINARY, SCORES),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ONE_HOT, SCORES),
    ("CategoricalFocalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "alpha": 0.5}, ONE_HOT, SCORES),
    ("SparseCategoricalCrossentropy", {}, INDICES, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {}, INDICES[:, None], PROBABILITIES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, INDICES, SCORES),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, INDICES, PROBABILITIES),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, INDICES, PROBABILITIES),
    ("Dice", {}, BINARY, PROBABILITIES),
    ("Dice", {"axis": -1}, BINARY, PROBABILITIES),
    ("Tversky", {"alpha": 0.3, "beta": 0.7, "axis": 1}, BINARY, PROBABILITIES),
    ("Circle", {}, INDICES, UNIT),
    ("Circle", {"gamma": 2.0, "margin": 0.2}, INDICES, UNIT),
]
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"]
IDS = [f"{name}{i}" for i, (name, *_) in enumerate(CASES)]


def close(ours, theirs, tolerance=1e-5):
    ours, theirs = array(ours), array(theirs)
    assert ours.shape == theirs.shape
    bound = tolerance * max(np.abs(theirs).max(), 1e-7)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound)


def function_of(lib, name):
    """The function that a class of losses stands on."""
    return getattr(lib.losses, re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=KL)", "_", name).lower())


@pytest.mark.parametrize(("name", "arguments", "y_true", "y_pred"), CASES, ids=IDS)
def test_functions(name, arguments, y_true, y_pred):
    """Of arrays and lists, arguments by name and by position."""
    ours, theirs = function_of(tricorn, name), function_of(keras, name)
    want = theirs(y_true, y_pred, **arguments)
    close(ours(y_true, y_pred, **arguments), want)
    close(ours(y_true.tolist(), y_pred.tolist(), **arguments), want)
    bound = inspect.signature(theirs).bind(y_true, y_pred, **arguments)
    bound.apply_defaults()
    close(ours(*bound.args), want)


@pytest.mark.parametrize(("name", "arguments", "y_true", "y_pred"), CASES, ids=IDS)
def test_values_and_weights(name, arguments, y_true, y_pred):
    loss = getattr(losses, name)(**arguments, reduction="none")
    oracle = getattr(keras.losses, name)(**arguments, reduction="none")
    values = oracle(y_true, y_pred)
    close(loss(y_true, y_pred), values)
    weight = np.linspace(0.5, 2, 6)[: values.shape[0]].astype("float32") if values.shape else None
    loss.reduction = oracle.reduction = "sum_over_batch_size"
    close(loss(y_true, y_pred, weight), oracle(y_true, y_pred, weight))


@pytest.mark.parametrize(("name", "arguments", "y_true", "y_pred"), CASES, ids=IDS)
def test_gradient(name, arguments, y_true, y_pred):
    loss = getattr(losses, name)(**arguments)
    oracle = getattr(keras.losses, name)(**arguments)
    y_true = np.asarray(y_true, "float32")
    ours = quick(lambda y_pred: grad(lambda x: loss(y_true, x))(y_pred))(y_pred)
    close(ours, jax.jit(jax.grad(oracle, argnums=1))(y_true, y_pred))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, "samples", "column"])
def test_mask_and_weights_of_sequences(reduction, weight):
    y_true, y_pred = RNG.normal(size=(2, 3, 5, 4)).astype("float32")
    mask = np.array([[1, 1, 0, 0, 1], [1, 1, 1, 1, 1], [0, 1, 0, 0, 0]], bool)
    weight = {
        None: None,
        "samples": np.array([[1.0], [2.0], [0.5]], "float32"),
        "column": RNG.uniform(size=(3, 5, 1)).astype("float32"),
    }[weight]
    ours, theirs = (
        lib.losses.MeanAbsoluteError(reduction=reduction)(y_true, masked(lib, y_pred, mask), weight)
        for lib in (tricorn, keras)
    )
    close(ours, theirs)


#: name -> weights for values of a shape
WEIGHTS = {
    "none": lambda shape: None,
    "number": lambda shape: 0.5,
    "samples": lambda shape: np.linspace(0.5, 2, shape[0]).astype("float32"),
    "column": lambda shape: np.linspace(0.5, 2, shape[0]).astype("float32")[:, None],
    "some 0": lambda shape: (np.arange(shape[0]) % 2).astype("float32"),
}
STEPS = RNG.dirichlet(np.ones(4), (3, 2)).astype("float32")
SWEEP = [
    *CASES,
    ("SparseCategoricalCrossentropy", {"ignore_class": 0}, INDICES.reshape(3, 2), STEPS),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1}, INDICES.reshape(3, 2) - 1, STEPS),
    ("MeanSquaredError", {}, REAL.reshape(3, 2, 4), SCORES.reshape(3, 2, 4)),
    ("CTC", {}, np.array([[1, 2, 0], [2, 0, 1], [0, 1, 1]]), RNG.normal(size=(3, 7, 4))),
]


def circumstances(lib, number):
    """Every combination of reduction, weights, mask and dtype: what -> the loss, or None where it
    is refused."""
    name, arguments, y_true, y_pred = SWEEP[number]
    shape = array_of(lib, getattr(lib.losses, name)(**arguments, reduction="none")(
        y_true, y_pred.astype("float32"))).shape  # fmt: skip
    found = {}
    for reduction in REDUCTIONS:
        loss = getattr(lib.losses, name)(**arguments, reduction=reduction)
        for weights, make in WEIGHTS.items():
            if weights not in ("none", "samples") and (not shape or reduction in ("mean", "sum")):
                continue
            if weights != "none" and not shape:
                continue
            for mask in [None, np.arange(np.prod(shape)).reshape(shape) % 3 > 0]:
                for dtype in ("float32", "float16") if weights == "samples" else ("float32",):
                    pred = masked(lib, y_pred.astype(dtype), mask if shape else None)
                    key = reduction, weights, mask is None, dtype
                    try:
                        found[key] = array_of(lib, loss(y_true, pred, make(shape)))
                    except Exception:  # of which kind depends on the engine
                        found[key] = None
    return found


def array_of(lib, x):
    return np.asarray(lib.ops.convert_to_numpy(x))


@cached
def of_keras(number):
    return circumstances(keras, number)


@pytest.mark.parametrize("number", range(len(SWEEP)), ids=lambda i: f"{SWEEP[i][0]}{i}")
def test_every_circumstance(number):
    """Reductions × weights × masks × dtypes."""
    ours, theirs = circumstances(tricorn, number), of_keras(number)
    assert sum(value is not None for value in theirs.values()) >= len(theirs) // 3
    for key, value in theirs.items():
        if value is not None:
            assert ours[key] is not None, key
            assert ours[key].dtype == value.dtype, key
            close(ours[key], value, 1e-5 if key[-1] == "float32" else 2e-3)


def test_a_mask_without_valid_entries_gives_zero():
    loss = losses.MeanSquaredError()(REAL, masked(tricorn, SCORES, np.zeros(6, bool)))
    assert float(loss) == 0


@pytest.mark.parametrize("shapes", [((6,), (6, 1)), ((6, 1), (6,)), ((6, 1), (6, 1)), ((6,), (6,))])
def test_ranks_are_fitted(shapes):
    y_true, y_pred = (RNG.normal(size=shape).astype("float32") for shape in shapes)
    for name in ("MeanSquaredError", "Huber", "BinaryCrossentropy"):
        y_true, y_pred = np.abs(y_true) % 1, np.abs(y_pred) % 1
        ours, theirs = getattr(losses, name)(), getattr(keras.losses, name)()
        close(ours(y_true, y_pred), theirs(y_true, y_pred))


@pytest.mark.parametrize("dtype", ["int32", "float64", "bool"])
def test_dtypes_of_targets(dtype):
    y_true = BINARY.astype(dtype)
    expected = keras.losses.mean_squared_error(y_true, SCORES)
    close(losses.mean_squared_error(y_true, SCORES), expected)


def test_ctc():
    y_true = np.array([[1, 2, 0], [3, 3, 1]])
    logits = RNG.normal(size=(2, 8, 5)).astype("float32")
    loss, oracle = losses.CTC(), keras.losses.CTC()
    ours = quick(value_and_grad(lambda x: loss(y_true, x)))
    theirs = jax.jit(jax.value_and_grad(lambda x: oracle(y_true, x)))
    for found, expected in zip(ours(logits), theirs(logits)):
        close(found, expected)
    lengths = np.array([2, 0]), np.array([8, 5])
    close(ops.ctc_loss(y_true, logits, *lengths), keras.ops.ctc_loss(y_true, logits, *lengths))
    with pytest.raises(ValueError, match=r"\(2, 3, 1\)"):
        losses.ctc(y_true[..., None], logits)


def test_float64():
    y_true, y_pred = REAL.astype("float64"), SCORES.astype("float64")
    loss = losses.MeanSquaredError(dtype="float64")(y_true, y_pred)
    assert array(loss).dtype == np.float64
    np.testing.assert_allclose(array(loss), np.mean((y_true - y_pred) ** 2), rtol=1e-12)


@pytest.mark.parametrize(("name", "arguments", "y_true", "y_pred"), CASES, ids=IDS)
def test_config(name, arguments, y_true, y_pred):
    loss = getattr(losses, name)(**arguments, reduction="sum")
    config = losses.serialize(loss)
    again = losses.deserialize(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    close(again(y_true, y_pred), loss(y_true, y_pred))
    theirs = getattr(keras.losses, name).from_config(config["config"])
    assert theirs.get_config().items() <= loss.get_config().items()


def test_function_wrapper():
    loss = losses.LossFunctionWrapper(losses.huber, delta=0.5)
    close(loss(REAL, SCORES), keras.losses.Huber(delta=0.5)(REAL, SCORES))
    again = losses.deserialize(losses.serialize(loss))
    close(again(REAL, SCORES), loss(REAL, SCORES))


def test_subclass():
    class Cubic(losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)

    assert Cubic().name.startswith("cubic")
    close(Cubic(reduction="sum")(REAL, SCORES), np.sum(np.mean(np.abs(REAL - SCORES) ** 3, -1)))
    with pytest.raises(NotImplementedError, match="call"):
        losses.Loss()(REAL, SCORES)


@pytest.mark.parametrize("name", ["mse", "MSE", "bce", "kld", "KLD", "mape", "huber", "Huber"])
def test_names(name):
    ours, theirs = losses.get(name), keras.losses.get(name)
    assert getattr(ours, "__name__", type(ours).__name__) == getattr(
        theirs, "__name__", type(theirs).__name__
    )


def test_get_takes_what_it_should():
    assert losses.get(None) is None
    assert losses.get(losses.hinge) is losses.hinge
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    assert losses.get({"class_name": "Huber", "config": {"delta": 2.0}}).delta == 2.0


def test_errors():
    with pytest.raises(ValueError, match=r"'mean_sqared_error'.*mean_squared_error"):
        losses.get("mean_sqared_error")
    with pytest.raises(ValueError, match="int"):
        losses.get(3)
    with pytest.raises(ValueError, match=r"reduction 'avg'.*sum_over_batch_size"):
        losses.MeanSquaredError(reduction="avg")
    with pytest.raises(ValueError, match="between 0 and 1"):
        losses.CategoricalGeneralizedCrossEntropy(q=2)
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        losses.categorical_crossentropy(ONE_HOT[:, :1], PROBABILITIES[:, :1])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "kind"),
    [
        ((8, 1), (8, 1), "binary"),
        ((8,), (8, 1), "binary"),
        ((8,), (8, 5), "sparse_categorical"),
        ((8, 1), (8, 5), "sparse_categorical"),
        ((8, 5), (8, 5), "categorical"),
        ((8, 3), (8, 3, 5), "sparse_categorical"),
    ],
)
def test_meaning_of_accuracy_and_crossentropy(y_true, y_pred, kind):
    assert metrics.resolve_accuracy(y_true, y_pred).__name__ == f"{kind}_accuracy"
    found = metrics.resolve_accuracy(y_true, y_pred, crossentropy=True)
    assert found is getattr(losses, f"{kind}_crossentropy")
