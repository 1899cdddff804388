"""The command ``tricorn``."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tricorn._version import __version__
from tricorn.naming import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process unless given).

    Returns:
        The exit status: 0 when all is well, 2 when the command was wrong, 130 when interrupted.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tricorn",
        description="Model-level deep learning in the manner of Keras, over tensor engines.",
        epilog="In Python: import tricorn as keras",
    )
    parser.add_argument("--version", action="version", version=f"tricorn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="train a small network on real handwritten digits and write a report",
        description="Trains a small convolutional network on the 1,797 handwritten digits that "
        "ship with the package, shows how well it reads digits it has never seen, saves it, "
        "loads it back, and writes a report. Takes less than 20 seconds on two cores.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument(
        "--engine", metavar="NAME", help="the tensor engine; the configured one if unset"
    )
    demo.add_argument("--epochs", type=_positive, default=15, metavar="N", help="training epochs")
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("digits-demo"),
        metavar="FOLDER",
        help="where the model and the report go",
    )
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random")
    demo.set_defaults(run=_demo)

    run = commands.add_parser(
        "run",
        help="run a script that imports keras, with this library in its place",
        description="Runs a script as python does, but 'import keras' and the imports of its "
        "modules mean Keras 2.3.1 as this library has it; with --modern, Keras 3.",
    )
    run.add_argument("--modern", action="store_true", help="import keras means Keras 3")
    run.add_argument(
        "--engine", metavar="NAME", help="the tensor engine; the configured one if unset"
    )
    run.add_argument("script", metavar="SCRIPT", help="the path of the script")
    run.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="its arguments")
    run.set_defaults(run=_run)

    inspect = commands.add_parser(
        "inspect",
        help="show what is in the file of a model, without making the model",
        description="Shows what wrote a file, its layers and their weights, how the model is "
        "compiled, what is translated when it is loaded, and what does not load without help. "
        "Runs nothing that is in the file. Ends with 1 when something does not load without help.",
    )
    inspect.add_argument("file", type=Path, metavar="FILE", help="a model, or weights")
    inspect.add_argument("--json", action="store_true", help="as JSON")
    inspect.set_defaults(run=_inspect)

    convert = commands.add_parser(
        "convert",
        help="write the model in a file to a file of another layout",
        description="Loads a model that any version of Keras wrote and saves it: .keras for "
        "Keras 3, .h5 for Keras 2 and tf.keras; .weights.h5, .safetensors: the weights alone.",
    )
    convert.add_argument("source", type=Path, metavar="IN", help="the file of a model")
    convert.add_argument("target", type=Path, metavar="OUT", help="the new file")
    convert.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    convert.add_argument(
        "--inexact",
        action="store_true",
        help="also where Keras would compute something else with OUT",
    )
    convert.set_defaults(run=_convert)

    info = commands.add_parser(
        "info",
        help="show the version, the engines found, and the settings",
        description="Shows the version, the engines found with their versions, and the settings.",
    )
    info.set_defaults(run=_info)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _demo(arguments: argparse.Namespace) -> int:
    from tricorn import config, demo, engines

    name = arguments.engine or config.backend()
    embedded = config.DEFAULTS["backend"]
    asked = arguments.engine or os.environ.get("KERAS_BACKEND")
    if not asked and name in engines.available() and name not in engines.installed():
        note = f"{config.home() / 'keras.json'} chooses the engine {name!r}, which is not installed"
        print(f"tricorn: {note}; the demo runs on {embedded!r}", file=sys.stderr)
        name = embedded
    try:
        engines.set_engine(name)
    except engines.EngineError as error:
        return _complain(str(error))
    if arguments.output.exists() and not arguments.output.is_dir():
        return _complain(f"--output must be a folder, but {arguments.output} is a file")
    demo.run(arguments.output, epochs=arguments.epochs, seed=arguments.seed)
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from tricorn import engines, script

    find: Callable[[str], Any] = script.modern
    if not arguments.modern:
        from tricorn.classic import modules

        find = modules.classic
    try:
        if arguments.engine:
            engines.set_engine(arguments.engine)
        return script.run(arguments.script, arguments.arguments, find)
    except engines.EngineError as error:
        return _complain(str(error))
    except OSError as error:
        if error.filename != os.path.abspath(arguments.script):
            raise
        return _complain(f"the script {arguments.script} cannot be read: {error.strerror}")


def _inspect(arguments: argparse.Namespace) -> int:
    from tricorn.saving import inspection

    try:
        found = inspection.report(arguments.file)
    except (ValueError, OSError) as error:
        return _complain(str(error))
    if arguments.json:
        print(inspection.as_json(found))
    else:
        _show(arguments.file, found)
    return int(bool(found.dangers))


def _show(path: Path, found: Any) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    def shown(text: str) -> str:
        return escape(printable(text))

    console = Console(highlight=False)
    console.print(f"[bold]{shown(str(path))}[/]: {found.layout}, {path.stat().st_size:,} bytes")
    facts = Table(show_header=False)
    for title, text in {"written by": found.writer, **found.facts}.items():
        facts.add_row(title, shown(text))
    facts.add_row("parameters", f"{found.parameters:,}")
    console.print(facts)
    layers = Table("layer", "class", "weights")
    for layer in found.layers:
        shapes = (
            f"{name.split('/')[-1].partition(':')[0]} {shape}"
            for name, shape in layer.weights.items()
        )
        name = "  " * layer.depth + layer.name
        layers.add_row(shown(name), shown(layer.kind), shown("\n".join(shapes)))
    console.print(layers)
    for title, lines in (
        ("Translated when it is loaded", found.changes),
        ("Does not load without help", found.dangers),
    ):
        if lines:
            console.print(f"[bold]{title}[/]")
        for line in lines:
            console.print(f"- {shown(line)}")


def _convert(arguments: argparse.Namespace) -> int:
    from tricorn.saving import conversion

    try:
        conversion.convert(
            arguments.source, arguments.target, arguments.overwrite, arguments.inexact
        )
    except (ValueError, TypeError, OSError) as error:
        return _complain(str(error))
    return 0


def _info(arguments: argparse.Namespace) -> int:
    import platform

    import numpy
    from rich.console import Console
    from rich.table import Table

    from tricorn import config, engines

    console = Console(highlight=False)
    console.print(
        f"[bold]tricorn {__version__}[/], Python {platform.python_version()}, "
        f"NumPy {numpy.__version__}, {platform.platform()}"
    )
    table = Table(title="\nEngines", title_justify="left")
    table.add_column("name")
    table.add_column("library")
    table.add_column("")
    for name in engines.available():
        chosen = "chosen" if name == config.backend() else ""
        table.add_row(name, _library_version(name) if name in engines.installed() else "-", chosen)
    console.print(table)
    settings = Table(
        title=f"\nSettings ({config.home() / 'keras.json'}, KERAS_BACKEND)",
        title_justify="left",
        show_header=False,
    )
    for name in ("backend", "floatx", "epsilon", "image_data_format"):
        settings.add_row(name, str(getattr(config, name)()))
    settings.add_row("convolutions on JAX's CPU", engines.known.kernels()[1])
    console.print(settings)
    return 0


def _library_version(module: str) -> str:
    """The version of the distribution that brings a module, without importing it."""
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(module, [])
        return importlib.metadata.version(names[0]) if names else "unknown"


def _complain(text: str) -> int:
    print(f"tricorn: {printable(text)}", file=sys.stderr)
    return 2
