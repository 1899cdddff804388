"""A dense layer over any axes, written as an einsum equation."""

from __future__ import annotations

import copy
import re
from typing import Any

from tricorn import initializers, ops
from tricorn.checks import shape as as_shape
from tricorn.layers.adaptation import AdaptableProduct
from tricorn.layers.arguments import is_int, resolve, weight
from tricorn.layers.factors import Product
from tricorn.layers.input_spec import InputSpec
from tricorn.ops.fused import add_bias

#: "ab,bc->ac", "...b,bc->...c" or "ab...,bc->ac...": the dots stand on the same side of both
_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class EinsumDense(AdaptableProduct):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Args:
        equation: such as "abc,cd->abd", "...x,xy->...y" or "ab...,bc->ac...".
        output_shape: of the result without the batch axis and what the dots stand for: an int, or
            one size for each axis; None where it is the input's.
        activation: name or function; None is linear.
        bias_axes: the letters of the result's axes that the bias has; None: no bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: of the weights.
        kwargs: what every `Layer` takes.

    Weights:
        kernel: the sizes of the equation's second operand; bias: those of `bias_axes`, with 1 for
        the other axes after the first of them.

    Input shape: the equation's first operand.  Output shape: the equation's result.

    Example:
        >>> keras.layers.EinsumDense("abc,cd->abd", (None, 8))(np.ones((2, 5, 3))).shape
        (2, 5, 8)
    """

    activation: Any

    @property
    def _tricorn_products(self) -> tuple[Product, ...]:  # type: ignore[override]
        return (Product("kernel", self.equation),)

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        sizes = (output_shape,) if is_int(output_shape) else output_shape
        self.partial_output_shape = as_shape(self, "output_shape", sizes)
        self.bias_axes = bias_axes
        resolve(self, locals())
        self._operands()

    def _operands(self) -> tuple[str, str, str, bool, bool]:
        """(letters of the input, the kernel, the result, whether dots stand left, and right)."""
        found = _EQUATION.fullmatch(self.equation.replace(" ", ""))
        fits = found is not None and found[1] == found[5] and found[3] == found[7]
        if found is None or not fits or (found[1] and found[3]):
            raise ValueError(
                f"{type(self).__name__}: the equation must be like 'ab,bc->ac', '...b,bc->...c' or "
                f"'ab...,bc->ac...', got {self.equation!r}"
            )
        return found[2], found[4], found[6], bool(found[1]), bool(found[3])

    def _sizes(self, input_shape: tuple) -> tuple[dict[str, int | None], int]:
        """(the size of each letter, how many axes the dots stand for)."""
        given, kernel, result, left, right = self._operands()
        elided = len(input_shape) - len(given)
        # the batch axis is the first of the result, unless the dots stand for it
        whole = [*self.partial_output_shape]
        whole = whole if left and elided > 0 else [input_shape[0], *whole]
        if elided < 0 or (elided and not (left or right)) or len(whole) != len(result):
            raise ValueError(
                f"the layer {self.name!r} computes {self.equation!r} with output_shape="
                f"{self.partial_output_shape}; that does not fit an input of shape "
                f"{tuple(input_shape)}"
            )
        inputs = dict(zip(given, input_shape[elided:] if left else input_shape))
        sizes = {**inputs, **{a: n for a, n in zip(result, whole) if n is not None}}
        for letter, size in sizes.items():
            if inputs.get(letter, size) != size:
                raise ValueError(
                    f"the layer {self.name!r} computes {self.equation!r}: the axis {letter!r} has "
                    f"the size {inputs[letter]} in the input of shape {tuple(input_shape)}, but "
                    f"{size} in output_shape={self.partial_output_shape}"
                )
        for letter in (*kernel, *result):
            if letter not in (*given, *(result if letter in kernel else kernel)):
                raise ValueError(
                    f"the layer {self.name!r} computes {self.equation!r}: the axis {letter!r} of "
                    f"{'the kernel' if letter in kernel else 'the result'} is in no other operand"
                )
        return sizes, elided

    def build(self, input_shape: tuple) -> None:
        _, kernel, result, _, right = self._operands()
        sizes, elided = self._sizes(input_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        initializer: Any = self.kernel_initializer  # type: ignore[attr-defined]
        if isinstance(initializer, initializers.VarianceScaling) and (
            initializer.input_axes is None or initializer.output_axes is None
        ):
            initializer = copy.copy(initializer)
            initializer.input_axes = [i for i, a in enumerate(kernel) if a not in result]
            initializer.output_axes = [i for i, a in enumerate(kernel) if a in result]
        shape = tuple(sizes[letter] for letter in kernel)
        self.kernel = weight(self, "kernel", shape, initializer=initializer)
        self.bias = None
        if self.bias_axes is not None:
            unknown = set(self.bias_axes) - set(result)
            if unknown:
                raise ValueError(
                    f"the layer {self.name!r}: bias_axes={self.bias_axes!r} must be axes of the "
                    f"result of {self.equation!r}"
                )
            first = min(result.find(letter) for letter in self.bias_axes)
            axes = [sizes[a] if a in self.bias_axes else 1 for a in result[first:]]
            self.bias = weight(self, "bias", (*axes, *(1,) * (elided if right else 0)))

    def call(self, inputs: Any) -> Any:
        outputs = ops.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            outputs = add_bias(outputs, self.bias)
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_shape": list(self.partial_output_shape)}
