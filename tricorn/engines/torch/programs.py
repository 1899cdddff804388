"""Modules of PyTorch's inside of layers."""

from __future__ import annotations

import io
from typing import Any

import torch


def tensors(module: torch.nn.Module) -> list[tuple[str, Any, bool | None]]:
    """(name, array, whether it is trained) of parameters, and, with None, of buffers.

    Raises:
        TypeError: for something that is no module.
        ValueError: for parameters that do not exist until the module is called.
    """
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"a torch.nn.Module expected, got {module!r}")
    lazy = torch.nn.parameter.UninitializedTensorMixin
    if any(isinstance(p, lazy) for p in (*module.parameters(), *module.buffers())):
        raise ValueError(
            f"the module {module!r} is lazy and not initialized; call it once before it is wrapped"
        )
    found = [(n, _array(p), p.requires_grad) for n, p in module.named_parameters()]
    return [*found, *((n, _array(b), None) for n, b in module.named_buffers())]


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy().copy()


def parts(module: torch.nn.Module) -> Any:
    """The list or dict that a module is, which has no ``forward`` of its own; None for others."""
    if isinstance(module, torch.nn.ModuleList):
        return list(module)
    return dict(module.items()) if isinstance(module, torch.nn.ModuleDict) else None


def share(module: torch.nn.Module, handles: dict[str, Any]) -> None:
    """Let parameters be the Variables' own, so that who trains the one trains the other."""
    for name, parameter in list(module.named_parameters()):
        path, _, last = name.rpartition(".")
        handle = handles[name]
        if isinstance(handle, torch.nn.Parameter):
            setattr(module.get_submodule(path), last, handle)
        else:
            parameter.data = handle


def call(
    module: torch.nn.Module, values: dict[str, Any], kept: list[str], training: bool, args: tuple,
    kwargs: dict,
) -> tuple[Any, dict[str, Any]]:  # fmt: skip
    """(outputs, the buffers after the call) of a module.

    Args:
        values: name -> tensor, of parameters and buffers; none is changed.
        kept: the names of the buffers.
        training: the module's mode.
        args, kwargs: of the call.
    """
    module.train(training)
    given = {name: v.clone() if name in kept else v for name, v in values.items()}
    outputs = torch.func.functional_call(module, given, args, kwargs)
    return outputs, {name: given[name] for name in kept}


def dump(module: torch.nn.Module) -> bytes:
    """The module as bytes, its code not included."""
    buffer = io.BytesIO()
    torch.save(module, buffer)
    return buffer.getvalue()


def load(data: bytes) -> torch.nn.Module:
    """What `dump` wrote.  It runs what the data says: only for data that is trusted."""
    return torch.load(io.BytesIO(data), weights_only=False)
