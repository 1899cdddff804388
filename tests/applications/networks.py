"""What the tests of the networks, and the script that records genuine ones, share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

#: the functions that make networks, by family
FAMILIES = {
    "VGG": ["VGG16", "VGG19"],
    "ResNet": ["ResNet50", "ResNet101", "ResNet152"],
    "ResNetV2": ["ResNet50V2", "ResNet101V2", "ResNet152V2"],
    "MobileNet": ["MobileNet"],
    "MobileNetV2": ["MobileNetV2"],
    "MobileNetV3": ["MobileNetV3Small", "MobileNetV3Large"],
    "DenseNet": ["DenseNet121", "DenseNet169", "DenseNet201"],
    "EfficientNet": [f"EfficientNetB{number}" for number in range(8)],
    "EfficientNetV2": [
        *(f"EfficientNetV2{kind}" for kind in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    ],
    "ConvNeXt": [f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")],
    "Xception": ["Xception"],
    "InceptionV3": ["InceptionV3"],
    "InceptionResNetV2": ["InceptionResNetV2"],
    "NASNet": ["NASNetMobile", "NASNetLarge"],
}
VARIANTS = [name for names in FAMILIES.values() for name in names]
FIRST = [names[0] for names in FAMILIES.values()]
#: what Keras gives for them is recorded, for the engines on which Keras is not run
RECORDED = ["MobileNet", "MobileNetV3Small", "ResNet50V2"]
#: arguments that make a network another one
OWN = {
    "MobileNet": {"alpha": 0.5, "depth_multiplier": 2},
    "MobileNetV2": {"alpha": 1.4},
    "MobileNetV3Small": {"alpha": 1.25, "minimalistic": True, "include_preprocessing": False},
    "MobileNetV3Large": {"alpha": 0.75, "dropout_rate": 0.0},
    "EfficientNetV2B0": {"include_preprocessing": False},
    "EfficientNetV2S": {"input_shape": (64, 48, 1)},
    "ConvNeXtTiny": {"include_preprocessing": False, "name": "mine"},
    "ResNet50": {"input_shape": (40, 33, 4)},
    "NASNetMobile": {"input_shape": (65, 64, 3)},
}
#: (function, arguments) of networks with published weights
FILES: list[tuple[str, dict]] = [
    *((name, {}) for name in VARIANTS),
    ("MobileNet", {"alpha": 0.25, "input_shape": (128, 128, 3)}),
    ("MobileNet", {"alpha": 0.75, "input_shape": (160, 160, 3)}),
    ("MobileNetV2", {"alpha": 1.4}),
    ("MobileNetV2", {"alpha": 0.35, "input_shape": (96, 96, 3)}),
    ("MobileNetV3Large", {"alpha": 0.75}),
    ("MobileNetV3Large", {"minimalistic": True}),
    ("MobileNetV3Small", {"alpha": 0.75}),
    ("MobileNetV3Small", {"minimalistic": True}),
]
#: the smallest images, and what else makes networks small
SIDES = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}
SMALL = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {"alpha": 0.75},
}


def arguments_of(name: str) -> dict:
    """Those of a small network, whose classifier gives logits."""
    side = SIDES.get(name, 32)
    shape = {"input_shape": (side, side, 3), "classes": 5, "classifier_activation": None}
    return {**shape, **SMALL.get(name, {})}


def images(name: str, count: int = 2) -> np.ndarray:
    """Images for it: numbers of about 1, or pixels.  The shallow ones of EfficientNet get dark and
    light images, since they hardly tell others apart."""
    side, pixels = SIDES.get(name, 32), name.startswith(("Efficient", "MobileNetV3", "ConvNeXt"))
    found = np.random.default_rng(1).normal(size=(count, side, side, 3))
    if name.startswith("EfficientNetB") and name < "EfficientNetB4":
        found += np.linspace(-3, 3, count)[:, None, None, None]
    return ((100 if pixels else 1) * found).astype("float32")


def layers_of(model: Any, name: Callable[[Any], str] = lambda layer: layer.name) -> list:
    """(name of each layer, shapes of its weights) in order."""
    return [
        [name(layer), [list(map(int, weight.shape)) for weight in layer.weights]]
        for layer in model.layers
    ]


def facts(model: Any, name: Callable[[Any], str] = lambda layer: layer.name) -> list:
    """The name of a model, how many weights it has, how many layers, and a digest of the layers."""
    layers = layers_of(model, name)
    return [model.name, int(model.count_params()), len(layers), digest(layers)]


def digest(told: Any) -> str:
    """A short name of what can be written as JSON."""
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def settings(found: Any) -> Any:
    """A config of a model without what libraries write in several ways: what is off or not said,
    seeds, the last axis, and a constant 0."""
    if isinstance(found, list | tuple):
        return [settings(item) for item in found if settings(item) != "InputLayer"]
    if not isinstance(found, dict):
        return found
    kind, config = found.get("class_name"), found.get("config")
    if kind == "__keras_tensor__":
        return config["keras_history"]
    if kind == "InputLayer":
        return kind
    if kind == "Constant" and config["value"] == 0:
        return "Zeros"
    if kind is not None:
        rest = [found[key] for key in ("name", "inbound_nodes") if key in found]
        return [kind, settings(config), settings(rest)] if config or rest else kind
    return {
        key: -1 if key == "axis" and value in (3, [3], (3,), [-1]) else settings(value)
        for key, value in sorted(found.items())
        if value is not None and value is not False and key != "seed"
    }


def wiring(model: Any) -> str:
    """A digest of all layers' settings, and of what each is called with."""
    return digest(settings(json.loads(json.dumps(model.get_config()))))


def cases() -> dict[str, tuple[str, dict]]:
    """Title of a case -> (function, arguments)."""
    found = {name: (name, {}) for name in VARIANTS}
    found |= {
        f"{name}, its features": (name, {"include_top": False, "pooling": "max"}) for name in FIRST
    }
    found |= {f"{name}, other arguments": (name, own) for name, own in OWN.items()}
    return found


def drawn(model: Any, seed: int = 0) -> list[np.ndarray]:
    """Weights that tell each other apart, with which results stay in bounds.  Those of a
    `Normalization` stay as they are: Keras heeds them when they come from a file, and only then.
    EfficientNetV2 gets smaller ones: with others a rounding error grows with every block."""
    random = np.random.default_rng(seed)
    gain = 0.75 if model.name.startswith("efficientnetv2") else 1.0
    left = {id(w) for layer in model.layers if layer.name.rstrip("_0123456789") == "normalization"
            for w in layer.weights}  # fmt: skip
    weights = [weight for layer in model.layers for weight in layer.weights]
    found = []
    for weight, now in zip(weights, model.get_weights(), strict=True):  # of one order everywhere
        shape, name = tuple(weight.shape), weight.name
        if id(weight) in left:
            found.append(now)
            continue
        if len(shape) > 1:
            depthwise = len(shape) == 4 and shape[-1] <= 2
            size = np.prod(shape[:2] if depthwise else shape[:-1])
            value = random.normal(0, (2 / size) ** 0.5, shape)
        elif any(part in name for part in ("variance", "gamma", "variable")):
            value = random.uniform(0.7, 1.4, shape) * (gain if "gamma" in name else 1.0)
        else:
            value = random.normal(0, 0.1, shape)
        found.append(value.astype("float32"))
    return found


def leave_empty(monkeypatch: Any) -> None:
    """Weights of networks take no memory: hundreds of millions of numbers take long."""
    from tricorn.variable import Variable

    initial = Variable._initial

    def one_number(self, initializer, shape, dtype):
        if shape is None or not callable(initializer):
            return initial(self, initializer, shape, dtype)
        return np.broadcast_to(np.zeros((), "float32"), tuple(shape))

    monkeypatch.setattr(Variable, "_initial", one_number)
