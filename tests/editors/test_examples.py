"""Every public name has an example in its docstring, which does on the engines what it shows.

On JAX all those thousand small programs would be compiled: there the main ones are run, and all of
them only where no other engine is installed.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import re

import pytest

import tricorn
from tests.editors import examples
from tricorn import config
from tricorn.engines import known

MODULES = ["tricorn", *(f"tricorn.{name}" for name in tricorn._MODULES)]
MODULES += ["tricorn.optimizers.schedules", "tricorn.datasets.digits"]
MODULES += ["tricorn.preprocessing.image", "tricorn.utils.bounding_boxes"]

#: those whose example is for one engine, or needs a package -> which
NEEDS = {
    "FlaxLayer": ("jax", "flax"),
    "JaxLayer": ("jax", "jax"),
    "TFSMLayer": ("tensorflow", "tensorflow"),
    "TorchModuleWrapper": ("torch", "torch"),
    "LivePlot": (None, "matplotlib"),
    "OrbaxCheckpoint": (None, "orbax"),
    **dict.fromkeys(
        ("plot_bounding_box_gallery", "plot_image_gallery", "plot_segmentation_mask_gallery"),
        (None, "matplotlib"),
    ),
    **dict.fromkeys(("array_to_img", "img_to_array", "load_img", "save_img"), (None, "PIL")),
    **dict.fromkeys(("decode_image", "decode_jpeg", "decode_png"), (None, "PIL")),
    "ParquetDataset": (None, "pyarrow"),
}


#: those without an example -> why; for modules, by the module that defines them
WITHOUT = {
    "tricorn.backend": "each is what its line says, on the ops, which have one",
    "tricorn.ops.boxes": "boxes are explained once, in `convert_format`",
    "MonitorCallback": "a base of the library's own",
    **dict.fromkeys(
        ("DataFrameIterator", "DirectoryIterator", "Iterator", "NumpyArrayIterator"),
        "what the methods of `ImageDataGenerator` give, which has one",
    ),
    **dict.fromkeys(
        (
            "apply_brightness_shift",
            "apply_channel_shift",
            "random_brightness",
            "random_channel_shift",
            "random_rotation",
            "random_shear",
            "random_shift",
            "random_zoom",
        ),
        "`ImageDataGenerator` does it, and has one",
    ),
    **dict.fromkeys(("GeneratorEnqueuer", "SequenceEnqueuer"), "see `OrderedEnqueuer`"),
    "is_nnx_enabled": "there is no such mode",
    "resolve_accuracy": "for `compile`",
}


def things() -> dict[str, dict[str, object]]:
    """module -> what it has that no module before it has, by name."""
    found, seen = {}, set()
    for module in MODULES:
        real = importlib.import_module(module)
        named = {name: getattr(real, name) for name in real.__all__}
        found[module] = {
            name: thing
            for name, thing in named.items()
            if callable(thing) and not (id(thing) in seen or seen.add(id(thing)))
        }
    return found


THINGS = things()


ALL_ON = [name for name in known.installed() if name not in ("jax", "abstract")] or ["jax"]

#: what most programs use
MAIN = [
    "Function", "Input", "Layer", "Model", "Sequential", "Variable", "callbacks.EarlyStopping",
    "callbacks.ModelCheckpoint", "layers.Concatenate", "layers.Conv2D", "layers.Dense",
    "layers.Embedding", "layers.LSTM", "losses.SparseCategoricalCrossentropy", "metrics.AUC",
    "optimizers.Adam", "optimizers.schedules.CosineDecay",
]  # fmt: skip


@pytest.mark.engine_free
def test_every_public_name_has_an_example():
    missing = [
        f"{module}.{name}"
        for module, found in THINGS.items()
        for name, thing in found.items()
        if ">>>" not in (inspect.getdoc(thing) or "")
        and name not in WITHOUT
        and not getattr(thing, "__module__", "").startswith(tuple(WITHOUT))
        and module not in WITHOUT
    ]
    assert not missing


#: what tells a reader the shape of what goes in
SHAPES = re.compile(r"shape|scalar|\baxi?e?s\b|\(batch|elementwise|vector|matri|Input, output")
#: bases, functions about functions, and what does not compute
NO_SHAPES = {
    "Metric", "Wrapper", "custom_gradient", "deserialize", "dtype", "fori_loop", "get", "is_tensor",
    "jvp", "serialize", "stop_gradient", "switch",
}  # fmt: skip


@pytest.mark.engine_free
@pytest.mark.parametrize("module", ["layers", "losses", "metrics", "ops"])
def test_every_computation_tells_its_shapes(module):
    package = getattr(tricorn, module)
    things = {name: getattr(package, name) for name in package.__all__}
    untold = [
        name
        for name, thing in things.items()
        if callable(thing) and not SHAPES.search(inspect.getdoc(thing) or "")
    ]
    assert sorted(set(untold) - NO_SHAPES) == []


def check(things: dict[str, object]) -> None:
    wrong = []
    for name, thing in things.items():
        engine, package = NEEDS.get(name.rpartition(".")[2], (None, "numpy"))
        if engine in (None, config.backend()) and importlib.util.find_spec(package):
            wrong.append(examples.failures(examples.example_of(thing, name)))
    assert not any(wrong), "\n".join(wrong)


@pytest.mark.engine(*ALL_ON)
@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(THINGS[module])


def test_main_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [*MAIN, *(f"layers.{name}" for name in NEEDS if name.endswith("Layer"))]
    check({name: functools.reduce(getattr, name.split("."), tricorn) for name in names})
