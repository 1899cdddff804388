"""`legacy.saving` beside genuine Keras."""

import keras
import pytest

import tricorn

pytestmark = pytest.mark.engine("jax")


class Doubled:
    def __init__(self, inner=None, function=None, name=None):
        self.inner, self.function, self.name = inner, function, name

    def get_config(self):
        return {"inner": self.inner, "function": self.function, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def twice(x):
    return 2 * x


def things(lib):
    return {
        "layer": lib.layers.Dense(2, activation="relu", kernel_regularizer="l2", name="d"),
        "optimizer": lib.optimizers.Adam(0.5, epsilon=1e-6, name="a"),
        "function": lib.losses.mean_squared_error,
        "own": Doubled(lib.initializers.Constant(0.5), twice, "twice"),
        "none": None,
    }


@pytest.mark.parametrize("kind", things(keras))
def test_data_are_keras(kind):
    ours, theirs = (
        lib.legacy.saving.serialize_keras_object(things(lib)[kind]) for lib in (tricorn, keras)
    )
    if kind == "layer":  # one has the first, the other the second of these
        assert ours["config"].pop("activity_regularizer") is None
        assert theirs["config"].pop("quantization_config") is None
    assert ours == theirs


TABLES = {
    "layer": lambda lib: {"Dense": lib.layers.Dense},
    "optimizer": lambda lib: {"Adam": lib.optimizers.Adam},
    "function": lambda lib: {"mean_squared_error": lib.losses.mean_squared_error},
    "own": lambda lib: {"Doubled": Doubled, "twice": twice, "Constant": lib.initializers.Constant},
    "none": lambda lib: {},
}


@pytest.mark.parametrize("kind", TABLES)
def test_data_are_read(kind):
    for place in (tricorn.legacy.saving, tricorn.utils.legacy):
        written = place.serialize_keras_object(things(tricorn)[kind])
        made = place.deserialize_keras_object(written, module_objects=TABLES[kind](tricorn))
        assert place.serialize_keras_object(made) == written
    if kind == "own":
        assert made.function is twice and made.inner.value == 0.5 and made.name == "twice"


@pytest.mark.parametrize(
    "data, message",
    [
        ("nothing", "Unknown object: 'nothing'"),
        ({"class_name": "Dense", "config": {}}, "Unknown object: 'Dense'"),
        ({"class_name": "Dense"}, "Improper config format"),
        (3, "Improper config format"),
    ],
    ids=["name", "class", "form", "number"],
)
def test_errors(data, message):
    with pytest.raises(ValueError, match=message):
        tricorn.legacy.saving.deserialize_keras_object(data, {})
    with pytest.raises(ValueError, match="Cannot serialize"):
        tricorn.legacy.saving.serialize_keras_object(3)


def test_names_make_objects_and_custom_ones_come_first():
    read = tricorn.legacy.saving.deserialize_keras_object
    assert isinstance(read("Doubled", {"Doubled": Doubled}), Doubled)
    assert read("twice", {"twice": len}, {"twice": twice}) is twice
    assert read(twice) is twice
