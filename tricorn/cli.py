"""The command ``tricorn``."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tricorn._version import __version__


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

    find = script.modern
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
    print(f"tricorn: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
