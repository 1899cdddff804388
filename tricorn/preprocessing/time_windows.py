"""Windows over a time series, batch by batch; `utils.timeseries_dataset_from_array` is the newer
way."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tricorn import limits
from tricorn.utils.py_dataset import PyDataset

_SETTINGS = ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse")


class TimeseriesGenerator(PyDataset):
    """Batches of windows ``data[i - length : i : sampling_rate]`` with targets ``targets[i]``, for
    `fit`.

    Args:
        data: array or list of steps.
        targets: one for each step.
        length: steps that a window reaches back.
        sampling_rate: between two steps of a window.
        stride: between the ends of two windows.
        start_index, end_index: windows lie between these steps.
        shuffle: each batch is windows drawn at random from NumPy's global generator.
        reverse: the last step of a window comes first.
        batch_size: windows in a batch.
        workers: ``workers``, ``use_multiprocessing`` and ``max_queue_size`` of `PyDataset`.

    Raises:
        ValueError: unequal lengths; no window fits.

    Example:
        >>> data = keras.preprocessing.sequence.TimeseriesGenerator(
        ...     np.arange(5), np.arange(5), length=2, batch_size=2
        ... )
        >>> data[0]
        (array([[0, 1],
               [1, 2]]), array([2, 3]))
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        **workers: Any,
    ) -> None:
        super().__init__(**workers)
        if len(data) != len(targets):
            raise ValueError(
                "data and targets must have the same length, got "
                f"{len(data)} and {len(targets)} steps"
            )
        self.data, self.targets, self.batch_size = data, targets, batch_size
        self.length, self.sampling_rate, self.stride = length, sampling_rate, stride
        self.shuffle, self.reverse = shuffle, reverse
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        if self.start_index > self.end_index:
            raise ValueError(
                f"`start_index+length={self.start_index} > end_index={self.end_index}` leaves no "
                "window: make the length smaller, or give more data"
            )

    def __len__(self) -> int:
        step = self.batch_size * self.stride
        return (self.end_index - self.start_index + step) // step

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.shuffle:
            ends = np.random.randint(self.start_index, self.end_index + 1, self.batch_size)
        else:
            step = self.batch_size * self.stride
            first = self.start_index + step * index
            ends = np.arange(first, min(first + step, self.end_index + 1), self.stride)
        windows = np.array([self.data[i - self.length : i : self.sampling_rate] for i in ends])
        targets = np.array([self.targets[i] for i in ends])
        return (windows[:, ::-1] if self.reverse else windows), targets

    def get_config(self) -> dict[str, Any]:
        """The settings, and the data as JSON texts.

        Raises:
            TypeError: the data are no plain numbers.
        """
        texts = {
            name: json.dumps(value.tolist() if isinstance(value, np.ndarray) else value)
            for name, value in (("data", self.data), ("targets", self.targets))
        }
        settings = {name: getattr(self, name) for name in (*_SETTINGS, "batch_size")}
        return {**texts, **settings, "start_index": self.start_index - self.length}

    def to_json(self, **kwargs: Any) -> str:
        """A JSON text that `timeseries_generator_from_json` reads; `kwargs` for ``json.dumps``."""
        return json.dumps(
            {"class_name": type(self).__name__, "config": self.get_config()}, **kwargs
        )


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """The `TimeseriesGenerator` that its ``to_json`` described.

    Raises:
        ValueError: the text describes none.
    """
    try:
        config = limits.parse(json_string, "it")["config"]
        data = {name: limits.parse(config.pop(name), f"its {name}") for name in ("data", "targets")}
        return TimeseriesGenerator(**data, **config)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"the JSON text does not describe a TimeseriesGenerator: {error}"
        ) from error
