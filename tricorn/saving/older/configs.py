"""Configs of models, layers, losses, metrics and optimizers of older versions in today's form."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from tricorn.saving.older import keras1, keras2, symbols
from tricorn.saving.older.changes import Change, Config
from tricorn.saving.older.origin import Origin
from tricorn.serialization import names, operations
from tricorn.serialization.catalogue import arguments

_FAMILIES = (
    "layers", "layers.legacy", "models", "initializers", "regularizers", "constraints",
    "dtype_policies",
)  # fmt: skip
#: keyword arguments of the first layer of a stack, and others that layers take without naming them
_OF_ALL = ("batch_shape", "name", "trainable", "dtype", "activity_regularizer")
MODELS = ("Functional", "Sequential")
#: layers whose further inputs are their first states
RECURRENT = ("RNN", "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
              "Bidirectional")  # fmt: skip


class Translation:
    """The translation of what one file holds.

    Args:
        origin: what wrote it.

    Attributes:
        ignored: what in it has no meaning here, for people.
        outputs: the layers that give the outputs of the last graph.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.ignored: dict[str, None] = {}
        self.outputs: list[str] = []

    def tell(self, name: str) -> None:
        """Say once what was ignored."""
        if self.ignored:
            listed = ", ".join(list(self.ignored)[:20])
            warnings.warn(
                f"{name}, written by {self.origin.title}: arguments that are not known here were "
                f"ignored: {listed}",
                stacklevel=5,
            )

    # --------------------------------------------------------------------------- layers and models

    def entry(self, entry: Config) -> Config:
        """A layer, model, initializer or the like, ``{"class_name": ..., "config": ...}``."""
        found = self._entry(entry["class_name"], entry["config"])
        if "shared_object_id" in entry and "name" in found["config"]:
            found["shared_object_id"] = entry["shared_object_id"]
        return found

    def _entry(self, name: str, config: Any) -> Config:
        package, _, plain = name.rpartition(">")
        if package and package != "Custom":
            plain = name
        if names.get_registered_object(name) is not None:
            return {"class_name": name, "config": self._values(config)}
        if self.origin.version < (2, 0):
            plain, config = self._keras1(plain, config)
        if plain in keras2.MODELS:
            return self._model("Sequential" if plain == "Sequential" else "Functional", config)
        change = keras2.LAYERS.get(plain, Change(plain))
        config = change.apply(config, self.origin, keras2.COMMON)
        config = {key: self._argument(key, value) for key, value in config.items()}
        return self.known(change.name, config, _FAMILIES)

    def known(self, name: str, config: Config, families: tuple[str, ...]) -> Config:
        """An entry of a class of the library, with the arguments that it takes."""
        for family in families:
            cls = names.builtin(f"keras.{family}", name)
            if cls is not None:
                break
        else:
            return {"class_name": name, "config": config}
        takes = (*arguments(cls), *_OF_ALL)
        for key in [key for key in config if key not in takes]:
            value = config.pop(key)
            inert = value in (None, False, [], {}) or (key, value) == ("groups", 1)
            if not inert and key != "fn":  # the function of a loss is its class's
                self.ignored[f"{key}={value!r} of {name}"] = None
        found = {"module": f"keras.{family}", "class_name": name, "config": config,
                 "registered_name": None}  # fmt: skip
        if family.startswith(("layers", "models")) or family in ("optimizers", "optimizers.legacy"):
            found["conventions"] = self.origin.conventions.differences()
        return found

    def _keras1(self, name: str, config: Any) -> tuple[str, Any]:
        """A class and its config as Keras 2 had them."""
        if name == "Merge":
            return _merge(config)
        if name in ("Model", "Sequential", "Graph"):
            return name, config
        if name == "BatchNormalization":
            name = keras1.MODES.get(config.get("mode"), name)
        change = keras1.LAYERS.get(name, Change(name))
        if name in keras1.IMAGES and "dim_ordering" not in config:
            config = {**config, "data_format": self.origin.image_format}
        config = change.apply(config, self.origin, keras1.COMMON)
        for key, value in config.items():
            if key == "data_format":
                config[key] = keras1.FORMATS.get(value, value)
            elif key.endswith("initializer") and isinstance(value, str):
                config[key] = keras1.INITIALIZERS.get(value, value)
            elif key.endswith(("regularizer", "constraint")) and isinstance(value, dict):
                config[key] = _keras1_object(value)
        return change.name, config

    def _argument(self, key: str, value: Any) -> Any:
        """The value of an argument."""
        if key in ("activation", "recurrent_activation") and isinstance(value, str):
            return keras2.ACTIVATIONS.get(value, value)
        return self._values(value)

    def _values(self, value: Any) -> Any:
        """What may have entries in it."""
        if isinstance(value, dict):
            if _is_entry(value):
                inner = value["config"]
                if value["class_name"] in ("__lambda__", "function") or not _is_config(inner):
                    return value
                return self.entry(value)
            return {key: self._argument(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._values(item) for item in value]
        return value

    # --------------------------------------------------------------------------------------- graphs

    def _model(self, name: str, config: Any) -> Config:
        if isinstance(config, list):  # Keras 1, and Keras 2 up to 2.2.2
            config = {"layers": config}
        first = config["layers"][0] if config["layers"] else {}
        if first.get("class_name") == "Merge" and "layers" in first.get("config", {}):
            name, config = "Functional", _branched(config)
        config = {key: value for key, value in config.items() if value is not None}
        if name == "Sequential":
            config["layers"] = [self.entry(layer) for layer in config["layers"]]
        else:
            config = self._graph(config)
        return {"module": "keras.models", "class_name": name, "config": config,
                "registered_name": None,
                "conventions": self.origin.conventions.differences()}  # fmt: skip

    def _graph(self, config: Config) -> Config:
        entries = [{**self.entry(e), "name": e["name"]} for e in config["layers"]]
        further: list[Config] = []
        shift = _shifts(config, entries)
        functional = {e["name"] for e in entries if e["class_name"] == "Functional"}

        def place(where: list) -> list:
            return [where[0], where[1] + shift.get(where[0], 0), where[2]]

        def end(where: list) -> list:
            """Among the ends Keras 3 counts a functional model's own graph as its call 0."""
            name, number, position = place(where)
            return [name, number + (name in functional), position]

        for entry, old in zip(entries, config["layers"]):
            entry["inbound_nodes"] = [
                self._call(entry, node, place, shift) for node in old.get("inbound_nodes", ())
            ]
            if entry["class_name"] in symbols.CLASSES and entry.get("module") is None:
                further += _operations(entry)
        for key in ("input_layers", "output_layers"):
            config = {**config, key: _single(_map_places(end, config[key]))}
        self.outputs = [where[0] for where in _places(config["output_layers"])]
        return {**config, "layers": entries + further}

    def _call(self, entry: Config, node: Any, place: Any, known: Any) -> Config:
        """One call of a layer, its arguments as Keras 3 writes them."""
        if isinstance(node, dict) and "args" in node:
            return node
        kwargs: Config = {}

        def tensor(where: Any) -> Any:
            if where[0] == "_CONSTANT_VALUE":
                kwargs.update(where[3] if len(where) > 3 else {})
                return where[2]
            if len(where) > 3:
                kwargs.update(where[3])
            return _tensor(place(where))

        def argument(value: Any) -> Any:
            if _is_place(value) and value[0] in known:
                return _tensor(place(value))
            if isinstance(value, list):
                return [argument(item) for item in value]
            if isinstance(value, dict):
                return {key: argument(item) for key, item in value.items()}
            return value

        found = _map_places(tensor, node)
        kwargs = {key: argument(value) for key, value in kwargs.items()}
        if kwargs.get("constants", ...) is None:  # of a Bidirectional
            del kwargs["constants"]
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        elif isinstance(found, list) and entry["class_name"] in RECURRENT:
            constants = entry["config"].pop("num_constants", None) or 0
            states = found[1 : len(found) - constants]
            kwargs["initial_state"] = states
            if constants:
                kwargs["constants"] = found[-constants:]
            found = found[0]
        return {"args": [found], "kwargs": kwargs}

    # ------------------------------------------------------------------------------------ compiling

    def compiled(self, training: Config) -> Config:
        """The arguments of `compile` in a ``training_config``."""
        found = {
            "optimizer": self.optimizer(
                training.get("optimizer_config") or training.get("optimizer")
            ),
            "loss": self._functions(training.get("loss"), "losses"),
        }
        for key in ("metrics", "weighted_metrics"):
            given = training.get(key)
            if not self.origin.tensorflow and training.get("loss") == "binary_crossentropy":
                given = self._binary(given)
            found[key] = self._functions(given, "metrics")
        found["loss_weights"] = training.get("loss_weights")
        return found

    def _binary(self, value: Any) -> Any:
        """Metrics beside the binary crossentropy: "accuracy" is the binary one, also of several
        outputs side by side."""
        if value in ("accuracy", "acc"):
            name = value if self.origin.version >= (2, 3) else "acc"
            return {"class_name": "BinaryAccuracy", "config": {"name": name}}
        if isinstance(value, dict) and not _is_entry(value):
            return {key: self._binary(item) for key, item in value.items()}
        return [self._binary(item) for item in value] if isinstance(value, list) else value

    def _functions(self, value: Any, family: str) -> Any:
        """Losses or metrics: names and entries, in lists and dicts."""
        functions = keras1.FUNCTIONS if self.origin.version < (2, 0) else keras2.FUNCTIONS
        if isinstance(value, str) and value in functions and self.origin.version < (2, 3):
            return {**_function(keras1.FUNCTIONS[value]), "module": "keras.metrics.legacy"}
        if isinstance(value, str) and family == "metrics" and value in keras2.METRICS:
            return self.known(keras2.METRICS[value], {"name": value}, (family,))
        if isinstance(value, str):
            return keras2.LOSSES.get(value, value) if family == "losses" else value
        if isinstance(value, list):
            return [self._functions(item, family) for item in value]
        if not isinstance(value, dict):
            return value
        if not _is_entry(value) or not _is_config(value["config"]):
            return {key: self._functions(item, family) for key, item in value.items()}
        name, config = value["class_name"].rpartition(">")[2], dict(value["config"])
        if names.get_registered_object(value["class_name"]) is not None:
            return value
        if family == "metrics" and len(self.outputs) > 1 and self.origin.version >= (2, 11):
            config["name"] = self._own_name(str(config.get("name")))
        if family == "metrics" and (made := keras2.METRICS.get(str(config.get("fn")))):
            return self.known(made, {"name": config.get("name")}, (family,))
        if config.get("reduction") == "auto":
            config["reduction"] = "sum_over_batch_size"
        if isinstance(config.get("fn"), str):
            config["fn"] = _function(keras2.LOSSES.get(config["fn"], config["fn"]))
        return self.known(name, config, (family,))

    def _own_name(self, name: str) -> str:
        """The name of a metric without that of its output, which is put before it again."""
        prefixes = (f"{output}_" for output in self.outputs)
        return name.removeprefix(next((p for p in prefixes if name.startswith(p)), ""))

    def optimizer(self, entry: Any) -> Any:
        """An optimizer of Keras 1, Keras 2, tf.keras up to 2.10, or of the new kind after that."""
        if not isinstance(entry, dict) or names.get_registered_object(entry["class_name"]):
            return entry
        name, config = entry["class_name"].rpartition(">")[2], dict(entry["config"])
        new = "jit_compile" in config  # of those from 2.11 on; "legacy" ones left out the mark, too
        legacy = self.origin.version < (2, 11) or config.get("is_legacy_optimizer", not new)
        legacy = legacy or "legacy" in str(entry.get("module"))
        legacy = legacy if self.origin.legacy is None else self.origin.legacy
        config.pop("is_legacy_optimizer", None)
        config.pop("jit_compile", None)
        if "inner_optimizer" in config:
            inner = config["inner_optimizer"] = self.optimizer(config["inner_optimizer"])
            if config.pop("dynamic", True):
                return self.known("LossScaleOptimizer", config, ("optimizers",))
            inner["config"]["loss_scale_factor"] = config["initial_scale"]
            return inner
        if "lr" in config:
            config["learning_rate"] = config.pop("lr")
        if not self.origin.tensorflow:
            config["global_clipnorm"] = config.pop("clipnorm", None)
            if name == "Adagrad":
                config["initial_accumulator_value"] = 0.0
        elif name == "Nadam" and legacy:
            config["schedule_decay"] = config.pop("decay", 0.004)
        elif name == "Adafactor":  # it never looked
            config["relative_step"] = True
        rate = config.get("learning_rate")
        if isinstance(rate, dict) and _is_entry(rate):
            schedule, inner = rate["class_name"].rpartition(">")[2], rate["config"]
            config["learning_rate"] = self.known(schedule, inner, ("optimizers.schedules",))
        known = {n.lower(): n for n in keras2.SLOTS}
        name = known.get(name.lower(), name)
        return self.known(name, config, ("optimizers.legacy" if legacy else "optimizers",))


# ------------------------------------------------------------------------------------------ helpers


def image_format(config: Any) -> str:
    """The order of axes that the layers of a config of Keras 1 say."""
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if value.get("dim_ordering") in keras1.FORMATS:
                return keras1.FORMATS[value["dim_ordering"]]
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return "channels_last"


def _is_entry(value: Any) -> bool:
    return (
        isinstance(value, dict) and "config" in value and isinstance(value.get("class_name"), str)
    )


def _is_config(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _is_place(value: Any) -> bool:
    """Whether it is [layer, call, output], with keyword arguments or not."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def _map_places(fn: Any, value: Any) -> Any:
    if _is_place(value):
        return fn(value)
    if isinstance(value, dict):
        return {key: _map_places(fn, item) for key, item in value.items()}
    return [_map_places(fn, item) for item in value]


def _places(value: Any) -> Iterator[list]:
    if _is_place(value):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _places(item)


def _single(places: Any) -> Any:
    """One input or output is no list now."""
    several = isinstance(places, list) and len(places) == 1 and not _is_place(places)
    return places[0] if several else places


def _tensor(place: list) -> Config:
    config = {"shape": [], "dtype": "float32", "keras_history": place}
    return {"class_name": "__keras_tensor__", "config": config}


def _shifts(config: Config, entries: list[Config]) -> dict[str, int]:
    """What is added to the number of a call in old places: the graph of a model inside counted as
    its call 0, unless it had none when it was called."""
    used: dict[str, list[int]] = {entry["name"]: [] for entry in entries}
    for old in (*(e.get("inbound_nodes", ()) for e in config["layers"]), config["output_layers"]):
        for place in _places(old):
            if place[0] in used:
                used[place[0]].append(place[1])
    shifts = {}
    for entry in entries:
        own = entry["class_name"] in MODELS
        before = 0 if not own or 0 in used[entry["name"]] else 1
        shifts[entry["name"]] = -before
    return shifts


def _operations(entry: Config) -> list[Config]:
    """Let the entry of a call of TensorFlow's function be that of an op; where it takes several
    ops, the entries of those before it are returned."""
    name, (call,) = entry["name"], entry["inbound_nodes"]
    function, given = entry["config"].get("function"), call["kwargs"]
    if entry["class_name"] == "TensorFlowOpLayer":
        (tensors,) = call["args"]
        tensors = tensors if isinstance(tensors, list) else [tensors]
        function, first, given = symbols.call_of(entry["config"], tensors, name)
        call = {"args": [first], "kwargs": {}}
    ops, given = symbols.op_of(function, given, name)
    tensors = {key: given.pop(key) for key in list(given) if _has_tensor(given[key])}
    if ops == ["_einsum"]:
        call = {"args": [*call["args"], tensors.pop("x2")], "kwargs": {}}
    found = []
    for number, op in enumerate(ops):
        module, class_name = operations.class_of(op)
        if op.startswith("layers."):
            module, class_name = "keras.layers", op.removeprefix("layers.")
        own = name if number == len(ops) - 1 else f"{name}/{op}"
        config = {"name": own, **given}
        found.append({"module": module, "class_name": class_name, "config": config,
                      "registered_name": class_name, "name": own,
                      "inbound_nodes": [{**call, "kwargs": tensors}]})  # fmt: skip
        call, given, tensors = {"args": [_tensor([own, 0, 0])]}, {}, {}
    entry.clear()
    entry.update(found.pop())
    return found


def _has_tensor(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_tensor, value))
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _function(name: str) -> Config:
    return {"module": "builtins", "class_name": "function", "config": name,
            "registered_name": "function"}  # fmt: skip


def _keras1_object(value: Config) -> Config:
    """A regularizer or constraint of Keras 1."""
    config = {key: item for key, item in value.items() if key != "name"}
    change = keras1.OBJECTS.get(value.get("name", ""), Change(str(value.get("name"))))
    return {"class_name": change.name, "config": change.apply(config, None, {})}


def _merge(config: Config) -> tuple[str, Config]:
    """The layer that a Merge is now."""
    if config.get("mode_type", "raw") != "raw":
        kept = {key: config.get(key) for key in ("name", "output_shape", "arguments")}
        kinds = {"function": config["mode"], "function_type": config["mode_type"],
                 "output_shape_type": config.get("output_shape_type")}  # fmt: skip
        return "Lambda", {**kept, **kinds}
    name, axes = keras1.MERGES[config["mode"]]
    found = {"name": config["name"]}
    if axes == "axis":
        found["axis"] = config["concat_axis"]
    elif axes:
        found["axes"] = config["dot_axes"]
    return name, found


def _branched(config: Config) -> Config:
    """A stack of Keras 1 that began with a Merge of models, as a graph."""
    first, *rest = config["layers"]
    merge = {key: value for key, value in first["config"].items() if key != "layers"}
    entries: list[Config] = []
    inputs, ends = [], []

    def chain(layers: list, last: Any) -> Any:
        for layer in layers:
            name = layer["config"]["name"]
            entries.append({**layer, "name": name, "inbound_nodes": [[last]]})
            last = [name, 0, 0]
        return last

    for branch in first["config"]["layers"]:
        layers = branch["config"] if isinstance(branch["config"], list) else None
        if layers is None:
            raise ValueError(f"Merge of a {branch['class_name']} in a Sequential is not understood")
        shape = layers[0]["config"]["batch_input_shape"]
        name = f"{layers[0]['config']['name']}_input"
        made = {"name": name, "batch_input_shape": shape}
        entries.append(
            {"class_name": "InputLayer", "name": name, "config": made, "inbound_nodes": []}
        )
        inputs.append([name, 0, 0])
        ends.append(chain(layers, [name, 0, 0]))
    entries.append(
        {"class_name": "Merge", "name": merge["name"], "config": merge, "inbound_nodes": [ends]}
    )
    last = chain(rest, [merge["name"], 0, 0])
    return {"name": "model", "layers": entries, "input_layers": inputs, "output_layers": [last]}
