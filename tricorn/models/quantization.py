"""A model quantized layer by layer; GPTQ and AWQ look at what its blocks are given."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from tricorn import ops
from tricorn.layers import state
from tricorn.layers.adaptation import Adaptable
from tricorn.quantizers import configs


def quantize(model: Any, mode: Any, config: Any, filters: Any, type_check: bool) -> None:
    """`Model.quantize`."""
    if not (filters is None or isinstance(filters, (str, list, tuple)) or callable(filters)):
        raise ValueError(
            "The `filters` argument must be a regex string, a list of regex strings, or a "
            f"callable, got {filters!r}"
        )
    config = configs.resolved(mode, config)
    if config.mode in ("gptq", "awq"):
        _calibrate(model, config, filters)
    else:
        for layer in state.flatten(model, include_self=False):
            if state.children(layer) or not _chosen(layer, filters):
                continue
            try:
                layer.quantize(config.mode, type_check=type_check, config=config)
            except NotImplementedError as error:
                if layer.weights:
                    warnings.warn(str(error), stacklevel=3)
    model.train_function = model.test_function = model.predict_function = None


def _chosen(layer: Any, filters: Any) -> bool:
    """Whether a layer is chosen: by a pattern in its name, one of several, or a function."""
    if callable(filters):
        return bool(filters(layer))
    patterns = [filters] if isinstance(filters, str) else filters
    return patterns is None or any(re.search(pattern, layer.name) for pattern in patterns)


def _calibrate(model: Any, config: Any, filters: Any) -> None:
    """Quantize block after block, by what each is given by those before it, which are quantized."""
    structure = config.quantization_layer_structure
    if structure is None:
        structure = model.get_quantization_layer_structure(config.mode)
    if structure is None:
        raise ValueError(
            f"For mode={config.mode!r}, a valid quantization structure must be provided, "
            "{'pre_block_layers': [...], 'sequential_blocks': [...]}: as the config's "
            "quantization_layer_structure, or by the model's get_quantization_layer_structure(mode)"
        )
    blocks = structure.get("sequential_blocks") or ()
    if not blocks:
        raise ValueError("No sequential blocks found in the provided structure to quantize")
    # what is kept on the layers knows neither the data nor the layers
    kept = type(config).from_config(config.get_config())
    inputs = []
    for sample in samples(config):
        for layer in structure.get("pre_block_layers", ()):
            sample = layer(sample)
        inputs.append(sample if len(sample.shape) > 2 else ops.expand_dims(sample, 0))
    for block in blocks:
        layers = [layer for layer in _quantizable(block, config.mode) if _chosen(layer, filters)]
        seen = {layer: _Seen(layer, config.mode) for layer in layers}
        for sample in inputs:
            block(sample)
        for layer, watched in seen.items():
            watched.stop()
            layer._tricorn_calibrated(kept, watched.found())
        inputs = [_first(block(sample)) for sample in inputs]


def _first(outputs: Any) -> Any:
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs


def _quantizable(block: Any, mode: str) -> Iterator[Any]:
    """The layers of a block that are quantized, each once."""
    for layer in state.flatten(block):
        if isinstance(layer, Adaptable) and mode in layer._tricorn_modes:
            if layer.quantization_mode is None:
                yield layer


class _Seen:
    """What a layer is given: for GPTQ 2 XᵀX / samples, for AWQ the largest magnitudes."""

    def __init__(self, layer: Any, mode: str) -> None:
        self.layer, self.mode = layer, mode
        _, letters, result = layer._tricorn_products[0].letters()
        sizes = zip(layer.kernel.shape, letters)
        self.size = math.prod(n for n, letter in sizes if letter not in result)
        self.total: Any = 0.0
        self.count = 0
        layer.__dict__["call"] = self.call

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer's `call`, which is watched."""
        x = ops.convert_to_numpy(inputs).astype("float32").reshape(-1, self.size)
        self.count += len(x)
        if self.mode == "gptq":
            self.total = self.total + x.T @ x
        else:
            self.total = np.maximum(self.total, np.abs(x).max(axis=0))
        return type(self.layer).call(self.layer, inputs, *args, **kwargs)

    def stop(self) -> None:
        """Let the layer compute as it did."""
        del self.layer.__dict__["call"]

    def found(self) -> Any:
        """None: the layer was never called."""
        if not self.count:
            return None
        return self.total * (2.0 / self.count) if self.mode == "gptq" else self.total


def samples(config: Any) -> np.ndarray:
    """Sequences of tokens (samples, 1, length) at equal distances in the calibration data, which is
    repeated when it is too short.

    Raises:
        TypeError, ValueError: data that is none, or empty; texts without a tokenizer.
    """
    data, length, count = config.dataset, config.sequence_length, config.num_samples
    if not hasattr(data, "__iter__") or isinstance(data, (str, bytes)):
        raise TypeError(
            f"{type(config).__name__}: dataset must be an iterable of texts, or of arrays of "
            f"tokens, got {data!r}"
        )
    pieces = list(data)
    if not pieces:
        raise ValueError(f"{type(config).__name__}: the dataset is empty")
    if isinstance(pieces[0], str):
        if config.tokenizer is None:
            raise ValueError(f"{type(config).__name__}: a dataset of texts needs a tokenizer")
        pieces = [config.tokenizer.tokenize(piece) for piece in pieces]
    tokens = np.concatenate([np.ravel(ops.convert_to_numpy(piece)) for piece in pieces])
    tokens = np.tile(tokens.astype("int32"), -(-length * count // max(len(tokens), 1)) or 1)
    places = len(tokens) - length + 1
    starts = np.arange(count) * max(1, places // count) % places
    return np.stack([tokens[start : start + length][None] for start in starts])
