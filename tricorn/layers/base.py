"""`Layer`: weights plus computation.

A call runs in one of two ways.  On tensors (an engine's, or abstract ones that have only a shape)
the body runs as it stands.  On symbolic tensors the call becomes a node of the graph and the body
is recorded as that node's inner graph.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tricorn import dtype_policies, dtypes, initializers, naming, ops, tree, variable
from tricorn.engines import active
from tricorn.engines.abstract import AbstractTensor, NeedsEngine, needs_engine
from tricorn.engines.registry import native
from tricorn.graph import ambient, op, phase, scope
from tricorn.graph.calls import (
    Call,
    any_masks,
    calling,
    current_call,
    get_mask,
    set_mask,
    training_now,
)
from tricorn.graph.symbolic import (
    Node,
    NotRecordable,
    NotRecording,
    Recorder,
    SymbolicTensor,
    is_native,
    is_symbolic,
    recording,
)
from tricorn.graph.turns import Use, making
from tricorn.layers import input_spec as specs
from tricorn.layers.input_spec import InputSpec
from tricorn.seeds import SeedGenerator
from tricorn.serialization import registry
from tricorn.variable import Variable

#: the layers whose weights are being made, by any thread
_in_building: list[Any] = []
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@functools.cache
def _call_names(cls: Any) -> tuple[frozenset[str], tuple[str, ...], bool]:
    """(all argument names of `call`, positional ones without self, whether it takes any keyword)"""
    parameters = list(inspect.signature(cls.call).parameters.values())[1:]
    names = frozenset(p.name for p in parameters if p.kind not in _VARIADIC)
    positional = tuple(p.name for p in parameters if p.kind not in (*_VARIADIC, p.KEYWORD_ONLY))
    return names, positional, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _class(layer: Any) -> Any:
    return type(layer)


@functools.cache
def _has_default(cls: Any, name: str) -> bool:
    """Whether the argument `name` of `call` may be left out."""
    return inspect.signature(cls.call).parameters[name].default is not inspect.Parameter.empty


class Layer:
    """Base of all layers.

    Subclasses make weights in `__init__` or `build` (`add_weight`) and compute in `call`.  The
    constructor's arguments are kept, so `get_config` needs no writing when they are plain values
    or serialisable objects.

    Args:
        activity_regularizer: function of the output that gives a loss.
        trainable: whether the weights are.
        dtype: dtype name, policy name or `DTypePolicy`.
        autocast: cast floating inputs to the compute dtype.
        name: default is the class name in snake case with a count.

    Attributes:
        built: whether the weights exist.
        input_spec: `InputSpec` or tree of them that inputs are checked against.
        supports_masking: masks pass through unchanged.
    """

    _captured: dict[type, dict[str, Any]]
    _trainable_variables: list[Variable]
    _non_trainable_variables: list[Variable]
    #: models: the masks of the outputs are those of the layers inside, and no others
    _composite = False

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        from tricorn import regularizers

        self._input_shape_arg = _legacy_input_shape(kwargs)
        self._input_tensor: Any = None  # where `set_input` lets a Sequential model begin
        for name_ in _FOREIGN:  # Keras's files say how a layer was quantized or fine-tuned
            kwargs.pop(name_, None)
        if kwargs:
            raise TypeError(f"{type(self).__name__} does not know the arguments {sorted(kwargs)}")
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"a layer's name is a string without '/', got {name!r}")
        self.name = name or naming.unique(type(self).__name__)
        self.dtype_policy = dtype_policies.get(dtype)
        self.autocast = autocast
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.supports_masking = False
        self.input_spec: Any = None
        self.built = False
        self._trainable = bool(trainable)
        self._inbound_nodes: list[Node] = []
        self._eager_losses: list = []
        self._build_shapes: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = object.__new__(cls)
        set_ = object.__setattr__
        set_(self, "_captured", {})
        set_(self, "_trainable_variables", [])
        set_(self, "_non_trainable_variables", [])
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _capturing(cls, cls.__init__)  # type: ignore[method-assign]
        if "build" in cls.__dict__:
            cls.build = _building(cls.build)  # type: ignore[method-assign]

    # ----------------------------------------------------------------------------------- tracking

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Variable):
            if "_captured" not in self.__dict__:
                raise RuntimeError("call super().__init__() before making weights")
            self._own(value)
            variable.show(type(self), name)
        elif isinstance(value, Layer) and "name" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ sets the layer {name!r} before "
                "super().__init__() was called; call it first"
            )
        object.__setattr__(self, name, value)

    def _own(self, new: Variable) -> None:
        known = [*self._trainable_variables, *self._non_trainable_variables]
        if not any(new is old for old in known):
            kind = self._trainable_variables if new.trainable else self._non_trainable_variables
            kind.append(new)

    def _children(self) -> Iterator[Any]:
        """Layers and seed generators in attributes (and in lists and dicts there), once each."""
        seen = set()
        for key, value in self.__dict__.items():
            if key in _NOT_CHILDREN:
                continue
            for child in _contained(value):
                if id(child) not in seen:
                    seen.add(id(child))
                    yield child

    @property
    def _layers(self) -> list[Layer]:
        """The layers this one holds, in the order they were set."""
        return [child for child in self._children() if isinstance(child, Layer)]

    def _flatten_layers(self, include_self: bool = True) -> list[Layer]:
        """This layer and all below, each once, in depth-first order."""
        found: dict[int, Layer] = {}

        def visit(layer: Layer) -> None:
            if id(layer) not in found:
                found[id(layer)] = layer
                for child in layer._layers:
                    visit(child)

        visit(self)
        layers = list(found.values())
        return layers if include_self else layers[1:]

    @staticmethod
    def _unique(variables: Iterator[Variable]) -> list[Variable]:
        return list(dict.fromkeys(variables))

    @property
    def variables(self) -> list[Variable]:
        """All state: weights, then random state, of this layer and those inside."""

        def walk() -> Iterator[Variable]:
            for layer in self._flatten_layers():
                yield from layer._trainable_variables
                yield from layer._non_trainable_variables
                for child in layer._children():
                    if isinstance(child, SeedGenerator):
                        yield child.state

        return variable.shown(self._unique(walk()))

    @property
    def weights(self) -> list[Variable]:
        """Trainable and non-trainable weights, layer by layer, without random state."""
        layers = self._flatten_layers()
        return variable.shown(
            self._unique(
                v for la in layers for v in (*la._trainable_variables, *la._non_trainable_variables)
            )
        )

    @property
    def trainable_variables(self) -> list[Variable]:
        """The Variables that training changes."""
        if not self.trainable:
            return []
        layers = self._flatten_layers()
        return variable.shown(
            self._unique(v for la in layers for v in la._trainable_variables if v.trainable)
        )

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """All state that training by gradient does not change."""
        trainable = set(map(id, self.trainable_variables))
        return [v for v in self.variables if id(v) not in trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training by gradient does not change."""
        trainable = set(map(id, self.trainable_variables))
        return [v for v in self.weights if id(v) not in trainable]

    @property
    def trainable(self) -> bool:
        ambient.flag_read(self)
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        object.__setattr__(self, "_trainable", value)
        for own in self._trainable_variables:
            own.trainable = value
        for layer in self._layers:
            layer.trainable = value

    @property
    def metrics(self) -> list:
        """Metrics held in attributes, of this layer and those inside."""
        from tricorn.metrics import Metric

        found = []
        for layer in self._flatten_layers():
            for key, value in layer.__dict__.items():
                if key not in _NOT_CHILDREN:
                    found += list(_contained(value, Metric))
        return list(dict.fromkeys(found))

    @scope.own_code
    def count_params(self) -> int:
        """The number of scalars in the weights.

        Raises:
            ValueError: before the layer is built.
        """
        if not self.built:
            raise ValueError(f"layer {self.name!r} is not built yet, so it has no weights to count")
        return sum(w.size for w in self.weights)

    @scope.own_code
    def get_weights(self) -> list[np.ndarray]:
        """The weights as arrays, in the order of `weights`: all before or after a step that another
        thread makes."""
        own = self.weights
        with Use(frozenset(own)):
            return [w.numpy() for w in own]

    @scope.own_code
    def set_weights(self, weights: list) -> None:
        """Assign all weights from arrays in the order of `weights`.

        Raises:
            ValueError: when the number or a shape differs; nothing is changed then.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(
                f"layer {self.name!r} has {len(own)} weights, got {len(weights)} arrays"
            )
        for variable_, value in zip(own, weights):
            if tuple(np.shape(value)) != variable_.shape:
                raise ValueError(
                    f"layer {self.name!r}: the weight {variable_.path!r} has shape "
                    f"{variable_.shape}, got {tuple(np.shape(value))}"
                )
        with Use(frozenset(own), frozenset(own)):
            for variable_, value in zip(own, weights):
                variable_.assign(value)

    # ------------------------------------------------------------------------------------ weights

    def add_weight(
        self,
        shape: tuple | int | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make a weight of this layer.

        Args:
            shape: tuple of ints (default: a scalar).
            initializer: name, `Initializer` or function; default Glorot uniform for floats, zeros
                otherwise.
            dtype: default the layer's variable dtype.
            trainable: whether gradients change it.
            autocast: read in the compute dtype (mixed precision).
            regularizer: function of the weight that gives a loss.
            constraint: function applied to the weight after each update.
            name: default "variable".
        """
        from tricorn import constraints, regularizers

        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        name_ = dtypes.standardize(dtype) if dtype is not None else self.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if dtypes.is_float(name_) else "zeros"
        if any(n is None for n in shape):
            raise ValueError(
                f"layer {self.name!r}: the weight {name or 'variable'!r} would have the shape "
                f"{shape}; a dimension of the input that must be known is None"
            )
        with variable.name_scope(self.name, again=False):
            made = Variable(
                initializers.get(initializer),
                shape,
                name_,
                trainable and self._trainable,
                autocast,
                name,
                regularizer=regularizers.get(regularizer),
                constraint=constraints.get(constraint),
            )
        kind = self._trainable_variables if trainable else self._non_trainable_variables
        kind.append(made)
        return made

    # ---------------------------------------------------------------------------------- the dtype

    @property
    def dtype(self) -> str:
        return self.dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        return self.dtype_policy.compute_dtype

    # ----------------------------------------------------------------------------------- building

    def build(self, input_shape: Any) -> None:
        """Make the weights.  Called once, before the first call, with the input's shape (a tree of
        shapes for a tree of inputs; one argument per tensor argument of `call` where `build` names
        them ``<argument>_shape``)."""
        self.built = True

    def _build_once(self, args: tuple, kwargs: dict) -> None:
        """Build, unless it is built; another thread that does so is waited for."""
        now = scope.current()
        running = now is not None and now.frozen  # and everything was built before
        with contextlib.nullcontext() if running else making:
            if self.built:
                return
            _in_building.append(self)
            try:
                self._build_for(args, kwargs)
            finally:
                _in_building.remove(self)
        specs.check(self.input_spec, args[0] if args else None, repr(self))

    def _build_for(self, args: tuple, kwargs: dict) -> None:
        shapes = _shapes(args)
        positional = _call_names(_class(self))[1]
        parameters = list(inspect.signature(self.build).parameters.values())
        named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
        if len(named) == 1 and named[0].kind is not named[0].VAR_POSITIONAL:
            shape = shapes[0] if shapes else _shapes((next(iter(kwargs.values()), None),))[0]
            self._built_with({named[0].name: shape}, lambda: self.build(shape))
            return
        by_name = dict(zip((f"{name}_shape" for name in positional), shapes))
        by_name.update({f"{key}_shape": s for key, s in zip(kwargs, _shapes(kwargs.values()))})
        given = {p.name: by_name.get(p.name) for p in named if p.name in by_name}
        self._built_with(given, lambda: self.build(**given))

    def _built_with(self, shapes: dict[str, Any], build: Callable[[], None]) -> None:
        build()
        self._build_shapes = shapes
        self.built = True

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes `build` was called with."""
        shapes = self._build_shapes
        if shapes is None:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build again from what `get_build_config` gave."""
        if not config or self.built:
            return
        if "shapes_dict" in config:
            shapes = {key: _tupled(shape) for key, shape in config["shapes_dict"].items()}
            self._built_with(shapes, lambda: self.build(**shapes))
        elif config.get("input_shape") is not None:
            shape = _tupled(config["input_shape"])
            self._built_with({"input_shape": shape}, lambda: self.build(shape))

    # ------------------------------------------------------------------------------------ calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation.  Arguments named `training` and `mask` are filled in when not given."""
        raise TypeError(f"{type(self).__name__} has no call method; define call(self, inputs)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "_inbound_nodes" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}.__init__ did not call super().__init__()")
        if len(args) == 1 and not kwargs and not isinstance(args[0], (list, tuple, dict)):
            symbolic = is_symbolic(args[0])
        else:
            symbolic = any(map(is_symbolic, tree.leaves((args, kwargs))))
        args, kwargs = self._converted(args, kwargs)
        outer = current_call()
        if not symbolic and (outer is None or recording() is not None) and scope.current() is None:
            symbolic = any(map(is_native, tree.leaves((args, kwargs))))
        if symbolic:
            return self._call_symbolic(args, kwargs)
        if outer is not None:
            return self._call_inside(outer, args, kwargs)
        self._clear_losses()
        with calling(None) as outer:
            outputs = self._call_inside(outer, args, kwargs)
        if outer.masks:
            for leaf in tree.leaves(outputs):
                set_mask(leaf, outer.masks.get(id(leaf), (None, None))[1])
        return outputs

    def call_masked(self, args: tuple, kwargs: dict, masks: list | None) -> Any:
        """Call with given masks (a list of trees like args) instead of the travelling ones."""
        for arg, mask in zip(args, masks or ()):
            if tree.leaves(mask):
                tree.map_up_to(set_mask, arg, mask)
        return self(*args, **kwargs)

    def _call_inside(self, outer: Call, args: tuple, kwargs: dict) -> Any:
        """One call on tensors, as part of `outer`."""
        before = outer.training
        training = kwargs.get("training")
        if training is None:
            training = phase.fixed() if before is None else before
        outer.training = training
        try:
            specs.check(self.input_spec, args[0] if args else None, repr(self))
            masks = [tree.map(get_mask, arg) for arg in args] if any_masks() else []
            masked = any(tree.leaves(m) for m in masks)
            if not self.built or _in_building:
                self._build_once(args, kwargs)
            kwargs = self._filled(args, kwargs, training, masks)
            outputs = self._body(args, kwargs)
            if masked or type(self).compute_mask is not Layer.compute_mask:
                self._pass_masks(args, outputs, masks[0] if masks else None)
            if self.activity_regularizer is not None:
                for leaf in tree.leaves(outputs):
                    self.add_loss(self.activity_regularizer(leaf))
            return outputs
        except (ValueError, TypeError) as error:
            self._note(error, args)
            raise
        finally:
            outer.training = before

    def _note(self, error: Exception, args: tuple) -> None:
        """Add which layer failed, innermost first, each once."""
        note = f"in the layer {self!r}, called with {_describe(args)}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    def _body(self, args: tuple, kwargs: dict) -> Any:
        """`call` with Variables read in the compute dtype; when a tensor tells whether to train,
        both ways are prepared."""
        training = kwargs.get("training")
        if training is not None and not isinstance(training, (bool, int, np.bool_)):
            if not self._heeds_training:
                kwargs["training"] = None
            elif not self._composite:
                return phase.either(training, self._in_phase, (args, kwargs))
        policy = self.dtype_policy
        if policy.compute_dtype == policy.variable_dtype and variable._autocast.get() is None:
            return self.call(*args, **kwargs)
        with variable.autocast(policy.compute_dtype):
            return self.call(*args, **kwargs)

    def _in_phase(self, training: bool, args: tuple, kwargs: dict) -> Any:
        """`_body` in training, or outside of it, also for the layers inside."""
        with calling(training):
            return self._body(args, {**kwargs, "training": training})

    @property
    def _heeds_training(self) -> bool:
        """Whether `call` computes something else in training."""
        return True

    @property
    def uses_learning_phase(self) -> bool:
        """Whether a call computes something else in training than in testing."""
        kind = _class(self)
        if kind._heeds_training is not Layer._heeds_training:
            return self._heeds_training
        if self._composite or "training" not in _call_names(kind)[0]:
            return any(layer.uses_learning_phase for layer in self._layers)
        return True

    def set_input(self, tensor: Any) -> None:
        """Let the `Sequential` model that this layer begins start at `tensor`, a symbolic tensor
        or a tensor of the engine's own graph.

        Raises:
            ValueError: when the layer was called already.
        """
        if self._inbound_nodes:
            raise ValueError(
                f"the layer {self.name!r} has an input already; call set_input before the layer is "
                "put into a model, or call the model on the tensor: model(tensor)"
            )
        self._input_tensor = tensor

    def _filled(self, args: tuple, kwargs: dict, training: Any, masks: list) -> dict:
        """Keyword arguments with `training` and masks put in where `call` takes them."""
        names, positional, _ = _call_names(_class(self))
        kwargs = dict(kwargs)
        kwargs.pop("training", None)
        if "training" in names and "training" not in positional[: len(args)]:
            if training is not None or not _has_default(_class(self), "training"):
                kwargs["training"] = training
        if masks:
            if "mask" in names and kwargs.get("mask") is None:
                if "mask" not in positional[: len(args)]:
                    kwargs["mask"] = masks[0] if tree.leaves(masks[0]) else None
            for name, mask in zip(positional, masks):
                key = f"{name}_mask"
                if key in names and kwargs.get(key) is None and tree.leaves(mask):
                    kwargs[key] = mask
        return kwargs

    def _converted(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Arrays as tensors, floating ones in the compute dtype."""
        compute, cast, outermost = self.compute_dtype, self.autocast, current_call() is None

        def convert(x: Any) -> Any:
            if isinstance(x, (np.ndarray, Variable)):
                x = ops.convert_to_tensor(x)
            elif type(x) in (int, float, bool, str) or not hasattr(x, "dtype"):
                return x
            elif outermost and not isinstance(x, AbstractTensor):
                x = op.convert(active(), x, None)
            if cast:
                dtype = x.dtype
                if type(dtype) is not str:
                    dtype = dtypes.standardize(dtype)
                if dtype != compute and dtype in dtypes.FLOATS:
                    return ops.cast(x, compute)
            return x

        if len(args) == 1 and not kwargs and hasattr(args[0], "dtype"):
            return (convert(args[0]),), kwargs
        if args and isinstance(args[0], (list, tuple)):
            leaves = tree.leaves(args[0])
            if leaves and all(type(leaf) in (int, float, bool) for leaf in leaves):
                args = (np.asarray(op._to_numpy(args[0])), *args[1:])
        return tree.map(convert, args), tree.map(convert, kwargs)

    def _call_symbolic(self, args: tuple, kwargs: dict) -> Any:
        """Make a node; record the body as its inner graph."""
        try:
            specs.check(self.input_spec, args[0] if args else None, repr(self))
            training = kwargs.get("training")
            told = training is not None and not phase.is_phase(training)
            if not told:
                kwargs = {key: value for key, value in kwargs.items() if key != "training"}
                training = phase.now()
            node = Node(self, args, kwargs, index=len(self._inbound_nodes))
            node.training = None if told else phase.fixed()
            masks = [tree.map(get_mask, arg) for arg in args]
            if not self.built or _in_building:
                self._build_once(args, kwargs)
            filled = self._filled(args, kwargs, training, masks)
            with Recorder(node) as recorder, calling(training):
                try:
                    node.inner = self._body(args, filled)
                    outputs = node.inner
                    if self.activity_regularizer is not None and native() is not None:
                        self.add_loss(list(map(self.activity_regularizer, tree.leaves(outputs))))
                except Exception as error:
                    reason = error if isinstance(error, NotRecordable) else needs_engine(error)
                    if reason is None:
                        raise
                    recorder.updates.clear()
                    recorder.losses.clear()
                    if native() is None:
                        outputs = self._shapes_unrecorded(args, filled, reason)
                    else:
                        outputs = self._run_unrecorded(args, filled, masks)
            outputs = node.bind(tree.map(op.abstracted, outputs))
        except (ValueError, TypeError) as error:
            self._note(error, args)
            raise
        node.updates = recorder.updates
        node.losses = [loss for losses in recorder.losses.values() for loss in losses]
        self._inbound_nodes.append(node)
        if any(tree.leaves(m) for m in masks) or type(self).compute_mask is not Layer.compute_mask:
            self._pass_masks(args, outputs, masks[0] if masks else None, node.inner)
        elif node.inner is not None:
            _hand_on_masks(node.inner, outputs, args)
        return outputs

    def _run_unrecorded(self, args: tuple, kwargs: dict, masks: list) -> Any:
        """The body has loops, in a graph of the engine's own: what they compute is tensors like
        others there, and only what the body assigned and the losses it added are recorded."""
        with NotRecording(), scope.Scope() as now:
            for arg, mask in zip(args, masks):
                if tree.leaves(mask):
                    tree.map_up_to(set_mask, arg, mask)
            outputs = self._body(args, kwargs)
        for changed, value in now.changes():
            changed.assign(value)
        for layer, losses in now.losses.items():
            layer.add_loss(losses)
        return outputs

    def _shapes_unrecorded(
        self, args: tuple, kwargs: dict, reason: NeedsEngine | NotRecordable
    ) -> Any:
        """The body has loops or calls a native framework: the outputs' shapes from a run on
        abstract tensors, or from the layer's own rule, or from the engine."""
        own_rule = type(self).compute_output_shape is not Layer.compute_output_shape
        if isinstance(reason, NeedsEngine) and own_rule:
            shape = self.compute_output_shape(_shapes(args)[0])
            return _abstract_outputs(shape, self.compute_dtype)
        from tricorn.graph.transforms import abstract_shapes, engine_shapes

        leaves, structure = tree.flatten((args, kwargs))
        where = [i for i, leaf in enumerate(leaves) if is_symbolic(leaf)]

        def run(*tensors: Any) -> Any:
            filled = list(leaves)
            for i, tensor in zip(where, tensors):
                filled[i] = tensor
            args, kwargs = tree.unflatten(structure, filled)
            return self._body(args, kwargs)

        specs = [op.abstracted(leaves[i]) for i in where]
        if isinstance(reason, NotRecordable):
            return abstract_shapes(run, specs)
        return engine_shapes(run, specs, reason)

    def _pass_masks(self, args: tuple, outputs: Any, masks: Any, inner: Any = None) -> None:
        """Give the outputs the masks that `compute_mask` says; a layer made of layers passes on
        the masks that those gave."""
        inputs = args[0] if args else None
        if type(self).compute_mask is Layer.compute_mask:
            handed = _hand_on_masks(outputs if inner is None else inner, outputs, args)
            if handed or self._composite:
                return
        out = self.compute_mask(inputs, masks)
        if out is None and not tree.leaves(masks):
            return
        leaves = tree.leaves(outputs)
        flat = [out] if len(leaves) == 1 else list(out) if isinstance(out, (list, tuple)) else [out]
        flat += [None] * (len(leaves) - len(flat))
        for leaf, mask in zip(leaves, flat):
            set_mask(leaf, mask)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the output: the input's when `supports_masking`, else none (with a warning,
        since a mask that disappears silently gives wrong numbers)."""
        if previous_mask is None or not tree.leaves(previous_mask):
            return None
        if not self.supports_masking:
            warnings.warn(
                f"the layer {self!r} was given an input with a mask, but does not support masking, "
                "so the layers after it do not see the mask; set supports_masking=True if it "
                "leaves the time axis as it is, or override compute_mask",
                stacklevel=3,
            )
            return None
        return previous_mask

    # ------------------------------------------------------------------------------------- shapes

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shape (tree of shapes) of the output for the input's shape, without computing."""
        spec = tree.map(lambda x: x, self.compute_output_spec(*map(_symbolic_inputs, args)))
        return tree.map(lambda x: tuple(x.shape), spec)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic outputs for symbolic inputs; makes no lasting node."""
        before = len(self._inbound_nodes)
        outputs = self._call_symbolic(args, kwargs)
        del self._inbound_nodes[before:]
        return outputs

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's first call."""
        args = self._first_node().args
        return args[0] if len(args) == 1 else list(args)

    @property
    def output(self) -> Any:
        """The symbolic output of the layer's first call."""
        return self._first_node().outputs

    def _first_node(self) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(
                f"the layer {self.name!r} was not called on a symbolic tensor, so it has no input "
                "or output; call it on an Input"
            )
        return self._inbound_nodes[0]

    def get_input_at(self, index: int) -> Any:
        """The symbolic input of call number `index`."""
        args = self._inbound_nodes[index].args
        return args[0] if len(args) == 1 else list(args)

    def get_output_at(self, index: int) -> Any:
        """The symbolic output of call number `index`."""
        return self._inbound_nodes[index].outputs

    # ------------------------------------------------------------------------------------- updates

    def _calls(self, inputs: set[int] | None = None) -> list[Node]:
        """The calls of this layer on symbolic tensors; on those with the ids `inputs`."""
        if inputs is None:
            return self._inbound_nodes
        return [
            node
            for node in self._inbound_nodes
            if inputs & set(map(id, tree.leaves((node.args, node.kwargs))))
        ]

    @property
    def updates(self) -> list:
        """What the calls on symbolic tensors assign, such as moving averages and kept states: a
        list of (variable, new value) pairs for `Function` and ``K.function``.

        In an engine's own graph a pair holds the engine's own variable and tensor, and is itself
        what a session runs to let the variable take the value.
        """
        return [pair for node in self._calls() for pair in _updates_of(node)]

    def _updates_of(self, node: Node) -> list:
        """What one call assigns.  In a graph of ours whose learning phase is open that is found by
        recording the body in training: each Variable keeps its value in the other phase."""
        told = node.training is not None or node.kwargs.get("training") is not None
        if node.updates or told or native() is not None or not self.non_trainable_weights:
            return node.updates
        masks = [tree.map(get_mask, arg) for arg in node.args]
        kwargs = self._filled(node.args, node.kwargs, True, masks)
        with Recorder(node.parent) as recorder, calling(True):
            self._body(node.args, kwargs)
            node.updates = [
                (changed, ops.where(phase.tensor(), value, changed))
                for changed, value in recorder.updates
            ]
        return node.updates

    def get_updates_for(self, inputs: Any) -> list:
        """Those of `updates` that belong to calls on the tensors `inputs` (one or a list)."""
        calls = self._calls(set(map(id, tree.leaves(inputs))))
        return [pair for node in calls for pair in _updates_of(node)]

    # ------------------------------------------------------------------------------------- losses

    def add_loss(self, loss: Any) -> None:
        """Add a scalar (or a list) to the losses of the call in progress."""
        for value in loss if isinstance(loss, (list, tuple)) else (loss,):
            if callable(value):
                value = value()
            recorder, now = recording(), scope.current()
            if recorder is not None:
                recorder.losses.setdefault(self, []).append(value)
            elif now is not None:
                now.losses.setdefault(self, []).append(value)
            else:
                self._eager_losses.append(value)

    @property
    @scope.own_code
    def losses(self) -> list:
        """Losses added by the last call and the regularization of trainable weights."""
        layers = self._flatten_layers()
        now = scope.current()
        added = [
            loss
            for layer in layers
            for loss in (layer._eager_losses if now is None else now.losses.get(layer, ()))
        ]
        if native() is not None and now is None:
            added += [loss for node in self._calls() for loss in node.losses]
        penalties = [
            v.regularizer(v.value) for v in self.trainable_variables if v.regularizer is not None
        ]
        return [*added, *penalties]

    def _clear_losses(self) -> None:
        now = scope.current()
        if now is not None:
            if now.losses:
                for layer in self._flatten_layers():
                    now.losses.pop(layer, None)
            return
        self._eager_losses = []
        for layer in self._flatten_layers(include_self=False):
            layer._eager_losses = []

    # -------------------------------------------------------------------------------------- config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as data; `from_config` makes an equal, unbuilt layer.

        A class that overrides this gets here what the classes above it took.
        """
        overriding = [i for i, c in enumerate(type(self).__mro__) if "get_config" in c.__dict__]
        below = [
            i for i in overriding if not type(self).__mro__[i].__module__.startswith("tricorn.")
        ]
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self._trainable,
            "dtype": registry.serialize_keras_object(self.dtype_policy),
        }
        for cls in type(self).__mro__[(below[-1] + 1 if below else 0) :]:
            if cls in self._captured and cls is not Layer:
                ours = cls.__module__.startswith("tricorn.")
                for key, value in self._captured[cls].items():
                    if key not in config:
                        live = getattr(self, key, value) if ours else value
                        config[key] = _serialized(live)
                break
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer made from `get_config`'s result."""
        parameters = inspect.signature(cls.__init__).parameters
        accepts = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        config, later = dict(config), {}
        for key in ("trainable", "dtype", "name"):  # what every layer has may not be an argument
            if key in config and not accepts and key not in parameters:
                later[key] = config.pop(key)
        try:
            made = cls(**_deserialized(config))
            for key in later.keys() - {"dtype"}:
                setattr(made, key, later[key])
            return made
        except TypeError as error:
            raise TypeError(
                f"{cls.__name__} cannot be made from its config {sorted(config)}: {error}. If its "
                "constructor takes other arguments, override get_config"
            ) from error

    def save_own_variables(self, store: Any) -> None:
        """Put this layer's own weights into `store`, a mapping of str to array."""
        own = [*self._trainable_variables, *self._non_trainable_variables]
        for index, weight in enumerate(own):
            store[str(index)] = weight.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Assign this layer's own weights from `store`.

        Raises:
            ValueError: when number or shapes differ.
        """
        own = [*self._trainable_variables, *self._non_trainable_variables]
        if len(store.keys()) != len(own):
            built = "" if self.built else " (the layer is not built)"
            raise ValueError(
                f"layer {self.name!r} has {len(own)} variables{built}, "
                f"the file has {len(store.keys())}"
            )
        for index, weight in enumerate(own):
            weight.assign(np.asarray(store[str(index)]))

    @scope.own_code
    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple:
        """Call with given values of the Variables, changing none: a pure function, for ``jax.jit``,
        ``jax.grad`` and their like.

        Args:
            trainable_variables: values in the order of `trainable_variables`, or a dict of them by
                the Variables' paths.
            non_trainable_variables: likewise.
            args, kwargs: of the call.
            return_losses: also give the losses that the call added.

        Returns:
            (outputs, new values of the non-trainable variables), with `return_losses` also the
            losses.
        """
        own = [*self.trainable_variables, *self.non_trainable_variables]
        values = [
            *_in_order(trainable_variables, self.trainable_variables, self.name),
            *_in_order(non_trainable_variables, self.non_trainable_variables, self.name),
        ]
        with scope.Scope(dict(zip(own, values)), isolated=True):
            outputs = self(*args, **kwargs)
            state = [v.value for v in self.non_trainable_variables]
            losses = self.losses if return_losses else None
        return (outputs, state, losses) if return_losses else (outputs, state)

    def call_with_values(self, values: dict, *args: Any, **kwargs: Any) -> tuple[Any, dict]:
        """A call in which Variables hold other tensors: (outputs, the Variables that the call
        assigned and what they would hold).  The Variables themselves stay as they are."""
        with scope.Scope(dict(values)) as now:
            outputs = self(*args, **kwargs)
        return outputs, dict(now.changes())

    def as_module(self) -> Any:
        """This layer as a module of the active engine's own kind: a ``torch.nn.Module`` or a
        ``tf.Module``.  It holds the engine's own variables, so training the one trains the other.

        Raises:
            ValueError: before the layer is built.
            EngineError: when the engine has no modules.
        """
        if not self.built:
            raise ValueError(
                f"layer {self.name!r} is not built yet, so a module would lack its weights; call "
                "it once, or build it with the input's shape"
            )
        return active().module(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_eager_losses": []}


def _updates_of(node: Node) -> list:
    return node.operation._updates_of(node) if isinstance(node.operation, Layer) else []


# attributes that hold no children: graph bookkeeping, caches
_NOT_CHILDREN = frozenset(
    ("_captured", "_inbound_nodes", "_input_tensor", "_eager_losses", "_build_shapes",
     "_trainable_variables", "_non_trainable_variables", "input_spec", "dtype_policy", "_programs",
     "_loss_terms", "_metric_terms", "_loss_tracker", "optimizer", "loss", "_compile_arguments",
     "history", "_plan", "_operations", "_nodes", "_inputs_struct", "_outputs_struct",
     "_functional",
     "_frozen", "_trained")
)  # fmt: skip
# keyword arguments of every layer that its config does not repeat, and what else Keras writes
_NOT_CONFIG = frozenset(
    ("name", "trainable", "dtype", "autocast", "input_shape", "batch_size", "batch_input_shape",
     "batch_shape", "input_dim")
)  # fmt: skip
_FOREIGN = ("quantization_config", "lora_rank", "lora_alpha", "gptq_unpacked_column_size")


def _in_order(values: Any, variables: list[Variable], name: str) -> list:
    """One value per Variable, from a sequence or from a dict by paths."""
    if isinstance(values, dict):
        paths = [v.path for v in variables]
        if sorted(values) != sorted(paths):
            raise ValueError(
                f"layer {name!r} has the variables {sorted(paths)}, got {sorted(values)}"
            )
        return [values[path] for path in paths]
    values = list(values)
    if len(variables) != len(values):
        raise ValueError(f"layer {name!r} has {len(variables)} variables, got {len(values)}")
    return values


def _contained(value: Any, kinds: Any = None) -> Iterator[Any]:
    """Layers and seed generators (or instances of `kinds`) in an attribute's value."""
    if isinstance(value, kinds or (Layer, SeedGenerator)):
        yield value
    elif type(value) in (list, tuple, set):
        for item in value:
            yield from _contained(item, kinds)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _contained(item, kinds)


def _hand_on_masks(inner: Any, outputs: Any, args: tuple) -> bool:
    """Give the outputs the masks of what came out of the body; whether there were any."""
    given = {id(leaf) for leaf in tree.leaves(args)}
    found = False
    for leaf, out in zip(tree.leaves(inner), tree.leaves(outputs)):
        mask = get_mask(leaf) if id(leaf) not in given else None
        if mask is not None:
            set_mask(out, mask)
            found = True
    return found


def _capturing(cls: type, init: Callable) -> Callable:
    """`init` that also keeps the arguments it was given."""
    signature = inspect.signature(init)
    kinds = {p.kind: p.name for p in signature.parameters.values()}
    loose = kinds.get(inspect.Parameter.VAR_KEYWORD)
    starred = kinds.get(inspect.Parameter.VAR_POSITIONAL)  # cannot be given by name

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: {error}; arguments: {signature}") from None
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        given.pop(starred or "", None)
        extra = given.pop(loose, {}) if loose else {}
        given.update({k: v for k, v in extra.items() if k not in (*_NOT_CONFIG, *_FOREIGN)})
        self._captured.setdefault(cls, given)
        init(self, *args, **kwargs)

    return wrapped


def _building(build: Callable) -> Callable:
    """`build` that runs on concrete values, under the layer's name, and once."""

    @functools.wraps(build)
    @scope.own_code
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        with variable.name_scope(self.name):
            build(self, *args, **kwargs)
        if self._build_shapes is None and not kwargs and len(args) == 1:
            object.__setattr__(self, "_build_shapes", {"input_shape": _tupled(args[0])})
        self.built = True

    return wrapped


def _serialized(value: Any) -> Any:
    """A constructor's argument as Keras writes it: functions of `activations` by name."""
    from tricorn import activations

    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (tuple, list)):
        return [_serialized(item) for item in value]
    return activations.serialize(value)


def _deserialized(config: Any) -> Any:
    if isinstance(config, dict):
        if "class_name" in config:
            return registry.deserialize_keras_object(config)
        return {key: _deserialized(value) for key, value in config.items()}
    return [_deserialized(item) for item in config] if isinstance(config, list) else config


def _shapes(values: Any) -> list:
    """The shape (or tree of shapes) of each value; None for what has none."""

    def shape(x: Any) -> Any:
        if x is None or not hasattr(x, "shape"):
            return None
        return tuple(x.shape)

    def walk(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return [walk(item) for item in x]
        if isinstance(x, dict):
            return {key: walk(item) for key, item in x.items()}
        return shape(x)

    return [walk(value) for value in values]


def _tupled(shape: Any) -> Any:
    """Shapes read from JSON: lists of numbers become tuples, in nested lists and dicts too."""
    if isinstance(shape, dict):
        return {key: _tupled(item) for key, item in shape.items()}
    if isinstance(shape, (list, tuple)):
        if all(isinstance(n, (int, type(None))) for n in shape):
            return tuple(shape)
        return [_tupled(item) for item in shape]
    return shape


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, (list, tuple)) and all(isinstance(n, (int, type(None))) for n in shape)


def _symbolic_inputs(shape: Any) -> Any:
    if _is_shape(shape):
        return SymbolicTensor(tuple(shape))
    if isinstance(shape, dict):
        return {key: _symbolic_inputs(item) for key, item in shape.items()}
    return [_symbolic_inputs(item) for item in shape]


def _abstract_outputs(shape: Any, dtype: str) -> Any:
    if _is_shape(shape):
        return AbstractTensor(tuple(shape), dtype)
    if isinstance(shape, dict):
        return {key: _abstract_outputs(item, dtype) for key, item in shape.items()}
    return [_abstract_outputs(item, dtype) for item in shape]


def _describe(args: tuple) -> str:
    def one(x: Any) -> str:
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return f"a {x.dtype} tensor of shape {tuple(x.shape)}"
        return repr(x)[:80]

    if len(args) == 1 and not isinstance(args[0], (list, tuple, dict)):
        return one(args[0])
    return str(tree.map(one, list(args)))


def _legacy_input_shape(kwargs: dict[str, Any]) -> tuple | None:
    """`input_shape`, `input_dim`, `batch_input_shape` of a first layer, as a full shape."""
    if "batch_input_shape" in kwargs or "batch_shape" in kwargs:
        return tuple(kwargs.pop("batch_input_shape", None) or kwargs.pop("batch_shape"))
    batch = kwargs.pop("batch_size", None)
    if "input_shape" in kwargs:
        return (batch, *kwargs.pop("input_shape"))
    if "input_dim" in kwargs:
        return (batch, kwargs.pop("input_dim"))
    return None


__all__ = ["InputSpec", "Layer", "active", "get_mask", "set_mask", "training_now"]
