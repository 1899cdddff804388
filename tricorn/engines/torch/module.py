"""A layer as a ``torch.nn.Module``: for ``nn.Sequential``, ``torch.optim``, ``state_dict`` ..."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from tricorn.engines import registry
from tricorn.engines.torch import private
from tricorn.engines.torch.primitives import must_not_escape

#: `torch.compile` would cut our code to pieces
_keep_from_dynamo = functools.cache(functools.partial(private.break_graphs_around, "tricorn"))


class Module(torch.nn.Module):
    """A layer or model whose Variables are the module's parameters and buffers.

    What is trainable by kind is a parameter (frozen ones do not require gradients), all other state
    a buffer; their names are the Variables' paths, with dots.  ``train()`` and ``eval()`` set the
    layer's `training`.

    Args:
        layer: a built layer.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        _keep_from_dynamo()
        self.layer = layer
        self.training = layer._tricorn.parts.get("module_trains", True)
        #: (the module that holds it, its name there, the Variable, whether it is a parameter)
        self._places: list[tuple[torch.nn.Module, str, Any, bool]] = []
        trained = layer._tricorn_parameters()
        holders: dict[tuple[str, ...], torch.nn.Module] = {(): self}
        for variable in layer.variables:
            *owners, name = variable.path.split("/")
            holder = _holder(holders, tuple(owners))
            name = _free(holder, name)
            handle = self._handle(variable)
            is_parameter = variable in trained and isinstance(handle, torch.nn.Parameter)
            if is_parameter:
                holder.register_parameter(name, handle)
            else:
                holder.register_buffer(name, handle)
            self._places.append((holder, name, variable, is_parameter))
        self.register_state_dict_pre_hook(lambda *_: self._refresh())
        self.register_load_state_dict_pre_hook(lambda *_: self._refresh())
        self.register_load_state_dict_post_hook(lambda *_: self._adopt())

    def train(self, mode: bool = True) -> Module:
        """Let the module train, or not, and every one that is made of the layer from now on."""
        self.layer._tricorn.parts["module_trains"] = mode
        return super().train(mode)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer, in training if the module is."""
        kwargs.setdefault("training", self.training)
        with registry.use("torch"):
            given = {
                variable: getattr(holder, name)
                for holder, name, variable, _ in self._places
                if getattr(holder, name) is not self._handle(variable)
            }
            if given:  # by torch.func.functional_call
                return self._with(given, args, kwargs)
            return self.layer(*args, **kwargs)

    def _with(self, given: dict, args: tuple, kwargs: dict) -> Any:
        """The call with other tensors in place of parameters and buffers.  What it assigns to state
        that was not given is kept, unless it belongs to a transform around (``torch.func.grad``).
        """
        outputs, changed = self.layer.call_with_values(given, *args, **kwargs)
        for holder, name, variable, _ in self._places:
            if variable in given and variable in changed:
                holder._buffers[name] = changed[variable]
            elif variable in changed and not must_not_escape(changed[variable]):
                variable.assign(changed[variable])
        return outputs

    @staticmethod
    def _handle(variable: Any) -> Any:
        return variable.native(registry.load("torch"))

    def _refresh(self) -> None:
        """Bring what another engine changed into the parameters and buffers."""
        for _, _, variable, _ in self._places:
            self._handle(variable)

    def _adopt(self) -> None:
        """Take the values of tensors that were put in the place of handles."""
        for holder, name, variable, is_parameter in self._places:
            handle, now = self._handle(variable), getattr(holder, name)
            if now is not handle:
                handle.data = now.detach()
                for store in (holder._parameters, holder._buffers):
                    store.pop(name, None)
                (holder._parameters if is_parameter else holder._buffers)[name] = handle

    def _apply(self, fn: Callable, recurse: bool = True) -> Module:
        for _, _, variable, _ in self._places:
            handle = self._handle(variable)
            if fn(handle.new_empty(0)).dtype is not handle.dtype:
                raise TypeError(
                    f"{self.layer!r} computes in its own dtype, so its module cannot be cast; make "
                    "the layer with dtype=..., or set floatx"
                )
        super()._apply(fn, recurse)
        self._adopt()
        return self

    def extra_repr(self) -> str:
        return repr(self.layer)

    def __reduce__(self) -> tuple:
        return _restored, (self.layer, self.training)


def _restored(layer: Any, training: bool) -> Module:
    return Module(layer).train(training)


def _holder(holders: dict[tuple[str, ...], torch.nn.Module], path: tuple[str, ...]) -> Any:
    """The module for a path, made if need be."""
    if path not in holders:
        outer, made = _holder(holders, path[:-1]), torch.nn.Module()
        outer.add_module(_free(outer, path[-1]), made)
        holders[path] = made
    return holders[path]


def _free(holder: torch.nn.Module, name: str) -> str:
    """`name`, changed if `holder` has an attribute of that name."""
    name = name.replace(".", "_")
    taken, count = name, 0
    while hasattr(holder, taken):
        count += 1
        taken = f"{name}_{count}"
    return taken
