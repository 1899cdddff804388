"""`compile` of the contract: steps under `jax.jit`, with the state donated."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tricorn.engines import common
from tricorn.engines.jax import kernels, policy, primitives
from tricorn.engines.jax.private import trace_state_clean


@functools.cache
def _enable_cache() -> None:
    policy.enable_compilation_cache()


def as_python(jit: bool | None, pure: bool) -> Callable | None:
    return contextlib.nullcontext if jit is False else None


def compile(fn: Callable, loop: bool, jit: bool | None = None) -> Callable:
    _enable_cache()
    return _Loop(fn) if loop else _Step(fn)


class _MoreAssigned(Exception):
    """A trace assigns entries of the state that were not going to be donated."""


class _Step:
    """``run(handles, *args) -> (result, handles)``.

    Only the entries of the state that `fn` assigns are donated and returned by the compiled
    function; the others go in and stay.  Which are assigned is found by tracing; kinds of arguments
    for which there are more widen the set.
    """

    def __init__(self, fn: Callable) -> None:
        self.fn = fn
        self.assigned: frozenset[int] = frozenset()
        self.compiled: Callable | None = None
        #: options of the compiler that this is compiled without
        self.without: tuple[str, ...] = ()
        #: `fn` with its traces cached, so that asking for shapes and compiling share one
        self.pure = jax.jit(self._pure, inline=True)

    def __call__(self, handles: list, *args: Any) -> tuple[Any, list]:
        wide = primitives.has_wide(args) or primitives.context_of(handles) is not None
        with primitives.wide() if wide else contextlib.nullcontext():
            if self.compiled is None:
                self.prepare(handles, *args)
            return self.dispatch(handles, args)

    def prepare(self, handles: list, *args: Any) -> None:
        """Trace, to know what is assigned, and which form is fast."""
        jaxpr = jax.make_jaxpr(self.pure)(handles, *args)
        if policy.goes_forward(jaxpr) and not kernels.is_plain():
            self.pure = jax.jit(kernels.formulations("forward")(self._pure), inline=True)
            jaxpr = jax.make_jaxpr(self.pure)(handles, *args)
        self.without = policy.unneeded(jaxpr)
        self.compile()

    def compile(self) -> None:
        self.compiled = policy.jit(self.traced, donate_argnums=0, without=self.without)

    def traced(self, donated: dict, rest: dict, *args: Any) -> tuple[Any, dict]:
        """What is compiled: `fn` on the state by position; gives (result, donated entries after).

        Raises:
            _MoreAssigned: when `fn` assigns an entry of `rest`.
        """
        both = donated | rest
        result, after = self.pure([both[i] for i in range(len(both))], *args)
        if not self.assigned <= donated.keys():
            raise _MoreAssigned
        return result, {i: after[i] for i in donated}

    def _pure(self, state: list, *args: Any) -> tuple[Any, list]:
        result, after = self.fn(list(state), *args)
        pairs = zip(state, after, strict=True)
        after = [new if new is old else jnp.asarray(new) for old, new in pairs]
        changed = common.assigned(state, after, lambda x: (str(x.dtype), x.shape))
        self.assigned |= frozenset(changed)
        # No two results may share memory, neither with each other nor with what stays in the state.
        taken = {id(old) for old in state}
        for i in changed:
            after[i] = common.separate(_typed(after[i]), taken, id, jnp.copy)
        result = jax.tree.map(
            lambda leaf: common.separate(_typed(leaf), taken, id, jnp.copy), result
        )
        return result, after

    def dispatch(self, handles: list, args: tuple) -> tuple[Any, list]:
        """Run what is compiled (inside of an outer trace: become a part of that)."""
        run = self.compiled if trace_state_clean() else self.traced
        done: list = []
        try:
            given = (*self._split(handles, args), *args)
            # One call from C: no interrupt can come between donating and keeping the result.
            done.extend(map(run, *[(x,) for x in given]))  # type: ignore[arg-type]
            handles[:] = _merged(handles, done[0][1])
            return done[0][0], handles
        except _MoreAssigned:
            self.compile()
            return self.dispatch(handles, args)
        except BaseException:
            if done:
                handles[:] = _merged(handles, done[0][1])
            raise

    def _split(self, handles: list, args: tuple) -> tuple[dict, dict]:
        """The state by position: what is donated (never memory shared with an argument or another
        entry), and the rest."""
        taken = {id(leaf) for leaf in jax.tree.leaves(args)}
        rest = {i: x for i, x in enumerate(handles) if i not in self.assigned}
        taken.update(map(id, rest.values()))
        donated = {}
        for i in self.assigned:
            x = handles[i]
            donated[i] = primitives._copy(x) if id(x) in taken else x
            taken.add(id(x))
        return donated, rest


def _typed(value: Any) -> jax.Array:
    """`value` as a tensor of definite dtype, where JAX may have a weak one."""
    tensor = jnp.asarray(value)
    return lax.convert_element_type(tensor, tensor.dtype)


def _merged(handles: list, changed: dict) -> list:
    return [changed.get(i, old) for i, old in enumerate(handles)]


class _Loop(_Step):
    """``run(handles, start, stop, *args)``: the steps start .. stop-1, in one dispatch unless they
    are slow in a loop."""

    #: whether they are
    single = False

    def __call__(self, handles: list, start: int, stop: int, *args: Any) -> tuple[Any, list]:
        common.check_bounds(start, stop)
        return super().__call__(handles, np.int32(start), np.int32(stop), *args)

    def prepare(self, handles: list, start: Any, stop: Any, *args: Any) -> None:
        super().prepare(handles, start, *args)
        given = (handles, start, *args)
        self.single = not policy.loopable(jax.make_jaxpr(self.pure)(*given), given)

    def traced(self, donated: dict, rest: dict, start: Any, *args: Any) -> tuple[Any, dict]:
        step = super().traced
        if self.single:
            return step(donated, rest, start, *args)
        stop, *others = args
        shapes, _ = jax.eval_shape(step, donated, rest, start, *others)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

        def body(i: Any, carry: tuple) -> tuple:
            return step(carry[1], rest, i, *others)

        return lax.fori_loop(start, stop, body, (zeros, donated))

    def dispatch(self, handles: list, args: tuple) -> tuple[Any, list]:
        if not self.single:
            return super().dispatch(handles, args)
        start, stop, *rest = args
        for i in range(start, stop):
            result, _ = super().dispatch(handles, (np.int32(i), *rest))
        return result, handles
