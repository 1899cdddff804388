"""Whole models as Keras 2.3.1 keeps them in ``.h5`` files, which tf.keras reads, too.

`model_config` is what `Translation` reads, in the other direction.  What neither version has, or
has under the same name with another meaning, is refused.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from tricorn.conventions import conventions_of
from tricorn.layers.state import flatten
from tricorn.optimizers.legacy import LegacyOptimizer
from tricorn.saving import hdf5, weights
from tricorn.saving.older import keras2
from tricorn.saving.older.changes import Config
from tricorn.saving.older.configs import MODELS, RECURRENT
from tricorn.saving.older.differences import merges_masks
from tricorn.serialization import bytecode, names, registry
from tricorn.variable import Variable

#: the version whose configs are written
KERAS_VERSION = "2.3.1"

#: layers that neither Keras 2 nor tf.keras has
_NOT_THEN = frozenset((
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "AugMix",
    "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Equalization",
    "FlaxLayer", "GroupQueryAttention", "JaxLayer", "MaxNumBoundingBoxes", "MelSpectrogram",
    "MixUp", "Pipeline", "RMSNormalization", "RandAugment", "RandomColorDegeneration",
    "RandomColorJitter", "RandomElasticTransform", "RandomErasing", "RandomGaussianBlur",
    "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization",
    "RandomSaturation", "RandomSharpness", "RandomShear", "ReversibleEmbedding",
    "STFTSpectrogram", "Solarization", "TFSMLayer", "TorchModuleWrapper",
))  # fmt: skip
#: arguments -> what they were called
_RENAMED = {"batch_shape": "batch_input_shape"}
_RENAMED_IN = {"LeakyReLU": {"negative_slope": "alpha"}}
#: arguments that came later: left out where they say what was so before
_LATER = frozenset((
    "allow_last_axis_squeeze", "autocast", "axis", "class_id", "from_logits", "from_sorted_ids",
    "groups", "ignore_class", "implementation", "input_axes", "keepdims", "label_weights",
    "multi_label", "num_labels", "optional", "output_axes", "ragged", "renorm", "renorm_clipping",
    "renorm_momentum", "return_state", "seed", "sparse_y_pred", "sparse_y_true", "synchronized",
    "use_cudnn", "weights", "zero_output_for_mask", "dilation_rate", "output_padding",
    "flash_attention", "use_gate", "sliding_window",
    "lora_rank", "lora_alpha", "quantization_config",
))  # fmt: skip
#: classes that were others with settings: (class, settings)
_SCALED = {
    f"{kind}{form}": ("VarianceScaling", {"scale": scale, "mode": mode, "distribution": shape})
    for kind, scale, mode in (
        ("Glorot", 1.0, "fan_avg"), ("He", 2.0, "fan_in"), ("Lecun", 1.0, "fan_in")
    )
    for form, shape in (("Uniform", "uniform"), ("Normal", "normal"))
}  # fmt: skip
#: activations: today's name -> what computed it then; None: nothing did under this name
_ACTIVATIONS = {"legacy_hard_sigmoid": "hard_sigmoid", "silu": "swish", "hard_sigmoid": None}
#: optimizers of Keras 2
_KINDS = ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam")
#: slots that Keras 2 has even where it does not use them
_KEPT = {"SGD": "momentum", "Adam": "velocity_hat"}
#: arguments that are always said, because defaults differed; others where they are not today's
_SAID = ("learning_rate", "rho", "epsilon", "beta_1", "beta_2", "schedule_decay")


def write(model: Any, file: h5py.File, include_optimizer: bool = True) -> None:
    """Put a model into an empty HDF5 file.

    Args:
        include_optimizer: with compile arguments and the optimizer's state.

    Raises:
        ValueError: what these files cannot say; names the layer.
    """
    texts = {"keras_version": KERAS_VERSION, "backend": hdf5.BACKEND}
    texts["model_config"] = json.dumps(model_config(model))
    if joined := [layer.name for layer in flatten(model) if _joins_masks(layer)]:
        warnings.warn(
            f"{', '.join(map(repr, joined))} merge inputs with masks: where one of them is masked, "
            'Keras 2 and tf.keras mask the result; here all must be (`merged_masks` "or")',
            stacklevel=2,
        )
    own = {"conventions": conventions_of(model).differences(), "legacy": _legacy(model.optimizer),
           "python": bytecode.PYTHON}  # fmt: skip
    texts["tricorn_conventions"] = json.dumps(own)  # what no other library reads
    compiled = model.get_compile_config() if include_optimizer else None
    if compiled and model.optimizer is not None:
        texts["training_config"] = json.dumps(training_config(compiled))
    for key, text in texts.items():
        file.attrs[key] = text.encode()
    hdf5.write(model, file.create_group("model_weights"))
    file["model_weights"].attrs["keras_version"] = KERAS_VERSION.encode()
    if "training_config" in texts and (found := list(state(model.optimizer))):
        group = file.create_group("optimizer_weights")
        for name, array, _ in found:
            weights.write_array(group, name, array)
        hdf5.write_strings(group, "weight_names", [name for name, _, _ in found])


def _joins_masks(layer: Any) -> bool:
    """Whether Keras 2 joins masks of the layer's inputs in another way."""
    return conventions_of(layer).merged_masks != "and" and merges_masks(layer)


def _legacy(optimizer: Any) -> bool:
    return isinstance(optimizer, LegacyOptimizer)


# ------------------------------------------------------------------------------------------ configs


def model_config(model: Any) -> Config:
    """The architecture, ``{"class_name": ..., "config": ...}``, as ``model_config`` has it.

    Raises:
        ValueError: what these files cannot say; names the layer.
    """
    found = registry.serialize_keras_object(model)
    if found["class_name"] not in MODELS:
        raise ValueError(
            f"{model.name!r} is a {found['class_name']}: an .h5 file holds Sequential and "
            "functional models only. Save to a .keras file, or save_weights"
        )
    return _entry(found, model.name)


def _refuse(layer: str, why: str) -> ValueError:
    return ValueError(
        f"the layer {layer!r} cannot be saved in the layout of Keras 2: {why}. Save to a .keras "
        "file"
    )


def _entry(entry: Config, layer: str) -> Config:
    """A layer, initializer or the like; `layer`: whose it is, for errors."""
    name, config = entry["class_name"], entry["config"]
    if name in MODELS:
        return _model(name, config)
    if entry.get("module") == "builtins" and name == "function":
        return config
    if name == "__lambda__":
        raise _refuse(layer, "it has a lambda; use a function with a name")
    if name == "DTypePolicy":
        return config["name"]
    later = names.builtin("keras.layers", name)
    if later is not None and not entry.get("registered_name") and name in _NOT_THEN:
        raise _refuse(layer, f"Keras 2 and tf.keras have no {name}")
    if not isinstance(config, dict):
        return {"class_name": name, "config": config}
    settings = dict(config)
    if name in _SCALED:
        name, fixed = _SCALED[name]
        settings.update(fixed)
    elif name in ("L1", "L2"):
        name = "L1L2"
    if name.startswith("LocallyConnected") and settings["padding"] == "same":
        raise _refuse(layer, "tf.keras has kernels of another shape where windows reach outside")
    defaults = _defaults(entry)
    found: Config = {}
    for key, value in settings.items():
        if key in _LATER and (value is None or value is False or value == defaults.get(key)):
            continue
        renamed = _RENAMED_IN.get(name, _RENAMED).get(key, _RENAMED.get(key, key))
        if name == "Lambda" and key != "mask" and _is_bytecode(value):
            found[key], found[f"{key}_type"] = value["config"]["value"], "lambda"
            _tell_of_bytecode(layer)
            continue
        found[renamed] = _value(key, value, layer)
    if name == "Bidirectional":
        _bidirectional(found)
    elif name == "Lambda":
        _lambda(found, layer)
    elif name == "MultiHeadAttention" and not entry.get("registered_name"):
        # tf.keras makes its weights by these
        shapes: Config = entry.get("build_config") or {}
        shapes = shapes.get("shapes_dict", shapes)
        for key in ("query_shape", "key_shape", "value_shape"):
            found[key] = shapes.get(key) or shapes.get("value_shape")
    registered = entry.get("registered_name") or ""
    return {"class_name": registered if ">" in registered else name, "config": found}


def _defaults(entry: Config) -> Config:
    family = (entry.get("module") or "").removeprefix("keras.")
    cls = names.builtin(f"keras.{family}", entry["class_name"])
    parameters = inspect.signature(cls).parameters if cls is not None else {}
    return {key: parameter.default for key, parameter in parameters.items()}


def _value(key: str, value: Any, layer: str) -> Any:
    if key in ("activation", "recurrent_activation") and isinstance(value, str):
        then = _ACTIVATIONS.get(value, value)
        if then is None:
            raise _refuse(layer, f"{value} computed something else there")
        return then
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return _entry(value, layer)
        return {k: _value(k, item, layer) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value("", item, layer) for item in value]
    return value


def _bidirectional(config: Config) -> None:
    """The layer backward is the one forward, turned around, unless something was said."""
    backward, forward = config.pop("backward_layer", None), config["layer"]
    for one in (forward, backward or forward):
        name = one["config"].get("name", "")
        one["config"]["name"] = name.removeprefix("forward_").removeprefix("backward_")
    turned = {"go_backwards": not forward["config"].get("go_backwards", False)}
    if backward and backward["config"] != {**forward["config"], **turned}:
        config["backward_layer"] = backward


def _is_bytecode(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__lambda__"


def _tell_of_bytecode(layer: str) -> None:
    warnings.warn(
        f"the layer {layer!r} has a lambda, saved as bytecode, which only {bytecode.PYTHON} reads, "
        f"and load_model only with safe_mode=False or custom_objects={{{layer!r}: the function}}",
        stacklevel=2,
    )


def _lambda(config: Config, layer: str) -> None:
    for key in ("function", "output_shape", "mask"):
        value = config.get(key)
        kind = config.get(f"{key}_type") or ("function" if isinstance(value, str) else "raw")
        if key == "function" and kind == "raw":
            raise _refuse(layer, "its function has no name")
        if key != "mask":
            config[f"{key}_type"] = kind
    config["arguments"] = config.get("arguments") or {}


def _model(name: str, config: Config) -> Config:
    if name == "Sequential":
        entries = [_entry(layer, _name(layer)) for layer in config["layers"]]
        if len(entries) > 1 and entries[0]["class_name"] == "InputLayer":
            first, *rest = entries
            if rest[0]["class_name"] not in ("Sequential", "Model"):
                shape = first["config"]["batch_input_shape"]
                rest[0]["config"] = {"batch_input_shape": shape, **rest[0]["config"]}
                entries = rest
        return {"class_name": name, "config": {"name": config["name"], "layers": entries}}
    # a model's first call was its own making: Keras 3 still counts so among the ends, but for
    # Sequential
    inside = [layer for layer in config["layers"] if "layers" in layer["config"]]
    shift = {layer["name"]: 1 for layer in inside}
    end = {layer["name"]: int(layer["class_name"] == "Sequential") for layer in inside}
    layers = []
    for layer in config["layers"]:
        if "ops" in (layer.get("module") or "").split("."):
            raise _refuse(
                layer["name"], "it is an operation outside of a layer; put it into a Lambda"
            )
        entry = {**_entry(layer, layer["name"]), "name": layer["name"]}
        entry["inbound_nodes"] = [
            _call(entry, node, layer, shift) for node in layer["inbound_nodes"]
        ]
        layers.append(entry)
    ends = {key: _places(config[key], end) for key in ("input_layers", "output_layers")}
    return {"class_name": "Model", "config": {"name": config["name"], "layers": layers, **ends}}


def _name(layer: Config) -> str:
    return layer["config"].get("name", layer["class_name"])


def _places(value: Any, shift: dict[str, int]) -> Any:
    """[layer, call, output] of each end."""
    if isinstance(value, dict):
        return {key: _places(item, shift) for key, item in value.items()}
    if value and isinstance(value[0], str):
        return [[value[0], value[1] + shift.get(value[0], 0), value[2]]]
    return [place for item in value for place in _places(item, shift)]


def _call(entry: Config, node: Config, layer: Config, shift: dict[str, int]) -> list:
    """One call of a layer: [layer, call, output, arguments] of each input."""

    def place(tensor: Any) -> Any:
        if isinstance(tensor, dict) and tensor.get("class_name") == "__keras_tensor__":
            name, call, output = tensor["config"]["keras_history"]
            return [name, call + shift.get(name, 0), output]
        if isinstance(tensor, (list, tuple)):
            return [place(item) for item in tensor]
        return tensor

    args, kwargs = [place(value) for value in node["args"]], dict(node["kwargs"])
    inputs = _flat(args[0]) if args else []
    if not inputs:
        raise _refuse(layer["name"], "its first argument is no tensor of the model")
    if layer["class_name"] in RECURRENT:
        for key in ("initial_state", "constants"):
            further = _flat(place(kwargs.pop(key, None) or []))
            inputs += further
            if key == "constants" and further:
                entry["config"]["num_constants"] = len(further)
    elif len(args) > 1:
        cls: Any = names.builtin("keras.layers", layer["class_name"])
        called = list(inspect.signature(cls.call).parameters)[1:] if cls else []
        kwargs.update(zip(called[1:], args[1:]))
    kwargs = {key: place(value) for key, value in kwargs.items() if value is not None}
    return [[*where, kwargs] for where in inputs]


def _flat(places: Any) -> list:
    if places and isinstance(places, list) and isinstance(places[0], str):
        return [places]
    return [place for item in places for place in _flat(item)] if isinstance(places, list) else []


# ---------------------------------------------------------------------------------------- compiling


def training_config(compiled: Config) -> Config:
    """The arguments of `compile`, as ``training_config`` has them."""
    metrics = {key: _function(compiled.get(key)) for key in ("loss", "metrics", "weighted_metrics")}
    return {
        "optimizer_config": _optimizer(compiled["optimizer"]),
        **metrics,
        "sample_weight_mode": None,
        "loss_weights": compiled.get("loss_weights"),
    }


def _function(value: Any) -> Any:
    """Losses and metrics: names and entries, in lists and dicts."""
    if isinstance(value, (list, tuple)):
        return [_function(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value or "config" not in value:
        return {key: _function(item) for key, item in value.items()}
    found = _entry(value, value["class_name"])
    if isinstance(found, dict) and isinstance(found["config"], dict):
        if (value.get("module") or "").endswith("losses"):
            found["config"].pop("dtype", None)
    return found


def _optimizer(entry: Config) -> Config:
    entry = entry.get("original", entry)
    name, config = entry["class_name"], dict(entry["config"])
    if config.get("clipnorm") is not None:
        raise ValueError(
            f"the optimizer {name} clips each gradient by its own norm, and Keras 2 all by one: "
            "save with include_optimizer=False, or to a .keras file"
        )
    config["clipnorm"] = config.pop("global_clipnorm", None)  # what it was called
    defaults: Config = {}
    if name in _KINDS:
        defaults = _defaults({**entry, "module": "keras.optimizers"})
        config = {k: v for k, v in config.items() if k not in ("name", "initial_accumulator_value")}
    kept = {
        key: value for key, value in config.items()
        if value is not None and (key in _SAID or value != defaults.get(key))
    }  # fmt: skip
    if not kept.get("decay"):
        kept.pop("decay", None)
    return {"class_name": name, "config": _value("", kept, name)}


def state(optimizer: Any) -> Iterator[tuple[str, np.ndarray, Variable | None]]:
    """(name, array, the Variable that has it) of the state of an optimizer that Keras 2 knows, in
    the order of Keras 2.3.1."""
    kind = next((cls.__name__ for cls in type(optimizer).__mro__ if cls.__name__ in _KINDS), None)
    if kind is None or not optimizer.built:
        return
    made = optimizer._tricorn
    steps = optimizer._iterations
    yield "training/iterations:0", np.asarray(steps.numpy(), "int64"), steps
    if kind == "Nadam":
        product = next(iter(made.shared.values()))
        yield "training/m_schedule:0", product.numpy(), product
    held_by_some = {slot for own in made.slots.values() for slot in own}
    for slot in keras2.SLOTS[kind]:
        if slot not in held_by_some and slot != _KEPT.get(kind):
            continue
        for number, variable in enumerate(made.slots):
            held = made.slots[variable].get(slot)
            if held is None:  # Keras 2 keeps what it does not use
                shape = (1,) if slot == "velocity_hat" else variable.shape
                array = np.zeros(shape, "float32")
            else:
                array = held.numpy()
            yield f"training/{kind}/{slot}_{number}:0", array, held
