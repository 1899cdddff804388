"""Which version of Keras an object behaves as is kept on the object."""

import pickle

import pytest

import tricorn
from tricorn.conventions import KERAS_2, MODERN, conventions_of, set_conventions

OBJECTS = {
    "model": lambda: tricorn.Sequential([tricorn.Input((2,)), tricorn.layers.Dense(2)]),
    "loss": tricorn.losses.MeanSquaredError,
    "metric": tricorn.metrics.MeanSquaredError,
    "optimizer": tricorn.optimizers.SGD,
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_conventions_are_kept_on_the_object(kind):
    one, other = OBJECTS[kind](), OBJECTS[kind]()
    assert conventions_of(one) is MODERN
    set_conventions(one, KERAS_2)
    assert conventions_of(one) == KERAS_2
    assert conventions_of(other) is MODERN
    assert "conventions" not in one.get_config()


def test_layers_inside_a_model_follow_it_also_in_copies():
    model = OBJECTS["model"]()
    set_conventions(model, KERAS_2)
    again = pickle.loads(pickle.dumps(model))
    assert {conventions_of(layer) for layer in (*model.layers, *again.layers, again)} == {KERAS_2}
