"""What became of the classes and arguments of Keras 1 in Keras 2.

`LAYERS` has a row for each class whose name or arguments changed; `COMMON` the arguments that were
renamed everywhere.
"""

from __future__ import annotations

from typing import Any

from tricorn.metrics import legacy
from tricorn.saving.older.changes import Change, Config

#: arguments that have other names in Keras 2, in all layers; "" for those that are gone
COMMON = {
    "output_dim": "units", "nb_filter": "filters", "bias": "use_bias",
    "init": "kernel_initializer", "inner_init": "recurrent_initializer",
    "W_regularizer": "kernel_regularizer", "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer", "W_constraint": "kernel_constraint",
    "U_constraint": "recurrent_constraint", "b_constraint": "bias_constraint",
    "inner_activation": "recurrent_activation", "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout", "border_mode": "padding", "subsample": "strides",
    "subsample_length": "strides", "filter_length": "kernel_size", "pool_length": "pool_size",
    "stride": "strides", "atrous_rate": "dilation_rate", "dim_ordering": "data_format",
    "input_dtype": "", "p": "rate", "consume_less": "", "input_dim": "", "input_length": "",
    "weights": "",
}  # fmt: skip

#: names of initial values that are spelled differently now
INITIALIZERS = {
    "zero": "zeros", "one": "ones", "normal": "random_normal", "uniform": "random_uniform",
}  # fmt: skip
#: values of ``dim_ordering``
FORMATS = {"tf": "channels_last", "th": "channels_first"}
#: regularizers and constraints had a "name" in place of a class: name -> class, arguments renamed
OBJECTS = {
    "L1L2Regularizer": Change("L1L2"),
    "WeightRegularizer": Change("L1L2"),
    "ActivityRegularizer": Change("L1L2"),
    "MaxNorm": Change("MaxNorm", {"m": "max_value"}),
    "NonNeg": Change("NonNeg"),
    "UnitNorm": Change("UnitNorm"),
    "MinMaxNorm": Change("MinMaxNorm", {"low": "min_value", "high": "max_value"}),
}


def _joined(*parts: str) -> Any:
    """Arguments that became ``kernel_size``: ``nb_row`` and ``nb_col``."""

    def convert(config: Config, origin: Any) -> Config:
        if all(part in config for part in parts):
            config["kernel_size"] = [config.pop(part) for part in parts]
        return config

    return convert


_window = _joined("nb_row", "nb_col")


def _separable(config: Config, origin: Any) -> Config:
    config["depthwise_initializer"] = config["pointwise_initializer"] = config.pop("init", "zero")
    return _window(config, origin)


def _recurrent(config: Config, origin: Any) -> Config:
    """The initial value of the forget gate's bias was a name, "one" as a rule."""
    if "forget_bias_init" in config:
        config["unit_forget_bias"] = config.pop("forget_bias_init") in ("one", "ones")
    return _window(config, origin)


def _padding(*sides: str) -> Any:
    """What is added at the sides was a dict, or (top, bottom, left, right)."""

    def convert(config: Config, origin: Any) -> Config:
        padding = config.get("padding")
        if isinstance(padding, dict):
            padding = config["padding"] = [padding.get(f"{side}_pad", 0) for side in sides]
        if isinstance(padding, (list, tuple)) and len(padding) == 4:
            config["padding"] = [list(padding[:2]), list(padding[2:])]
        return config

    return convert


_NORMALIZATION = {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer", "mode": ""}

#: class -> what it is in Keras 2
LAYERS = {
    "AtrousConvolution1D": Change("Conv1D"),
    "AtrousConvolution2D": Change("Conv2D", convert=_window),
    "BatchNormalization": Change("BatchNormalization", _NORMALIZATION),
    "ConvLSTM2D": Change("ConvLSTM2D", convert=_recurrent),
    "Convolution1D": Change("Conv1D"),
    "Convolution2D": Change("Conv2D", convert=_window),
    "Convolution3D": Change("Conv3D", convert=_joined("kernel_dim1", "kernel_dim2", "kernel_dim3")),
    "Deconvolution2D": Change("Conv2DTranspose", {"output_shape": ""}, convert=_window),
    "Embedding": Change(
        "Embedding",
        {"input_dim": "input_dim", "output_dim": "output_dim", "init": "embeddings_initializer",
         "W_regularizer": "embeddings_regularizer", "W_constraint": "embeddings_constraint"},
    ),
    #: it flattened in the order of memory
    "Flatten": Change("Flatten", fixed={"data_format": "channels_last"}),
    "GRU": Change("GRU", fixed={"reset_after": False}, convert=_recurrent),
    "GaussianNoise": Change("GaussianNoise", {"sigma": "stddev"}),
    "InputLayer": Change("InputLayer", {"input_dtype": "dtype"}),
    "LSTM": Change("LSTM", convert=_recurrent),
    "LocallyConnected2D": Change("LocallyConnected2D", convert=_window),
    "MaxoutDense": Change("MaxoutDense", {"nb_feature": "features"}),
    "PReLU": Change("PReLU", {"init": "alpha_initializer"}),
    "ParametricSoftplus": Change(
        "ParametricSoftplus",
        {"alpha_init": "alpha_initializer", "beta_init": "beta_initializer"},
    ),
    "SReLU": Change(
        "SReLU",
        {f"{name}_init": f"{name}_initializer"
         for name in ("t_left", "a_left", "t_right", "a_right")},
    ),
    "SampleNormalization": Change(
        "SampleNormalization", {**_NORMALIZATION, "axis": "", "momentum": ""}
    ),
    "SelfNormalization": Change("SelfNormalization", _NORMALIZATION),
    "SeparableConvolution2D": Change("SeparableConv2D", convert=_separable),
    "SimpleRNN": Change("SimpleRNN", convert=_recurrent),
    "TimeDistributedDense": Change("Dense"),
    "UpSampling1D": Change("UpSampling1D", {"length": "size"}),
    "ZeroPadding1D": Change("ZeroPadding1D", convert=_padding("left", "right")),
    "ZeroPadding2D": Change("ZeroPadding2D", convert=_padding("top", "bottom", "left", "right")),
}  # fmt: skip
#: ``mode`` of BatchNormalization -> the class that does it now
MODES = {1: "SampleNormalization", 2: "SelfNormalization"}

#: layers with images whose config may leave out their ``dim_ordering``
IMAGES = ("ZeroPadding2D", "ZeroPadding3D", "Cropping2D", "Cropping3D")

#: ``mode`` of Merge -> the layer that does it now, with the argument that its axes are called
MERGES = {
    "sum": ("Add", None), "mul": ("Multiply", None), "ave": ("Average", None),
    "max": ("Maximum", None), "concat": ("Concatenate", "axis"), "dot": ("Dot", "axes"),
    "cos": ("Cosine", "axes"),
}  # fmt: skip

#: losses and metrics by name -> the function in `tricorn.metrics.legacy`; Keras 2 had some, too
FUNCTIONS = {
    **{name: name for name in legacy.__all__},
    "cosine": "cosine_proximity",
    "f1score": "fmeasure",
    "fscore": "fmeasure",
}
