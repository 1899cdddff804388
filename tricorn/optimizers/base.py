"""`Optimizer`: from gradients to new values of the variables.

A concrete optimizer says two things about one variable: which slots it keeps (`init`) and how a
gradient changes the variable and its slots (`update`, a pure expression).  Everything else stands
here once: clipping, weight decay, averages, accumulation, constraints, files.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from tricorn import checks, config, conventions, initializers, naming, ops
from tricorn.engines import active
from tricorn.graph.scope import Scope, current, variable_behind
from tricorn.graph.turns import Use
from tricorn.optimizers.schedules import LearningRateSchedule
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Configured
from tricorn.variable import Variable, name_scope


class Common(TypedDict, total=False):
    """The arguments that every optimizer takes, see `Optimizer`."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class OptimizerState:
    """What the library keeps on an optimizer besides Keras's attributes: ``optimizer._tricorn``.

    Attributes:
        places: variable -> its number.
        slots: variable -> name -> what the optimizer keeps for it.
        shared: name -> the scalars that all variables share.
        averages, accumulators: variable -> its moving average, its gradients so far.
        no_decay: variables, and a pattern of names, that are left out of weight decay.
        warned: paths of variables whose missing gradient was told of.
        conventions: the version of Keras that it behaves as.
    """

    def __init__(self) -> None:
        self.places: dict[Variable, int] = {}
        self.slots: dict[Variable, dict[str, Variable]] = {}
        self.shared: dict[str, Variable] = {}
        self.averages: dict[Variable, Variable] = {}
        self.accumulators: dict[Variable, Variable] = {}
        self.no_decay: tuple[set[Variable], re.Pattern | None] = (set(), None)
        self.warned: set[str] = set()
        self.conventions = conventions.MODERN


class Optimizer(Configured):
    """Base of all optimizers.

    Args:
        learning_rate: a number, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: before each update, w ← w - weight_decay · learning_rate · w.
        clipnorm: each gradient's norm is at most this.
        clipvalue: each gradient's entries are within ± this.
        global_clipnorm: the norm of all gradients together is at most this.
        use_ema: keep moving averages of the variables, `finalize_variable_values` puts them in.
        ema_momentum: average ← ema_momentum · average + (1 - ema_momentum) · w.
        ema_overwrite_frequency: also put the averages in every so many updates.
        loss_scale_factor: the loss was multiplied by this (`scale_loss`), gradients are divided.
        gradient_accumulation_steps: update once per so many calls, with the mean gradient.
        name: default is the class name in snake case with a count.

    Attributes:
        built: whether the slots exist.
        variables: iteration, learning rate, averages, accumulators, slots, in the order of files.

    Example:
        >>> optimizer = keras.optimizers.SGD(learning_rate=0.1)
        >>> optimizer.learning_rate = 0.05
        >>> v = keras.Variable([1.0, 2.0])
        >>> optimizer.apply([np.array([1.0, 1.0], "float32")], [v])
        >>> v.numpy()
        array([0.95, 1.95], dtype=float32)
    """

    #: names of slots that stand side by side, variable by variable, in `variables`; the others
    #: stand name by name
    together: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("decay", None) is not None:
            advice = "give an InverseTimeDecay as learning_rate"
            warnings.warn(f"decay is ignored: {advice}", stacklevel=3)
        if kwargs:
            raise ValueError(f"{type(self).__name__} does not know the arguments {sorted(kwargs)}")
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        if sum(value is not None for value in clips.values()) > 1:
            raise ValueError(f"give only one of {', '.join(clips)}, got {clips}")
        if gradient_accumulation_steps is not None:
            checks.integer(self, "gradient_accumulation_steps", gradient_accumulation_steps, 2)
        if use_ema:
            checks.number(self, "ema_momentum", ema_momentum, 0, 1)
        if use_ema and ema_overwrite_frequency is not None:
            checks.integer(self, "ema_overwrite_frequency", ema_overwrite_frequency, 1)
        self.name = checks.name(self, name) or naming.unique(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._variables: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._tricorn = OptimizerState()
        self._iterations = self.add_variable((), dtype="int32", name="iteration")
        self._learning_rate = _as_learning_rate(self, learning_rate)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Show the common arguments in the signature of subclasses that take them by ``**``."""
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            return
        own = list(inspect.signature(cls.__init__).parameters.values())[1:]
        if any(str(p.annotation) in ("Unpack[Common]", "typing.Unpack[Common]") for p in own):
            names = {p.name for p in own}
            base = inspect.signature(Optimizer.__init__).parameters
            common = [base[name] for name in Common.__annotations__ if name not in names]
            keywords = [p.replace(kind=p.KEYWORD_ONLY) for p in common]
            cls.__signature__ = inspect.Signature(own[:-1] + keywords)  # type: ignore[attr-defined]
            told = re.findall(r"^    \w+: .*", inspect.getdoc(Optimizer) or "", re.MULTILINE)
            known = {p.name for p in common}
            lines = "\n".join(line for line in told if line.split(":")[0].strip() in known)
            doc = inspect.cleandoc(cls.__doc__ or "")
            cls.__doc__ = doc.replace("    common: see `Optimizer`.", lines)

    # ----------------------------------------------------------------- what a concrete one defines

    def init(self, variable: Variable) -> dict[str, Any]:
        """The slots of one variable: name -> first value, a number for all entries or an array."""
        return {}

    def update(
        self, value: Any, gradient: Any, learning_rate: Any, slots: dict[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """One update of one variable, as a pure expression.

        Args:
            value, gradient: tensors of one shape and dtype.
            learning_rate: scalar tensor of that dtype.
            slots: name -> tensor, those of `init` and `init_shared`.
            step: number of this update, from 1, a scalar tensor of that dtype.

        Returns:
            (new value, new tensors of the slots of `init`).
        """
        raise NotImplementedError(f"{type(self).__name__} must define update() or update_step()")

    def update_several(
        self,
        values: list,
        gradients: list,
        learning_rate: Any,
        slots: list[dict[str, Any]],
        step: Any,
    ) -> list[tuple[Any, dict[str, Any]]]:
        """`update` of several variables of one dtype; for optimizers that engines can run for all
        of them at once."""
        return [
            self.update(value, gradient, learning_rate, own, step)
            for value, gradient, own in zip(values, gradients, slots)
        ]

    def init_shared(self) -> dict[str, float]:
        """Scalars that belong to no variable: name -> first value."""
        return {}

    def update_shared(self, slots: dict[str, Any], step: Any) -> dict[str, Any]:
        """New values of the scalars of `init_shared`, before the variables are updated."""
        return {}

    # ------------------------------------------------------------------------------------ building

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the slots for `variables`, the trainable variables of a model."""
        if self.built:
            return
        variables = list(map(variable_behind, variables))
        self._trainable_variables = variables
        self._tricorn.places = {v: i for i, v in enumerate(variables)}
        if self.use_ema:
            self._tricorn.averages = {
                v: self.add_variable_from_reference(v, "average") for v in variables
            }
        if self.gradient_accumulation_steps:
            self._tricorn.accumulators = {
                v: self.add_variable_from_reference(v, "gradient_accumulator") for v in variables
            }
        self._tricorn.slots = {v: {} for v in variables}
        initial = {v: self.init(v) for v in variables}
        for group in _slot_groups(self, initial.values()):
            for variable in variables:
                for name in (name for name in group if name in initial[variable]):
                    slot = _add_slot(self, variable, name, initial[variable][name])
                    self._tricorn.slots[variable][name] = slot
        dtype = variables[0].dtype if variables else config.floatx()
        for name, value in self.init_shared().items():
            first = initializers.Constant(value)
            self._tricorn.shared[name] = self.add_variable((), first, dtype, name=name)
        self.built = True

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make a Variable of the optimizer's own.

        Args:
            shape: its shape.
            initializer: an initializer or its name.
            dtype: its dtype; None: floatx.
            aggregation, layout: how it is kept on several devices; for Keras's signature.
            name: for people.
        """
        first = initializers.get(initializer)
        with name_scope(self.name):
            made = Variable(first, tuple(shape), dtype, trainable=False, autocast=False, name=name)
        self._variables.append(made)
        return made

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Make a Variable of the shape and dtype of another, named after it."""
        name = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        shape, dtype = reference_variable.shape, reference_variable.dtype
        return self.add_variable(shape, initializer, dtype, name=name)

    def add_optimizer_variables(
        self,
        trainable_variables: Iterable[Variable],
        name: str | Sequence[str],
        initializer: Any = "zeros",
    ) -> Any:
        """Make one Variable (or, for several names, several) per given variable.

        Args:
            trainable_variables: the references.
            name: a name, or several.
            initializer: for all names, or a sequence with one for each.

        Returns:
            A list in the order of `trainable_variables`; for several names a tuple of lists.
        """
        names = [name] if isinstance(name, str) else list(name)
        several = isinstance(initializer, (list, tuple))
        firsts = list(initializer) if several else [initializer] * len(names)
        if len(firsts) != len(names):
            raise ValueError(f"{len(names)} names and {len(firsts)} initializers were given")
        made: tuple[list[Variable], ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            for column, each, first in zip(made, names, firsts):
                column.append(self.add_variable_from_reference(variable, each, first))
        return made[0] if isinstance(name, str) else made

    @property
    def variables(self) -> list[Variable]:
        """All Variables of the optimizer, in the order of files."""
        return list(self._variables)

    # ------------------------------------------------------------------------------- learning rate

    @property
    def iterations(self) -> Any:
        """How many updates were made."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate now: a Variable, or what the schedule or function gives."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self._iterations)
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(self._learning_rate, Variable):
            if not callable(value):
                self._learning_rate.assign(value)
                return
            self._variables = [v for v in self._variables if v is not self._learning_rate]
        elif not callable(value):
            raise TypeError(
                f"the learning rate of {self.name!r} is a schedule or function, so it cannot be "
                f"set to {value!r}; make the optimizer with a number to be able to, or assign "
                "another schedule"
            )
        self._learning_rate = value

    def _tricorn_rate(self) -> Any:
        """The learning rate of this update, as a tensor."""
        return ops.convert_to_tensor(self.learning_rate)

    def _tricorn_steps(self) -> Any:
        """How many steps count as made before this update."""
        return self.iterations

    # ------------------------------------------------------------------------------------ applying

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Update variables by (gradient, variable) pairs; gives the iteration Variable."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self._iterations

    def apply(
        self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        """Update variables, all before or after what another thread reads of them.

        Args:
            grads: gradients; None for a variable that the loss does not depend on.
            trainable_variables: the variables, in the same order; None: those it was built with.

        Raises:
            ValueError: not built, another number of gradients, unknown variables, or no gradient
                at all.
        """
        grads = list(grads)
        if not grads:
            return
        variables = variables_for(self, grads, trainable_variables)
        changed = frozenset((*variables, *self._variables)) if current() is None else ()
        with Use(changed, changed), active().native_gradients(False):
            grads, variables = _present(self, grads, variables)
            grads, variables = _overwrite(self, grads, variables)
            if variables:
                if self.loss_scale_factor is not None:
                    grads = [gradient / self.loss_scale_factor for gradient in grads]
                if self.gradient_accumulation_steps:
                    _accumulate(self, grads, variables)
                else:
                    _step(self, grads, variables)
            if self.use_ema:
                _average(self)
            for variable in variables:
                if variable.constraint is not None:
                    variable.assign(variable.constraint(variable.value))
            self._iterations.assign_add(1)

    def stateless_apply(
        self, optimizer_variables: Sequence, grads: Sequence, trainable_variables: Sequence
    ) -> tuple[list, list]:
        """`apply` with the state given, changing none: a pure function, for ``jax.jit`` and its
        like.

        Args:
            optimizer_variables: values of `variables`, in their order.
            grads: gradients, in the order of the variables it was built with.
            trainable_variables: the values of those.

        Returns:
            (new values of the trainable variables, new values of `variables`).

        Raises:
            ValueError: not built, or another number of values.
        """
        if not self.built:
            raise ValueError(
                f"the optimizer {self.name!r} is not built: call build(trainable_variables) first"
            )
        trained, own = self._trainable_variables, self.variables
        for what, given, known in (
            ("trainable_variables", trainable_variables, trained),
            ("optimizer_variables", optimizer_variables, own),
        ):
            if len(given) != len(known):
                raise ValueError(
                    f"the optimizer {self.name!r} has {len(known)} {what}, got {len(given)} values"
                )
        values = dict(zip([*trained, *own], [*trainable_variables, *optimizer_variables]))
        with Scope(values, isolated=True):
            self.apply(grads, trained)
            return [v.value for v in trained], [v.value for v in own]

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update one variable in place.  Optimizers written for Keras 3 define this and `build`
        instead of `init` and `update`."""
        step = ops.cast(self._tricorn_steps() + 1, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        slots = {**_values(self._tricorn.shared), **_values(self._tricorn.slots[variable])}
        gradient = ops.cast(gradient, variable.dtype)
        value, changed = self.update(variable.value, gradient, rate, slots, step)
        variable.assign(value)
        for name, slot in changed.items():
            self._tricorn.slots[variable][name].assign(slot)

    def _get_variable_index(self, variable: Variable) -> int:
        """The place of a variable among those that the optimizer was built for: where a subclass
        that makes its slots in `build`, list by list, finds them in `update_step`."""
        if variable not in self._tricorn.places:
            known = ", ".join(v.path for v in self._trainable_variables)
            raise ValueError(
                f"the optimizer {self.name!r} was not built for {variable.path}, but for {known}"
            )
        return self._tricorn.places[variable]

    def _get_current_learning_rate(self) -> Any:
        """`learning_rate`, by the name that Keras's subclasses have for it."""
        return self.learning_rate

    def assign(self, variable: Variable, value: Any) -> None:
        """Let a variable hold a value."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtract from a variable."""
        variable.assign_sub(value)

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`, to be differentiated in place of the loss."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --------------------------------------------------------------------------- clipping and decay

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of weight decay; call it before the optimizer is built.

        Args:
            var_list: these variables.
            var_names: variables in whose name one of these patterns is found, e.g. ``["bias"]``.
        """
        if self.built:
            raise ValueError(f"exclude_from_weight_decay comes too late: {self.name!r} is built")
        pattern = re.compile("|".join(set(var_names))) if var_names else None
        self._tricorn.no_decay = set(var_list or ()), pattern

    def _tricorn_decay_of(self, variable: Variable) -> float | None:
        return self.weight_decay

    # ------------------------------------------------------------------------------------ averages

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Put the averages in, at the end of training (with `use_ema`).

        Args:
            var_list: the model's trainable variables.
        """
        if self.use_ema:
            for variable in var_list:
                variable.assign(self._tricorn.averages[variable].value)

    @property
    def averages(self) -> dict[Variable, Variable]:
        """Variable -> its moving average (with `use_ema`); empty before the first update."""
        return dict(self._tricorn.averages) if self.built and int(self._iterations) else {}

    # --------------------------------------------------------------------------------------- files

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Give `variables` their values, in order."""
        if not self.built:
            raise ValueError(f"{self.name!r} is not built: call build(variables) first")
        if len(weights) != len(self.variables):
            raise ValueError(
                f"{self.name!r} has {len(self.variables)} variables, {len(weights)} were given"
            )
        for variable, weight in zip(self.variables, weights):
            variable.assign(weight)

    def _tricorn_stored(self) -> list[Variable]:
        """The Variables that files hold."""
        return self.variables

    def save_own_variables(self, store: Any) -> None:
        """Write `variables` into a dict-like store under "0", "1", ..."""
        for i, variable in enumerate(self._tricorn_stored()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Read what `save_own_variables` wrote; warns and reads nothing when the numbers differ."""
        if len(store.keys()) != len(own := self._tricorn_stored()):
            built = "" if self.built else "; it is not built yet, call build(variables) first"
            warnings.warn(
                f"the state of {self.name!r} is not loaded: the file has {len(store.keys())} "
                f"variables, the optimizer {len(own)}{built}",
                stacklevel=2,
            )
            return
        for i, variable in enumerate(own):
            variable.assign(np.asarray(store[str(i)]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the learning rate is the present one."""
        rate = self._learning_rate
        number = float(rate.numpy()) if isinstance(rate, Variable) else None
        settings = registry.serialize_keras_object(rate) if number is None else number
        return {**super().get_config(), "learning_rate": settings}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Any:
        """The optimizer that `get_config` describes, without its state.

        Args:
            config: the constructor's arguments.
            custom_objects: name -> class, for schedules of your own.
        """
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            rate = registry.deserialize_keras_object(rate, custom_objects)
            config = {**config, "learning_rate": rate}
        return cls(**config)


def _add_slot(optimizer: Optimizer, variable: Variable, name: str, value: Any) -> Variable:
    name = f"{variable.path.replace('/', '_')}_{name}"
    shape = value.shape if isinstance(value, np.ndarray) else variable.shape
    return optimizer.add_variable(shape, initializers.Constant(value), variable.dtype, name=name)


def _slot_groups(optimizer: Optimizer, initial: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    names = dict.fromkeys(name for slots in initial for name in slots)
    groups = (optimizer.together if name in optimizer.together else (name,) for name in names)
    return list(dict.fromkeys(groups))


def _as_learning_rate(optimizer: Optimizer, value: Any) -> Variable | Callable:
    if callable(value) and not isinstance(value, Variable):
        return value
    if isinstance(value, bool):
        raise checks.wrong(optimizer, "learning_rate", "a number, not a boolean", value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(
            "learning_rate must be a number, a LearningRateSchedule or a function without "
            f"arguments, got {value!r}"
        ) from None
    return optimizer.add_variable((), initializers.Constant(number), name="learning_rate")


# -------------------------------------------------------------------------- an update, part by part


def variables_for(
    optimizer: Optimizer, grads: list, trainable_variables: Iterable[Variable] | None
) -> list[Variable]:
    """The Variables that gradients are given for, of an optimizer that is built for them now."""
    if trainable_variables is None:
        if not optimizer.built:
            raise ValueError(
                f"the optimizer {optimizer.name!r} is not built: pass the variables, or call "
                "build(variables) first"
            )
        variables = optimizer._trainable_variables
    else:
        variables = list(map(variable_behind, trainable_variables))
        if not optimizer.built:
            optimizer.build(variables)
            optimizer.built = True
    if len(grads) != len(variables):
        raise ValueError(
            f"{len(grads)} gradients were given to {optimizer.name!r} for {len(variables)} "
            "variables"
        )
    for variable in variables:
        if variable not in optimizer._tricorn.slots:
            raise ValueError(
                f"the optimizer {optimizer.name!r} was built for other variables than "
                f"{variable.path!r}; make another optimizer for another set of variables"
            )
    return variables


def _present(
    optimizer: Optimizer, grads: list, variables: list[Variable]
) -> tuple[list, list[Variable]]:
    """The gradients that are not None, with their variables."""
    missing = [v.path for g, v in zip(grads, variables) if g is None]
    if len(missing) == len(grads):
        raise ValueError(
            f"no variable has a gradient: the loss depends on none of {', '.join(missing)}"
        )
    if not optimizer._tricorn.warned.issuperset(missing):
        optimizer._tricorn.warned.update(missing)
        warnings.warn(
            f"no gradients for {', '.join(missing)}: the loss does not depend on them, so "
            "they stay as they are",
            stacklevel=3,
        )
    pairs = [(g, v) for g, v in zip(grads, variables) if g is not None]
    return [ops.convert_to_tensor(g) for g, _ in pairs], [v for _, v in pairs]


def _overwrite(
    optimizer: Optimizer, grads: list, variables: list[Variable]
) -> tuple[list, list[Variable]]:
    """Assign the gradients of variables that are overwritten with them, with accumulation the
    largest of those that came together; gives the others."""
    if not any(variable.overwrite_with_gradient for variable in variables):
        return grads, variables
    rest = []
    for gradient, variable in zip(grads, variables):
        if not variable.overwrite_with_gradient:
            rest.append((gradient, variable))
        elif optimizer.gradient_accumulation_steps:
            due = _is_due(optimizer)
            kept = optimizer._tricorn.accumulators[variable]
            largest = ops.maximum(gradient, kept.value)
            variable.assign(ops.where(due, largest, variable.value))
            kept.assign(ops.where(due, ops.zeros_like(largest), largest))
        else:
            variable.assign(gradient)
    return [gradient for gradient, _ in rest], [variable for _, variable in rest]


def _is_due(optimizer: Optimizer) -> Any:
    """Whether this call updates by the gradients that were accumulated."""
    return ops.equal(ops.mod(optimizer._iterations + 1, optimizer.gradient_accumulation_steps), 0)


def _accumulate(optimizer: Optimizer, grads: list, variables: list[Variable]) -> None:
    """Add the gradients up; every so many calls update by their mean."""
    steps, due = optimizer.gradient_accumulation_steps, _is_due(optimizer)
    totals = {v: g + optimizer._tricorn.accumulators[v].value for g, v in zip(grads, variables)}
    means = [total / steps for total in totals.values()]
    assign_if(due, lambda: _step(optimizer, means, variables))
    for variable, accumulator in optimizer._tricorn.accumulators.items():
        total = totals.get(variable, accumulator.value)
        accumulator.assign(ops.where(due, ops.zeros_like(total), total))


def _step(optimizer: Optimizer, grads: list, variables: list[Variable]) -> None:
    """One update: clip, decay, update."""
    grads = [ops.cast(g, v.dtype) for g, v in zip(_clip(optimizer, grads), variables)]
    learning_rate = optimizer._tricorn_rate()
    if type(optimizer).update_step is not Optimizer.update_step:
        _decay(optimizer, variables, learning_rate)
        for gradient, variable in zip(grads, variables):
            optimizer.update_step(gradient, variable, learning_rate)
        return
    rates = {v.dtype: ops.cast(learning_rate, v.dtype) for v in variables}
    steps = {dtype: ops.cast(optimizer._tricorn_steps() + 1, dtype) for dtype in rates}
    shared = _step_shared(optimizer)
    values = [_decayed(optimizer, v, rates[v.dtype]) for v in variables]
    slots = [{**shared, **_values(optimizer._tricorn.slots[v])} for v in variables]
    for dtype, rate in rates.items():
        where = [i for i, v in enumerate(variables) if v.dtype == dtype]
        columns = [[column[i] for i in where] for column in (values, grads, slots)]
        results = optimizer.update_several(columns[0], columns[1], rate, columns[2], steps[dtype])
        for i, (value, changed) in zip(where, results):
            variables[i].assign(value)
            for name, slot in changed.items():
                optimizer._tricorn.slots[variables[i]][name].assign(slot)


def _step_shared(optimizer: Optimizer) -> dict[str, Any]:
    """Update the shared scalars; gives their new values."""
    if not optimizer._tricorn.shared:
        return {}
    dtype = next(iter(optimizer._tricorn.shared.values())).dtype
    changed = optimizer.update_shared(
        _values(optimizer._tricorn.shared), ops.cast(optimizer._tricorn_steps() + 1, dtype)
    )
    for name, value in changed.items():
        optimizer._tricorn.shared[name].assign(value)
    return _values(optimizer._tricorn.shared)


def _clip(optimizer: Optimizer, grads: list) -> list:
    if optimizer.global_clipnorm:
        squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads]
        factor = _shrink(sum(squares[1:], squares[0]), optimizer.global_clipnorm)
        grads = [g * ops.cast(factor, g.dtype) for g in grads]
    if optimizer.clipnorm:
        grads = [g * _shrink(ops.sum(ops.square(g)), optimizer.clipnorm) for g in grads]
    if optimizer.clipvalue:
        grads = [ops.clip(g, -optimizer.clipvalue, optimizer.clipvalue) for g in grads]
    return grads


def _decays(optimizer: Optimizer, variable: Variable) -> bool:
    variables, pattern = optimizer._tricorn.no_decay
    if optimizer._tricorn_decay_of(variable) is None or variable in variables:
        return False
    return pattern is None or pattern.search(variable.leaf) is None


def _decayed(optimizer: Optimizer, variable: Variable, learning_rate: Any) -> Any:
    value = variable.value
    if not _decays(optimizer, variable):
        return value
    return value - value * (optimizer._tricorn_decay_of(variable) * learning_rate)


def _decay(optimizer: Optimizer, variables: list[Variable], learning_rate: Any) -> None:
    for variable in variables:
        if _decays(optimizer, variable):
            rate = ops.cast(learning_rate, variable.dtype)
            variable.assign(_decayed(optimizer, variable, rate))


def _average(optimizer: Optimizer) -> None:
    """Move the averages; the first update sets them to the variables."""
    first = ops.equal(optimizer.iterations, 0)
    frequency = optimizer.ema_overwrite_frequency
    for variable, average in optimizer._tricorn.averages.items():
        momentum = ops.where(first, 0.0, optimizer.ema_momentum)
        momentum = ops.cast(momentum, variable.dtype)
        value = variable.value
        mean = momentum * average.value + (1.0 - momentum) * value
        average.assign(mean)
        if frequency:
            due = ops.equal(ops.mod(optimizer.iterations + 1, frequency), 0)
            variable.assign(ops.where(due, mean, value))


def assign_if(condition: Any, body: Callable[[], Any]) -> None:
    """Run `body`; what it assigns to Variables holds where the scalar `condition` does.

    The body is computed in any case, so that there is no branch under a trace.
    """
    with Scope() as scope:
        body()
    for variable, value in scope.assigned.items():
        variable.assign(ops.where(condition, value, variable.value))


def _values(slots: dict[str, Variable]) -> dict[str, Any]:
    return {name: slot.value for name, slot in slots.items()}


def _shrink(square: Any, limit: float) -> Any:
    """The factor that brings a norm, given by its square, down to `limit`."""
    return limit / ops.maximum(ops.sqrt(square), limit)
