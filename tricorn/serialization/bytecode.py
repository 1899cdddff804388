"""The bytecode of lambdas, as Keras stores it.

Bytecode belongs to one version of Python: what another wrote may crash the interpreter.  So the
version stands beside it, and `load` refuses any other, and bytecode that does not say.
"""

from __future__ import annotations

import base64
import binascii
import builtins
import dis
import marshal
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

_LIBRARY = __name__.partition(".")[0]
PYTHON = sys.implementation.cache_tag


def dump(fn: types.FunctionType) -> tuple[str, tuple | None, tuple | None]:
    """(code, defaults, values of the closure) of a Python function.

    Raises:
        ValueError: for code that cannot be stored.
    """
    cells = fn.__closure__
    code = base64.encodebytes(marshal.dumps(fn.__code__)).decode("ascii")
    return code, fn.__defaults__, cells and tuple(cell.cell_contents for cell in cells)


def load(
    code: Any, defaults: Any, closure: Any, python: Any, find: Callable[[str], Any]
) -> types.FunctionType:
    """The function that `dump` took apart; it sees NumPy, this library, also as ``keras`` and its
    backend as ``K``, Python's builtins, and what `find` gives for a name.

    Raises:
        ValueError: bytecode of another Python, or damaged, or with names that nothing has.
    """
    if python != PYTHON:
        wrote = python if isinstance(python, str) else "a Python that it does not name"
        raise ValueError(f"it was written by {wrote}, and this is {PYTHON}")
    face = sys.modules[_LIBRARY]
    scope = {"np": np, "numpy": np, _LIBRARY: face, "keras": face, "K": face.backend,
             "__builtins__": builtins}  # fmt: skip
    try:
        body = marshal.loads(base64.b64decode(code))
        unknown = _globals(body) - scope.keys() - vars(builtins).keys()
        scope |= {name: found for name in unknown if (found := find(name)) is not None}
        if missing := sorted(unknown - scope.keys()):
            raise NameError(", ".join(map(repr, missing)))
        cells = closure and tuple(types.CellType(value) for value in closure)
        return types.FunctionType(body, scope, body.co_name, defaults and tuple(defaults), cells)
    except NameError as error:
        raise ValueError(
            f"it uses {error} of the module that it was written in, which the file does not hold "
            f"(custom_objects={{{missing[0]!r}: {missing[0]}}} passes it)"
        ) from error
    except (TypeError, ValueError, EOFError, AttributeError, binascii.Error) as error:
        raise ValueError(f"it is damaged ({error})") from error


def _globals(code: types.CodeType) -> set[str]:
    """The names that a function, and those inside it, look for in their module."""
    inner = (one for one in code.co_consts if isinstance(one, types.CodeType))
    own = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    return own.union(*map(_globals, inner))
