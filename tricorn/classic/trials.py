"""``layer_test``, by which scripts try layers of their own out."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricorn.classic.layers import Input
from tricorn.classic.models import Model, Sequential


def layer_test(
    layer_cls: Any,
    kwargs: Any = None,
    input_shape: Any = None,
    input_dtype: Any = None,
    input_data: Any = None,
    expected_output: Any = None,
    expected_output_dtype: Any = None,
    fixed_batch_size: bool = False,
) -> Any:
    """Try a layer out: config, weights, shapes and training; gives its output.

    Raises:
        AssertionError: when one of them does not hold.
    """
    if input_data is None:
        sizes = [np.random.randint(1, 4) if n is None else n for n in input_shape]
        input_data = (10 * np.random.random(sizes)).astype(input_dtype or "float32")
    shape = tuple(input_shape or input_data.shape)
    layer = layer_cls(**(kwargs or {}))
    again = layer_cls.from_config(layer.get_config())
    inputs = Input(batch_shape=shape if fixed_batch_size else (None, *shape[1:]), dtype=input_dtype)
    model = Model(inputs, layer(inputs))
    output = model.predict(input_data)
    expected = layer.compute_output_shape(shape)
    for said, real in zip(expected, output.shape):
        assert said in (None, real), f"compute_output_shape says {expected}, it is {output.shape}"
    if expected_output is not None:
        np.testing.assert_allclose(output, expected_output, rtol=1e-3, atol=1e-6)
    copy = Sequential([Input(batch_shape=inputs.shape, dtype=input_dtype), again])
    if again.weights:
        again.set_weights(layer.get_weights())
        np.testing.assert_allclose(copy.predict(input_data), output, rtol=1e-3, atol=1e-6)
    copy.compile("rmsprop", "mse")
    copy.train_on_batch(input_data, np.zeros_like(copy.predict(input_data)))
    return output
