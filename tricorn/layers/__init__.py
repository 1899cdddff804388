"""Layers by Keras's names; one file per family."""

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
from tricorn.layers.convolutional import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)

# Keras's other names for the same classes.
from tricorn.layers.convolutional import (
    Conv1D as Convolution1D,
)
from tricorn.layers.convolutional import (
    Conv1DTranspose as Convolution1DTranspose,
)
from tricorn.layers.convolutional import (
    Conv2D as Convolution2D,
)
from tricorn.layers.convolutional import (
    Conv2DTranspose as Convolution2DTranspose,
)
from tricorn.layers.convolutional import (
    Conv3D as Convolution3D,
)
from tricorn.layers.convolutional import (
    Conv3DTranspose as Convolution3DTranspose,
)
from tricorn.layers.convolutional import (
    SeparableConv1D as SeparableConvolution1D,
)
from tricorn.layers.convolutional import (
    SeparableConv2D as SeparableConvolution2D,
)
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
from tricorn.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
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
from tricorn.layers.pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from tricorn.layers.pooling import (
    AveragePooling1D as AvgPool1D,
)
from tricorn.layers.pooling import (
    AveragePooling2D as AvgPool2D,
)
from tricorn.layers.pooling import (
    AveragePooling3D as AvgPool3D,
)
from tricorn.layers.pooling import (
    GlobalAveragePooling1D as GlobalAvgPool1D,
)
from tricorn.layers.pooling import (
    GlobalAveragePooling2D as GlobalAvgPool2D,
)
from tricorn.layers.pooling import (
    GlobalAveragePooling3D as GlobalAvgPool3D,
)
from tricorn.layers.pooling import (
    GlobalMaxPooling1D as GlobalMaxPool1D,
)
from tricorn.layers.pooling import (
    GlobalMaxPooling2D as GlobalMaxPool2D,
)
from tricorn.layers.pooling import (
    GlobalMaxPooling3D as GlobalMaxPool3D,
)
from tricorn.layers.pooling import (
    MaxPooling1D as MaxPool1D,
)
from tricorn.layers.pooling import (
    MaxPooling2D as MaxPool2D,
)
from tricorn.layers.pooling import (
    MaxPooling3D as MaxPool3D,
)
from tricorn.layers.preprocessing import (
    AugMix,
    AutoContrast,
    BaseImagePreprocessingLayer,
    CategoryEncoding,
    CenterCrop,
    ContrastLimitedAdaptiveHistogramEqualization,
    CutMix,
    Discretization,
    Equalization,
    HashedCrossing,
    Hashing,
    IntegerLookup,
    MaxNumBoundingBoxes,
    MixUp,
    Normalization,
    RandAugment,
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomErasing,
    RandomFlip,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPerspective,
    RandomPosterization,
    RandomRotation,
    RandomSaturation,
    RandomSharpness,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    Rescaling,
    Resizing,
    Solarization,
    StringLookup,
    TextVectorization,
)
from tricorn.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
    TimeDistributed,
    Wrapper,
)
from tricorn.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from tricorn.layers.reshaping import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Flatten,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from tricorn.serialization.registry import (
    deserialize_keras_object as deserialize,
)

__all__ = [
    "Activation", "ActivityRegularization", "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D", "Add", "AdditiveAttention", "AlphaDropout", "Attention", "AugMix",
    "AutoContrast", "Average", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
    "AvgPool1D", "AvgPool2D", "AvgPool3D", "BaseImagePreprocessingLayer", "BatchNormalization",
    "Bidirectional", "CategoryEncoding", "CenterCrop", "Concatenate",
    "ContrastLimitedAdaptiveHistogramEqualization", "Conv1D", "Conv1DTranspose", "Conv2D",
    "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
    "Convolution1D", "Convolution1DTranspose", "Convolution2D", "Convolution2DTranspose",
    "Convolution3D", "Convolution3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D", "CutMix",
    "Dense", "DepthwiseConv1D", "DepthwiseConv2D", "Discretization", "Dot", "Dropout", "ELU",
    "EinsumDense", "Embedding", "Equalization", "Flatten", "FlaxLayer", "GRU", "GRUCell",
    "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalAveragePooling3D", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D",
    "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "GlobalMaxPooling3D", "GroupNormalization", "GroupQueryAttention",
    "HashedCrossing", "Hashing", "Identity", "Input", "InputLayer", "InputSpec", "IntegerLookup",
    "JaxLayer", "LSTM", "LSTMCell", "Lambda", "Layer", "LayerNormalization", "LeakyReLU",
    "LocallyConnected1D", "LocallyConnected2D", "Masking", "MaxNumBoundingBoxes", "MaxPool1D",
    "MaxPool2D", "MaxPool3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "Maximum",
    "MelSpectrogram", "Minimum", "MixUp", "MultiHeadAttention", "Multiply", "Normalization",
    "PReLU", "Permute", "Pipeline", "RMSNormalization", "RNN", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomCrop",
    "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur",
    "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization",
    "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation",
    "RandomZoom", "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing", "ReversibleEmbedding",
    "STFTSpectrogram", "SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D",
    "SeparableConvolution2D", "SimpleRNN", "SimpleRNNCell", "Softmax", "Solarization",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "SpectralNormalization",
    "StackedRNNCells", "StringLookup", "Subtract", "TFSMLayer", "TextVectorization",
    "ThresholdedReLU", "TimeDistributed", "TorchModuleWrapper", "UnitNormalization", "UpSampling1D",
    "UpSampling2D", "UpSampling3D", "Wrapper", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
    "add", "average", "concatenate", "deserialize", "dot", "maximum", "minimum", "multiply",
    "serialize", "subtract",
]  # fmt: skip

__dir__ = lambda: list(__all__)
