"""The tape of the PyTorch engine: its autograd.

torch records whatever is computed of tensors that require gradients.  So a tape switches recording
on, marks what is watched, and asks `torch.autograd.grad`.

A parameter is watched through a leaf that shares its memory.  While a tape may still need it,
`write` gives the parameter new memory instead of writing in place (see `is_held`), so that an
assignment between the forward and the backward pass leaves the gradient of what was computed before
as it was.  Where others write in place (``torch.optim``), torch itself notices and raises.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar

import torch

from tricorn.engines.contract import EngineError
from tricorn.engines.torch.kernels import in_functorch

#: the tapes that record, outermost first; None stands for a transform, which records too
_open: ContextVar[tuple[Tape | None, ...]] = ContextVar("tricorn_torch_tapes", default=())


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """A block of a transform that may differentiate the gradients which are taken in it."""
    token = _open.set((*_open.get(), None))
    try:
        yield
    finally:
        _open.reset(token)


def is_recording() -> bool:
    """Whether a tape or transform of the contract records here."""
    return bool(_open.get())


def is_held(handle: torch.Tensor) -> bool:
    """Whether a tape may still need what the handle holds now."""
    return bool(getattr(handle, "_tricorn_tapes", ()))


#: held while a parameter gets other memory, and while a leaf is made that shares its memory: torch
#: frees the one in the middle of the other
_moving = threading.Lock()


def move(handle: torch.Tensor, value: torch.Tensor) -> None:
    """Give a parameter the memory of `value`; what tapes hold keeps the memory that it had."""
    with _moving:
        handle.data = value


class Tape:
    """The contract's tape."""

    def __init__(self, persistent: bool) -> None:
        self.persistent = persistent
        #: whether another tape recorded meanwhile, and so may need the graph as well
        self.shared = False
        #: torch's grad mode around the tape
        self._mode: bool | None = None
        self._points: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._marked: list[torch.Tensor] = []

    def start(self) -> None:
        others = _open.get()
        for other in others:
            self.shared = True
            if other is not None:
                other.shared = True
        _open.set((*others, self))
        if self._mode is None:
            self._mode = torch.is_grad_enabled()
        torch.set_grad_enabled(True)

    def pause(self) -> None:
        _open.set(tuple([tape for tape in _open.get() if tape is not self]))
        torch.set_grad_enabled(bool(_open.get()))

    def stop(self) -> None:
        self.pause()
        assert self._mode is not None
        torch.set_grad_enabled(self._mode)
        self._mode = None

    def clear(self) -> None:
        for handle, _ in self._points.values():
            handle._tricorn_tapes.discard(self)  # type: ignore[attr-defined]
        for x in self._marked:
            x._tricorn_marks -= 1  # type: ignore[attr-defined]
            if x._tricorn_marks == 0 and x.is_leaf:  # type: ignore[attr-defined]
                x.requires_grad_(False)
        self._points, self._marked, self.shared = {}, [], False

    def __del__(self) -> None:
        self.clear()

    def watch(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(x, torch.nn.Parameter):
            return self._point(x)
        marks = getattr(x, "_tricorn_marks", 0)
        if not x.requires_grad or marks:
            x._tricorn_marks = marks + 1  # type: ignore[attr-defined]
            self._marked.append(x.requires_grad_())
        return x

    def _point(self, handle: torch.nn.Parameter) -> torch.Tensor:
        """A leaf that shares the parameter's memory of now, the same one for all reads."""
        with _moving:
            found = self._points.get(id(handle))
            if found is None or found[1].data_ptr() != handle.data_ptr():
                if not hasattr(handle, "_tricorn_tapes"):
                    handle._tricorn_tapes = weakref.WeakSet()
                handle._tricorn_tapes.add(self)
                found = self._points[id(handle)] = handle, handle.detach().requires_grad_()
        return found[1]

    def recorded(self, x: torch.Tensor) -> bool:
        return x.requires_grad

    def gradient(
        self, targets: list, sources: list, cotangents: list, batched: bool
    ) -> list[torch.Tensor | None]:
        if in_functorch():
            raise EngineError(
                "inside of vectorized_map the engine 'torch' takes gradients with "
                "tricorn.value_and_grad, not with a GradientTape"
            )
        ends = [(x, c) for x, c in zip(targets, cotangents) if x.requires_grad]
        points = [x for x in sources if x.requires_grad]
        if not ends or not points:
            return [None] * len(sources)
        again = bool(_open.get())
        grads = iter(
            torch.autograd.grad(
                [x for x, _ in ends],
                points,
                [torch.ones_like(x) if c is None else c for x, c in ends],
                retain_graph=self.persistent or self.shared or again,
                create_graph=again,
                allow_unused=True,
                is_grads_batched=batched,
            )
        )
        return [next(grads) if x.requires_grad else None for x in sources]


def tape(persistent: bool) -> Tape:
    return Tape(persistent)
