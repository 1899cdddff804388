"""Layers whose weights can be quantized, or adapted by LoRA: all that `quantize` and `enable_lora`
make of them.

A layer says how it multiplies its weights (`_tricorn_products`).  Once a weight is quantized or
adapted, the attribute of its name is gone, Variables of other names are held in its place, and who
asks for the attribute, the layer's own `call` say, gets the weight computed from these.  Where
inputs are quantized as well, a method takes the place of `call`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tricorn import dtype_policies, initializers, ops, variable
from tricorn.checks import integer
from tricorn.graph import scope
from tricorn.layers import factors, state
from tricorn.layers.base import Layer
from tricorn.layers.factors import PARTS, Factor, Product
from tricorn.quantizers import configs
from tricorn.serialization import registry
from tricorn.variable import Variable

#: what float8 keeps a scale and a history for
_FLOAT8 = ("inputs", "kernel", "outputs_grad")


class Adaptable(Layer):
    """A layer with a large weight, which can be quantized or adapted.

    Args:
        lora_rank, lora_alpha: as `enable_lora` takes them, which is called when the layer is built.
        quantization_config: how the weights are quantized, when the dtype policy says that.
        kwargs: what every `Layer` takes.
    """

    #: the weights, the one for LoRA first
    _tricorn_products: tuple[Product, ...]
    #: how they can be quantized
    _tricorn_modes: tuple[str, ...] = ()
    lora_rank: int | None = None
    lora_alpha: Any = None
    lora_enabled = False
    quantization_config: Any = None
    inputs_quantizer: Any = None

    def __init__(
        self,
        *,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        gptq_unpacked_column_size: Any = None,  # a length that Keras notes
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if lora_rank is not None:
            self.lora_rank = integer(self, "lora_rank", lora_rank, 1)
            self.lora_alpha = lora_rank if lora_alpha is None else lora_alpha
        if quantization_config is not None:
            self.quantization_config = quantization_config

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name != "_tricorn" and name in _held(self):
                return whole(self, _held(self)[name])
            return super().__getattr__(name)

    # --------------------------------------------------------------------------------- quantization

    @scope.library_code
    def quantize(
        self, mode: str | None = None, type_check: bool = True, config: Any = None
    ) -> None:
        """Hold the weights in few bits from now on; see docs/guides/smaller-models.md.

        Args:
            mode: "int8", "int4", "float8"; None: that of `config`.
            type_check: refuse classes that are derived from the library's, which may compute with
                their weights otherwise.
            config: a `quantizers.QuantizationConfig`; None: the mode's default.

        Raises:
            ValueError: a layer that is not built, or quantized already; no mode.
            NotImplementedError: a mode or class that it is not there for.
        """
        config = configs.resolved(mode, config)
        if not self.built:
            raise ValueError(
                f"Cannot quantize a layer that isn't yet built: build the layer {self.name!r}, or "
                "call it once"
            )
        if _config(self) is not None:
            raise ValueError(
                f"the layer {self.name!r} is already quantized, with the policy "
                f"{self.dtype_policy.name!r}, got mode={config.mode!r}"
            )
        own = "_tricorn_products" in type(self).__dict__
        if not self._tricorn_modes or (type_check and not own):
            super().quantize(config.mode)
        if config.mode not in self._tricorn_modes:
            raise NotImplementedError(
                f"Invalid quantization mode. The layer {self.name!r} of type {type(self).__name__} "
                f"can be quantized by {self._tricorn_modes}, got {config.mode!r}"
            )
        self._tricorn_calibrated(config, None)

    def _tricorn_calibrated(self, config: Any, seen: Any) -> None:
        """Be quantized as `config` says, with what the layer's inputs showed."""
        policy = dtype_policies.at(self.dtype_policy, self.path)
        if policy.quantization_mode is None:
            name = f"{config.dtype_policy_string()}_from_{policy.name}"
            policy = dtype_policies.get(name)
        quantize(self, config, seen)
        self.dtype_policy = policy

    # ----------------------------------------------------------------------------------------- LoRA

    @scope.library_code
    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freeze the weight W, and let it be ``W + (alpha / rank) · A @ B`` from now on, with two
        small trainable matrices; see docs/guides/lora.md.

        Args:
            rank: columns of A and rows of B.
            lora_alpha: None: as `rank`.
            a_initializer, b_initializer: of A and B.

        Raises:
            ValueError: a layer that is not built, has LoRA already, or a constraint on its weight;
                a rank that is no positive integer.
            NotImplementedError: a layer quantized in a way that it cannot be merged with.

        Source: Hu et al. 2021, arXiv:2106.09685.
        """
        name = self._tricorn_products[0].weight
        if getattr(self, f"{name}_constraint", None) is not None:
            raise ValueError(
                f"Lora is incompatible with {name} constraints: the layer {self.name!r} has "
                f"{name}_constraint; leave it out"
            )
        if not self.built:
            raise ValueError(
                f"Cannot enable lora on a layer that isn't yet built: build {self.name!r} first"
            )
        if self.lora_enabled:
            raise ValueError(f"lora is already enabled on the layer {self.name!r}")
        rank = integer(self, "rank", rank, 1)
        enable_lora(self, rank, lora_alpha, a_initializer, b_initializer)

    # ---------------------------------------------------------------------------------------- files

    def _tricorn_adapt(self) -> None:
        """The layer was just built: what its arguments and policy say of its weights."""
        policy = dtype_policies.at(self.dtype_policy, self.path)
        if policy.quantization_mode in self._tricorn_modes and _config(self) is None:
            config = self.quantization_config
            fits = config is not None and config.mode == policy.quantization_mode
            quantize(self, config if fits else configs.of_policy(policy))
        if self.lora_rank is not None and not self.lora_enabled:
            enable_lora(self, self.lora_rank, self.lora_alpha, "he_uniform", "zeros")

    def _tricorn_stored(self) -> list[Variable]:
        config, lora = _config(self), set(map(id, _lora(self).values()))
        own = [v for v in state.own_weights(self) if id(v) not in lora]
        if config is None or config.mode == "float8":
            return own
        held = [list(_parts(self, factor).values()) for factor in _held(self).values()]
        quantized = {id(v) for variables in held for v in variables}
        others = [v for v in own if id(v) not in quantized]
        first, rest = held[0], [v for variables in held[1:] for v in variables]
        late = config.mode in ("gptq", "awq")
        lead = [*others, first[0]] if late else [first[0], *others]
        return list(dict.fromkeys((*lead, *first[1:], *rest)))

    def _tricorn_merged(self) -> dict[Variable, Any]:
        if not self.lora_enabled:
            return {}
        name, config = self._tricorn_products[0].weight, _config(self)
        factor = _held(self)[name]
        value = ops.convert_to_numpy(whole(self, factor, self.variable_dtype))
        if config is None:
            return {getattr(self, f"_{name}"): value}
        parts = factors.encode(factor, value, config)
        return {v: ops.convert_to_numpy(parts[part]) for part, v in _parts(self, factor).items()}

    def _tricorn_loaded(self) -> None:
        if self.lora_enabled:  # what was saved has been merged
            _, b = _lora(self).values()
            b.assign(np.zeros(b.shape, b.dtype))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.quantization_config is not None:
            config["quantization_config"] = registry.serialize_keras_object(
                self.quantization_config
            )
        if self.lora_rank is not None:
            config.update(lora_rank=self.lora_rank, lora_alpha=self.lora_alpha)
        return config


class AdaptableProduct(Adaptable):
    """A layer that is the product of its inputs and a weight, a bias and an activation."""

    _tricorn_modes = dtype_policies.QUANTIZATION_MODES
    kernel: Any
    bias: Any

    def _int8_call(self, inputs: Any) -> Any:
        if self.inputs_quantizer is None:
            return type(self).call(self, inputs)
        outputs = product(self, self._tricorn_products[0].weight, inputs)
        return _finished(self, outputs, self.bias)

    _int4_call = _int8_call

    def _float8_call(self, inputs: Any) -> Any:
        equation, dtype = self._tricorn_products[0].equation, self.compute_dtype
        held = {
            x: (getattr(self, f"{x}_scale"), getattr(self, f"{x}_amax_history")) for x in _FLOAT8
        }
        outputs = factors.of_float8(equation, inputs, self.kernel, held, dtype)
        bias = self.bias
        if bias is not None and dtype == "float32":  # so that XLA adds it within the product
            bias = ops.cast(ops.cast(bias, "bfloat16"), "float32")
        return _finished(self, outputs, bias)


class AdaptableTable(Adaptable):
    """A layer that looks rows of its weight up, and may multiply it."""

    _tricorn_modes = ("int8", "int4")
    embeddings: Any

    def _rows(self, indices: Any) -> Any:
        """The rows of the table at `indices`."""
        config = _config(self)
        if config is None:
            return ops.take(self.embeddings, indices, axis=0)
        factor = _held(self)[self._tricorn_products[0].weight]
        parts = {
            part: v if part == "g_idx" else ops.take(v, indices, axis=0)
            for part, v in _parts(self, factor).items()
        }
        rows = factors.decode(factor, parts, config, self.compute_dtype)
        if self.lora_enabled:
            a, b = _lora(self).values()
            low = ops.matmul(ops.take(a, indices, axis=0), b)
            rows = ops.add(rows, self.lora_alpha / self.lora_rank * low)
        return rows


# ------------------------------------------------------------------------------------------- inside


def _held(layer: Layer) -> dict[str, Factor]:
    """Name -> the weights in whose place others are held."""
    return layer._tricorn.parts.get("adapted", {})


def _config(layer: Layer) -> Any:
    """How the layer is quantized; None: it is not."""
    return layer._tricorn.parts.get("quantized")


def _lora(layer: Any) -> dict[str, Variable]:
    """A and B by their names."""
    name = layer._tricorn_products[0].weight
    names = (f"lora_{name}_a", f"lora_{name}_b") if layer.lora_enabled else ()
    return {name: getattr(layer, name) for name in names}


def _parts(layer: Layer, factor: Factor) -> dict[str, Variable]:
    """The Variables that a quantized weight is held in."""
    known, mode = layer._tricorn.tracker.attributes, _config(layer).mode
    names = {part: factor.attribute(part, mode) for part in PARTS}
    return {part: known[name] for part, name in names.items() if name in known}


def _delta(layer: Any) -> Any:
    """What LoRA adds."""
    return ops.multiply(ops.matmul(*_lora(layer).values()), layer.lora_alpha / layer.lora_rank)


def whole(layer: Any, factor: Factor, dtype: str | None = None) -> Any:
    """A weight that others are held in the place of, as floats; None: of the compute dtype."""
    config, dtype = _config(layer), dtype or layer.compute_dtype
    if config is None:
        found = getattr(layer, f"_{factor.name}")
    else:
        found = factors.decode(factor, _parts(layer, factor), config, dtype)
    if layer.lora_enabled and factor.product == layer._tricorn_products[0]:
        found = ops.cast(ops.add(found, _delta(layer)), dtype)
    return found


def product(layer: Any, name: str, inputs: Any) -> Any:
    """The product of inputs and a quantized weight."""
    factor, dtype = _held(layer)[name], layer.compute_dtype
    config, parts = _config(layer), _parts(layer, factor)
    if layer.inputs_quantizer is None or "zero" in parts:
        given, weight, result = factor.product.letters(len(inputs.shape))
        return ops.einsum(f"{given},{weight}->{result}", inputs, whole(layer, factor))
    outputs = factors.of_integers(factor, parts, config, inputs, layer.inputs_quantizer, dtype)
    if layer.lora_enabled and factor.product == layer._tricorn_products[0]:
        low = factors.of_low_rank(factor, inputs, *_lora(layer).values())
        outputs = ops.cast(ops.add(outputs, layer.lora_alpha / layer.lora_rank * low), dtype)
    return outputs


def _finished(layer: Any, outputs: Any, bias: Any) -> Any:
    return layer.activation(outputs if bias is None else ops.add(outputs, bias))


@contextlib.contextmanager
def _changing(layer: Layer) -> Iterator[None]:
    """A block in which a built layer takes other Variables."""
    tracker = layer._tricorn.tracker
    locked, tracker.locked = tracker.locked, None
    try:
        with variable.name_scope(layer.path or layer.name, layer):
            yield
    finally:
        tracker.locked = locked
    dtype_policies.layer_changed()


def _check_mergeable(layer: Any, config: Any) -> None:
    """Raise NotImplementedError for a config of weights that LoRA cannot be merged with."""
    if config is not None and config.mode not in ("int8", "int4"):
        raise NotImplementedError(
            f"lora is not supported with {config.mode!r}: what the layer {layer.name!r} learns "
            "could not be merged when it is saved; quantize it by 'int8' or 'int4'"
        )


def quantize(layer: Any, config: Any, seen: Any = None) -> None:
    """Hold the weights of a built layer as `config` says.

    Args:
        seen: of GPTQ and AWQ, what the inputs showed.

    Raises:
        NotImplementedError: LoRA could not be merged with them.
    """
    if layer.lora_enabled:
        _check_mergeable(layer, config)
    layer.quantization_config = config
    layer.inputs_quantizer = config.activation_quantizer
    with _changing(layer):
        if config.mode == "float8":
            _hold_float8(layer)
        else:
            for factor in list(_factors(layer)):
                _hold(layer, factor, config, seen)
        layer._tricorn.parts["quantized"] = config


def _factors(layer: Any) -> Iterator[Factor]:
    rank = getattr(layer.input_spec, "ndim", None)
    for how in layer._tricorn_products:
        known = _held(layer).get(how.weight)
        yield known or Factor(how, tuple(getattr(layer, how.weight).shape), rank)


def _hold(layer: Any, factor: Factor, config: Any, seen: Any) -> None:
    """Hold the parts of a weight in its place."""
    name = f"_{factor.name}" if factor.name in _held(layer) else factor.name
    value = np.asarray(getattr(layer, name).numpy(), "float32")
    delattr(layer, name)
    layer._tricorn.parts.setdefault("adapted", {})[factor.name] = factor
    for part, array in factors.encode(factor, value, config, seen).items():
        attribute = factor.attribute(part, config.mode)
        if attribute in layer._tricorn.tracker.attributes:
            continue  # the groups, of one weight as of the other
        array = ops.convert_to_numpy(array)
        dtype = None if part in ("scale", "awq_scales") else array.dtype
        made = layer.add_weight(
            array.shape, "zeros", dtype, trainable=False, name=attribute.lstrip("_")
        )
        made.assign(array)
        setattr(layer, attribute, made)


def _hold_float8(layer: Any) -> None:
    """Scales and largest magnitudes, whose gradients are their next values."""
    policy = dtype_policies.at(layer.dtype_policy, layer.path)
    default = dtype_policies.QuantizedFloat8DTypePolicy.default_amax_history_length
    length = getattr(policy, "amax_history_length", default)
    shapes = {"scale": ((), "ones"), "amax_history": ((length,), "zeros")}
    for of in _FLOAT8:
        for kind, (shape, initializer) in shapes.items():
            made = layer.add_weight(
                shape, initializer, "float32", autocast=False, overwrite_with_gradient=True,
                name=f"{of}_{kind}",
            )  # fmt: skip
            setattr(layer, f"{of}_{kind}", made)


def enable_lora(layer: Any, rank: int, alpha: Any, a_initializer: Any, b_initializer: Any) -> None:
    """See `Adaptable.enable_lora`."""
    _check_mergeable(layer, _config(layer))
    factor = next(_factors(layer))
    name, shape = factor.name, factor.shape
    with _changing(layer):
        if name not in _held(layer):
            base = getattr(layer, name)
            delattr(layer, name)
            setattr(layer, f"_{name}", base)
            layer._tricorn.parts.setdefault("adapted", {})[name] = factor
            base.trainable = False
        for side, size, initializer in (
            ("a", (*shape[:-1], rank), a_initializer),
            ("b", (rank, shape[-1]), b_initializer),
        ):
            made = layer.add_weight(
                size, initializers.get(initializer), "float32", name=f"lora_{name}_{side}",
                regularizer=getattr(layer, f"{name}_regularizer", None),
            )  # fmt: skip
            setattr(layer, f"lora_{name}_{side}", made)
    layer.lora_rank, layer.lora_alpha = rank, rank if alpha is None else alpha
    layer.lora_enabled = True
