"""`Model`: a layer that can be trained, summarised and saved."""

from __future__ import annotations

import inspect
from typing import Any

from tricorn import tree
from tricorn.graph.symbolic import is_symbolic
from tricorn.graph.transforms import discover
from tricorn.layers.base import Layer, _abstract_outputs, _shapes
from tricorn.training.trainer import Trainer


class Model(Trainer, Layer):
    """A layer with `fit`, `evaluate`, `predict` and files.

    Made in three ways: functionally, ``Model(inputs, outputs)`` from symbolic tensors; by
    subclassing, with layers made in `__init__` and used in `call`; as `Sequential`.

    Args:
        inputs: symbolic tensor, list or dict of them.
        outputs: likewise.
        name: default the class name in snake case with a count.
        trainable: whether the weights are.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _is_functional(args, kwargs):
            from tricorn.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from tricorn.models.functional import Functional

        if _is_functional(args, kwargs) and not isinstance(self, Functional):
            _make_functional(type(self))
            Functional.__init__(self, *args, **kwargs)  # type: ignore[arg-type]
            return
        Layer.__init__(self, **_named_only(args, kwargs))
        Trainer.__init__(self)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights by running `call` for shapes only.

        Args:
            input_shape: the shape of the input with the batch axis, or a tree of shapes.
        """
        if self.built or input_shape is None or type(self).call is Model.call:
            return
        discover(self.__call__, (_abstract_outputs(input_shape, self.compute_dtype),))

    def _build_for(self, args: tuple, kwargs: dict) -> None:
        """A subclassed model's layers build as its body runs."""
        if type(self).build is Model.build:
            self.built = True
            shapes = _shapes(args)
            self._build_shapes = {"input_shape": shapes[0]} if len(shapes) == 1 else None
        else:
            super()._build_for(args, kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside."""
        return [layer for layer in self._layers if not isinstance(layer, _NOT_LISTED)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """One layer by name or index.

        Raises:
            ValueError: when there is none; the names there are, are listed.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index, one of them")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self.name!r} has {len(layers)} layers, no layer {index}")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in layers)
        raise ValueError(f"{self.name!r} has no layer {name!r}; it has: {known}")

    def reset_state(self) -> None:
        """Reset the states of stateful recurrent layers."""
        for layer in self._flatten_layers(include_self=False):
            reset = getattr(layer, "reset_state", None)
            if reset is not None and getattr(layer, "stateful", False):
                reset()

    reset_states = reset_state

    def summary(self, line_length: int | None = None, positions: Any = None, print_fn: Any = None,
                expand_nested: bool = False, show_trainable: bool = False,
                layer_range: Any = None) -> None:  # fmt: skip
        """Print a table of the layers, their output shapes and numbers of parameters.

        Args:
            line_length: width of the table; default the terminal's, at least 72.
            positions: accepted for Keras's sake; columns fit themselves.
            print_fn: what gets the text instead of `print`.
            expand_nested: show the layers of nested models.
            show_trainable: add a column that says whether a layer is trainable.
            layer_range: names of the first and last layer to show.
        """
        from tricorn.models.summary import summary

        summary(self, line_length, print_fn, expand_nested, show_trainable, layer_range)

    # --------------------------------------------------------------------------------------- files

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None) -> None:
        """Save architecture, weights, compile arguments and optimizer state to a `.keras` file."""
        _files().save_model(self, filepath, overwrite=overwrite, zipped=zipped)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Save the weights to a ``.weights.h5`` file, or to an ``.h5`` file as Keras 2 has it."""
        _files().save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Load weights from a ``.weights.h5``, ``.keras`` or ``.h5`` file, the latter also of
        Keras 1 and 2.

        Args:
            filepath: path of the file.
            skip_mismatch: load what fits and warn about the rest.
            kwargs: ``by_name=True`` and ``reshape=True``, see `tricorn.saving.load_weights`.
        """
        _files().load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; `tricorn.models.model_from_json` makes the model again."""
        return _files().model_to_json(self, **kwargs)

    def __getstate__(self) -> dict:
        return {**Layer.__getstate__(self), "_programs": {}}


from tricorn.metrics import Metric  # noqa: E402

_NOT_LISTED: tuple = (Metric,)


def _files() -> Any:
    """What reads and writes files: it stands above the models, whose methods ask it."""
    from tricorn.saving import keras_file

    return keras_file


def _is_functional(args: tuple, kwargs: dict) -> bool:
    """Whether constructor arguments are (inputs, outputs)."""
    inputs = args[0] if args else kwargs.get("inputs")
    outputs = args[1] if len(args) > 1 else kwargs.get("outputs")
    if inputs is None or outputs is None:
        return False
    return any(map(is_symbolic, tree.leaves((inputs, outputs))))


def _named_only(args: tuple, kwargs: dict) -> dict:
    if args:
        raise TypeError(
            "Model takes inputs and outputs that are symbolic tensors (made by Input and layers), "
            f"or keyword arguments only; got {args!r}"
        )
    return kwargs


def _make_functional(cls: type) -> None:
    """Let a user's subclass of Model that calls ``super().__init__(inputs, outputs)`` be
    functional: `Functional` takes Model's place among its bases."""
    from tricorn.models.functional import Functional

    if cls is Model or issubclass(cls, Functional):
        return
    for base in cls.__bases__:
        if inspect.isclass(base) and issubclass(base, Model) and base is not Model:
            _make_functional(base)
    cls.__bases__ = tuple(Functional if base is Model else base for base in cls.__bases__)
