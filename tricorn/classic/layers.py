"""The layers of Keras 2.3.1."""

from __future__ import annotations

from typing import Any

from tricorn import layers as today
from tricorn import models
from tricorn.classic.faces import FACES, Change, adopted, face
from tricorn.classic.layer import (
    InputSpec,
    LambdaMethods,
    Layer,
    LayerMethods,
    RecurrentMethods,
    prepare,
)  # fmt: skip
from tricorn.classic.names import handed_on
from tricorn.classic.recurrent import ConvRecurrent2D, Recurrent
from tricorn.classic.spellings import convert, warn
from tricorn.classic.tools import deserialize_keras_object, serialize_keras_object
from tricorn.layers import conv_lstm, legacy


def _shape_of_sequences(given: dict[str, Any]) -> None:
    """``input_dim=`` and ``input_length=`` of a layer of sequences, as ``input_shape=``."""
    if "input_dim" in given:
        length, size = given.pop("input_length", None), given.pop("input_dim")
        warn(f"input_dim is Keras 1's spelling; write input_shape=({length}, {size})")
        given["input_shape"] = (length, size)


def _length_of_sequences(given: dict[str, Any]) -> None:
    """``input_length=`` of an `Embedding`."""
    length = given.pop("input_length", None)
    if not {"input_shape", "batch_input_shape"} & given.keys():
        given["input_shape"] = tuple(length) if isinstance(length, (tuple, list)) else (length,)


def _pads(given: dict[str, Any]) -> None:
    """Padding by sides, Keras 1's ``{"top_pad": 1, ...}``."""
    padding = given.get("padding")
    if isinstance(padding, dict):
        sides = ("top_pad", "bottom_pad", "left_pad", "right_pad")
        top, bottom, left, right = (padding.get(side, 0) for side in sides)
        given["padding"] = ((top, bottom), (left, right))
        warn(f"ZeroPadding2D: a dict is Keras 1's spelling; write padding={given['padding']}")


def _mode(given: dict[str, Any]) -> None:
    """The mode of a `BatchNormalization` of Keras 1."""
    if given.pop("mode", 0) != 0:
        raise TypeError(
            "BatchNormalization: Keras 2 has only what mode=0 was: statistics by feature, kept "
            "for testing"
        )


def _of_images(given: dict[str, Any]) -> None:
    """A cell of `ConvLSTM2D`: the core's says the number of axes."""
    given["rank"] = 2


_last = {"data_format": "channels_last"}
_twice: dict[str, Any] = {"strides": (1, 1), "dilation_rate": (1, 1)}
_thrice: dict[str, Any] = {"strides": (1, 1, 1), "dilation_rate": (1, 1, 1)}
_no_shape = {"output_shape": "the padding decides the shape of the output"}
_pooling = "name"
_alone = "keepdims"

#: class -> how Keras 2.3.1's differs from the core's; those that are not here are alike
CHANGES: dict[str, Change] = {
    "AveragePooling1D": Change(_last, _pooling),
    "AveragePooling2D": Change({"pool_size": (2, 2)}, _pooling),
    "AveragePooling3D": Change({"pool_size": (2, 2, 2)}, _pooling),
    "BatchNormalization": Change(
        without="renorm renorm_clipping renorm_momentum synchronized", adapt=_mode
    ),
    "Bidirectional": Change(without="backward_layer"),
    "Conv1D": Change(_last, "groups", adapt=_shape_of_sequences),
    "Conv2D": Change(_twice, "groups"),
    "Conv2DTranspose": Change(_twice, gone=_no_shape),
    "Conv3D": Change(_thrice, "groups"),
    "Conv3DTranspose": Change({"strides": (1, 1, 1)}, "dilation_rate", gone=_no_shape),
    "ConvLSTM2D": Change(
        {**_twice, "recurrent_activation": "hard_sigmoid"},
        "seed return_state",
        after={"dropout": "stateful", "recurrent_dropout": "dropout"},
    ),
    "ConvLSTM2DCell": Change(
        {**_twice, "recurrent_activation": "hard_sigmoid"}, "seed rank", adapt=_of_images
    ),
    "Cropping3D": Change({"cropping": ((1, 1), (1, 1), (1, 1))}),
    "DepthwiseConv2D": Change(_twice),
    "Embedding": Change(
        {"activity_regularizer": None, "input_length": None},
        "weights",
        after={"activity_regularizer": "embeddings_regularizer", "input_length": "mask_zero"},
        gone={"dropout": "put a SpatialDropout1D after it"},
        adapt=_length_of_sequences,
    ),
    "GRU": Change(
        {"reset_after": False, "implementation": 2},
        "seed use_cudnn",
        after={"implementation": "recurrent_dropout"},
        unused="implementation",
        adapt=_shape_of_sequences,
    ),
    "GRUCell": Change(
        {"reset_after": False, "implementation": 2},
        "seed",
        after={"implementation": "recurrent_dropout"},
        unused="implementation",
    ),
    "GaussianDropout": Change(without="seed"),
    "GaussianNoise": Change(without="seed"),
    "GlobalAveragePooling1D": Change(_last, _alone),
    "GlobalAveragePooling2D": Change(without=_alone),
    "GlobalAveragePooling3D": Change(without=_alone),
    "GlobalMaxPooling1D": Change(_last, _alone),
    "GlobalMaxPooling2D": Change(without=_alone),
    "GlobalMaxPooling3D": Change(without=_alone),
    "InputLayer": Change(
        {"input_shape": None, "batch_input_shape": None, "sparse": False},
        "ragged optional",
        first="input_shape batch_size batch_input_shape dtype input_tensor sparse name",
        renamed={"input_shape": "shape", "batch_input_shape": "batch_shape"},
    ),
    "LSTM": Change(
        {"implementation": 2},
        "seed use_cudnn",
        after={"implementation": "recurrent_dropout"},
        unused="implementation",
        adapt=_shape_of_sequences,
    ),
    "LSTMCell": Change(
        {"implementation": 2},
        "seed",
        after={"implementation": "recurrent_dropout"},
        unused="implementation",
    ),
    "LeakyReLU": Change({"alpha": 0.3}, renamed={"alpha": "negative_slope"}),
    "LocallyConnected1D": Change(without="implementation", adapt=_shape_of_sequences),
    "LocallyConnected2D": Change({"strides": (1, 1)}, "implementation"),
    "MaxPooling1D": Change(_last, _pooling),
    "MaxPooling2D": Change({"pool_size": (2, 2)}, _pooling),
    "MaxPooling3D": Change({"pool_size": (2, 2, 2)}, _pooling),
    "PReLU": Change({"alpha_initializer": "zeros"}),
    "RNN": Change(without="zero_output_for_mask", adapt=_shape_of_sequences),
    "SeparableConv1D": Change(_last, adapt=_shape_of_sequences),
    "SeparableConv2D": Change(_twice),
    "SimpleRNN": Change(without="seed", unused="implementation", adapt=_shape_of_sequences),
    "SimpleRNNCell": Change(without="seed"),
    "SpatialDropout1D": Change(without="seed name dtype"),
    "SpatialDropout2D": Change(without="seed name dtype"),
    "SpatialDropout3D": Change(without="seed name dtype"),
    "ZeroPadding1D": Change(without="data_format"),
    "ZeroPadding2D": Change({"padding": (1, 1)}, adapt=_pads),
    "ZeroPadding3D": Change({"padding": (1, 1, 1)}),
}

#: further names of a class
ALIASES = {
    "AvgPool1D": "AveragePooling1D", "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D", "Convolution1D": "Conv1D", "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D", "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose", "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D", "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D", "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D", "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D", "MaxPool3D": "MaxPooling3D",
    "SeparableConvolution1D": "SeparableConv1D", "SeparableConvolution2D": "SeparableConv2D",
}  # fmt: skip


def _oldest(given: dict[str, Any]) -> None:
    """`Highway` and `MaxoutDense` keep the names that Keras 1 gave to arguments."""
    names = {
        "init": "kernel_initializer", "bias": "use_bias", "W_regularizer": "kernel_regularizer",
        "b_regularizer": "bias_regularizer", "W_constraint": "kernel_constraint",
        "b_constraint": "bias_constraint", "output_dim": "units", "nb_feature": "features",
    }  # fmt: skip
    for old, new in names.items():
        if old in given:
            given[new] = given.pop(old)
    size = given.pop("input_dim", None)
    if size is not None:
        given["input_shape"] = (size,)


_oldest_defaults: dict[str, Any] = {
    "init": "glorot_uniform", "activation": None, "weights": None, "W_regularizer": None,
    "b_regularizer": None, "activity_regularizer": None, "W_constraint": None,
    "b_constraint": None, "bias": True, "input_dim": None,
}  # fmt: skip
_of_oldest = (
    "kernel_initializer kernel_regularizer bias_regularizer kernel_constraint "
    "bias_constraint use_bias units features"
)
CHANGES["Highway"] = Change(
    _oldest_defaults, _of_oldest, first=" ".join(_oldest_defaults), adapt=_oldest
)
_of_maxout = {"nb_feature": 4, **{k: v for k, v in _oldest_defaults.items() if k != "activation"}}
CHANGES["MaxoutDense"] = Change(
    _of_maxout, _of_oldest, first=f"output_dim {' '.join(_of_maxout)}", adapt=_oldest
)


def _as_cudnn(given: dict[str, Any]) -> None:
    """What cuDNN computes."""
    _shape_of_sequences(given)
    given["recurrent_activation"] = "sigmoid"


def _as_cudnn_gru(given: dict[str, Any]) -> None:
    _as_cudnn(given)
    given["reset_after"] = True


_of_cudnn = (
    "activation recurrent_activation use_bias dropout recurrent_dropout seed go_backwards unroll "
    "use_cudnn reset_after"
)
CHANGES["CuDNNLSTM"] = Change(without=_of_cudnn, adapt=_as_cudnn)
CHANGES["CuDNNGRU"] = Change(without=_of_cudnn, adapt=_as_cudnn_gru)

_NAMES = (
    "Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D "
    "AveragePooling2D AveragePooling3D BatchNormalization Bidirectional Concatenate Conv1D Conv2D "
    "Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM2D Cropping1D Cropping2D Cropping3D Dense "
    "DepthwiseConv2D Dot Dropout ELU Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise "
    "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D "
    "GlobalMaxPooling2D GlobalMaxPooling3D InputLayer LSTM LSTMCell Lambda LeakyReLU "
    "LocallyConnected1D LocallyConnected2D Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum "
    "Minimum Multiply PReLU Permute RNN ReLU RepeatVector Reshape SeparableConv1D SeparableConv2D "
    "SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D "
    "StackedRNNCells Subtract ThresholdedReLU TimeDistributed UpSampling1D UpSampling2D "
    "UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D"
)
_OLDEST = "Highway MaxoutDense ParametricSoftplus SReLU"


def _make(core: Any, name: str) -> Any:
    methods = RecurrentMethods if hasattr(core, "reset_state") else LayerMethods
    methods = LambdaMethods if name == "Lambda" else methods
    return face(core, CHANGES.get(name), (methods,), __name__, name, prepare)


globals().update({name: _make(getattr(today, name), name) for name in _NAMES.split()})
globals().update({name: _make(getattr(legacy, name), name) for name in _OLDEST.split()})
ConvLSTM2DCell = _make(conv_lstm.ConvLSTMCell, "ConvLSTM2DCell")
CuDNNGRU, CuDNNLSTM = _make(today.GRU, "CuDNNGRU"), _make(today.LSTM, "CuDNNLSTM")
globals().update({alias: globals()[name] for alias, name in ALIASES.items()})

# ------------------------------------------------------------------------------- as functions


def Input(
    shape: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool = False,
    tensor: Any = None,
) -> Any:
    """A symbolic tensor to build a model from; see `tricorn.layers.Input`."""
    if shape is None and batch_shape is None and tensor is None:
        raise ValueError("Input takes shape, without the batch axis, or batch_shape")
    layer = globals()["InputLayer"](shape, None, batch_shape, dtype, tensor, sparse or None, name)
    return layer.output


def _functions() -> dict[str, Any]:
    """``add(inputs)`` and its like, which make a layer and call it."""

    def made(name: str) -> Any:
        def merged(inputs: Any, **kwargs: Any) -> Any:
            return globals()[name](**kwargs)(inputs)

        merged.__name__ = merged.__qualname__ = name.lower()
        merged.__doc__ = f"`{name}` of `inputs`, a list of tensors."
        return merged

    names = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    return {name.lower(): made(name) for name in names}


globals().update(_functions())


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate` of `inputs`, a list of tensors."""
    return globals()["Concatenate"](axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """`Dot` of `inputs`, two tensors."""
    return globals()["Dot"](axes=axes, normalize=normalize, **kwargs)(inputs)


def AtrousConvolution1D(*args: Any, **kwargs: Any) -> Any:
    """Keras 1's `Conv1D` with gaps in the kernel: ``atrous_rate=`` is ``dilation_rate=``."""
    return globals()["Conv1D"](*args, **kwargs)


def AtrousConvolution2D(*args: Any, **kwargs: Any) -> Any:
    """Keras 1's `Conv2D` with gaps in the kernel: ``atrous_rate=`` is ``dilation_rate=``."""
    return globals()["Conv2D"](*args, **kwargs)


def merge(
    inputs: list,
    mode: Any = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: Any = None,
    name: str | None = None,
) -> Any:
    """Keras 1's way to merge tensors.

    Args:
        inputs: list of tensors.
        mode: "sum", "mul", "concat", "ave", "cos", "dot" or "max", or a function of `inputs`.
        concat_axis, dot_axes: of the modes "concat", and "dot" and "cos".
        output_shape, output_mask, arguments: of a function, see `Lambda`.
        name: of the layer.
    """
    kinds = {
        "sum": ("Add", {}), "mul": ("Multiply", {}), "ave": ("Average", {}),
        "max": ("Maximum", {}), "concat": ("Concatenate", {"axis": concat_axis}),
        "dot": ("Dot", {"axes": dot_axes}), "cos": ("Dot", {"axes": dot_axes, "normalize": True}),
    }  # fmt: skip
    if callable(mode):
        given = {"output_shape": output_shape, "mask": output_mask, "arguments": arguments}
        return globals()["Lambda"](mode, name=name, **given)(inputs)
    if mode not in kinds:
        raise ValueError(f"merge: mode must be a function or one of {list(kinds)}, got {mode!r}")
    kind, more = kinds[mode]
    warn(f"merge is Keras 1's; write {kind}({', '.join(f'{k}={v}' for k, v in more.items())})")
    return globals()[kind](name=name, **more)(inputs)


def Merge(layers: list, mode: Any = "sum", **kwargs: Any) -> Any:
    """Keras 1's layer that merges the outputs of several models or layers: a model with the inputs
    of them all, to begin a `Sequential` with."""
    made = merge([one.output for one in layers], mode, **kwargs)
    return FACES[models.Model]([one.input for one in layers], made)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The layer that a config describes, as one of this face."""
    return adopted(today.deserialize(config, custom_objects))


__getattr__, __dir__ = handed_on(
    globals(),
    today,
    f"{_NAMES} Highway MaxoutDense {' '.join(ALIASES)} AtrousConvolution1D AtrousConvolution2D "
    "ConvLSTM2DCell ConvRecurrent2D CuDNNGRU CuDNNLSTM Input InputSpec Layer Recurrent add average "
    "concatenate deserialize deserialize_keras_object dot maximum minimum multiply serialize "
    "subtract",
)
