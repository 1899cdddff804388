"""Gradients, control flow and mapping over functions that read and assign Variables.

An engine's transforms take pure functions only.  Here is the one place that makes them pure: a
body's assignments are collected in a `Scope` and handed on as extra results (gradients,
checkpoint), as extra carry (loops), or merged (branches); under a map they are refused by name.
Which Variables a body assigns is found by running it once on abstract tensors.
"""

from __future__ import annotations

import builtins
import contextvars
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from tricorn import dtypes, tree
from tricorn.arithmetic import OPS
from tricorn.engines import known, registry
from tricorn.engines.abstract import AbstractTensor, NeedsEngine, needs_engine
from tricorn.graph import op
from tricorn.graph.scope import Scope, read
from tricorn.graph.symbolic import NotRecordable, NotRecording, is_symbolic, recording

# ----------------------------------------------------------------------------------- discovering


def abstract_of(engine: registry.Engine, x: Any) -> Any:
    """A leaf with only its shape and dtype; what is no tensor stays."""
    if isinstance(x, AbstractTensor):
        return AbstractTensor(tuple(x.shape), x.dtype)
    if engine.is_tensor(x):
        shape = tuple(n if isinstance(n, int) else None for n in engine.shape(x))
        return AbstractTensor(shape, engine.dtype(x))
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return registry.load("abstract").tensor(x, None)
    return x


def discover(fn: Callable, args: tuple) -> tuple[Any, Scope]:
    """Run `fn` for its shapes only; gives (abstract result, the Scope it ran in).

    The Scope tells what was read and assigned.  Nothing that happens inside lasts but the making
    of Variables (layers build, optimizers make their slots).
    """
    engine = registry.active()
    abstract = registry.load("abstract")
    specs = tree.map(functools.partial(abstract_of, engine), args)
    try:
        with registry.use(abstract), NotRecording(), Scope(isolated=True) as scope:
            return fn(*specs), scope
    except Exception as error:
        reason = needs_engine(error)
        if engine is abstract or reason is None:
            raise
    used: list[Scope] = []

    def run(*tensors: Any) -> Any:  # maybe more than once, each time with tracers of its own
        with NotRecording(), Scope(isolated=True) as scope:
            used.append(scope)
            return fn(*tensors)

    return _evaluated(engine, run, specs, reason), used[-1]


def _evaluated(engine: registry.Engine, fn: Callable, specs: tuple, reason: NeedsEngine) -> Any:
    try:
        return engine.eval_shape(fn, specs)
    except Exception as error:
        if needs_engine(error) in (None, reason):  # an error of its own, come while handling that
            raise
        raise reason from None


def abstract_shapes(fn: Callable, specs: list) -> Any:
    """Abstract results of a function of abstract tensors; its assignments are thrown away."""
    with registry.use(registry.load("abstract")), NotRecording(), Scope(isolated=True):
        return fn(*specs)


def engine_shapes(fn: Callable, specs: list, reason: NeedsEngine) -> Any:
    """Abstract results of a function that calls a native framework, from the engine itself."""
    engine = registry.active()
    if engine.capabilities["abstract"]:
        engine = registry.process()
    with registry.use(engine), NotRecording(), Scope(isolated=True):
        found = _evaluated(engine, fn, tuple(specs), reason)
    return tree.map(functools.partial(abstract_of, engine), found)


def assigned_by(*calls: tuple[Callable, tuple]) -> list[Any]:
    """The Variables that the given (function, arguments) calls assign, in order, each once."""
    found: dict[Any, None] = {}
    for fn, args in calls:
        found.update(discover(fn, args)[1].assigned)
    return list(found)


def threaded(fn: Callable, variables: list) -> Callable:
    """``pure(values, *args) -> (result, values after)`` of a body that assigns `variables`."""

    def pure(values: Iterable, *args: Any) -> tuple[Any, list]:
        with Scope(dict(zip(variables, values))) as scope:
            result = fn(*args)
        return result, [scope.values[variable] for variable in variables]

    return pure


def _values(variables: list) -> list:
    return list(builtins.map(read, variables))


def _commit(variables: list, values: Iterable) -> None:
    for variable, value in zip(variables, values):
        variable.assign(value)


def _tensors(x: Any) -> Any:
    """A tree's arrays, scalars and Variables as tensors of the active engine."""
    engine = registry.active()
    return tree.map(lambda leaf: op.convert(engine, leaf, None), x)


# ------------------------------------------------------------------------------------- gradients


def value_and_grad(
    fn: Callable, variables: Iterable | None = None, has_aux: bool = False
) -> Callable:
    """A function that gives `fn`'s value and its gradient.

    Args:
        fn: gives a scalar loss, or with `has_aux` ``(loss, aux)``; it may read and assign
            Variables (assignments are kept).
        variables: Variables to differentiate with respect to; None: the first argument of `fn`, a
            tree of tensors.
        has_aux: `fn` gives something besides the loss that is passed on.

    Returns:
        ``(loss, grads)``, or ``((loss, aux), grads)``; `grads` is a list like `variables` (None
        where the loss does not depend on one), or a tree like the first argument.

    Raises:
        ValueError: when the loss is not a scalar.
    """
    chosen = None if variables is None else list(variables)

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        engine = registry.active()
        _need_gradients(engine)
        assigned: list = []
        if chosen is None:
            leaves, structure = tree.flatten(_tensors(args[0]))
        else:
            leaves = _values(chosen)

        def pure(*values: Any) -> tuple[Any, Any]:
            overlay = dict(zip(chosen, values)) if chosen is not None else {}
            given = (
                args if chosen is not None else (tree.unflatten(structure, list(values)), *args[1:])
            )
            with Scope(overlay) as scope:
                result = fn(*given, **kwargs)
            loss, aux = result if has_aux else (result, None)
            loss = op.convert(engine, loss, None)
            if tuple(engine.shape(loss)) != ():
                raise ValueError(
                    "the gradient of a scalar was asked for, but the loss has shape "
                    f"{tuple(engine.shape(loss))}; reduce it, e.g. with ops.mean"
                )
            changes = scope.changes()
            assigned[:] = [variable for variable, _ in changes]
            return loss, (aux, [value for _, value in changes])

        loss, pullback, (aux, values) = engine.vjp(pure, tuple(leaves))
        grads = pullback(engine.full((), 1.0, engine.dtype(loss)))
        _commit(assigned, values)
        result = list(grads) if chosen is not None else tree.unflatten(structure, list(grads))
        return ((loss, aux) if has_aux else loss), result

    return run


def grad(fn: Callable, variables: Iterable | None = None) -> Callable:
    """Like `value_and_grad`, giving the gradient alone."""
    both = value_and_grad(fn, variables)

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return run


def value_and_gradients_function(f: Callable, params: Iterable | None = None) -> Callable:
    """A function that gives `f`'s value and its gradients for the arguments.

    Derivatives of any order are had by nesting.

    Args:
        f: function of tensors, or trees of them, that gives a tensor or a tree; it may read and
            assign Variables.
        params: names or positions of the arguments to differentiate for; None: all positional ones.

    Returns:
        ``g(*args, dy=None) -> (value, [gradients])``, where each gradient is like its argument,
        None where the value does not depend on it; the value's entries are summed, with the factors
        `dy` (a tree like the value) if there are any.

    Raises:
        ValueError: for a name that `f` does not have, and arguments that are not floating.
    """
    chosen = None if params is None else list(params)

    @functools.wraps(f)
    def run(*args: Any, dy: Any = None, **kwargs: Any) -> tuple[Any, list]:
        engine = registry.active()
        _need_gradients(engine)
        where = _positions(f, chosen, args)
        names = _argument_names(f)
        given = [_tensors(args[i]) for i in where]
        leaves, structure = tree.flatten(given)
        for i, value in zip(where, given):
            for leaf in tree.leaves(value):
                if not dtypes.is_float(engine.dtype(leaf)):
                    title = repr(names[i]) if i < len(names) else i
                    raise ValueError(
                        f"the argument {title} is {engine.dtype(leaf)}; only floating ones have "
                        "gradients: give a float, or leave it out by params="
                    )
        assigned: list = []

        def pure(*values: Any) -> tuple[Any, list]:
            now = list(args)
            for i, value in zip(where, tree.unflatten(structure, list(values))):
                now[i] = value
            with Scope() as scope:
                result = _tensors(f(*now, **kwargs))
            changes = scope.changes()
            assigned[:] = [variable for variable, _ in changes]
            return result, [value for _, value in changes]

        result, pullback, values = engine.vjp(pure, tuple(leaves))
        if dy is None:
            ones = tree.map(lambda x: engine.full(engine.shape(x), 1.0, engine.dtype(x)), result)
        else:
            ones = tree.map(lambda c, x: op.convert(engine, c, engine.dtype(x)), dy, result)
        grads = tree.unflatten(structure, list(pullback(ones)))
        _commit(assigned, values)
        return result, grads

    return run


def gradients_function(f: Callable, params: Iterable | None = None) -> Callable:
    """Like `value_and_gradients_function`, giving the list of gradients alone."""
    both = value_and_gradients_function(f, params)

    @functools.wraps(f)
    def run(*args: Any, **kwargs: Any) -> list:
        return both(*args, **kwargs)[1]

    return run


def _argument_names(f: Callable) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):  # a builtin
        return []


def _positions(f: Callable, chosen: list | None, args: tuple) -> list[int]:
    """The positions of the arguments that are named by name or position."""
    if chosen is None:
        return list(range(len(args)))
    names = _argument_names(f)
    found = [names.index(p) if p in names else p for p in chosen]
    for p in found:
        if not isinstance(p, int) or not 0 <= p < len(args):
            raise ValueError(
                f"params names {p!r}, but the function was called with {len(args)} positional "
                f"arguments; their names: {', '.join(names)}"
            )
    return found


def _need_gradients(engine: registry.Engine) -> None:
    if not engine.capabilities["differentiates"]:
        raise known.without(engine, "differentiates")


def stop_gradient(variable: Any) -> Any:
    """`variable` (tensor or tree), with gradient zero."""
    return tree.map(_stop_one, variable)


@op.op
def _stop_one(x: op.Tensor) -> Any:
    return registry.active().stop_gradient(x)


def custom_gradient(f: Callable) -> Callable:
    """A function with a gradient of its own.

    Args:
        f: ``f(*tensors) -> (result, grad)`` with ``grad(cotangent)`` giving one gradient (or a
            tuple of them) for the arguments.
    """

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        _refuse_symbolic("custom_gradient", args)
        engine = registry.active()
        assigned = assigned_by((f, args))

        def body(*tensors: Any) -> tuple[Any, Callable]:
            kept: list = []

            def forward(*xs: Any) -> Any:
                result, gradient = f(*xs)
                kept[:] = [gradient]
                return result

            result, after = threaded(forward, assigned)(_values(assigned), *tensors)

            def pullback(cotangent: Any) -> tuple:
                grads = kept[0](cotangent[0])
                return tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)

            return (result, after), pullback

        result, after = engine.custom_gradient(body)(*_tensors(args))
        _commit(assigned, after)
        return result

    return call


def checkpoint(fn: Callable) -> Callable:
    """`fn`, whose intermediate results are computed again for the gradient instead of kept."""

    @functools.wraps(fn)
    def call(*args: Any) -> Any:
        _refuse_symbolic("checkpoint", args)
        assigned = assigned_by((fn, args))
        pure, here = threaded(fn, assigned), contextvars.copy_context()
        # when it is computed again, the scopes of now are to be around it
        again = registry.active().checkpoint(lambda *given: here.run(pure, *given))
        result, after = again(_values(assigned), *_tensors(args))
        _commit(assigned, after)
        return result

    return call


# ---------------------------------------------------------------------------------- control flow


def cond(pred: Any, true_fn: Callable, false_fn: Callable) -> Any:
    """``true_fn()`` if the scalar `pred` holds, else ``false_fn()``.

    Both give trees of equal structure, shapes and dtypes, and may assign Variables.
    """
    _refuse_symbolic("cond", pred)
    engine = registry.active()
    assigned = assigned_by((true_fn, ()), (false_fn, ()))
    yes, no = threaded(true_fn, assigned), threaded(false_fn, assigned)
    pred = op.convert(engine, pred, "bool")
    result, after = engine.cond(pred, lambda *v: yes(v), lambda *v: no(v), tuple(_values(assigned)))
    _commit(assigned, after)
    return result


def while_loop(
    cond: Callable, body: Callable, loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """``while cond(*loop_vars): loop_vars = body(*loop_vars)``.

    Args:
        cond: gives a scalar bool.
        body: gives new loop variables of the same shapes and dtypes.
        loop_vars: tuple or list of trees of tensors, or one tensor.
        maximum_iterations: stop after so many rounds at the latest.
    """
    single = not isinstance(loop_vars, (list, tuple))
    _refuse_symbolic("while_loop", loop_vars)
    state = _tensors((loop_vars,) if single else tuple(loop_vars))
    assigned = assigned_by((body, state))
    pure = threaded(body, assigned)
    engine = registry.active()
    limit = None if maximum_iterations is None else engine.tensor(maximum_iterations, "int32")

    def go_on(count: Any, values: Any, state: Any) -> Any:
        with Scope(dict(zip(assigned, values)), forbid="the condition of while_loop"):
            more = op.convert(engine, cond(*state), "bool")
        return more if limit is None else engine.logical_and(more, engine.less(count, limit))

    def step(count: Any, values: Any, state: Any) -> tuple:
        result, after = pure(values, *state)
        result = _tensors((result,) if single else tuple(result))
        return engine.add(count, 1), after, result

    start = (engine.tensor(0, "int32"), _values(assigned), state)
    _, after, state = engine.while_loop(go_on, step, start)
    _commit(assigned, after)
    return state[0] if single else type(loop_vars)(state)


def fori_loop(lower: Any, upper: Any, body_fun: Callable, init_val: Any) -> Any:
    """``for i in range(lower, upper): val = body_fun(i, val)``, bounds may be tensors."""
    engine = registry.active()
    upper = op.convert(engine, upper, "int32")
    lower = op.convert(engine, lower, "int32")

    def step(i: Any, val: Any) -> tuple:
        return OPS["add"](i, 1), body_fun(i, val)

    return while_loop(lambda i, _: OPS["less"](i, upper), step, (lower, init_val))[1]


def scan(
    f: Callable,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> tuple[Any, Any]:
    """``carry, y = f(carry, x)`` over the leading axis of `xs`.

    Args:
        f: function of (carry, x); may assign Variables, which are carried along.
        init: tree, the first carry.
        xs: tree of tensors of one leading length, or None with `length`.
        reverse: from the last to the first (the ys stay in the order of xs).
        unroll: accepted for Keras's sake; how a loop is unrolled is the engine's own matter.

    Returns:
        (last carry, tree of ys stacked on a new leading axis).
    """
    _refuse_symbolic("scan", (init, xs))
    engine = registry.active()
    init, xs = _tensors(init), _tensors(xs)
    leaves = tree.leaves(xs)
    if not leaves and length is None:
        raise ValueError("scan needs xs or length")
    first = tree.map(lambda x: engine.slice(x, (0,)), xs) if leaves else None
    assigned = assigned_by((f, (init, first)))
    pure = threaded(f, assigned)

    def body(carry: Any, x: Any) -> tuple:
        values, state = carry
        (state, y), after = pure(values, state, x)
        return (after, _tensors(state)), _tensors(y)

    steps = length if length is not None else engine.shape(leaves[0])[0]
    (after, carry), ys = engine.scan(body, (_values(assigned), init), xs, steps, reverse)
    _commit(assigned, after)
    return carry, ys


def vectorized_map(function: Callable, elements: Any) -> Any:
    """`function` applied to each entry of the leading axis of the tree `elements`, at once.

    Raises:
        ValueError: when `function` assigns a Variable; the message names it.
    """

    def mapped(x: Any) -> Any:
        with Scope(forbid="vectorized_map"):
            return function(x)

    _refuse_symbolic("vectorized_map", elements)
    return registry.active().vmap(mapped, 0, 0)(_tensors(elements))


def map(f: Callable, xs: Any) -> Any:
    """`f` applied to each entry of the leading axis of the tree `xs`, one after the other."""
    return scan(lambda _, x: (None, f(x)), None, xs)[1]


def switch(index: Any, branches: list[Callable], *operands: Any) -> Any:
    """``branches[index](*operands)``; an index outside is moved to the nearest branch."""
    if len(branches) == 1:
        return branches[0](*operands)
    engine = registry.active()
    first = engine.less(op.convert(engine, index, "int32"), 1)
    rest = engine.subtract(op.convert(engine, index, "int32"), 1)
    return cond(
        first,
        lambda: branches[0](*operands),
        lambda: switch(rest, branches[1:], *operands),
    )


def _refuse_symbolic(name: str, args: Any) -> None:
    if recording() is not None or any(is_symbolic(leaf) for leaf in tree.leaves(args)):
        raise NotRecordable(
            f"{name} takes functions, whose bodies a graph of symbolic tensors cannot see; put the "
            f"call to {name} into a layer's call method (or a Lambda layer)"
        )


__all__ = [
    "checkpoint",
    "cond",
    "custom_gradient",
    "fori_loop",
    "grad",
    "gradients_function",
    "map",
    "scan",
    "stop_gradient",
    "switch",
    "value_and_grad",
    "value_and_gradients_function",
    "vectorized_map",
    "while_loop",
]
