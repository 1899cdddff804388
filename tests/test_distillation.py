"""Distillation beside genuine Keras: losses, training, configs and files."""

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, close, same_history

pytestmark = pytest.mark.heavy

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(24, 4)).astype("float32")
LABELS = RANDOM.integers(0, 3, 24)
TARGETS = [RANDOM.normal(size=(24, n)).astype("float32") for n in (3, 2)]


def stack(lib, units, normalized=False):
    layers = [lib.Input((4,)), lib.layers.Dense(units, "tanh", name="hidden")]
    if normalized:
        layers.append(lib.layers.BatchNormalization(name="norm"))
    return lib.Sequential([*layers, lib.layers.Dense(3, name="last")])


def forked(lib, units):
    x = lib.Input((4,))
    hidden = lib.layers.Dense(units, "tanh")(x)
    return lib.Model(x, [lib.layers.Dense(n)(hidden) for n in (3, 2)])


def single(lib):
    return stack(lib, 6), stack(lib, 5, True)


def alike(lib):
    return stack(lib, 5), stack(lib, 5)


def double(lib):
    return forked(lib, 6), forked(lib, 5)


def sparse(lib):
    return lib.losses.SparseCategoricalCrossentropy(from_logits=True)


def kl(lib, temperature=2.0):
    return lib.distillation.LogitsDistillation(temperature, lib.losses.KLDivergence())


def features(lib, loss="mse", teacher="hidden", student="hidden"):
    return lib.distillation.FeatureDistillation(loss, teacher, student)


#: name -> models, distillation losses, weights of them, weight of the student's loss, its loss, y
CASES = {
    "logits": (single, kl, None, 0.5, sparse, LABELS),
    "list": (
        alike,
        lambda lib: [kl(lib), features(lib), features(lib, lib.losses.Huber())],
        [1.0, 0.5, 0.25],
        0.25,
        lambda lib: "mse",
        TARGETS[0],
    ),
    "outputs as features": (
        single,
        lambda lib: features(lib, "cosine_similarity", None, None),
        None,
        0.5,
        lambda lib: "mae",
        TARGETS[0],
    ),
    "norm as feature": (alike, lambda lib: [features(lib, "mae")], [2.0], 0.0, sparse, LABELS),
    "teacher unused": (single, kl, None, 1.0, sparse, LABELS),
    "unlabelled": (single, lambda lib: lib.distillation.LogitsDistillation(3.0, "mse"), None, 0.5,
                   lambda lib: "mse", None),
    "two outputs": (
        double,
        lambda lib: [
            lib.distillation.LogitsDistillation(2.0, [lib.losses.KLDivergence(), None]),
            lib.distillation.FeatureDistillation(["mse", "mae"]),
        ],
        None,
        0.0,  # of losses in a list Keras's `compile` makes something that does not fit
        lambda lib: "mse",
        TARGETS,
    ),
}  # fmt: skip


@cached
def first_weights(models):
    return [model.get_weights() for model in models(keras)]


def distiller(lib, case):
    models, losses, weights, share, loss, _ = CASES[case]
    pair = models(lib)
    for model, values in zip(pair, first_weights(models)):
        model.set_weights(values)
    made = lib.distillation.Distiller(*pair, losses(lib), weights, student_loss_weight=share)
    metrics = ["accuracy"] if loss is sparse else None
    made.compile(lib.optimizers.SGD(0.1), loss(lib), metrics=metrics)
    return made


def trained(lib, case):
    made, y = distiller(lib, case), CASES[case][-1]
    history = made.fit(X, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return made, history


@cached
def theirs(case):
    made, history = trained(keras, case)
    return history, [array(v) for v in made.weights], made.predict(X, verbose=0)


@pytest.mark.parametrize("case", CASES)
def test_training_is_keras(case):
    found, ours = trained(tricorn, case)
    history, weights, outputs = theirs(case)
    same_history(ours, history)
    for a, b in zip(found.weights, weights, strict=True):
        close(a.numpy(), b, 1e-4)
    for a, b in zip(*(x if type(x) is list else [x] for x in (found.predict(X), outputs))):
        close(a, b, 1e-4)


@pytest.mark.engine("jax")
def test_evaluation_is_keras():
    ours, theirs = (
        distiller(lib, "list").evaluate(X, TARGETS[0], return_dict=True, verbose=0)
        for lib in (tricorn, keras)
    )
    assert ours.keys() == theirs.keys()
    for name in ours:
        close(ours[name], theirs[name])


def test_features_of_an_evaluation_are_those_of_inference(engine):
    """Keras runs the student's layers as in training there, and moves its statistics."""
    pair = [
        tricorn.Sequential([tricorn.Input((4,)), tricorn.layers.Dropout(0.5, name="hidden"), last])
        for last in (tricorn.layers.Dense(3), tricorn.layers.Dense(3))
    ]
    made = tricorn.distillation.Distiller(*pair, features(tricorn))
    made.compile(loss="mse")
    found = made.evaluate(X, TARGETS[0], return_dict=True, verbose=0)
    assert found["distillation_loss"] == 0.0


@pytest.mark.engine("jax")
def test_names_and_lists_mean_what_they_say():
    """Where Keras contradicts its documentation; see docs/differences.md."""
    logits = TARGETS[0], -TARGETS[0]
    by_name = tricorn.distillation.LogitsDistillation(2.0)
    close(by_name.compute_loss(*logits), kl(keras).compute_loss(*logits))
    weighted = tricorn.distillation.Distiller(*single(tricorn), by_name, [3.0])
    assert weighted.distillation_loss_weights == [3.0]
    one_sided = features(tricorn, "mse", None, "norm")
    teacher = stack(tricorn, 6)
    student = tricorn.Sequential(
        [tricorn.Input((4,)), tricorn.layers.Dense(3, name="norm"), tricorn.layers.Dense(3)]
    )
    made = tricorn.distillation.Distiller(teacher, student, one_sided, student_loss_weight=0.0)
    made.compile(loss="mse")
    wanted = np.mean((teacher.predict(X) - student.layers[0](X)) ** 2)
    close(made.evaluate(X, TARGETS[0], return_dict=True, verbose=0)["distillation_loss"], wanted)
    several = tricorn.distillation.Distiller(
        *double(tricorn), tricorn.distillation.FeatureDistillation(["mse", "mse"]),
        student_loss_weight=1.0,
    )  # fmt: skip
    several.compile(loss=["mse", "mse"])
    found = several.evaluate(X, TARGETS, return_dict=True, verbose=0)["student_loss"]
    wanted = sum(np.mean((a - b) ** 2) for a, b in zip(several.predict(X), TARGETS))
    close(found, wanted)


@pytest.mark.engine("jax")
@pytest.mark.parametrize("case", ["logits", "list", "two outputs"])
def test_files_are_read_by_both(case, tmp_path):
    for writer, reader in ((tricorn, keras), (keras, tricorn)):
        made, _ = trained(writer, case)
        path = str(tmp_path / f"{writer.__name__}.keras")
        made.save(path)
        found = reader.models.load_model(path)
        for a, b in zip(found.weights, made.weights, strict=True):
            close(array(a.value), array(b.value), 0)
        assert not found.teacher.trainable
        assert found.get_config().keys() == made.get_config().keys()
    assert not found.compiled  # Keras does not write the loss
    again = tricorn.models.load_model(str(tmp_path / "tricorn.keras"))
    history = again.fit(X, CASES[case][-1], verbose=0).history
    assert {"student_loss", "distillation_loss", "total_loss", "loss"} <= history.keys()


@pytest.mark.engine("jax")
@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.distillation.LogitsDistillation(),
        lambda lib: lib.distillation.LogitsDistillation(4.0, ["mse", None]),
        lambda lib: kl(lib),
        lambda lib: features(lib),
        lambda lib: features(lib, lib.losses.MeanSquaredError(reduction="sum")),
    ],
    ids=["names", "tree", "object", "features", "settings"],
)
def test_configs_are_keras(make):
    ours, theirs = (lib.saving.serialize_keras_object(make(lib)) for lib in (tricorn, keras))
    assert ours == theirs
    again = tricorn.saving.deserialize_keras_object(theirs)
    assert tricorn.saving.serialize_keras_object(again) == ours


class Largest(tricorn.distillation.DistillationLoss):
    """A loss of a user's."""

    def __init__(self, scalar=True):
        self.scalar = scalar

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        found = tricorn.ops.abs(teacher_outputs - student_outputs)
        return tricorn.ops.max(found) if self.scalar else found


def test_losses_of_users(engine):
    teacher, student = single(tricorn)
    made = tricorn.distillation.Distiller(teacher, student, Largest(), student_loss_weight=0.0)
    made.compile(loss="mse")
    found = made.evaluate(X, TARGETS[0], batch_size=24, return_dict=True, verbose=0)
    close(found["loss"], np.abs(teacher.predict(X) - student.predict(X)).max())
    assert Largest(False).get_config() == {"scalar": False}
    bad = tricorn.distillation.Distiller(teacher, student, Largest(False))
    bad.compile(loss="mse")
    with pytest.raises(ValueError, match=r"Largest returned a non-scalar loss.*must return"):
        bad.fit(X, TARGETS[0], verbose=0)


class Own(tricorn.Model):
    def __init__(self):
        super().__init__()
        self.dense = tricorn.layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def test_models_that_are_no_graphs(engine):
    teacher, student = Own(), Own()
    made = tricorn.distillation.Distiller(teacher, student, kl(tricorn))
    made.compile(loss=sparse(tricorn))
    assert np.isfinite(made.fit(X, LABELS, verbose=0).history["loss"][0])
    with pytest.raises(ValueError, match="the teacher 'own.*is no graph of layers"):
        tricorn.distillation.Distiller(teacher, stack(tricorn, 2), features(tricorn))


def wider(lib):
    return lib.Sequential([lib.Input((5,)), lib.layers.Dense(3)])


WRONG = {
    "models": (lambda d, t, s: d.Distiller("t", s, d.LogitsDistillation()), "Teacher must be"),
    "inputs": (lambda d, t, s: d.Distiller(wider(tricorn), s, d.LogitsDistillation()),
               "input shapes are incompatible"),
    "counts": (lambda d, t, s: d.Distiller(forked(tricorn, 2), s, d.LogitsDistillation()),
               "as many outputs"),
    "no losses": (lambda d, t, s: d.Distiller(t, s, None), "cannot be `None`"),
    "weights": (lambda d, t, s: d.Distiller(t, s, [d.LogitsDistillation()], [1.0, 2.0]),
                "must match"),
    "share": (lambda d, t, s: d.Distiller(t, s, d.LogitsDistillation(), None, 1.5),
              "between 0.0 and 1.0"),
    "temperature": (lambda d, t, s: d.LogitsDistillation(0.0), "must be positive"),
    "temperature's kind": (lambda d, t, s: d.LogitsDistillation("hot"), "temperature"),
    "empty": (lambda d, t, s: d.FeatureDistillation([None, None]), "non-`None`"),
    "unknown": (lambda d, t, s: d.LogitsDistillation(1.0, "mst"), "mst"),
    "layer": (lambda d, t, s: d.Distiller(t, s, d.FeatureDistillation("mse", "nowhere")),
              "In teacher model: .*nowhere"),
    "no loss": (lambda d, t, s: d.Distiller(t, s, d.LogitsDistillation()).compile("sgd"),
                "'loss' cannot be"),
    "structures": (lambda d, t, s: d.LogitsDistillation(1.0, ["mse", "mse"]).validate_outputs(X, X),
                   "structure mismatch"),
}  # fmt: skip


@pytest.mark.engine("jax")
@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case):
    make, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        make(tricorn.distillation, *single(tricorn))


def test_losses_of_several_dtypes_are_added():
    """In mixed precision a function's loss is in bfloat16, a `Loss` object's in float32."""
    tricorn.config.set_dtype_policy("mixed_bfloat16")
    losses = [kl(tricorn), features(tricorn, "mse")]
    distiller = tricorn.distillation.Distiller(*alike(tricorn), losses)
    distiller.compile("sgd", sparse(tricorn))
    history = distiller.fit(X, LABELS, epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
