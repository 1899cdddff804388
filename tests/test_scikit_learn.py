"""Keras 3's estimators: scikit-learn's own checks, and numbers beside genuine Keras."""

import inspect
import pickle
import sys

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import cached, close

pytest.importorskip("sklearn")
import sklearn
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from tricorn.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

pytestmark = pytest.mark.heavy

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 4)).astype("float32")
LABELS = np.array(["no", "maybe", "yes"])[np.argmax(X[:, :3], 1)]
VALUES = X @ np.array([1.0, -2.0, 0.5, 0.0], "float32")
OUTPUTS = np.stack([VALUES, -VALUES], 1)


def build(X, y, loss="mse", units=8, last=None, lib=tricorn, weights=None, **compile_kwargs):
    """A model with one hidden layer, the same each time: scikit-learn compares fits."""
    tricorn.set_random_seed(0)
    layers = [lib.Input(X.shape[1:]), lib.layers.Dense(units, "relu")]
    model = lib.Sequential([*layers, lib.layers.Dense(y.shape[1] if y.ndim > 1 else 1, last)])
    model.compile("rmsprop", loss, **compile_kwargs)
    if weights is not None:
        model.set_weights(weights)
    return model


#: checks that Keras's estimators fail, too
EXPECTED = {
    "SKLearnClassifier": {
        "check_classifiers_one_label_sample_weights": "a weight of 0 does not take a sample away",
        "check_classifiers_classes": "a few epochs are too few to find all classes",
        "check_classifiers_train": "decision_function gives what the model gives",
    },
    "SKLearnRegressor": {
        "check_regressor_multioutput": "numbers are of the model's dtype, float32"
    },
    "SKLearnTransformer": {},
}
QUICK = {"run_eagerly": True}
ESTIMATORS = {
    "SKLearnClassifier": SKLearnClassifier(
        build,
        model_kwargs={"loss": "categorical_crossentropy", "last": "softmax", **QUICK},
        fit_kwargs={"verbose": 0},
    ),
    "SKLearnRegressor": SKLearnRegressor(build, model_kwargs=QUICK, fit_kwargs={"verbose": 0}),
    "SKLearnTransformer": SKLearnTransformer(build, model_kwargs=QUICK, fit_kwargs={"verbose": 0}),
}


def checks():
    for name, estimator in ESTIMATORS.items():
        for _, check in estimator_checks_generator(estimator):
            settings = (f"-{key}={value}" for key, value in check.keywords.items())
            if check.func.__name__ not in EXPECTED[name]:
                title = "".join([name, "-", check.func.__name__, *settings])
                yield pytest.param(estimator, check, id=title)


@pytest.mark.engine("torch")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator, check", list(checks()))
def test_scikit_learns_checks(estimator, check):
    check(estimator)


#: estimator, the model's settings, targets, methods that are compared
CASES = {
    "classifier": ("SKLearnClassifier", {"loss": "categorical_crossentropy", "last": "softmax"},
                   LABELS, ["predict", "decision_function"]),
    "regressor": ("SKLearnRegressor", {}, VALUES, ["predict"]),
    "transformer": ("SKLearnTransformer", {"units": 3}, VALUES, ["transform", "predict"]),
}  # fmt: skip


def fitted(lib, case):
    kind, settings, y, _ = CASES[case]
    units, outputs = settings.get("units", 8), 3 if case == "classifier" else 1
    random = np.random.default_rng(1)
    shapes = (4, units), (units,), (units, outputs), (outputs,)
    weights = [random.normal(size=shape).astype("float32") for shape in shapes]
    arguments = {"lib": lib, "weights": weights, **settings}
    estimator = getattr(lib.wrappers, kind)(build, model_kwargs=arguments)
    return estimator.fit(X, y, epochs=2, batch_size=10, shuffle=False, verbose=0)


@cached
def theirs(case):
    estimator = fitted(keras, case)
    found = {name: getattr(estimator, name)(X) for name in CASES[case][-1]}
    score = estimator.score(X, CASES[case][2]) if hasattr(estimator, "score") else None
    return estimator.history_.history, found, score


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_keras(case):
    ours, (history, results, score) = fitted(tricorn, case), theirs(case)
    close(ours.history_.history["loss"], history["loss"])
    for name, wanted in results.items():
        found = getattr(ours, name)(X)
        if wanted.dtype.kind == "U":
            assert found.tolist() == wanted.tolist()
        else:
            close(found, wanted, 1e-4)
    if score is not None:
        assert ours.score(X, CASES[case][2]) == pytest.approx(score, rel=1e-4)
    assert ours.n_features_in_ == 4 and ours.epoch_ == 2


@pytest.mark.engine("jax")
def test_arguments_are_keras():
    for name in ESTIMATORS:
        ours, theirs = getattr(tricorn.wrappers, name), getattr(keras.wrappers, name)
        assert (
            inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
        )


def classifier(**kwargs):
    settings = {"loss": "categorical_crossentropy", "last": "softmax"}
    return SKLearnClassifier(build, model_kwargs=settings, **kwargs)


@pytest.mark.filterwarnings("ignore")
def test_pipelines_and_searches(engine):
    fit = [{"epochs": n, "verbose": 0} for n in (1, 2)]
    steps = make_pipeline(StandardScaler(), classifier(fit_kwargs=fit[0]))
    search = GridSearchCV(steps, {"sklearnclassifier__fit_kwargs": fit}, cv=2, error_score="raise")
    search.fit(X, LABELS)
    best = search.best_estimator_[-1]
    assert best.epoch_ == search.best_params_["sklearnclassifier__fit_kwargs"]["epochs"]
    assert search.predict(X[:5]).shape == (5,)
    embedding = SKLearnTransformer(build, fit_kwargs={"verbose": 0})
    assert make_pipeline(embedding, StandardScaler()).fit_transform(X, OUTPUTS).shape == (30, 2)


def test_copies(engine):
    """A clone keeps every argument and no result; a pickle the results, too."""
    model = build(X, VALUES)
    estimator = SKLearnRegressor(model, fit_kwargs={"epochs": 3, "verbose": 0}).fit(X, VALUES)
    assert estimator.model_ is not model and not hasattr(model, "history_")
    again = sklearn.clone(estimator)
    assert again.fit_kwargs == {"epochs": 3, "verbose": 0} and not hasattr(again, "model_")
    thawed = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(thawed.predict(X), estimator.predict(X))
    assert thawed.history_.history == estimator.history_.history


def test_several_outputs(engine):
    estimator = SKLearnRegressor(build, fit_kwargs={"verbose": 0}).fit(X, OUTPUTS)
    assert estimator.predict(X).shape == (30, 2)
    column = SKLearnRegressor(build, fit_kwargs={"verbose": 0}).fit(X, VALUES[:, None])
    assert column.predict(X).shape == (30, 1)


def test_warm_start_goes_on(engine):
    model = build(X, VALUES)
    estimator = SKLearnRegressor(model, warm_start=True, fit_kwargs={"verbose": 0})
    first = estimator.fit(X, VALUES).model_
    assert first is model
    steps = int(model.optimizer.iterations)
    assert estimator.fit(X, VALUES).model_ is first
    assert int(model.optimizer.iterations) == 2 * steps


def test_arguments_of_fit_come_first(engine):
    given = {"epochs": 3, "verbose": 0}
    estimator = SKLearnRegressor(build, fit_kwargs=given).fit(X, VALUES, epochs=1)
    assert estimator.epoch_ == 1 and given == {"epochs": 3, "verbose": 0}


@pytest.mark.engine("jax")
def test_metadata_is_handed_on():
    estimator = SKLearnRegressor(build, fit_kwargs={"verbose": 0})
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        estimator.set_fit_request(sample_weight=True)
    weights = np.zeros(30)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        steps = make_pipeline(scaler, estimator.set_fit_request(sample_weight=True))
        steps.fit(X, VALUES, sample_weight=weights)
    assert steps[-1].history_.history["loss"] == [0.0]


@pytest.mark.engine("jax")
@pytest.mark.parametrize(
    "make, y, message",
    [
        (lambda: SKLearnRegressor(tricorn.Sequential([tricorn.layers.Dense(1)])), VALUES,
         "needs to be compiled"),
        (classifier, np.zeros(30, int), "only one class"),
        (classifier, VALUES, "Target type: continuous"),
        (classifier, np.eye(30, 3)[::-1] + np.eye(30, 3, 1), "1d array|Target type"),
        (lambda: classifier().predict(X), None, "not fitted"),
    ],
    ids=["compile", "one class", "numbers", "several labels", "not fitted"],
)  # fmt: skip
def test_errors(make, y, message):
    with pytest.raises((ValueError, RuntimeError, AttributeError), match=message):
        make().fit(X, y)


@pytest.mark.engine("jax")
def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'pip install "tricorn\[scikit-learn\]"'):
        assert tricorn.wrappers.SKLearnClassifier
