"""Gradients, control flow and mapping over functions that read and assign Variables.

An engine's transforms take pure functions only.  Here is the one place that makes them pure: a
body's effects (effects.py) are collected in a `Scope` and handed on as extra results (gradients,
checkpoint), as extra carry (loops: losses are summed), or merged (branches: what one of them lacks
is 0).  Under a map assignments are refused by the Variable's name.  Which effects a body has is
found by running it once on abstract tensors; `Layout` says how they go through as one tree.
"""

from __future__ import annotations

import builtins
import contextvars
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from tricorn import dtypes, tree
from tricorn.arithmetic import OPS
from tricorn.engines import known, registry
from tricorn.engines.abstract import AbstractTensor, NeedsEngine, needs_engine
from tricorn.graph import op
from tricorn.graph.bodies import with_functions
from tricorn.graph.calls import any_masks, get_mask, hand_on, set_mask
from tricorn.graph.effects import Effects
from tricorn.graph.scope import Scope, current, read
from tricorn.graph.symbolic import NotRecordable, NotRecording, is_symbolic, recording
from tricorn.graph.turns import making

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
    of Variables (layers build, optimizers make their slots), which threads do one after the other.
    """
    scope = current()
    if scope is not None and scope.frozen:  # a program runs, nothing is made
        return _discover(fn, args)
    with making():
        return _discover(fn, args)


def _discover(fn: Callable, args: tuple) -> tuple[Any, Scope]:
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


def layout_of(*calls: tuple[Callable, tuple]) -> Layout:
    """The effects of any of the given (function, arguments) calls, of which nothing is computed."""
    runs = [discover(fn, args) for fn, args in calls]
    layout = Layout(registry.load("abstract"), [scope.effects for _, scope in runs])
    if len(runs) > 1:  # a mask goes through where each of the functions gives one
        rows = [[_has_mask(scope.effects, x) for x in tree.leaves(out)] for out, scope in runs]
        layout.masked = [all(column) for column in zip(*rows)]
    return layout


def _has_mask(effects: Effects, leaf: Any) -> bool:
    found = effects.masks.get(id(leaf))
    return (get_mask(leaf) if found is None else found[1]) is not None


class Layout:
    """How effects go through a pure function as a tree of tensors.

    Args:
        engine: that of the tensors in the records.
        found: the records of one run of the body, or of several, whose effects are united.
    """

    def __init__(self, engine: registry.Engine, found: Sequence[Effects]) -> None:
        #: which leaves of the result have a mask in every run, None: as it comes
        self.masked: list[bool] | None = None
        #: the Variables that are assigned
        self.variables = list(dict.fromkeys(v for effects in found for v in effects.assigned))
        self.cleared = list(dict.fromkeys(la for effects in found for la in effects.cleared))
        #: layer -> the dtypes of its losses, of the run that adds most
        self.losses: dict[Any, list[str]] = {}
        for effects in found:
            for layer, losses in effects.losses.items():
                kinds = [engine.dtype(op.convert(engine, x, None)) for x in losses]
                self.losses[layer] = max(self.losses.get(layer, []), kinds, key=len)
        metrics = [[(layer, name) for layer, name, _ in effects.metrics] for effects in found]
        self.metrics = max(metrics, key=len, default=[])
        #: (layer, attribute) -> shapes of what it is set to, in every run alike
        self.kept = {
            key: tree.map(functools.partial(abstract_of, engine), value)
            for key, value in found[0].kept.items()
        }
        for effects in found[1:]:
            for key, shapes in list(self.kept.items()):
                other = effects.kept.get(key)
                if not _alike(shapes, tree.map(functools.partial(abstract_of, engine), other)):
                    del self.kept[key]

    def before(self) -> tuple:
        """What goes into a body that runs once: the Variables' tensors."""
        return tuple(builtins.map(read, self.variables))

    def pure(self, fn: Callable) -> Callable:
        """``run(values, *args) -> (result, effects)``: `fn` with the Variables' tensors given."""

        def run(values: Iterable, *args: Any) -> tuple[Any, tuple]:
            with Scope(dict(zip(self.variables, values))) as scope:
                result = fn(*args)
                return result, self.collect(scope, result)

        return run

    def collect(self, scope: Scope, result: Any, scalar: bool = True) -> tuple:
        """The tensors of a scope's effects: (Variables' values, losses, metrics, kept, masks of the
        result)."""
        engine, effects = registry.active(), scope.effects
        losses = []
        for layer, kinds in self.losses.items():
            given = [op.convert(engine, x, k) for x, k in zip(effects.losses.get(layer, ()), kinds)]
            if scalar:
                given = [_total(engine, x) for x in given]
            missing = kinds[len(given) :]
            losses.append([*given, *[engine.full((), 0, kind) for kind in missing]])
        values = [scope.values[variable] for variable in self.variables]
        metrics = [value for _, _, value in effects.metrics]
        kept = [effects.kept[key] for key in self.kept]
        masks = masks_of(result)
        if self.masked is not None:
            masks = [m if both else None for m, both in zip(masks, self.masked)]
        return values, losses, metrics, kept, masks

    # Of a loop the Variables' values, the sums of the losses and what is kept last are carried from
    # round to round.

    def start(self) -> tuple:
        """What is carried into the first round."""
        engine = registry.active()
        losses = [[engine.full((), 0, k) for k in kinds] for kinds in self.losses.values()]
        self.kept = {key: x for key, x in self.kept.items() if _is_known(x)}
        kept = [tree.map(lambda x: engine.full(x.shape, 0, x.dtype), x) for x in self.kept.values()]
        return list(self.before()), losses, kept

    def round(self, fn: Callable, carried: tuple, *args: Any) -> tuple[Any, tuple]:
        """One round: (result, what is carried on)."""
        result, (values, losses, _, kept, _) = self.pure(fn)(carried[0], *args)
        sums = tree.map(registry.active().add, carried[1], losses)
        return result, (values, sums, kept)

    def end(self, carried: tuple) -> None:
        """Let what was carried out of the last round happen."""
        values, losses, kept = carried
        self.commit((values, losses, [], kept, []), None)

    def summed(self, effects: tuple) -> tuple:
        """The effects of a mapped body, whose tensors have one more axis in front: losses are
        summed over it."""
        values, losses, metrics, kept, masks = effects
        engine = registry.active()
        losses = tree.map(functools.partial(_total, engine), losses)
        return values, losses, metrics, kept, masks

    def commit(self, effects: tuple, result: Any) -> None:
        """Let effects that came out of a pure function happen in what is around."""
        values, losses, metrics, kept, masks = effects
        record = Effects()
        record.assigned.update(zip(self.variables, values))
        record.cleared.update(dict.fromkeys(self.cleared))
        record.losses.update(zip(self.losses, losses))
        record.metrics += [(la, name, x) for (la, name), x in zip(self.metrics, metrics)]
        record.kept.update(zip(self.kept, kept))
        hand_on(record)
        give_masks(result, masks)


def _total(engine: registry.Engine, x: Any) -> Any:
    rank = len(engine.shape(x))
    return engine.sum(x, tuple(range(rank)), False) if rank else x


def _is_known(shapes: Any) -> bool:
    """Whether all sizes in a tree of abstract tensors are known."""
    return None not in [n for x in tree.leaves(shapes) for n in x.shape]


def _alike(a: Any, b: Any) -> bool:
    """Whether trees of abstract tensors have one structure, shapes and dtypes."""
    if tree.structure(a) != tree.structure(b):
        return False
    pairs = zip(tree.leaves(a), tree.leaves(b))
    return all((x.shape, x.dtype) == (y.shape, y.dtype) for x, y in pairs)


def masks_of(x: Any) -> list:
    """The masks that travel with the leaves of a tree; an empty list where there are none."""
    masks = [get_mask(leaf) for leaf in tree.leaves(x)] if any_masks() else []
    return masks if any(mask is not None for mask in masks) else []


def give_masks(x: Any, masks: Sequence) -> None:
    """Let masks, as `masks_of` gives them, travel with the leaves of a tree like that one."""
    for leaf, mask in zip(tree.leaves(x), masks):
        if mask is not None:
            set_mask(leaf, mask)


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

    Example:
        >>> v = keras.Variable([1.0, 2.0])
        >>> keras.value_and_grad(lambda: keras.ops.sum(v * v), [v])()
        (Array(5., dtype=float32), [Array([2., 4.], dtype=float32)])
    """
    chosen = None if variables is None else list(variables)

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        engine = registry.active()
        _need_gradients(engine)
        layout: Any = None
        if chosen is None:
            leaves, structure = tree.take_apart(_tensors(args[0]))
            masks = masks_of(args[0])
        else:
            leaves, masks = list(builtins.map(read, chosen)), []

        def pure(*values: Any) -> tuple[Any, Any]:
            nonlocal layout
            overlay = dict(zip(chosen, values)) if chosen is not None else {}
            given = (
                args if chosen is not None else (tree.unflatten(structure, list(values)), *args[1:])
            )
            with Scope(overlay) as scope:
                give_masks(given[0] if masks else (), masks)
                result = fn(*given, **kwargs)
                loss, aux = result if has_aux else (result, None)
                loss = op.convert(engine, loss, None)
                layout = Layout(engine, [scope.effects])
                effects = layout.collect(scope, aux, scalar=False)
            if tuple(engine.shape(loss)) != ():
                raise ValueError(
                    "the gradient of a scalar was asked for, but the loss has shape "
                    f"{tuple(engine.shape(loss))}; reduce it, e.g. with ops.mean"
                )
            return loss, (aux, effects)

        loss, pullback, (aux, effects) = engine.vjp(pure, tuple(leaves))
        grads = pullback(engine.full((), 1.0, engine.dtype(loss)))
        layout.commit(effects, aux)
        result = list(grads) if chosen is not None else tree.unflatten(structure, list(grads))
        return ((loss, aux) if has_aux else loss), result

    return run


def grad(fn: Callable, variables: Iterable | None = None) -> Callable:
    """Like `value_and_grad` of `fn` by `variables`, giving the gradient alone.

    Example:
        >>> keras.grad(lambda x: keras.ops.sum(x**3))(np.array([1.0, 2.0], "float32"))
        Array([ 3., 12.], dtype=float32)
    """
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

    Example:
        >>> keras.value_and_gradients_function(lambda x, y: x * x * y, ["y"])(3.0, 5.0)
        (Array(45., dtype=float32), [Array(9., dtype=float32)])
    """
    chosen = None if params is None else list(params)

    @functools.wraps(f)
    def run(*args: Any, dy: Any = None, **kwargs: Any) -> tuple[Any, list]:
        engine = registry.active()
        _need_gradients(engine)
        where = _positions(f, chosen, args)
        names = _argument_names(f)
        given = [_tensors(args[i]) for i in where]
        leaves, structure = tree.take_apart(given)
        for i, value in zip(where, given):
            for leaf in tree.leaves(value):
                if not dtypes.is_float(engine.dtype(leaf)):
                    title = repr(names[i]) if i < len(names) else i
                    raise ValueError(
                        f"the argument {title} is {engine.dtype(leaf)}; only floating ones have "
                        "gradients: give a float, or leave it out by params="
                    )
        layout: Any = None
        masks = masks_of([args[i] for i in where])

        def pure(*values: Any) -> tuple[Any, tuple]:
            nonlocal layout
            now = list(args)
            moving = tree.unflatten(structure, list(values))
            for i, value in zip(where, moving):
                now[i] = value
            with Scope() as scope:
                give_masks(moving, masks)
                result = f(*now, **kwargs)
                layout = Layout(engine, [scope.effects])
                effects = layout.collect(scope, result, scalar=False)
                return _tensors(result), effects

        result, pullback, effects = engine.vjp(pure, tuple(leaves))
        if dy is None:
            ones = tree.map(lambda x: engine.full(engine.shape(x), 1.0, engine.dtype(x)), result)
        else:
            ones = tree.map(lambda c, x: op.convert(engine, c, engine.dtype(x)), dy, result)
        grads = tree.unflatten(structure, list(pullback(ones)))
        layout.commit(effects, result)
        return result, grads

    return run


def gradients_function(f: Callable, params: Iterable | None = None) -> Callable:
    """Like `value_and_gradients_function` of `f` by `params`, giving the list of gradients
    alone.

    Example:
        >>> keras.gradients_function(lambda x, y: x * x * y)(3.0, 5.0)
        [Array(30., dtype=float32), Array(9., dtype=float32)]
    """
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
    """`variable` (tensor or tree), with gradient zero.

    Example:
        >>> keras.ops.stop_gradient([1.0, 2.0])
        [Array(1., dtype=float32), Array(2., dtype=float32)]
    """
    return tree.map(_stop_one, variable)


@op.op
def _stop_one(x: op.Tensor) -> Any:
    return registry.active().stop_gradient(x)


def custom_gradient(f: Callable) -> Callable:
    """A function with a gradient of its own.

    Args:
        f: ``f(*tensors) -> (result, grad)`` with ``grad(cotangent)`` giving one gradient (or a
            tuple of them) for the arguments.

    Example:
        >>> @keras.ops.custom_gradient
        ... def double(x):
        ...     return 2 * x, lambda upstream: 2 * upstream
        >>> double(np.array([1.0, 2.0], "float32"))
        Array([2., 4.], dtype=float32)
    """

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        _refuse_symbolic("custom_gradient", args)
        engine = registry.active()
        layout, masks = layout_of((_masked(f, args), args)), masks_of(args)

        def body(*tensors: Any) -> tuple[Any, Callable]:
            kept: list = []

            def forward(*xs: Any) -> Any:
                give_masks(xs, masks)
                result, gradient = f(*xs)
                kept[:] = [gradient]
                return result

            result, effects = layout.pure(forward)(layout.before(), *tensors)

            def pullback(cotangent: Any) -> tuple:
                grads = kept[0](cotangent[0])
                return tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)

            return (result, effects), pullback

        result, effects = engine.custom_gradient(body)(*_tensors(args))
        layout.commit(effects, result)
        return result

    return call


def jvp(fun: Callable, primals: Sequence, tangents: Sequence, has_aux: bool = False) -> tuple:
    """The value of a function, and its derivative along a direction.

    Args:
        fun: function of tensors, or trees of them, that gives a tensor or a tree; with `has_aux`
            ``(result, aux)``.  It may read and assign Variables.
        primals: its arguments.
        tangents: the direction: a sequence like `primals`.
        has_aux: `fun` gives something besides the result that is passed on.

    Returns:
        ``(result, derivative)``, two trees of one kind; with `has_aux` ``(result, derivative,
        aux)``.

    Raises:
        ValueError: when `tangents` has not the structure of `primals`.

    Example:
        >>> keras.ops.jvp(lambda x: x * x, (np.float32(3.0),), (np.float32(1.0),))
        (Array(9., dtype=float32), Array(6., dtype=float32))
    """
    _refuse_symbolic("jvp", (tuple(primals), tuple(tangents)))
    engine = registry.active()
    _need_gradients(engine)
    points, masks = _tensors(tuple(primals)), masks_of(tuple(primals))
    if tree.structure(tuple(tangents)) != tree.structure(tuple(primals)):
        raise ValueError(f"jvp: tangents like the primals expected, got {tangents} for {primals}")
    direction = tree.map(
        lambda t, x: op.convert(engine, t, engine.dtype(x)), tuple(tangents), points
    )
    layout: Any = None

    def pure(*values: Any) -> tuple:
        nonlocal layout
        with Scope() as scope:
            give_masks(values, masks)
            result = fun(*values)
            layout = Layout(engine, [scope.effects])
            return _tensors(result), layout.collect(scope, result, scalar=False)

    (result, effects), (moved, _) = engine.jvp(pure, points, direction)
    layout.commit(effects, result)
    return (result[0], moved[0], result[1]) if has_aux else (result, moved)


def checkpoint(f: Callable) -> Callable:
    """`f`, whose intermediate results are computed again for the gradient instead of kept.

    Example:
        >>> layer = keras.layers.Dense(3)
        >>> lean = keras.remat(layer)  # computed again in the backward pass
        >>> lean(np.ones((2, 4), "float32")).shape
        (2, 3)
    """

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        _refuse_symbolic("checkpoint", args)
        masked = _masked(f, args)
        layout = layout_of((masked, args))
        pure, here = layout.pure(masked), contextvars.copy_context()
        # when it is computed again, the scopes of now are to be around it
        again = registry.active().checkpoint(lambda *given: here.run(pure, *given))
        result, effects = again(layout.before(), *_tensors(args))
        layout.commit(effects, result)
        return result

    return call


def _masked(fn: Callable, args: tuple) -> Callable:
    """`fn`, to be called on other tensors in the place of `args`: their masks go with those."""
    masks = masks_of(args)

    def run(*tensors: Any) -> Any:
        give_masks(tensors, masks)
        return fn(*tensors)

    return run if masks else fn


# ---------------------------------------------------------------------------------- control flow


def cond(pred: Any, true_fn: Callable, false_fn: Callable) -> Any:
    """``true_fn()`` if the scalar `pred` holds, else ``false_fn()``.

    Both give trees of equal structure, shapes and dtypes, and may assign Variables.

    Example:
        >>> keras.ops.cond(True, lambda: keras.ops.ones(2), lambda: keras.ops.zeros(2))
        Array([1., 1.], dtype=float32)
    """
    if _of_graph("cond", pred):
        return with_functions(cond, pred, [(true_fn, ()), (false_fn, ())])
    layout = layout_of((true_fn, ()), (false_fn, ()))
    result, effects = branch(pred, true_fn, false_fn, layout)
    layout.commit(effects, result)
    return result


def branch(pred: Any, true_fn: Callable, false_fn: Callable, layout: Layout) -> tuple[Any, tuple]:
    """`cond` of functions whose effects are known: (result, effects)."""
    engine = registry.active()
    yes, no = layout.pure(true_fn), layout.pure(false_fn)
    pred = op.convert(engine, pred, "bool")
    return engine.cond(pred, lambda *v: yes(v), lambda *v: no(v), layout.before())


def while_loop(
    cond: Callable, body: Callable, loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """``while cond(*loop_vars): loop_vars = body(*loop_vars)``.

    Args:
        cond: gives a scalar bool.
        body: gives new loop variables of the same shapes and dtypes.
        loop_vars: tuple or list of trees of tensors, or one tensor.
        maximum_iterations: stop after so many rounds at the latest.

    Example:
        >>> keras.ops.while_loop(lambda i: i < 10, lambda i: (i * 2,), (1,))
        (Array(16, dtype=int32),)
    """
    single = not isinstance(loop_vars, (list, tuple))
    if _of_graph("while_loop", loop_vars):
        examples = (loop_vars,) if single else tuple(loop_vars)
        run = lambda now, more, step: while_loop(more, step, now, maximum_iterations)
        return with_functions(run, loop_vars, [(cond, examples), (body, examples)])
    state = _tensors((loop_vars,) if single else tuple(loop_vars))
    layout = layout_of((body, state))
    engine = registry.active()
    limit = None if maximum_iterations is None else engine.tensor(maximum_iterations, "int32")

    def go_on(count: Any, effects: Any, state: Any) -> Any:
        values = dict(zip(layout.variables, effects[0]))
        with Scope(values, forbid="the condition of while_loop"):
            more = op.convert(engine, cond(*state), "bool")
        return more if limit is None else engine.logical_and(more, engine.less(count, limit))

    def step(count: Any, effects: tuple, state: Any) -> tuple:
        result, effects = layout.round(body, effects, *state)
        several = isinstance(result, (list, tuple)) and not single
        return engine.add(count, 1), effects, _tensors(tuple(result) if several else (result,))

    start = (engine.tensor(0, "int32"), layout.start(), state)
    _, effects, state = engine.while_loop(go_on, step, start)
    layout.end(effects)
    return state[0] if single else type(loop_vars)(state)


def fori_loop(lower: Any, upper: Any, body_fun: Callable, init_val: Any) -> Any:
    """``for i in range(lower, upper): val = body_fun(i, val)``, from `init_val` on; bounds may be
    tensors.

    Example:
        >>> keras.ops.fori_loop(0, 4, lambda i, total: total + i, 0)
        Array(6, dtype=int32)
    """
    if _of_graph("fori_loop", (lower, upper, init_val)):
        run = lambda now, body: fori_loop(now[0], now[1], body, now[2])
        index = AbstractTensor((), "int32")
        return with_functions(run, (lower, upper, init_val), [(body_fun, (index, init_val))])
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

    Example:
        >>> add = lambda total, x: (total + x, total + x)
        >>> keras.ops.scan(add, 0.0, np.array([1.0, 2.0, 3.0], "float32"))
        (Array(6., dtype=float32), Array([1., 3., 6.], dtype=float32))
    """
    if _of_graph("scan", (init, xs)):
        run = lambda now, f: scan(f, now[0], now[1], length, reverse)
        return with_functions(run, (init, xs), [(f, (init, tree.map(_entry, xs)))])
    engine = registry.active()
    init, xs = _tensors(init), _tensors(xs)
    leaves = tree.leaves(xs)
    if not leaves and length is None:
        raise ValueError("scan needs xs or length")
    first = tree.map(lambda x: engine.slice(x, (0,)), xs) if leaves else None
    masks = masks_of(xs)
    row_masks = [None if m is None else engine.slice(m, (0,)) for m in masks]

    def masked(state: Any, x: Any, row: Sequence) -> Any:
        give_masks(x, row)
        state, y = f(state, x)
        return _tensors(state), _tensors(y), masks_of(y)

    layout = layout_of((masked, (init, first, row_masks)))

    def body(carry: tuple, x: Any) -> tuple:
        (state, y, of_y), effects = layout.round(masked, carry[0], carry[1], *x)
        return (effects, state), (y, of_y)

    steps = length if length is not None else engine.shape(leaves[0])[0]
    (effects, carry), (ys, of_ys) = engine.scan(
        body, (layout.start(), init), (xs, masks), steps, reverse
    )
    layout.end(effects)
    give_masks(ys, of_ys)
    return carry, ys


def vectorized_map(function: Callable, elements: Any) -> Any:
    """`function` applied to each entry of the leading axis of the tree `elements`, at once.

    Raises:
        ValueError: when `function` assigns a Variable; the message names it.

    Example:
        >>> keras.ops.vectorized_map(lambda x: keras.ops.sum(x), np.ones((2, 3), "float32"))
        Array([3., 3.], dtype=float32)
    """

    layout: Any = None

    def mapped(x: Any, masks: Sequence) -> tuple:
        nonlocal layout
        with Scope(forbid="vectorized_map") as scope:
            give_masks(x, masks)
            result = function(x)
            layout = Layout(engine, [scope.effects])
            return result, layout.collect(scope, result)

    if _of_graph("vectorized_map", elements):
        run = lambda now, function: vectorized_map(function, now)
        return with_functions(run, elements, [(function, (tree.map(_entry, elements),))])
    engine, elements = registry.active(), _tensors(elements)
    result, effects = engine.vmap(mapped, 0, 0)(elements, masks_of(elements))
    layout.commit(layout.summed(effects), result)
    return result


def map(f: Callable, xs: Any) -> Any:
    """`f` applied to each entry of the leading axis of the tree `xs`, one after the other.

    Example:
        >>> keras.ops.map(lambda x: x * x, np.array([1, 2, 3], "int32"))
        Array([1, 4, 9], dtype=int32)
    """
    if _of_graph("map", xs):
        run = lambda now, f: map(f, now)
        return with_functions(run, xs, [(f, (tree.map(_entry, xs),))])
    return scan(lambda _, x: (None, f(x)), None, xs)[1]


def switch(index: Any, branches: Sequence[Callable], *operands: Any) -> Any:
    """``branches[index](*operands)``; an index outside is moved to the nearest branch.

    Example:
        >>> keras.ops.switch(1, [lambda x: x + 1, lambda x: x * 10], 5)
        50
    """
    if _of_graph("switch", (index, operands)):
        run = lambda now, *functions: switch(now[0], functions, *now[1])
        return with_functions(run, (index, operands), [(f, operands) for f in branches])
    calls = [functools.partial(branch, *operands) for branch in branches]
    layout = layout_of(*((call, ()) for call in calls))
    values = layout.before()
    runs = [functools.partial(layout.pure(call), values) for call in calls]
    result, effects = chosen(index, runs)
    layout.commit(effects, result)
    return result


def chosen(index: Any, functions: Sequence[Callable]) -> Any:
    """``functions[index]()``, of functions that do nothing but compute; an index outside is moved
    to the nearest."""
    _refuse_symbolic("switch", index)
    if len(functions) == 1:
        return functions[0]()
    engine, middle = registry.active(), len(functions) // 2
    first = engine.less(op.convert(engine, index, "int32"), middle)
    rest = engine.subtract(op.convert(engine, index, "int32"), middle)
    halves = (index, functions[:middle]), (rest, functions[middle:])
    return engine.cond(first, *(functools.partial(chosen, *half) for half in halves), ())


def _of_graph(name: str, args: Any) -> bool:
    """Whether a call of an op that takes functions becomes a node of a graph.

    Raises:
        NotRecordable: in the body of a layer, which is a node as a whole then.
    """
    recorder = recording()
    if recorder is not None and hasattr(getattr(recorder.node, "operation", None), "_tricorn"):
        _refuse(name)
    return recorder is not None or any(is_symbolic(leaf) for leaf in tree.leaves(args))


def _entry(x: Any) -> AbstractTensor:
    """What an entry along the first axis looks like."""
    return AbstractTensor(tuple(x.shape)[1:], dtypes.standardize(x.dtype))


def _refuse(name: str) -> NoReturn:
    raise NotRecordable(
        f"{name} takes functions, whose bodies a graph of symbolic tensors cannot see; put the "
        f"call to {name} into a layer's call method (or a Lambda layer)"
    )


def _refuse_symbolic(name: str, args: Any) -> None:
    if recording() is not None or any(is_symbolic(leaf) for leaf in tree.leaves(args)):
        _refuse(name)


__all__ = [
    "checkpoint",
    "chosen",
    "cond",
    "custom_gradient",
    "fori_loop",
    "grad",
    "gradients_function",
    "jvp",
    "map",
    "scan",
    "stop_gradient",
    "switch",
    "value_and_grad",
    "value_and_gradients_function",
    "vectorized_map",
    "while_loop",
]
