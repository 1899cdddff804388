"""How layers are quantized: one configuration for each mode."""

from __future__ import annotations

from typing import Any

from tricorn.checks import choice, integer, number, wrong
from tricorn.dtype_policies import QUANTIZATION_MODES
from tricorn.quantizers.base import AbsMaxQuantizer
from tricorn.serialization import registry
from tricorn.serialization.catalogue import Configured


class QuantizationConfig(Configured):
    """Base of the configurations.

    Args:
        weight_quantizer: what quantizes weights; None: the mode's own.
        activation_quantizer: what quantizes the inputs of layers; None: they stay floats.

    Attributes:
        mode: "int8" say.

    Example:
        >>> keras.quantizers.Int8QuantizationConfig(activation_quantizer=None).mode
        'int8'
    """

    mode: str

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = None) -> None:
        if type(self) is QuantizationConfig:
            raise NotImplementedError(
                "QuantizationConfig is the base of the configurations: use one of them, such as "
                "Int8QuantizationConfig"
            )
        self.weight_quantizer, self.activation_quantizer = weight_quantizer, activation_quantizer

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {name: registry.serialize_keras_object(value) for name, value in config.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        made = {
            name: registry.deserialize_keras_object(v) if name.endswith("_quantizer") else v
            for name, v in config.items()
        }
        return cls(**made)

    @staticmethod
    def weight_quantizer_or_default(config: Any, default: Any) -> Any:
        """The quantizer of weights that `config` has, if there is one."""
        found = None if config is None else config.weight_quantizer
        return default if found is None else found

    @staticmethod
    def activation_quantizer_or_default(config: Any, default: Any) -> Any:
        """The quantizer of inputs that `config` has, which may be None; without a config
        `default`."""
        return default if config is None else config.activation_quantizer

    def dtype_policy_string(self) -> str:
        """How the mode is named in the names of dtype policies."""
        return self.mode


class Int8QuantizationConfig(QuantizationConfig):
    """Weights of 8 bits, one scale for each output.

    Args:
        weight_quantizer: with ``output_dtype="int8"``; None: `AbsMaxQuantizer`.
        activation_quantizer: "default": `AbsMaxQuantizer`, so that integers are multiplied; None:
            inputs stay floats.

    Example:
        >>> config = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
        >>> keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).quantize(config=config)
    """

    mode = "int8"

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default") -> None:
        default = isinstance(activation_quantizer, str) and activation_quantizer == "default"
        super().__init__(weight_quantizer, AbsMaxQuantizer() if default else activation_quantizer)
        _of_int8(self)


class Int4QuantizationConfig(QuantizationConfig):
    """Weights of 4 bits, two of them in a byte.

    Args:
        weight_quantizer: with ``value_range=(-8, 7)`` and ``output_dtype="int8"``; None:
            `AbsMaxQuantizer`.  Without groups only.
        activation_quantizer: None, or "default": inputs stay floats.  Without groups only.
        block_size: weights of one output fall into groups of so many, each with a scale and a zero
            point; None or -1: one scale for all weights of an output.

    Raises:
        ValueError: a block size that is none, quantizers together with groups.

    Example:
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 64))
        >>> layer.quantize(config=keras.quantizers.Int4QuantizationConfig(block_size=32))
        >>> layer.kernel_scale.shape
        (2, 2)
    """

    mode = "int4"

    def __init__(
        self,
        weight_quantizer: Any = None,
        activation_quantizer: Any = "default",
        block_size: int | None = 128,
    ) -> None:
        default = isinstance(activation_quantizer, str) and activation_quantizer == "default"
        super().__init__(weight_quantizer, None if default else activation_quantizer)
        if block_size is not None and block_size < 1 and block_size != -1:
            raise wrong(self, "block_size", "None, -1, or a positive integer", block_size)
        self.block_size = block_size
        own = self.weight_quantizer, self.activation_quantizer
        if self.grouped and any(quantizer is not None for quantizer in own):
            raise ValueError(
                "Int4QuantizationConfig: groups (sub-channel quantization) do not support custom "
                f"quantizers; leave them out, or set block_size=None, got block_size={block_size}"
            )
        if weight_quantizer is not None and tuple(weight_quantizer.value_range) != (-8, 7):
            raise wrong(self, "weight_quantizer", "one with value_range=(-8, 7)", weight_quantizer)
        _of_int8(self)

    @property
    def grouped(self) -> bool:
        """Whether there are groups."""
        return self.block_size not in (None, -1)

    def dtype_policy_string(self) -> str:
        return f"int4/{-1 if self.block_size is None else self.block_size}"

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return super().from_config({"block_size": None, **config})  # older files have no groups


def _of_int8(config: QuantizationConfig) -> None:
    quantizer = config.weight_quantizer
    if quantizer is not None and quantizer.output_dtype != "int8":
        raise wrong(config, "weight_quantizer", "one with output_dtype='int8'", quantizer)


class Float8QuantizationConfig(QuantizationConfig):
    """Training with products of float8: inputs and weights as e4m3, gradients as e5m2, with scales
    that follow the largest magnitudes of the last steps.

    Example:
        >>> keras.quantizers.Float8QuantizationConfig().mode
        'float8'
    """

    mode = "float8"

    def __init__(self) -> None:
        super().__init__()


class _Calibrated(QuantizationConfig):
    """Modes that look at what the layers are given."""

    weight_bits: int
    _bits: tuple[int, ...]

    def _set(self, settings: dict[str, Any]) -> None:
        """Take a constructor's arguments."""
        super().__init__()
        for name in ("num_samples", "sequence_length"):
            integer(self, name, settings[name], 1)
        if settings["group_size"] != -1:
            integer(self, "group_size", settings["group_size"], 1)
        choice(self, "weight_bits", settings["weight_bits"], self._bits)
        self.__dict__.update({k: v for k, v in settings.items() if k not in ("self", "__class__")})

    def get_config(self) -> dict[str, Any]:
        """The settings; data, tokenizer and layers are needed once, and are not kept."""
        once = ("dataset", "tokenizer", "quantization_layer_structure")
        return {**Configured.get_config(self), **dict.fromkeys(once)}

    def dtype_policy_string(self) -> str:
        return f"{self.mode}/{self.weight_bits}/{self.group_size}"  # type: ignore[attr-defined]


class GPTQConfig(_Calibrated):
    """Weights of few bits, quantized one after the other: each error is made good by those that
    come after it, as far as the inputs of the layer let them.

    Args:
        dataset: iterable of texts, or of arrays of tokens.
        tokenizer: has ``tokenize(text)``; needed for texts.
        weight_bits: 2, 3, 4 or 8.
        num_samples: how many sequences are looked at.
        per_channel: each output has scales of its own.
        sequence_length: tokens of a sequence.
        hessian_damping: part of its mean that is added to the diagonal of XᵀX.
        group_size: weights of an output that share a scale; -1: all.
        symmetric: ranges are symmetric around 0.
        activation_order: the weights of the largest inputs come first.
        quantization_layer_structure: ``{"pre_block_layers": [...], "sequential_blocks": [...]}``;
            None: what the model's `get_quantization_layer_structure` says.

    Source: Frantar et al. 2022, arXiv:2210.17323.

    Example:
        >>> config = keras.quantizers.GPTQConfig([[1, 2, 3]], None, sequence_length=3)
        >>> config.dtype_policy_string()
        'gptq/4/128'
    """

    mode, _bits = "gptq", (2, 3, 4, 8)

    def __init__(
        self, dataset: Any, tokenizer: Any, *, weight_bits: int = 4, num_samples: int = 128,
        per_channel: bool = True, sequence_length: int = 512, hessian_damping: float = 0.01,
        group_size: int = 128, symmetric: bool = False, activation_order: bool = False,
        quantization_layer_structure: Any = None,
    ) -> None:  # fmt: skip
        self._set(locals())
        number(self, "hessian_damping", hessian_damping, 0, 1)


class AWQConfig(_Calibrated):
    """Weights of 4 bits; those that large inputs meet are scaled up before they are rounded.

    Args:
        dataset, tokenizer, num_samples, sequence_length, group_size,
        quantization_layer_structure: as `GPTQConfig` takes them.
        weight_bits: 4.
        num_grid_points: how many powers of the inputs' magnitudes are tried for the scales.

    Source: Lin et al. 2023, arXiv:2306.00978.

    Example:
        >>> config = keras.quantizers.AWQConfig([[1, 2, 3]], None, sequence_length=3)
        >>> config.dtype_policy_string()
        'awq/4/128'
    """

    mode, _bits = "awq", (4,)

    def __init__(
        self, dataset: Any, tokenizer: Any, *, weight_bits: int = 4, num_samples: int = 128,
        sequence_length: int = 512, group_size: int = 128, num_grid_points: int = 20,
        quantization_layer_structure: Any = None,
    ) -> None:  # fmt: skip
        self._set(locals())
        integer(self, "num_grid_points", num_grid_points, 1)


_DEFAULTS: dict[str, Any] = {
    kind.mode: kind
    for kind in (Int8QuantizationConfig, Int4QuantizationConfig, Float8QuantizationConfig)
}


def resolved(mode: Any, config: Any) -> QuantizationConfig:
    """The configuration that the arguments of `quantize` mean.

    Raises:
        ValueError: for neither, for two that do not go together, and for what is none.
    """
    if isinstance(config, str):
        mode, config = config, None
    if mode is not None and mode not in QUANTIZATION_MODES:
        raise ValueError(
            f"Invalid quantization mode. Expected one of {QUANTIZATION_MODES}, got mode={mode!r}"
        )
    if config is None:
        if mode is None:
            raise ValueError("You must provide either `mode` or `config` to `quantize`")
        if mode not in _DEFAULTS:
            raise ValueError(f"the mode {mode!r} needs data: pass config={mode.upper()}Config(...)")
        return _DEFAULTS[mode]()
    if not isinstance(config, QuantizationConfig):
        raise ValueError(f"`config` must be an instance of QuantizationConfig, got {config!r}")
    if mode is not None and config.mode != mode:
        raise ValueError(f"Contradictory arguments: mode={mode!r} but config.mode={config.mode!r}")
    return config


def of_policy(policy: Any) -> QuantizationConfig:
    """The configuration that a quantized dtype policy names."""
    if policy.quantization_mode == "int4":
        return Int4QuantizationConfig(block_size=getattr(policy, "block_size", None))
    if policy.quantization_mode in _DEFAULTS:
        return _DEFAULTS[policy.quantization_mode]()
    kind = GPTQConfig if policy.quantization_mode == "gptq" else AWQConfig
    return kind(None, None, weight_bits=policy.weight_bits, group_size=policy.group_size)
