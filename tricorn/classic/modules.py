"""The modules that scripts import from Keras, and what they are here."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Iterator
from typing import Any

from tricorn.script import existing

_HERE = "tricorn.classic"
#: module of ours -> the paths, below ``keras``, at which scripts look for it
PATHS = {
    f"{_HERE}.activations": "activations",
    f"{_HERE}.applications": "applications applications.densenet applications.imagenet_utils "
    "applications.inception_resnet_v2 applications.inception_v3 applications.mobilenet "
    "applications.mobilenet_v2 applications.mobilenetv2 applications.music_tagger_crnn "
    "applications.nasnet applications.resnet applications.resnet50 applications.resnet_v2 "
    "applications.vgg16 applications.vgg19 applications.xception",
    f"{_HERE}.backend": "backend backend.common backend.tensorflow_backend "
    "backend.theano_backend backend.cntk_backend backend.load_backend",
    f"{_HERE}.callbacks": "callbacks callbacks.callbacks callbacks.tensorboard_v1 "
    "callbacks.tensorboard_v2",
    f"{_HERE}.constraints": "constraints",
    f"{_HERE}.engine": "engine engine.base_layer engine.input_layer engine.network engine.saving "
    "engine.sequential engine.topology engine.training",
    f"{_HERE}.initializers": "initializers initializations",
    f"{_HERE}.layers": "layers layers.advanced_activations layers.convolutional "
    "layers.convolutional_recurrent layers.core layers.cudnn_recurrent layers.embeddings "
    "layers.local layers.merge layers.noise layers.normalization layers.pooling layers.recurrent "
    "layers.wrappers legacy legacy.layers",
    f"{_HERE}.losses": "losses objectives",
    f"{_HERE}.metrics": "metrics",
    f"{_HERE}.models": "models",
    f"{_HERE}.optimizers": "optimizers",
    f"{_HERE}.regularizers": "regularizers",
    f"{_HERE}.spellings": "legacy.interfaces",
    f"{_HERE}.utils": "utils utils.conv_utils utils.data_utils utils.generic_utils utils.io_utils "
    "utils.layer_utils utils.multi_gpu_utils utils.np_utils utils.test_utils utils.training_utils "
    "utils.vis_utils utils.visualize_util engine.training_utils",
    f"{_HERE}.image": "preprocessing.image",
    f"{_HERE}.text": "preprocessing.text",
    f"{_HERE}.scikit_learn": "wrappers.scikit_learn",
    "tricorn.datasets": "datasets",
    "tricorn.preprocessing": "preprocessing",
    "tricorn.wrappers": "wrappers",
}
_OF_PATHS = {path: module for module, paths in PATHS.items() for path in paths.split()}
_NETWORKS = {
    name: {"mobilenetv2": "mobilenet_v2"}.get(name, name)
    for name in (path.partition(".")[2] for path in _OF_PATHS if path.startswith("applications."))
    if name != "music_tagger_crnn"
}
#: packages of the core, whose modules have the same names
_WHOLE = {path: name for path, name in _OF_PATHS.items() if not name.startswith(_HERE)}


class _Callable(types.ModuleType):
    """``keras.layers.merge``: in Keras 2 a module, in Keras 1 a function."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.merge(*args, **kwargs)


def classic(path: str) -> Any:
    """The module of Keras 2.3.1 at a path below ``keras``; None: it has none there."""
    if not path:
        return importlib.import_module(f"{_HERE}.keras")
    if path == "layers.merge":
        return _merge()
    package, _, rest = path.partition(".")
    if path in _WHOLE:
        return _package(_WHOLE[path])
    if package == "applications" and rest in _NETWORKS:
        return importlib.import_module(_OF_PATHS[path]).submodule(_NETWORKS[rest])
    if path in _OF_PATHS:
        return importlib.import_module(_OF_PATHS[path])
    if rest and package in _WHOLE:
        return existing(f"{_WHOLE[package]}.{rest}")
    return None


@functools.cache
def _package(name: str) -> Any:
    """A package of the core for scripts: imports below it put their modules here, not there."""
    core = importlib.import_module(name)
    made = types.ModuleType(name, core.__doc__)
    made.__dict__.update(__getattr__=lambda part: getattr(core, part), __all__=core.__all__)
    made.__dict__.update(__path__=[], __dir__=lambda: list(core.__all__))
    return made


def _merge() -> Any:
    layers = importlib.import_module(f"{_HERE}.layers")
    made = _Callable(f"{_HERE}.layers.merge", "The layers that merge tensors.")
    made.__dict__.update({name: getattr(layers, name) for name in _MERGING.split()})
    return made


_MERGING = (
    "Add Average Concatenate Dot Maximum Merge Minimum Multiply Subtract add average concatenate "
    "dot maximum merge minimum multiply subtract"
)


def paths() -> Iterator[str]:
    """All paths below ``keras`` that scripts import, outer ones first."""
    yield from sorted(_OF_PATHS, key=lambda path: path.count("."))
