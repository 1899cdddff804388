"""Python scripts that are run with the library in the place of Keras."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import io
import os
import re
import sys
import types
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from typing import Any

from tricorn import keras_src

#: the version of Keras whose names the modern face has
KERAS_VERSION = "3.15.1"


@functools.cache
def modern(path: str) -> Any:
    """The module of Keras 3 at a path below ``keras``; None: it has none there."""
    top, _, below = path.partition(".")
    if top == "src":
        return keras_src.module(below)
    if path:
        return existing(f"tricorn.{path}") or keras_src.lacking(path)
    import tricorn

    def find(name: str) -> Any:
        return keras_src.module("") if name == "src" else getattr(tricorn, name)

    made = types.ModuleType("keras", tricorn.__doc__)
    made.__dict__.update(
        __getattr__=find, __dir__=lambda: dir(tricorn), __version__=KERAS_VERSION,
        version=lambda: KERAS_VERSION, __all__=tricorn.__all__,
    )  # fmt: skip
    return made


def existing(name: str) -> Any:
    """The module of a name; None: there is none."""
    try:
        return importlib.import_module(name) if name and importlib.util.find_spec(name) else None
    except ModuleNotFoundError:
        return None


#: what stands before a path where TensorFlow looks for its `tf.keras`
_OF_TENSORFLOW = re.compile(r"^(_tf_keras|api(\._v2)?)(\.keras)?(\.|$)")


class Finder(MetaPathFinder, Loader):
    """Imports of a package, found in the library.

    Args:
        package: its name.
        find: path below it -> the module, or None.
    """

    def __init__(self, package: str, find: Callable[[str], Any]) -> None:
        self.package, self.find = package, find

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        if not f"{fullname}.".startswith(f"{self.package}."):
            return None
        module = self.find(_OF_TENSORFLOW.sub("", fullname[len(self.package) + 1 :]))
        if module is None:
            return None
        spec = ModuleSpec(fullname, self, is_package=True)
        spec.loader_state = module, getattr(module, "__spec__", None)
        return spec

    def create_module(self, spec: ModuleSpec) -> Any:
        module = spec.loader_state[0]
        if not hasattr(module, "__path__"):
            module.__path__ = []
        return module

    def exec_module(self, module: Any) -> None:
        """It was run already: only its own spec is put back."""
        state = getattr(module.__spec__, "loader_state", None)
        if state is not None:
            module.__spec__ = state[1]


def install(package: str, find: Callable[[str], Any]) -> None:
    """Let imports of a package mean modules of the library, from now on."""
    sys.meta_path.insert(0, Finder(package, find))


def run(script: str, arguments: Sequence[str], find: Callable[[str], Any]) -> int:
    """Run a script as ``python script arguments`` does, with other modules as its ``keras``.

    Args:
        script: path of the file.
        arguments: what follows it in ``sys.argv``.
        find: path below ``keras`` -> the module, or None.

    Returns:
        The exit status: 1 after an error, whose traceback begins in the script.

    Raises:
        OSError: when the script cannot be read.
        SystemExit: when the script asks for it.
    """
    with io.open_code(os.path.abspath(script)) as file:
        source = file.read()
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=script, __builtins__=__builtins__, __spec__=None, __cached__=None,
        __loader__=SourceFileLoader("__main__", script),
    )  # fmt: skip
    sys.argv = [script, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    sys.modules["__main__"] = main
    for name in [n for n in sys.modules if n == "keras" or n.startswith("keras.")]:
        del sys.modules[name]
    install("keras", find)
    install("tensorflow.keras", find)
    try:
        exec(compile(source, script, "exec"), main.__dict__)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        found = error.__traceback__
        while found is not None and found.tb_frame.f_code.co_filename != script:
            found = found.tb_next
        sys.excepthook(type(error), error.with_traceback(found), found)
        return 1
    return 0
