"""What the modules of named objects share: `get`, `deserialize`, and configs.

Initializers, losses, metrics and their like can be named by a string, described by a config, or
given as an object.  A `Catalogue` holds the names of one module and turns each of these into the
object; `Configured` gives a class the config that describes it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from tricorn import checks, naming, tracking
from tricorn.serialization import registry


class Configured:
    """Mixin: the config is the constructor's arguments, kept as attributes of the same names; those
    of the library's own classes are checked (see `checks.of_kinds`)."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        checks.checked(cls)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, such that ``cls.from_config(obj.get_config())`` is alike."""
        cls: Any = type(self)
        names = (name for name in arguments(cls) if hasattr(self, name))
        return {name: tracking.plain(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` describes."""
        return cls(**config)


@functools.cache
def arguments(cls: Any) -> tuple[str, ...]:
    """Names of the constructor's arguments; those that ``**kwargs`` hands on to a base included."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        if "__init__" not in base.__dict__ or base is object:
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        starred = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        names.update({p.name: None for p in parameters if p.kind not in starred})
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return tuple(names)


class Catalogue:
    """The named objects of one public module.

    Args:
        module: the public module's name below the face, e.g. ``"losses"``.
        kind: what one of them is called in errors, e.g. ``"loss"``.
        objects: classes and functions, known by their own names.
        aliases: further names.
        snake_case: classes are also known by their names in snake case.
        ignore_case: names are compared in lower case.
        base: what objects must be instances of; None: anything callable will do.
    """

    def __init__(
        self,
        module: str,
        kind: str,
        objects: Iterable[Callable],
        aliases: dict[str, Callable] | None = None,
        *,
        snake_case: bool = False,
        ignore_case: bool = False,
        base: type | None = None,
    ) -> None:
        self.module, self.kind, self._fold, self._base = module, kind, ignore_case, base
        self.objects: dict[str, Callable] = {}
        for obj in objects:
            self.objects[self._key(obj.__name__)] = obj
            if snake_case and inspect.isclass(obj):
                self.objects.setdefault(naming.snake_case(obj.__name__), obj)
        for name, obj in (aliases or {}).items():
            self.objects[self._key(name)] = obj

    def _key(self, name: str) -> str:
        return name.lower() if self._fold else name

    def get(self, identifier: Any) -> Any:
        """The object that an identifier stands for.

        Args:
            identifier: None (gives None), a name, a config ``{"class_name": ..., "config": ...}``,
                a class (made without arguments), or the object itself.

        Raises:
            ValueError: for an unknown name, with the names that are known; for something that is
                none of these.

        Example:
            >>> keras.losses.get("mse").__name__
            'mean_squared_error'
        """
        if identifier is None:
            return None
        if isinstance(identifier, dict):
            identifier = self.deserialize(identifier)
        elif isinstance(identifier, str):
            identifier = self._find(identifier)
        if inspect.isclass(identifier):
            identifier = identifier()
        fits = callable(identifier) if self._base is None else isinstance(identifier, self._base)
        if not fits:
            forms = "a name, a config, a class, an object" + ", a function" * (not self._base)
            raise ValueError(
                f"{self._not_understood(identifier)} (of type {type(identifier).__name__}); "
                f"expected {self._article()}: {forms}"
            )
        return identifier

    def deserialize(self, config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """The object that a config, or a name, describes.

        Args:
            config: what `serialize` gave.
            custom_objects: name -> class or function, for what the library does not know.

        Example:
            >>> keras.losses.deserialize("mean_squared_error").__name__
            'mean_squared_error'
        """
        if isinstance(config, str):
            with registry.CustomObjectScope(custom_objects):
                return self._find(config)
        name = config.get("class_name") if isinstance(config, dict) else None
        known = self.objects.get(self._key(name)) if isinstance(name, str) else None
        if known is not None and known.__name__ != name:
            config = {**config, "class_name": known.__name__}
        named = {obj.__name__: obj for obj in self.objects.values()}
        return registry.deserialize_keras_object(config, custom_objects, module_objects=named)

    def _find(self, name: str) -> Any:
        found = registry.get_registered_object(name) or self.objects.get(self._key(name))
        if found is None:
            raise ValueError(
                f"{self._not_understood(name)} is not known; known: "
                f"{', '.join(sorted(self.objects))}. Your own can be given as an object, or by "
                "name inside custom_object_scope"
            )
        return found

    def _not_understood(self, identifier: Any) -> str:
        """What begins errors, in words that people search for."""
        kind = "activation function" if self.kind == "activation" else self.kind
        return f"Could not interpret {kind} identifier: {identifier!r}"

    def _article(self) -> str:
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"


def members(modules: Iterable[Any], base: type) -> list[Callable]:
    """The public functions, and classes derived from `base`, that `modules` define."""
    return [
        obj
        for module in modules
        for name, obj in vars(module).items()
        if not name.startswith("_")
        and getattr(obj, "__module__", None) == module.__name__
        and (issubclass(obj, base) if inspect.isclass(obj) else inspect.isfunction(obj))
    ]
