"""Checks of arguments where they are given: each error names the object, the argument, what was
expected and what came."""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

from tricorn.tracebacks import shortened

#: what annotations of constructors say -> what it is called in errors
_WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "str": "a string",
    "None": "None",
}


def wrong(
    owner: Any, name: str, wanted: str, value: Any, error: type[Exception] = ValueError
) -> Exception:
    """The error for an argument of `owner`'s."""
    return error(f"{type(owner).__name__}: {name} must be {wanted}, got {value!r}")


def is_int(value: Any) -> bool:
    """Whether it is an integer, bool excepted."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def optional(module: str, user: str, package: str, extra: str) -> Any:
    """A module of a package that is not always installed.

    Args:
        user: who needs it.
        extra: what the library is to be installed with.

    Raises:
        ImportError: it is not there; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{user} needs {package}: install it with pip install "tricorn[{extra}]"'
        ) from error


def is_file_name(value: Any) -> bool:
    """Whether it is the name of a file in some folder, on any system, and not a path."""
    return (
        isinstance(value, str) and value not in ("", ".", "..") and not set(value) & set("/\\:\0")
    )


def boolean(owner: Any, name: str, value: Any) -> bool:
    """True or False, NumPy's too.

    Raises:
        ValueError: when it is something else.
    """
    if not isinstance(value, bool) and str(getattr(value, "dtype", None)) != "bool":
        raise wrong(owner, name, "a boolean", value)
    return bool(value)


def named(owner: Any, name: str, get: Callable[[Any], Any], value: Any) -> Any:
    """What `get` makes of an argument that a name, a config or an object may be given for.

    Raises:
        ValueError, TypeError: what `get` raises, with the argument's name.
    """
    try:
        return get(value)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{type(owner).__name__}: {name}: {error}") from None


def name(owner: Any, value: Any) -> str | None:
    """The argument `name`: a string without "/", or None.

    Raises:
        ValueError: when it is something else.
    """
    if value is not None and (not isinstance(value, str) or "/" in value):
        raise wrong(owner, "name", "a string without '/'", value)
    return value


def shape(owner: Any, name: str, value: Any) -> tuple[int | None, ...]:
    """A shape: integers of at least 0, or None for sizes that are not known.

    Raises:
        ValueError: when it is something else.
    """
    several = hasattr(value, "__iter__") and not isinstance(value, (str, dict))
    sizes = tuple(value) if several else (-1,)
    if not all(n is None or (is_int(n) and n >= 0) for n in sizes):
        hint = f"; write {name}=({value},)" if is_int(value) else ""
        wanted = "a tuple of sizes, integers of at least 0 or None"
        raise ValueError(f"{wrong(owner, name, wanted, value)}{hint}")
    return tuple(None if n is None else int(n) for n in sizes)


def number(
    owner: Any,
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
) -> Any:
    """A number within [least, most] and larger than `above`, as it was given.

    Raises:
        ValueError: when it is something else; nan is within no bounds.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if real and least <= value <= most and (value > above or above == -math.inf):
        return value
    if above > -math.inf:
        bounds = f" above {above}" if most == math.inf else f" within ({above}, {most}]"
    elif least == -math.inf and most < math.inf:
        bounds = f" of at most {most}"
    elif most < math.inf:
        bounds = f" between {least} and {most}"
    else:
        bounds = f" of at least {least}" if least > -math.inf else ""
    raise wrong(owner, name, f"a number{bounds}", value)


def integer(owner: Any, name: str, value: Any, least: float = -math.inf) -> int:
    """An integer of at least `least`.

    Raises:
        ValueError: when it is something else.
    """
    if not is_int(value) or value < least:
        bounds = {1: "a positive integer", -math.inf: "an integer"}
        raise wrong(owner, name, bounds.get(least, f"an integer of at least {least}"), value)
    return int(value)


def choice(owner: Any, name: str, value: Any, known: Iterable) -> Any:
    """One of the values `known`; strings in any case.

    Raises:
        ValueError: when it is something else.
    """
    known = tuple(known)
    for one in known:
        same = isinstance(value, str) and isinstance(one, str) and one.lower() == value.lower()
        if same or one is value or (type(one) is type(value) and one == value):
            return one
    raise wrong(owner, name, f"one of {', '.join(map(repr, known))}", value)


def kinds(init: Callable) -> dict[str, frozenset[str]]:
    """name -> what may be given, for the arguments of a constructor that are annotated with plain
    types: int, float, bool, str, None."""
    said = {name: str(text).split(" | ") for name, text in inspect.get_annotations(init).items()}
    plain = {name: frozenset(parts) for name, parts in said.items() if set(parts) <= _WORDS.keys()}
    plain.pop("axis", None)  # one axis, or several where what computes with it takes them
    return plain


def of_kinds(owner: Any, given: dict[str, Any], known: dict[str, frozenset[str]]) -> None:
    """Check that arguments are of the plain types that `known` (from `kinds`) says.  A number is
    taken for any other, whatever has a dtype for a number (tensors, arrays, NumPy's scalars), and
    None for a string or a bool.

    Raises:
        ValueError: for the first that is of none of its types.
    """
    for name, value in given.items():
        if name not in known:
            continue
        if isinstance(value, str) or value is None:
            fits = "str" in known[name] or (value is None and "None" in known[name])
        else:
            real = isinstance(value, numbers.Real) or hasattr(value, "dtype")
            fits = real and known[name] - {"str", "None"} != set()
        if not fits and not (value is None and known[name] == {"bool"}):
            words = (word for key, word in _WORDS.items() if key in known[name])
            raise wrong(owner, name, " or ".join(words), value)


def of_library(thing: Any) -> bool:
    """Whether a class or function is the library's own."""
    return thing.__module__.partition(".")[0] == __name__.partition(".")[0]


def checked(cls: type) -> None:
    """Let the constructor of a class of the library check its arguments (see `of_kinds`)."""
    init = cls.__dict__.get("__init__")
    if init is None or not of_library(cls) or not (known := kinds(init)):
        return
    signature = inspect.signature(init)

    @shortened
    @functools.wraps(init)
    def checking(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}; arguments: {signature}") from None
        of_kinds(self, given, known)
        init(self, *args, **kwargs)

    cls.__init__ = checking  # type: ignore[misc]
