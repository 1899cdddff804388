"""Layers by Keras's names; one file per family."""

from tricorn.layers import (
    convolutional,
    merging,
    pooling,
    recurrent,
    regularization,
    reshaping,
)
from tricorn.layers.activations import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from tricorn.layers.attention import (
    AdditiveAttention,
    Attention,
    GroupQueryAttention,
    MultiHeadAttention,
)
from tricorn.layers.audio import MelSpectrogram, STFTSpectrogram
from tricorn.layers.base import Layer
from tricorn.layers.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from tricorn.layers.convolutional import *
from tricorn.layers.core import (
    Activation,
    Dense,
    Embedding,
    Identity,
    Lambda,
    Masking,
    ReversibleEmbedding,
)
from tricorn.layers.einsum import EinsumDense
from tricorn.layers.foreign import FlaxLayer, JaxLayer, TFSMLayer, TorchModuleWrapper
from tricorn.layers.input_layer import Input, InputLayer
from tricorn.layers.input_spec import InputSpec
from tricorn.layers.locally_connected import LocallyConnected1D, LocallyConnected2D
from tricorn.layers.merging import *
from tricorn.layers.names import serialize
from tricorn.layers.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    SpectralNormalization,
    UnitNormalization,
)
from tricorn.layers.pipeline import Pipeline
from tricorn.layers.pooling import *
from tricorn.layers.preprocessing import categories, colours, geometry, mixing, numeric
from tricorn.layers.preprocessing.categories import *
from tricorn.layers.preprocessing.colours import *
from tricorn.layers.preprocessing.geometry import *
from tricorn.layers.preprocessing.images import BaseImagePreprocessingLayer
from tricorn.layers.preprocessing.mixing import *
from tricorn.layers.preprocessing.numeric import *
from tricorn.layers.preprocessing.text import TextVectorization
from tricorn.layers.recurrent import *
from tricorn.layers.regularization import *
from tricorn.layers.reshaping import *
from tricorn.serialization.registry import deserialize_keras_object as deserialize

__all__ = [
    "Activation", "AdditiveAttention", "Attention", "BaseImagePreprocessingLayer",
    "BatchNormalization", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Dense", "ELU", "EinsumDense",
    "Embedding", "FlaxLayer", "GroupNormalization", "GroupQueryAttention", "Identity", "Input",
    "InputLayer", "InputSpec", "JaxLayer", "Lambda", "Layer", "LayerNormalization", "LeakyReLU",
    "LocallyConnected1D", "LocallyConnected2D", "Masking", "MelSpectrogram", "MultiHeadAttention",
    "PReLU", "Pipeline", "RMSNormalization", "ReLU", "ReversibleEmbedding", "STFTSpectrogram",
    "Softmax", "SpectralNormalization", "TFSMLayer", "TextVectorization", "ThresholdedReLU",
    "TorchModuleWrapper", "UnitNormalization", "deserialize", "serialize",
]  # fmt: skip
__all__ += categories.__all__
__all__ += colours.__all__
__all__ += convolutional.__all__
__all__ += geometry.__all__
__all__ += merging.__all__
__all__ += mixing.__all__
__all__ += numeric.__all__
__all__ += pooling.__all__
__all__ += recurrent.__all__
__all__ += regularization.__all__
__all__ += reshaping.__all__

__dir__ = lambda: list(__all__)
