"""`GradientTape`: record what runs line by line, and differentiate it afterwards.

An engine's tape (contract.py) knows tensors.  Here is what it does not know: Variables, which are
watched as they are read through the overlay (scope.py); nests; and the rules of use.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

from tricorn import dtypes, tree
from tricorn.engines import registry
from tricorn.graph import op
from tricorn.graph.scope import (
    Readable,
    Scope,
    _tapes,
    current,
    read,
    recording_tapes,
    variable_behind,
)
from tricorn.graph.symbolic import NotRecordable, is_symbolic, recording


class GradientTape:
    """Records what is computed inside of its ``with`` block, for the gradients of it.

        with tricorn.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)

    Trainable Variables that are read inside are watched by themselves; for other tensors say
    ``x = tape.watch(x)``.  Native code of the engine is recorded too.  What is assigned to a
    Variable inside does not pass gradients on: what is read of it later begins anew.

    Tapes may be nested, for derivatives of derivatives, and work in layers, in a ``train_step``
    and in functions compiled by `tricorn.function`.  Functions so compiled run uncompiled while a
    tape records.

    Args:
        persistent: `gradient` may be called more than once.
        watch_accessed_variables: watch the trainable Variables that are read; otherwise only what
            `watch` is told.

    Raises:
        EngineError: when the active engine has no tape.
        RuntimeError: for using it in a wrong order; the message says what to do.

    Example:
        >>> v = keras.Variable(3.0)
        >>> with keras.GradientTape() as tape:
        ...     loss = v * v
        >>> tape.gradient(loss, v)
        Array(6., dtype=float32)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self.persistent, self.watch_accessed_variables = persistent, watch_accessed_variables
        #: the scope that it was opened in
        self.scope: Scope | None = None
        self._engine: registry.Engine | None = None
        self._tape: Any = None
        self._recording = self._used = False
        #: Variable -> id of a tensor read of it -> that tensor
        self._read: dict[Any, dict[int, Any]] = {}

    # -------------------------------------------------------------------------------- recording

    def __enter__(self) -> GradientTape:
        if self._recording:
            raise RuntimeError("this GradientTape records already; make a new one to nest them")
        if self._used and not self.persistent:
            raise RuntimeError(_USED)
        if recording() is not None:
            raise NotRecordable(
                "a GradientTape differentiates tensors with values, not symbolic ones; put the "
                "with block into a layer's call method, or use tricorn.gradients"
            )
        engine = registry.active()
        if self._tape is None or self._engine is not engine:
            self._engine, self._tape, self._read = engine, engine.tape(self.persistent), {}
        self._start()
        return self

    def _start(self) -> None:
        self._tape.start()
        self.scope, self._recording = current(), True
        _tapes.set((*recording_tapes(), self))

    def _leave(self) -> None:
        self._recording = False
        _tapes.set(tuple([tape for tape in recording_tapes() if tape is not self]))

    def __exit__(self, *error: Any) -> None:
        if self._recording:  # gradient() may have ended it
            self._leave()
            self._tape.stop()

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A block inside of the tape's that is not recorded by it."""
        self._need_recording("stop_recording")
        self._leave()
        self._tape.pause()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forget what was recorded and watched; it may go on recording, or record again."""
        if self._tape is not None:
            self._tape.clear()
        self._read, self._used = {}, False

    def watch(self, tensor: Any) -> Any:
        """Record what is computed of `tensor` from now on.

        Args:
            tensor: tensor, array, number or Variable of a floating dtype, or a nest of them.

        Returns:
            The tensor (or nest) to compute with and to take gradients for.  A tensor of the engine
            is marked and returned; arrays and numbers become tensors.
        """
        self._need_recording("watch")
        return tree.map(self._watch, tensor)

    def _watch(self, x: Any) -> Any:
        engine = self._engine
        assert engine is not None
        if is_symbolic(x):
            raise NotRecordable("a GradientTape watches tensors with values, not symbolic ones")
        x = variable_behind(x)
        variable = x if isinstance(x, Readable) else None
        dtype = variable.dtype if variable is not None else None
        tensor = None
        if variable is None:
            tensor = op.convert(engine, x, None)
            dtype = engine.dtype(tensor)
        if not _is_smooth(dtype):
            raise ValueError(
                f"a GradientTape watches floating tensors, got {dtype}; cast it, e.g. with "
                "ops.cast(x, 'float32')"
            )
        if variable is None:
            return self._tape.watch(tensor)
        self._read.setdefault(variable, {})
        return read(variable)

    def read(self, variable: Any, value: Any) -> Any:
        """The tensor that stands for `value`, which `variable` was found to hold."""
        if registry.active() is not self._engine:
            return value
        if variable not in self._read:
            if not (self.watch_accessed_variables and variable.trainable):
                return value
            if not _is_smooth(variable.dtype):
                return value
        tensor = self._tape.watch(value)
        self._read.setdefault(variable, {})[id(tensor)] = tensor
        variable._shared = True  # a compiled step must not consume what the tape needs
        return tensor

    def watched_variables(self) -> tuple:
        """The Variables that are watched, in the order they were read."""
        return tuple(self._read)

    # -------------------------------------------------------------------------------- gradients

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """The derivative of `target` with respect to `sources`.

        Args:
            target: a tensor that was computed inside, of any shape, or a nest of them; they are
                summed.
            sources: a Variable or tensor that is watched or was computed inside, or a nest.
            output_gradients: factors of the entries of the targets, a nest like `target`; None: 1.
            unconnected_gradients: what stands for the gradient of a source that the target does not
                depend on: "none" or "zero".

        Returns:
            A nest like `sources`, of tensors of their shapes.

        Raises:
            RuntimeError: called twice, when the tape is not persistent.
            ValueError: when a target depends on nothing that was recorded (unless zeros are asked
                for): it was computed elsewhere, or of tensors that are not watched.
        """
        zeros = _zeros_wanted(unconnected_gradients)
        targets = [self._target(x) for x in tree.leaves(target)]
        cotangents: list = [None] * len(targets)
        if output_gradients is not None:
            given = [output_gradients] if len(targets) == 1 else output_gradients
            given = tree.leaves(given) if len(targets) == 1 else _aligned(target, given)
            cotangents = [
                None if c is None else op.convert(self._engine, c, self._dtype(x))
                for c, x in zip(given, targets, strict=True)
            ]
        return self._derive(targets, sources, cotangents, zeros)

    def _derive(
        self, targets: list, sources: Any, cotangents: list, zeros: bool, batched: bool = False
    ) -> Any:
        engine = self._prepare_gradient()
        flat, structure = tree.take_apart(sources)
        flat = list(map(variable_behind, flat))
        tensors = [self._tensors_of(x) for x in flat]
        with registry.use(engine):
            unknown = [x for x in targets if not self._tape.recorded(x)]
            if unknown and not zeros:
                x = unknown[0]
                raise ValueError(
                    f"the target (a {engine.dtype(x)} tensor of shape {tuple(engine.shape(x))}) "
                    "depends on nothing that this GradientTape recorded: compute it inside of the "
                    "with block, of trainable Variables or of tensors that are watched, "
                    "x = tape.watch(x), and not by way of NumPy"
                )
            known = [(x, c) for x, c in zip(targets, cotangents) if self._tape.recorded(x)]
            ends, factors = [x for x, _ in known], [c for _, c in known]
            points = [x for group in tensors for x in group]
            found: list = [None] * len(points)
            if ends and points:
                found = self._tape.gradient(ends, points, factors, batched)
            grads, rest = [], iter(found)
            lead = tuple(engine.shape(factors[0]))[:1] if batched and factors else ()
            for x, group in zip(flat, tensors):
                parts = [g for g in [next(rest) for _ in group] if g is not None]
                total = parts[0] if parts else None
                for part in parts[1:]:
                    total = engine.add(total, part)
                if total is None and zeros:
                    total = engine.full((*lead, *_shape(engine, x)), 0, _dtype(engine, x))
                grads.append(total)
        if not self.persistent:
            self._tape.clear()
            self._read = {}
        return tree.unflatten(structure, grads)

    def _prepare_gradient(self) -> registry.Engine:
        if self._engine is None:
            raise RuntimeError("this GradientTape recorded nothing: compute inside of its block")
        if self._used and not self.persistent:
            raise RuntimeError(_USED)
        if self._recording and not self.persistent:  # the gradient itself is not recorded
            self.__exit__()
        self._used = True
        return self._engine

    def _target(self, x: Any) -> Any:
        engine = self._engine
        if engine is None:
            raise RuntimeError("this GradientTape recorded nothing: compute inside of its block")
        x = variable_behind(x)
        if isinstance(x, Readable):
            reads = self._read.get(x)
            x = list(reads.values())[-1] if reads else x.value
        if not engine.is_tensor(x):
            raise TypeError(
                f"a target of a gradient is a tensor of the engine {engine.name!r}, got {x!r}"
            )
        if not _is_smooth(engine.dtype(x)):
            raise ValueError(
                f"the target has the dtype {engine.dtype(x)}; only floating tensors have gradients"
            )
        return x

    def _tensors_of(self, source: Any) -> list:
        """The watched tensors that a source stands for."""
        if isinstance(source, Readable):
            return list(self._read.get(source, {}).values())
        engine = self._engine
        assert engine is not None
        if not engine.is_tensor(source):
            raise TypeError(
                "the sources of a gradient are Variables and tensors that the tape watches, got "
                f"{source!r}; watch gives a tensor for it: x = tape.watch(x)"
            )
        return [source] if _is_smooth(engine.dtype(source)) else []

    def _dtype(self, x: Any) -> str:
        assert self._engine is not None
        return self._engine.dtype(x)

    def jacobian(self, target: Any, sources: Any, unconnected_gradients: str = "none") -> Any:
        """The derivative of each entry of `target` with respect to each entry of `sources`.

        Args:
            target: tensor of shape t.
            sources: Variable or tensor of shape s, or a nest.
            unconnected_gradients: as in `gradient`.

        Returns:
            A nest like `sources`, of tensors of shape (\\*t, \\*s).

        Raises: as `gradient`.
        """
        zeros = _zeros_wanted(unconnected_gradients)
        engine, end = self._single(target, "jacobian")
        shape = tuple(engine.shape(end))
        count = math.prod(shape)
        with registry.use(engine):
            rows = engine.reshape(_eye(engine, count, engine.dtype(end)), (count, *shape))
        found = self._derive([end], sources, [rows], zeros, batched=True)
        with registry.use(engine):
            return tree.map(
                lambda g: engine.reshape(g, (*shape, *tuple(engine.shape(g))[1:])), found
            )

    def batch_jacobian(self, target: Any, source: Any, unconnected_gradients: str = "none") -> Any:
        """The Jacobian of each sample, where sample i of `target` depends on sample i of `source`
        alone.

        Args:
            target: tensor of shape (batch, \\*t).
            source: tensor of shape (batch, \\*s).
            unconnected_gradients: as in `gradient`.

        Returns:
            A tensor of shape (batch, \\*t, \\*s), or None.

        Raises:
            ValueError: when the numbers of samples differ; and as `gradient`.
        """
        zeros = _zeros_wanted(unconnected_gradients)
        engine, end = self._single(target, "batch_jacobian")
        shape, given = tuple(engine.shape(end)), _shape(engine, source)
        if not shape or not given or shape[0] != given[0]:
            raise ValueError(
                "batch_jacobian takes a target and a source with the same number of samples in "
                f"front, got the shapes {shape} and {given}"
            )
        count, whole = math.prod(shape[1:]), (math.prod(shape[1:]), *shape)
        with registry.use(engine):
            rows = engine.reshape(_eye(engine, count, engine.dtype(end)), (count, 1, *shape[1:]))
            rows = engine.broadcast_to(rows, whole)
        found = self._derive([end], source, [rows], zeros, batched=True)
        if found is None:
            return None
        with registry.use(engine):
            axes = (1, 0, *range(2, len(given) + 1))
            return engine.reshape(engine.transpose(found, axes), (shape[0], *shape[1:], *given[1:]))

    def _single(self, target: Any, name: str) -> tuple[registry.Engine, Any]:
        leaves = tree.leaves(target)
        if len(leaves) != 1:
            raise ValueError(f"{name} takes one target, got {len(leaves)}")
        end = self._target(leaves[0])
        assert self._engine is not None
        return self._engine, end

    def _need_recording(self, name: str) -> None:
        if not self._recording:
            raise RuntimeError(f"call {name} inside of the tape's with block")

    def __repr__(self) -> str:
        state = "recording" if self._recording else "not recording"
        return f"<GradientTape persistent={self.persistent}, {state}>"


_USED = (
    "this GradientTape gave its gradient already and is not persistent: make it with "
    "GradientTape(persistent=True) to take several, or a new one for every step"
)


def _is_smooth(dtype: Any) -> bool:
    return dtypes.is_float(dtype) or dtypes.is_complex(dtype)


def _zeros_wanted(unconnected: Any) -> bool:
    name = str(getattr(unconnected, "value", unconnected))
    if name not in ("none", "zero"):
        raise ValueError(f'unconnected_gradients is "none" or "zero", got {unconnected!r}')
    return name == "zero"


def _aligned(target: Any, given: Any) -> list:
    """The leaves of `given`, None ones included, for those of `target`."""
    found: list = []
    tree.map_up_to(lambda _, c: found.append(c), target, given)
    return found


def _shape(engine: registry.Engine, x: Any) -> tuple:
    return tuple(x.shape) if isinstance(x, Readable) else tuple(engine.shape(x))


def _dtype(engine: registry.Engine, x: Any) -> str:
    return x.dtype if isinstance(x, Readable) else engine.dtype(x)


def _eye(engine: registry.Engine, count: int, dtype: str) -> Any:
    rows = engine.arange(0, count, 1, "int32")
    same = engine.equal(engine.reshape(rows, (count, 1)), engine.reshape(rows, (1, count)))
    return engine.cast(same, dtype)
