"""The bytecode of lambdas, as Keras stores it.

Bytecode belongs to one version of Python: what another wrote may crash the interpreter.  So the
version stands beside it, and `load` refuses any other, and bytecode that does not say.
"""

from __future__ import annotations

import base64
import binascii
import builtins
import marshal
import sys
import types
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


def load(code: Any, defaults: Any, closure: Any, python: Any) -> types.FunctionType:
    """The function that `dump` took apart; it sees NumPy, this library and Python's builtins.

    Raises:
        ValueError: bytecode of another Python, or damaged.
    """
    if python != PYTHON:
        wrote = python if isinstance(python, str) else "a Python that it does not name"
        raise ValueError(f"it was written by {wrote}, and this is {PYTHON}")
    face = sys.modules[_LIBRARY]
    scope = {"np": np, "numpy": np, _LIBRARY: face, "keras": face, "__builtins__": builtins}
    try:
        body = marshal.loads(base64.b64decode(code))
        cells = closure and tuple(types.CellType(value) for value in closure)
        return types.FunctionType(body, scope, body.co_name, defaults and tuple(defaults), cells)
    except (TypeError, ValueError, EOFError, AttributeError, binascii.Error) as error:
        raise ValueError(f"it is damaged ({error})") from error
