"""``keras.applications`` of Keras 2.3.1: the networks of the core made of the layers of this face,
with the names that layers had, and the addresses where their weights were."""

from __future__ import annotations

import functools
import importlib
import inspect
import types
from collections.abc import Callable
from typing import Any

import tricorn.applications as core

# by other names: what scripts call ``keras.applications.mobilenet`` is put here, too
from tricorn.applications import inception_resnet_v2 as core_inception_resnet_v2
from tricorn.applications import mobilenet as core_mobilenet
from tricorn.applications import mobilenet_v2 as core_mobilenet_v2
from tricorn.applications.architecture import (
    Architecture,
    Builder,
    Files,
    chain,
    kernels,
    pooled_classifier,
)
from tricorn.applications.imagenet_utils import decode_predictions
from tricorn.classic import layers, models

_RELEASES = "https://github.com/{}/releases/download/"
_CHOLLET = _RELEASES.format("fchollet/deep-learning-models")
_TEAM = _RELEASES.format("keras-team/keras-applications")
#: module -> the address of its files
_ADDRESSES = {
    "densenet": f"{_TEAM}densenet",
    "inception_resnet_v2": f"{_CHOLLET}v0.7",
    "inception_v3": f"{_CHOLLET}v0.5",
    "mobilenet": f"{_CHOLLET}v0.6",
    "mobilenet_v2": _RELEASES.format("JonathanCMitchell/mobilenet_v2_keras") + "v1.1",
    "nasnet": _RELEASES.format("titu1994/Keras-NASNet") + "v1.2",
    "resnet": f"{_TEAM}resnet",
    "resnet50": f"{_CHOLLET}v0.2",
    "resnet_v2": f"{_TEAM}resnet",
    "vgg16": f"{_CHOLLET}v0.1",
    "vgg19": f"{_CHOLLET}v0.1",
    "xception": f"{_CHOLLET}v0.4",
}
#: modules that came later
_LATER = {"convnext", "efficientnet", "efficientnet_v2", "mobilenet_v3"}
#: module -> its networks
_MODULES = {
    name: [title for title in getattr(core, name).__all__ if title[0].isupper()]
    for name in core.__all__
    if name.islower() and name not in _LATER
}
_DEFAULTS = {
    "include_top": True, "weights": "imagenet", "input_tensor": None, "input_shape": None,
    "pooling": None, "classes": 1000, "alpha": 1.0, "depth_multiplier": 1, "dropout": 1e-3,
}  # fmt: skip
#: module -> the order of the arguments, where it is another
_ORDERS = {
    "mobilenet": "input_shape alpha depth_multiplier dropout include_top weights input_tensor "
    "pooling classes",
    "mobilenet_v2": "input_shape alpha include_top weights input_tensor pooling classes",
    "nasnet": "input_shape include_top weights input_tensor pooling classes",
}
_ORDER = "include_top weights input_tensor input_shape pooling classes"
#: what `keras_modules_injection` adds
_INJECTED = ("backend", "layers", "models", "utils")


def keras_modules_injection(base_fun: Callable) -> Callable:
    """A function of the package ``keras_applications`` with the modules of Keras among its
    arguments.

    Args:
        base_fun: the function.
    """

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        modules = {name: importlib.import_module(f"tricorn.classic.{name}") for name in _INJECTED}
        return base_fun(*args, **kwargs, **modules)

    return wrapper


def _resnet50(build: Builder, x: Any) -> Any:
    """The features of the first ResNet50."""
    conv = functools.partial(build.layers.Conv2D, kernel_initializer="he_normal")

    def part(filters: int, size: int, name: str, **settings: Any) -> tuple:
        return conv(filters, size, name=f"res{name}", **settings), build.norm(f"bn{name}")

    x = chain(
        x,
        build.layers.ZeroPadding2D(3, name="conv1_pad"),
        conv(64, 7, strides=2, name="conv1"),
        build.norm("bn_conv1"),
        build.relu(),
        build.layers.ZeroPadding2D(1, name="pool1_pad"),
        build.layers.MaxPooling2D(3, 2),
    )
    for stage, depth in enumerate((3, 4, 6, 3), 2):
        filters = 64 * 2 ** (stage - 2)
        for number in range(depth):
            name, stride = f"{stage}{chr(97 + number)}_branch", 2 if stage > 2 and not number else 1
            found = chain(
                x,
                *part(filters, 1, f"{name}2a", strides=stride),
                build.relu(),
                *part(filters, 3, f"{name}2b", padding="same"),
                build.relu(),
                *part(4 * filters, 1, f"{name}2c"),
            )
            if not number:
                x = chain(x, *part(4 * filters, 1, f"{name}1", strides=stride))
            x = build.relu()(build.layers.Add()([found, x]))
    return x


def _mobilenet_top(build: Builder, x: Any, dropout: float, **others: Any) -> Any:
    channels = build.channels(x)
    return chain(
        x,
        build.layers.GlobalAveragePooling2D(),
        build.layers.Reshape(
            (channels, 1, 1) if build.axis == 1 else (1, 1, channels), name="reshape_1"
        ),
        build.layers.Dropout(dropout, name="dropout"),
        build.layers.Conv2D(build.classes, 1, padding="same", name="conv_preds"),
        build.layers.Reshape((build.classes,), name="reshape_2"),
        build.layers.Activation(build.classifier_activation, name="act_softmax"),
    )


def _called(name: str, pool: str | None = "avg_pool") -> Callable:
    """A classifier whose layers have these names."""
    return functools.partial(pooled_classifier, pool=pool, name=name)


def _architecture(module: str, title: str, build: Builder, **own: Any) -> Architecture:
    """The network `title` as Keras 2.3.1 had it."""
    if module.startswith("mobilenet"):
        first = module == "mobilenet"
        found = (core_mobilenet if first else core_mobilenet_v2).architecture(build, **own)
        top = functools.partial(_mobilenet_top, **own) if first else _called("Logits", None)
        return found._replace(body=functools.partial(found.body, padded=True), top=top)
    if module == "resnet50":
        hashes = "a7b3fe01876f51b976af0dea6bc144eb a268eb855778b3df3c7506639542a6af"
        files, top = kernels("resnet50", hashes), _called("fc1000")
        return Architecture(title, "resnet50", _resnet50, files, top=top)
    found = getattr(core, title).architecture
    if module == "densenet":
        return found._replace(top=_called("fc1000"))
    if module == "inception_resnet_v2":
        return found._replace(body=functools.partial(core_inception_resnet_v2.body, named=True))
    if module == "nasnet":
        return found._replace(name="NASNet", fixed="always")
    return found._replace(top=_called("probs")) if module.startswith("resnet") else found


def _function(module: str, title: str) -> Callable:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = _ORDERS.get(module, _ORDER).split()
    signature = inspect.Signature(
        [inspect.Parameter(name, kind, default=_DEFAULTS[name]) for name in names]
    )

    def make(*args: Any, **kwargs: Any) -> Any:
        given = {name: value for name, value in kwargs.items() if name not in _INJECTED}
        bound = signature.bind(*args, **given)
        bound.apply_defaults()
        common = {name: bound.arguments.pop(name) for name in _ORDER.split()}
        build = Builder(
            **common, classifier_activation="softmax", name=None, layers=layers, model=models.Model
        )
        found = _architecture(module, title, build, **bound.arguments)
        files: Files = found.files._replace(address=_ADDRESSES[module])
        return found._replace(files=files).build(build)

    make.__name__ = make.__qualname__ = title
    make.__signature__ = signature  # type: ignore[attr-defined]
    make.__doc__ = (
        f"{title} with the arguments of Keras 2.3.1; see `tricorn.applications`. Also takes\n"
        "    backend, layers, models and utils, which nothing needs."
    )
    return make


@functools.cache
def submodule(name: str) -> types.ModuleType:
    """``keras.applications.name``."""
    today = getattr(core, name)
    made = types.ModuleType(f"{__name__}.{name}", today.__doc__)
    made.__dict__.update({title: _function(name, title) for title in _MODULES[name]})
    made.__dict__.update(
        preprocess_input=_uninjected(today.preprocess_input),
        decode_predictions=_uninjected(decode_predictions),
    )
    return made


def _uninjected(function: Callable) -> Callable:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        given = {name: value for name, value in kwargs.items() if name not in _INJECTED}
        return function(*args, **given)

    return run


_NETWORKS = {
    title: module
    for module, titles in _MODULES.items()
    for title in titles
    if (module, title) != ("resnet", "ResNet50")
}
__all__ = [*_NETWORKS, "keras_modules_injection"]


def __getattr__(name: str) -> Any:
    if name in _NETWORKS:
        return getattr(submodule(_NETWORKS[name]), name)
    if name in _MODULES:
        return submodule(name)
    raise AttributeError(f"keras.applications has no {name!r}")
