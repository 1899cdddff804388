"""Masks of inputs that are merged: older Keras joins those that there are by "and"."""

import numpy as np
import pytest

from tricorn.classic import keras
from tricorn.graph.calls import get_mask

pytestmark = pytest.mark.engine("jax")
WORDS = np.array([[1, 2, 0, 0]]), np.array([[3, 0, 4, 0]])


def masked(name, second):
    """The mask of the merge of word vectors, of which the second may have no mask."""
    inputs = keras.layers.Input((4,)), keras.layers.Input((4,))
    vectors = [
        keras.layers.Embedding(5, 3, mask_zero=mask)(x) for x, mask in zip(inputs, (True, second))
    ]
    mask = get_mask(getattr(keras.layers, name)()(vectors))
    return keras.backend.function(list(inputs), [mask])(list(WORDS))[0].tolist()


@pytest.mark.parametrize(
    "name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Concatenate"]
)
def test_masks(name):
    assert masked(name, True) == [[True, False, False, False]]
    assert masked(name, False) == [[True, True, False, False]]
