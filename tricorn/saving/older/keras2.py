"""What became of the classes and arguments of Keras 2 and tf.keras in today's Keras.

`LAYERS` has a row for each class whose name or arguments changed; `COMMON` what changed everywhere.
"""

from __future__ import annotations

from typing import Any

from tricorn.saving.older.changes import Change, Config

#: arguments of layers that are gone or renamed, in all layers
COMMON = {
    "implementation": "", "time_major": "", "input_length": "", "ragged": "", "type_spec": "",
    "virtual_batch_size": "", "fused": "", "adjustment": "", "batch_input_shape": "batch_shape",
}  # fmt: skip
#: functions that computed something else under a name that still exists
ACTIVATIONS = {"hard_sigmoid": "legacy_hard_sigmoid"}


def _one_axis(config: Config, origin: Any) -> Config:
    """tf.keras wrote a list with one axis."""
    axis = config.get("axis")
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        config["axis"] = axis[0]
    return config


def _cudnn(config: Config, origin: Any) -> Config:
    return {**config, "activation": "tanh", "recurrent_activation": "sigmoid"}


def _lambda(config: Config, origin: Any) -> Config:
    """A function was a name, or a list of (bytecode, defaults, closure)."""

    def function(name: str) -> Any:
        value, kind = config.get(name), config.pop(f"{name}_type", None)
        config.pop("module" if name == "function" else f"{name}_module", None)
        if kind == "lambda" and isinstance(value, (list, tuple)):
            parts = dict(zip(("code", "defaults", "closure"), value), python=origin.python)
            return {"class_name": "__lambda__", "config": parts}
        if kind == "function" and isinstance(value, str):
            return {"module": "builtins", "class_name": "function", "config": value,
                    "registered_name": "function"}  # fmt: skip
        return value

    for name in ("function", "output_shape", "mask"):
        config[name] = function(name)
    return config


def _without(*names: str) -> Any:
    """Arguments that a class never used, though its config has them."""

    def convert(config: Config, origin: Any) -> Config:
        return {key: value for key, value in config.items() if key not in names}

    return convert


_separable = _without("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")
_depthwise = _without(
    "filters", "groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"
)

#: class -> what it is now
LAYERS = {
    "BatchNormalization": Change("BatchNormalization", convert=_one_axis),
    "BatchNormalizationV1": Change("BatchNormalization", convert=_one_axis),
    "BatchNormalizationV2": Change("BatchNormalization", convert=_one_axis),
    "CuDNNGRU": Change("GRU", fixed={"reset_after": True}, convert=_cudnn),
    "CuDNNLSTM": Change("LSTM", convert=_cudnn),
    "DepthwiseConv1D": Change("DepthwiseConv1D", convert=_depthwise),
    "DepthwiseConv2D": Change("DepthwiseConv2D", convert=_depthwise),
    #: it could not reset after, at first
    "GRU": Change("GRU", fixed={"reset_after": False}),
    "GRUCell": Change("GRUCell", fixed={"reset_after": False}),
    "GRUV2": Change("GRU"),
    "LSTMV2": Change("LSTM"),
    "Lambda": Change("Lambda", convert=_lambda),
    "LayerNormalization": Change("LayerNormalization", convert=_one_axis),
    "LeakyReLU": Change("LeakyReLU", {"alpha": "negative_slope"}),
    "Model": Change("Functional"),
    "MultiHeadAttention": Change(
        "MultiHeadAttention", {"query_shape": "", "key_shape": "", "value_shape": ""}
    ),
    "Policy": Change("DTypePolicy", {"loss_scale": ""}),
    "PolicyV1": Change("DTypePolicy", {"loss_scale": ""}),
    "SeparableConv1D": Change("SeparableConv1D", convert=_separable),
    "SeparableConv2D": Change("SeparableConv2D", convert=_separable),
    "SyncBatchNormalization": Change("BatchNormalization", convert=_one_axis),
    "ThresholdedReLU": Change("ReLU", {"theta": "threshold"}),
    "MaxoutDense": Change("MaxoutDense", {"nb_feature": "features"}),
}  # fmt: skip

#: what of `LAYERS` is no layer
MODELS = ("Functional", "Model", "Sequential")

#: losses and metrics that did not make -1 of a label 0 before Keras 2.3
FUNCTIONS = ("hinge", "squared_hinge")
#: losses by names that are gone -> now
LOSSES = {
    "cosine": "cosine_similarity", "cosine_proximity": "cosine_similarity",
    "kullback_leibler_divergence": "kl_divergence", "logcosh": "log_cosh", "huber_loss": "huber",
}  # fmt: skip
#: metrics by names that are gone -> the class that computes them now
METRICS = {
    "cosine_similarity": "CosineSimilarity", "cosine": "CosineSimilarity",
    "cosine_proximity": "CosineSimilarity",
    "kullback_leibler_divergence": "KLDivergence", "kld": "KLDivergence", "logcosh": "LogCoshError",
}  # fmt: skip

#: optimizer -> the names of its slots in today's, and whether they stand variable by variable
#: (tf.keras from 2.11) or name by name
SLOTS = {
    "SGD": ("momentum",),
    "RMSprop": ("velocity", "momentum", "average_gradient"),
    "Adafactor": ("r", "c", "velocity"),
    "Adagrad": ("accumulator",),
    "Adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "Adam": ("momentum", "velocity", "velocity_hat"),
    "AdamW": ("momentum", "velocity", "velocity_hat"),
    "Adamax": ("momentum", "norm"),
    "Lion": ("momentum",),
    "Nadam": ("momentum", "velocity"),
    "Ftrl": ("accumulator", "linear"),
}
