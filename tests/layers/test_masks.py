"""Masks that travel with arguments reach `call`, however those are given, beside genuine Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tricorn
from tests.oracle import array, cached, close
from tricorn.graph.calls import get_mask

pytestmark = pytest.mark.filterwarnings("ignore:Layer .* with a mask")

STEPS = np.array([[1, 2, 0], [3, 0, 0]])
OTHERS = np.array([[1, 0, 0], [3, 1, 2]])


@cached
def kinds(lib) -> dict:
    """The same layers, derived from those of a library.  A mask of an argument shows in the result
    by a number of its own."""

    def shown(x, *masks):
        for factor, mask in zip((10.0, 100.0), masks):
            if isinstance(mask, (list, dict)):
                mask = mask[0] if isinstance(mask, list) else mask["k"]
            if mask is not None:
                x = x + factor * lib.ops.cast(mask, "float32")[..., None]
        return x

    class Two(lib.layers.Layer):
        def call(self, a, b, a_mask=None, b_mask=None):
            part = b[0] if isinstance(b, list) else b["k"] if isinstance(b, dict) else b
            return shown(a + part, a_mask, b_mask)

    class Only(lib.layers.Layer):
        """Only what comes second has an argument for its mask."""

        def call(self, a, *, b, b_mask=None):
            return shown(a + b, None, b_mask)

    class One(lib.layers.Layer):
        def call(self, inputs, mask=None):
            return shown(inputs, mask)

    class Passes(One):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

    class Computes(One):
        def compute_mask(self, inputs, previous_mask=None):
            return None if previous_mask is None else lib.ops.logical_not(previous_mask)

    return {kind.__name__: kind for kind in (Two, Only, One, Passes, Computes)}


def layer(lib, name):
    return kinds(lib)[name]()


#: how arguments are given -> (library, a, b) -> result
CALLS = {
    "by position": lambda lib, a, b: layer(lib, "Two")(a, b),
    "one by name": lambda lib, a, b: layer(lib, "Two")(a, b=b),
    "both by name": lambda lib, a, b: layer(lib, "Two")(a=a, b=b),
    "in another order": lambda lib, a, b: layer(lib, "Two")(b=b, a=a),
    "a list by position": lambda lib, a, b: layer(lib, "Two")(a, [b, a]),
    "a list by name": lambda lib, a, b: layer(lib, "Two")(a, b=[b, a]),
    "a dict by name": lambda lib, a, b: layer(lib, "Two")(a, b={"k": b}),
    "only one has a mask": lambda lib, a, b: layer(lib, "Two")(lib.ops.zeros_like(a), b=b),
    "only one has an argument": lambda lib, a, b: layer(lib, "Only")(a, b=b),
    "the mask is given": lambda lib, a, b: layer(lib, "Two")(
        a, b=b, b_mask=lib.ops.zeros_like(a)[..., 0] > 1),
    "one argument": lambda lib, a, b: layer(lib, "One")(a),
    "one argument by name": lambda lib, a, b: layer(lib, "One")(inputs=a),
    "passed on": lambda lib, a, b: layer(lib, "One")(layer(lib, "Passes")(a)),
    "passed on by name": lambda lib, a, b: layer(lib, "One")(layer(lib, "Passes")(inputs=a)),
    "computed": lambda lib, a, b: layer(lib, "One")(layer(lib, "Computes")(inputs=a)),
    "attention by name": lambda lib, a, b: lib.layers.MultiHeadAttention(
        1, 2, kernel_initializer="ones")(query=a, value=b),
}  # fmt: skip


def embedded(lib, *inputs):
    table = lib.layers.Embedding(5, 2, mask_zero=True, embeddings_initializer="ones")
    return [table(x) for x in inputs]


def nested(lib, name):
    """The call inside of the call of another layer."""

    class Outer(lib.layers.Layer):
        def __init__(self):
            super().__init__()
            self.table = lib.layers.Embedding(
                5, 2, mask_zero=True, embeddings_initializer="ones"
            )  # fmt: skip

        def call(self, a, b):
            return CALLS[name](lib, self.table(a), self.table(b))

    return Outer()


@cached
def expected(name):
    return array(CALLS[name](keras, *embedded(keras, STEPS, OTHERS)))


def model_of(name, lib=tricorn):
    inputs = [lib.Input((3,), dtype="int32") for _ in range(2)]
    return lib.Model(inputs, CALLS[name](lib, *embedded(lib, *inputs)))


#: where the call is made -> name -> result
PLACES = {
    "at once": lambda name: CALLS[name](tricorn, *embedded(tricorn, STEPS, OTHERS)),
    "in a model": lambda name: model_of(name)([STEPS, OTHERS]),
    "in a compiled model": lambda name: model_of(name).predict([STEPS, OTHERS], verbose=0),
}


@pytest.mark.filterwarnings("ignore:the layer.*with a mask")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CALLS)
def test_masks_reach_their_arguments(name, place):
    close(PLACES[place](name), expected(name), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:the layer.*with a mask")
@pytest.mark.parametrize("name", ["one by name", "both by name", "a dict by name"])
def test_masks_in_the_call_of_another_layer(name):
    close(nested(tricorn, name)(STEPS, OTHERS), expected(name), rtol=1e-6)
    inputs = [tricorn.Input((3,), dtype="int32") for _ in range(2)]
    model = tricorn.Model(inputs, nested(tricorn, name)(*inputs))
    close(model([STEPS, OTHERS]), expected(name), rtol=1e-6)


def test_the_mask_of_what_is_given_by_name_goes_on():
    (a,) = embedded(tricorn, STEPS)
    found = get_mask(layer(tricorn, "Passes")(inputs=a))
    assert array(found).tolist() == (STEPS != 0).tolist()
    with pytest.warns(UserWarning, match="does not support masking"):
        assert get_mask(layer(tricorn, "One")(inputs=a)) is None
