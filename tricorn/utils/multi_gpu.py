"""One model on several devices, each with a part of the batch."""

from __future__ import annotations

import warnings
from typing import Any

from tricorn import ops, tree
from tricorn.graph import placement
from tricorn.layers import Layer
from tricorn.models import Model, clone_model


class DataParallel(Layer):
    """What a model makes of parts of a batch, each on a device of its own, put together.

    The weights are those of the model.  On JAX a compiled function runs on one device, so there
    the parts are computed one after the other.

    Args:
        model: the model.
        devices: where the parts are computed.
    """

    def __init__(self, model: Any, devices: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model, self.devices = model, devices

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        size, count, parts = ops.shape(tree.leaves(inputs)[0])[0], len(self.devices), []
        for number, name in enumerate(self.devices):
            rows = slice(size * number // count, size * (number + 1) // count)
            with placement.device(name):
                part = tree.map(lambda x, rows=rows, name=name: _moved(x[rows], name), inputs)
                parts.append(self.model(part, training=training))
        home = self.devices[0]
        return tree.map(lambda *x: ops.concatenate([_moved(one, home) for one in x], 0), *parts)


def _moved(x: Any, name: str) -> Any:
    return placement.to_device(x, name)


def multi_gpu_model(
    model: Any, gpus: Any = None, cpu_merge: bool = True, cpu_relocation: bool = False
) -> Any:
    """A model that computes each batch in parts on several GPUs, with the weights of `model`.

    With one GPU, or none, there is nothing to part: a warning says so, and `model` is given back.

    Args:
        model: a built functional or Sequential model; saving is its matter.
        gpus: how many, or a list of their numbers; None: all.
        cpu_merge: taken and not needed: parts are put together where the first one is.
        cpu_relocation: a copy of the model gets the weights.

    Raises:
        ValueError: for GPUs that are not there.

    Example:
        >>> # parallel = keras.utils.multi_gpu_model(model, gpus=2)
        >>> # parallel.compile("sgd", "mse")
    """
    there = placement.num_gpus()
    numbers = list(range(there if gpus is None else gpus)) if not _is_list(gpus) else list(gpus)
    if there < 2 or len(numbers) < 2:
        warnings.warn(
            f"multi_gpu_model(gpus={gpus}): the engine sees {there} GPU{'s' * (there != 1)} "
            f"({', '.join(placement.list_devices())}), so the model itself is given back",
            stacklevel=2,
        )
        return model
    missing = [number for number in numbers if number not in range(there)]
    if missing:
        raise ValueError(f"multi_gpu_model: there is no GPU {missing[0]}; there are {there}")
    model = clone_model(model) if cpu_relocation else model
    parallel = DataParallel(model, [f"gpu:{number}" for number in numbers])
    return Model(model.inputs, parallel(model.inputs), name=f"parallel_{model.name}")


def _is_list(gpus: Any) -> bool:
    return isinstance(gpus, (list, tuple))
