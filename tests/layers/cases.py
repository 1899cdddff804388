"""The layers that are compared with Keras: class name, arguments, input, and what else differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

_rng = np.random.default_rng(7)


def floats(*shape: int) -> np.ndarray:
    return _rng.normal(size=shape).astype(np.float32)


def apart(*shape: int) -> np.ndarray:
    """Values without ties, so that maxima have one place."""
    values = np.linspace(-2, 2, int(np.prod(shape)), dtype=np.float32)
    return _rng.permutation(values).reshape(shape)


def mask(*rows: int, length: int) -> np.ndarray:
    """(batch, length) bool: so many steps of each sample are there (negative: the last ones)."""
    steps = np.arange(length)
    return np.array([steps < n if n >= 0 else steps >= length + n for n in rows])


@dataclass(eq=False)
class Case:
    """One layer.

    Attributes:
        layer: class name in both libraries.
        kwargs: of the constructor; values that are functions of the library are called with it.
        x: input array, or list of them; a tuple of them is several arguments of the call.
        call: keyword arguments of the call.
        trains: whether training mode is deterministic (else only inference is compared).
        assigns: in training it assigns trainable weights, which Keras on JAX forgets.
        id: for the test's name.
    """

    layer: str
    x: Any
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    trains: bool = True
    assigns: bool = False

    @property
    def id(self) -> str:
        shown = {k: v if not callable(v) else "…" for k, v in self.kwargs.items()}
        given = ",".join(f"{k}={v}" for k, v in shown.items())
        return f"{self.layer}({given})" + ("+" + ",".join(self.call) if self.call else "")

    def arguments(self, x: Any) -> tuple:
        """`x`, the inputs or what was made of them, as the arguments of a call by place."""
        return x if isinstance(x, tuple) else (x,)

    def make(self, layers: Any) -> Any:
        given = {k: v(layers) if callable(v) else v for k, v in self.kwargs.items()}
        return getattr(layers, self.layer)(**given)


def _case(layer: str, x: Any, /, call: dict | None = None, **kwargs: Any) -> Case:
    return Case(layer, x, kwargs, call or {})


X2, X3, X4, X5 = floats(3, 5), floats(2, 6, 4), floats(2, 7, 6, 4), floats(2, 4, 5, 4, 2)
P3, P4, P5 = apart(2, 7, 3), apart(2, 7, 6, 3), apart(2, 4, 5, 4, 2)
IMAGES_FIRST = floats(2, 4, 7, 6)
MASK = mask(4, 6, length=6)
GAPS = mask(4, -3, length=6)
SEQUENCE = floats(2, 6, 4)

INDICES = np.array([[1, 2, 0], [4, 4, 3]], np.int32)

CORE = [
    _case("Dense", X2, units=3),
    _case("Dense", X3, units=3, activation="relu", use_bias=False),
    _case(
        "Dense", X2, units=3, activation="gelu", kernel_regularizer="l2", bias_constraint="non_neg"
    ),
    _case("Activation", X2, activation="tanh"),
    _case("Identity", X2),
    _case("Masking", np.where(floats(2, 6, 1) > 0, X3, 0).astype(np.float32), mask_value=0.0),
    Case("Embedding", INDICES, {"input_dim": 5, "output_dim": 3}),
    _case("ReLU", X2),
    _case("ReLU", X2, max_value=1.0, negative_slope=0.1, threshold=0.2),
    _case("LeakyReLU", X2, negative_slope=0.2),
    _case("PReLU", X2),
    _case("PReLU", X4, shared_axes=[1, 2]),
    _case("ELU", X2, alpha=0.7),
    _case("Softmax", X3),
    _case("Softmax", X3, axis=[1, 2]),
    _case("Softmax", X3, call={"mask": np.broadcast_to(MASK[..., None], X3.shape).copy()}),
    Case("ReversibleEmbedding", INDICES, {"input_dim": 5, "output_dim": 3, "mask_zero": True}),
    _case(
        "ReversibleEmbedding", X3, {"reverse": True}, input_dim=5, output_dim=4, logit_soft_cap=2.0
    ),
    _case(
        "ReversibleEmbedding",
        X3,
        {"reverse": True},
        input_dim=5,
        output_dim=4,
        tie_weights=False,
        reverse_dtype="float32",
    ),
    Case("Pipeline", X2, {"layers": lambda la: [la.ReLU(), la.Dropout(0.5)]}, trains=False),
    Case("AlphaDropout", X2, {"rate": 0.3}, trains=False),
    Case("AlphaDropout", X3, {"rate": 0.3, "noise_shape": [2, 1, 4], "seed": 3}, trains=False),
    Case("Dropout", X2, {"rate": 0.3}, trains=False),
    Case("Dropout", X3, {"rate": 0.3, "noise_shape": [2, 1, 4], "seed": 3}, trains=False),
    Case("SpatialDropout1D", X3, {"rate": 0.3}, trains=False),
    Case("SpatialDropout2D", X4, {"rate": 0.3}, trains=False),
    Case("GaussianNoise", X2, {"stddev": 0.3}, trains=False),
    Case("GaussianDropout", X2, {"rate": 0.3}, trains=False),
    _case("ActivityRegularization", X2, l1=0.1, l2=0.2),
    _case("Rescaling", X4, scale=2.0, offset=-1.0),
    _case("Normalization", X3, mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 3.0, 4.0]),
    _case("Normalization", X3, mean=0.5, variance=2.0, axis=None, invert=True),
]

RESHAPING = [
    _case("Flatten", X4),
    _case("Flatten", X4, data_format="channels_first"),
    _case("Flatten", floats(3)),
    _case("Reshape", X4, target_shape=[6, 28]),
    _case("Reshape", X4, target_shape=[-1, 4]),
    _case("Permute", X4, dims=[3, 1, 2]),
    _case("RepeatVector", X2, n=3),
    _case("ZeroPadding1D", X3, padding=2),
    _case("ZeroPadding1D", X3, padding=[1, 2]),
    _case("ZeroPadding2D", X4, padding=[[1, 0], [2, 3]]),
    _case("ZeroPadding2D", X4, padding=[1, 2], data_format="channels_first"),
    _case("ZeroPadding3D", X5, padding=1),
    _case("Cropping1D", X3, cropping=[1, 2]),
    _case("Cropping2D", X4, cropping=[[1, 0], [2, 1]]),
    _case("Cropping2D", X4, cropping=1, data_format="channels_first"),
    _case("Cropping3D", X5, cropping=1),
    _case("UpSampling1D", X3, size=3),
    _case("UpSampling2D", X4, size=[2, 3]),
    _case("UpSampling2D", X4, size=2, data_format="channels_first"),
    _case("UpSampling2D", X4, size=[2, 3], interpolation="bilinear"),
    _case("UpSampling3D", X5, size=2),
]

CONVOLUTIONAL = [
    _case("Conv1D", X3, filters=5, kernel_size=3, activation="relu"),
    _case("Conv1D", X3, filters=5, kernel_size=3, padding="causal", dilation_rate=2),
    _case("Conv2D", X4, filters=5, kernel_size=3),
    _case("Conv2D", X4, filters=6, kernel_size=[3, 2], strides=2, padding="same", use_bias=False),
    _case("Conv2D", X4, filters=6, kernel_size=3, groups=2, padding="same"),
    _case("Conv2D", X4, filters=6, kernel_size=2, dilation_rate=2),
    _case("Conv2D", IMAGES_FIRST, filters=5, kernel_size=3, data_format="channels_first"),
    _case("Conv3D", X5, filters=3, kernel_size=2, strides=[1, 2, 1], padding="same"),
    _case("DepthwiseConv1D", X3, kernel_size=3, depth_multiplier=2),
    _case("DepthwiseConv2D", X4, kernel_size=3, strides=2, padding="same", depth_multiplier=2),
    _case("SeparableConv1D", X3, filters=5, kernel_size=3),
    _case("SeparableConv2D", X4, filters=5, kernel_size=3, depth_multiplier=2, padding="same"),
    _case("Conv1DTranspose", X3, filters=5, kernel_size=3, strides=2, padding="same"),
    _case("Conv2DTranspose", X4, filters=5, kernel_size=3, strides=2),
    _case(
        "Conv2DTranspose", X4, filters=5, kernel_size=3, strides=2, padding="same", output_padding=1
    ),
    _case("Conv3DTranspose", X5, filters=2, kernel_size=2, strides=2),
]

POOLING = [
    _case("MaxPooling1D", P3),
    _case("MaxPooling1D", P3, pool_size=3, strides=2, padding="same"),
    _case("MaxPooling2D", P4),
    _case("MaxPooling2D", P4, pool_size=[3, 2], strides=1, padding="same"),
    _case("MaxPooling2D", P4, pool_size=2, data_format="channels_first"),
    _case("MaxPooling3D", P5),
    _case("AveragePooling1D", P3, pool_size=2),
    _case("AveragePooling2D", P4, pool_size=3, strides=2, padding="same"),
    _case("AveragePooling3D", P5, pool_size=2),
    _case("AdaptiveMaxPooling1D", P3, output_size=3),
    _case("AdaptiveMaxPooling2D", P4, output_size=[3, 4]),
    _case("AdaptiveMaxPooling3D", P5, output_size=[2, 3, 1]),
    _case("AdaptiveAveragePooling1D", P3, output_size=3, data_format="channels_first"),
    _case("AdaptiveAveragePooling2D", P4, output_size=[3, 4]),
    _case("AdaptiveAveragePooling3D", P5, output_size=2),
    _case("GlobalMaxPooling1D", P3),
    _case("GlobalMaxPooling2D", P4, keepdims=True),
    _case("GlobalMaxPooling3D", P5),
    _case("GlobalAveragePooling1D", X3),
    _case("GlobalAveragePooling1D", X3, call={"mask": GAPS}),
    _case("GlobalAveragePooling2D", X4, data_format="channels_first"),
    _case("GlobalAveragePooling3D", X5),
]

NORMALIZATION = [
    _case("BatchNormalization", X4),
    _case("BatchNormalization", X2, momentum=0.9, epsilon=1e-5, center=False),
    _case("BatchNormalization", X4, axis=1, scale=False),
    _case("BatchNormalization", X3, call={"mask": GAPS}),
    _case("LayerNormalization", X3),
    _case("LayerNormalization", X4, axis=[1, 3], epsilon=1e-5, center=False),
    _case("GroupNormalization", X4, groups=2),
    _case("GroupNormalization", IMAGES_FIRST, groups=-1, axis=1),
    _case("UnitNormalization", X3, axis=1),
    _case("RMSNormalization", X3),
    Case("SpectralNormalization", X2, {"layer": lambda la: la.Dense(4)}, assigns=True),
    Case(
        "SpectralNormalization",
        X4,
        {"layer": lambda la: la.Conv2D(3, 2, padding="same"), "power_iterations": 3},
        assigns=True,
    ),
]


def _lstm(**kwargs: Any) -> Any:
    return lambda layers: layers.LSTM(3, **kwargs)


RECURRENT = [
    _case("SimpleRNN", SEQUENCE, units=3),
    _case(
        "SimpleRNN", SEQUENCE, units=3, activation="relu", go_backwards=True, return_sequences=True
    ),
    _case("LSTM", SEQUENCE, units=3),
    _case("LSTM", SEQUENCE, units=3, return_sequences=True, return_state=True, use_bias=False),
    _case("LSTM", SEQUENCE, units=3, go_backwards=True, return_sequences=True, call={"mask": GAPS}),
    _case("LSTM", SEQUENCE, units=3, activation="relu", recurrent_activation="hard_sigmoid"),
    _case("LSTM", SEQUENCE, units=3, call={"initial_state": [floats(2, 3), floats(2, 3)]}),
    _case("LSTM", SEQUENCE, units=3, stateful=True, return_sequences=True),
    _case("LSTM", SEQUENCE, units=3, unroll=True, unit_forget_bias=False),
    _case("GRU", SEQUENCE, units=3),
    _case("GRU", SEQUENCE, units=3, return_sequences=True, return_state=True, call={"mask": MASK}),
    _case("GRU", SEQUENCE, units=3, reset_after=False, go_backwards=True),
    _case("GRU", SEQUENCE, units=3, reset_after=True, use_bias=False),
    _case("GRU", SEQUENCE, units=3, activation="relu", reset_after=False, call={"mask": GAPS}),
    _case("RNN", SEQUENCE, cell=lambda layers: layers.LSTMCell(3), return_sequences=True),
    _case(
        "RNN",
        SEQUENCE,
        {"mask": GAPS},
        cell=lambda layers: [layers.LSTMCell(3), layers.GRUCell(5), layers.SimpleRNNCell(2)],
        return_sequences=True,
    ),
    _case(
        "RNN", SEQUENCE, {"mask": GAPS}, cell=lambda la: la.GRUCell(3), zero_output_for_mask=True
    ),
    _case("Bidirectional", SEQUENCE, layer=_lstm(return_sequences=True)),
    _case("Bidirectional", SEQUENCE, layer=_lstm(), merge_mode="sum"),
    _case("Bidirectional", SEQUENCE, layer=_lstm(return_state=True), merge_mode="ave"),
    _case(
        "Bidirectional",
        SEQUENCE,
        {"mask": MASK},
        layer=_lstm(return_sequences=True),
        backward_layer=lambda la: la.GRU(3, go_backwards=True, return_sequences=True),
        merge_mode="mul",
    ),
    _case("TimeDistributed", SEQUENCE, layer=lambda layers: layers.Dense(3)),
    _case("TimeDistributed", floats(2, 3, 5, 6, 2), layer=lambda layers: layers.Conv2D(3, 2)),
]

FRAMES = floats(2, 3, 5, 6, 2)
CONV_LSTM = [
    _case("ConvLSTM1D", floats(2, 3, 6, 2), filters=2, kernel_size=3, strides=2, padding="same"),
    _case("ConvLSTM2D", FRAMES, filters=2, kernel_size=[3, 2]),
    _case(
        "ConvLSTM2D",
        FRAMES,
        filters=2,
        kernel_size=2,
        dilation_rate=2,
        go_backwards=True,
        return_sequences=True,
        return_state=True,
        use_bias=False,
        recurrent_activation="hard_sigmoid",
    ),
    _case(
        "ConvLSTM2D",
        FRAMES,
        filters=2,
        kernel_size=3,
        padding="same",
        data_format="channels_first",
        unit_forget_bias=False,
        return_sequences=True,
    ),
    _case("ConvLSTM2D", FRAMES, filters=2, kernel_size=3, stateful=True, return_sequences=True),
    _case("ConvLSTM3D", floats(1, 2, 3, 4, 3, 2), filters=2, kernel_size=2),
]

SIGNAL = floats(2, 50, 2)
AUDIO = [
    *(
        _case("STFTSpectrogram", SIGNAL, mode=mode, frame_length=12, window="hamming")
        for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
    ),
    _case(
        "STFTSpectrogram",
        floats(2, 2, 50),
        mode="stft",
        frame_length=8,
        frame_step=3,
        fft_length=10,
        window=None,
        scaling=None,
        padding="same",
        data_format="channels_first",
    ),
    _case(
        "STFTSpectrogram", SIGNAL, mode="real", frame_length=8, expand_dims=True,
        scaling="spectrum", periodic=True,
    ),
    _case(
        "MelSpectrogram", floats(2, 60), fft_length=16, sequence_stride=5, num_mel_bins=4
    ),
    _case(
        "MelSpectrogram",
        floats(60),
        fft_length=16,
        sequence_stride=5,
        sequence_length=12,
        window="hamming",
        num_mel_bins=3,
        power_to_db=False,
        mag_exp=1.0,
        max_freq=7000,
    ),
]  # fmt: skip

PAIR = [apart(2, 6, 4), apart(2, 6, 4)]
MERGING = [
    *(
        _case(name, PAIR)
        for name in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract")
    ),
    _case("Add", [floats(2, 4), floats(2, 6, 4), floats(2, 1, 4)]),
    _case("Concatenate", PAIR),
    _case("Concatenate", [floats(2, 3, 4), floats(2, 5, 4)], axis=1),
    _case("Dot", [floats(2, 3, 4), floats(2, 4, 5)], axes=[2, 1]),
    _case("Dot", [floats(2, 4), floats(2, 4)], axes=1, normalize=True),
    _case("Dot", [floats(2, 3, 4, 5), floats(2, 6, 4)], axes=[2, -1]),
]

QUERY, VALUE, KEY = floats(2, 5, 4), floats(2, 6, 3), floats(2, 6, 4)
QUERY_MASK, VALUE_MASK = mask(5, 3, length=5), mask(6, 4, length=6)
PAIRS_MASK = floats(2, 5, 6) > -0.7
ATTENTION = [
    _case("EinsumDense", X3, equation="abc,cd->abd", output_shape=[6, 5], bias_axes="d"),
    _case("EinsumDense", X3, equation="...x,xy->...y", output_shape=5, activation="relu"),
    _case("EinsumDense", X4, equation="ab...,bc->ac...", output_shape=3, bias_axes="c"),
    _case("EinsumDense", X3, equation="abc,cde->abde", output_shape=[6, 2, 3], bias_axes="de"),
    _case("EinsumDense", X4, equation="abcd,bde->ace", output_shape=[6, 3], bias_axes="ce"),
    _case("Attention", [QUERY, KEY]),
    _case("Attention", [QUERY, VALUE, KEY], {"use_causal_mask": True}, use_scale=True),
    _case("Attention", [QUERY, VALUE, KEY], use_scale=True, score_mode="concat"),
    _case("Attention", [QUERY, KEY], {"mask": [QUERY_MASK, VALUE_MASK]}),
    _case(
        "Attention",
        [QUERY, KEY],
        {"mask": [None, VALUE_MASK], "use_causal_mask": True, "return_attention_scores": True},
    ),
    Case("Attention", [QUERY, KEY], {"dropout": 0.3, "seed": 1}, trains=False),
    _case("AdditiveAttention", [QUERY, VALUE, KEY], {"mask": [QUERY_MASK, VALUE_MASK]}),
    _case("AdditiveAttention", [QUERY, KEY], {"return_attention_scores": True}, use_scale=False),
    _case("MultiHeadAttention", (QUERY, VALUE), num_heads=2, key_dim=3),
    _case(  # Keras on JAX computes another value_dim only where scores are asked for
        "MultiHeadAttention",
        (QUERY, VALUE, KEY),
        {"return_attention_scores": True},
        num_heads=3,
        key_dim=2,
        value_dim=5,
    ),
    _case(
        "MultiHeadAttention",
        (QUERY, VALUE),
        {"use_causal_mask": True, "attention_mask": PAIRS_MASK},
        num_heads=2,
        key_dim=3,
        use_bias=False,
        use_gate=True,
        output_shape=7,
        flash_attention=False,
    ),
    _case(
        "MultiHeadAttention",
        (QUERY, VALUE),
        {
            "value_mask": VALUE_MASK,
            "key_mask": mask(5, 6, length=6),
            "use_causal_mask": True,
            "return_attention_scores": True,
        },
        num_heads=2,
        key_dim=3,
        sliding_window=3,
        output_shape=[2, 3],
        kernel_regularizer="l2",
    ),
    _case(
        "MultiHeadAttention",
        (floats(2, 3, 4, 5), floats(2, 3, 4, 5)),
        {"return_attention_scores": True},
        num_heads=2,
        key_dim=3,
        attention_axes=[2],
    ),
    _case("MultiHeadAttention", (floats(2, 3, 4, 5), floats(2, 2, 3, 5)), num_heads=2, key_dim=3),
    Case(
        "MultiHeadAttention",
        (QUERY, VALUE),
        {"num_heads": 2, "key_dim": 3, "dropout": 0.5, "seed": 2},
        {"use_causal_mask": True, "value_mask": VALUE_MASK},
        trains=False,
    ),
    _case(
        "GroupQueryAttention", (QUERY, KEY), head_dim=3, num_query_heads=4, num_key_value_heads=2
    ),
    _case(
        "GroupQueryAttention",
        (QUERY, KEY, KEY),
        {"value_mask": VALUE_MASK, "return_attention_scores": True, "use_causal_mask": True},
        head_dim=3,
        num_query_heads=4,
        num_key_value_heads=1,
        use_gate=True,
        sliding_window=4,
    ),
]

ALL = [
    *ATTENTION, *CONV_LSTM, *CORE, *RESHAPING, *CONVOLUTIONAL, *POOLING, *NORMALIZATION,
    *RECURRENT, *AUDIO, *MERGING,
]  # fmt: skip
