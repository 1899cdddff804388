"""Classes of the core with the arguments and defaults of Keras 2.3.1.

`face` makes one: a subclass whose constructor converts what it is given, and that counts whatever
the core made of the class as an instance.  In files it is the class of the core.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tricorn.classic.spellings import convert, warn, with_kernel_size
from tricorn.serialization import registry

#: older names of constraints
_CONSTRAINTS = {"maxnorm": "max_norm", "nonneg": "non_neg", "unitnorm": "unit_norm"}
#: class of the core -> its face
FACES: dict[type, Any] = {}


class Face(type):
    """The class of the faces: `isinstance` and `issubclass` also accept what the core made."""

    @property
    def __signature__(cls) -> inspect.Signature | None:
        """The arguments of a face; of a user's class None: those of its constructor."""
        return cls.__dict__.get("_tricorn_signature")

    def __instancecheck__(cls, instance: Any) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, subclass: type) -> bool:
        core = cls.__dict__.get("_tricorn_core")
        return type.__subclasscheck__(cls, subclass) or (
            core is not None and issubclass(subclass, core)
        )


class Change(NamedTuple):
    """How the constructor of a class of Keras 2.3.1 differs from the core's.

    Attributes:
        defaults: other defaults.
        without: arguments that came later, still taken by name.
        first: the order of the first arguments, where it is another.
        after: argument -> the one that it comes after, where the core has it elsewhere or not.
        renamed: name in Keras 2 -> today's.
        unused: arguments that today say nothing, such as how a loop is to be computed.
        gone: arguments of Keras 1 that Keras 2 ignored -> what to do instead.
        adapt: makes further changes to the arguments, before they are renamed.
    """

    defaults: dict[str, Any] = {}  # noqa: RUF012
    without: str = ""
    first: str = ""
    after: dict[str, str] = {}  # noqa: RUF012
    renamed: dict[str, str] = {}  # noqa: RUF012
    unused: str = ""
    gone: dict[str, str] = {}  # noqa: RUF012
    adapt: Callable[[dict[str, Any]], None] | None = None


def signature_of(core: Callable, change: Change) -> inspect.Signature:
    """The arguments of a class or function of Keras 2.3.1."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    old = {new: old for old, new in change.renamed.items()}
    own = [
        p.replace(name=old.get(p.name, p.name), kind=kind, annotation=p.empty)
        for p in inspect.signature(core).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name != "self"
    ]
    known = {p.name: p for p in own if p.name not in change.without.split()}
    first = change.first.split()
    ordered = {name: known.pop(name, inspect.Parameter(name, kind)) for name in first} | known
    for name, before in change.after.items():
        moved = ordered.pop(name, inspect.Parameter(name, kind))
        pairs = list(ordered.items())
        place = list(ordered).index(before) + 1
        ordered = dict([*pairs[:place], (name, moved), *pairs[place:]])
    parameters = [
        p.replace(default=change.defaults.get(name, p.default)) for name, p in ordered.items()
    ]
    kwargs = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([*parameters, kwargs])


def converted(
    owner: str, signature: inspect.Signature, change: Change, args: tuple, kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Arguments as the core takes them.

    Raises:
        TypeError: for arguments that do not fit the signature.
    """
    names = [name for name in signature.parameters if name != "kwargs"]
    if "kernel_size" in names:
        args, kwargs = with_kernel_size(owner, args, kwargs, names.index("kernel_size"))
    if kwargs:
        kwargs = convert(owner, names, kwargs)
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        shown = str(signature)
        raise TypeError(f"{owner}: {error}; arguments: {shown}") from None
    given = {**change.defaults, **bound, **bound.get("kwargs", {})}
    given.pop("kwargs", None)
    for name in change.gone.keys() & given.keys():
        if given.pop(name) is not None:
            warn(f"{owner}: {name} is Keras 1's and is ignored; {change.gone[name]}")
    for name in change.unused.split():
        given.pop(name, None)
    for name in ("activation", "recurrent_activation"):
        if given.get(name) == "hard_sigmoid":
            given[name] = "legacy_hard_sigmoid"
    for name, value in given.items():
        if name.endswith("constraint") and isinstance(value, str):
            given[name] = _CONSTRAINTS.get(value, value)
    if change.adapt is not None:
        change.adapt(given)
    return {change.renamed.get(name, name): value for name, value in given.items()}


def face(
    core: Any,
    change: Change | None = None,
    mixins: Iterable[type] = (),
    module: str = "",
    name: str | None = None,
    prepare: Callable[[Any, dict[str, Any]], None] | None = None,
) -> Any:
    """A class of the core in its form of Keras 2.3.1.

    Args:
        core: the class.
        change: how its arguments differ.
        mixins: bases with the methods that it had besides.
        module: where it is found, for pickle.
        name: its name there; default the core's.
        prepare: ``(object, arguments)``, called before the core's constructor.
    """
    change = change or Change()
    name = name or core.__name__
    signature = signature_of(core.__init__, change)

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        given = converted(type(self).__name__, signature, change, args, kwargs)
        if prepare is not None:
            prepare(self, given)
        core.__init__(self, **given)
        if type(self).__init__ is init and hasattr(self, "_tricorn_made"):
            self._tricorn_made()

    init.__name__, init.__doc__ = "__init__", core.__init__.__doc__
    self_ = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [self_, *signature.parameters.values()]
    init.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    body = {
        "__init__": init, "__doc__": core.__doc__, "__module__": module, "__qualname__": name,
        "__slots__": (), "_tricorn_core": core, "_tricorn_signature": signature,
    }  # fmt: skip
    keywords = {"captures": False} if hasattr(core, "_tricorn_made") else {}
    made = Face(name, (*mixins, core), body, **keywords)
    FACES.setdefault(core, made)
    return made


class Written:
    """Mixin: in files, an object of a face is one of the core's class."""

    __slots__ = ()

    def serialized_as(self) -> tuple[str | None, str, str | None]:
        """(module, class name, registered name) that stand for the class in data."""
        cls = type(self)
        return registry.written_name(cls.__dict__.get("_tricorn_core", cls))


def adopt(made: Any) -> Any:
    """An object that the core made, with the methods of its face from now on."""
    found = FACES.get(type(made))
    if found is None:
        return made
    if hasattr(made, "_tricorn_made"):  # a layer or model
        made.__class__ = found
        return made
    adopted = found.__new__(found)
    adopted.__dict__ = made.__dict__
    return adopted


def adopted(model: Any) -> Any:
    """A model that the core made, and all layers inside, as those of this face."""
    layers = model._flatten_layers()
    for layer in layers:
        adopt(layer)
        graph = layer._tricorn.parts.get("graph")
        for one in [] if graph is None else graph.layers:
            adopt(one)
    for layer in reversed(layers):  # whose name counts is the outermost one
        if hasattr(layer, "_tricorn_name_weights"):
            layer._tricorn_name_weights()
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        model.optimizer = adopt(optimizer)
    return model
