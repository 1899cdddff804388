"""Images for networks that were trained on ImageNet, and the names of its classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tricorn import config, dtypes, limits, ops
from tricorn.utils.files import get_file

_CLASSES = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
_HASH = "c2c37ea517e94d9795004a39431a14cb"
#: mode -> (divisor, means of the channels, their deviations)
_SCALES: dict[str, tuple[float, list[float], list[float]]] = {
    "tf": (127.5, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
    "torch": (255.0, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "caffe": (1.0, [103.939, 116.779, 123.68], [1.0, 1.0, 1.0]),
}


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Pixels in the range that a network was trained in.

    Args:
        x: images (batch, height, width, 3), or one of them, with pixels from 0 to 255 in RGB: an
            array, which stays as it is, or a tensor.
        data_format: "channels_last" or "channels_first"; None: as the config says.
        mode: "tf": from -1 to 1; "torch": from 0 to 1, less the means of ImageNet's channels, over
            their deviations; "caffe": BGR, less the means of the channels.

    Returns:
        Floats of the same shape.

    Raises:
        ValueError: for another mode or data format.

    Example:
        >>> image = np.array([[[0, 51, 255]]])
        >>> keras.applications.imagenet_utils.preprocess_input(image, mode="tf")
        array([[[-1. , -0.6,  1. ]]], dtype=float32)
    """
    if mode not in _SCALES:
        raise ValueError(f"Expected mode to be one of {', '.join(_SCALES)}; got {mode!r}")
    first = config.data_format(data_format) == "channels_first"
    plain = isinstance(x, np.ndarray)
    if not plain:
        x = ops.convert_to_tensor(x)
    if not dtypes.is_float(dtypes.standardize(x.dtype)):
        x = x.astype(config.floatx()) if plain else ops.cast(x, config.floatx())
    if mode == "caffe":
        x = (np if plain else ops).flip(x, -3 if first else -1)
    divisor, *rows = _SCALES[mode]
    shape = (3, 1, 1) if first else (3,)
    make = np.array if plain else ops.convert_to_tensor
    means, deviations = (make(np.reshape(row, shape), x.dtype) for row in rows)
    return (x / divisor - means) / deviations


def preprocessing(mode: str | None, module: str) -> Callable:
    """The `preprocess_input` of a module; None: its networks take pixels from 0 to 255."""

    def preprocess(x: Any, data_format: str | None = None) -> Any:
        return x if mode is None else preprocess_input(x, data_format, mode)

    done = {
        None: "Images as they are: these networks scale the pixels, from 0 to 255, themselves.",
        "tf": "Pixels from -1 to 1.",
        "torch": "Pixels less the means of ImageNet's channels, over their deviations.",
        "caffe": "Pixels in BGR, less the means of ImageNet's channels.",
    }[mode]
    preprocess.__name__ = preprocess.__qualname__ = "preprocess_input"
    preprocess.__module__ = module
    preprocess.__doc__ = (
        f"{done}\n\nArgs:\n    x: images (batch, height, width, 3) with pixels from 0 to 255 in "
        'RGB, an array or a tensor.\n    data_format: "channels_last" or "channels_first"; None: '
        "as the config says.\n\nExample:\n    >>> image = np.zeros((1, 2, 2, 3))\n"
        f"    >>> keras.applications.{module.rpartition('.')[2]}.preprocess_input(image).shape\n"
        "    (1, 2, 2, 3)\n"
    )
    return preprocess


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """The names of the likeliest classes of ImageNet.

    Args:
        preds: what a network gives, (batch, 1000).
        top: how many classes.

    Returns:
        For each image a list of (WordNet's id, name, probability), the likeliest first. The names
        are downloaded once.

    Raises:
        ValueError: for another shape.

    Example:
        >>> # keras.applications.imagenet_utils.decode_predictions(model.predict(images), top=3)
    """
    shape = tuple(preds.shape)
    if len(shape) != 2 or shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions, of shape (batch, 1000); got one "
            f"of shape {shape}"
        )
    path = Path(
        get_file("imagenet_class_index.json", _CLASSES, cache_subdir="models", file_hash=_HASH)
    )
    names = limits.parse(limits.read_text(path), str(path))
    return [
        [(*names[str(i)], row[i]) for i in row.argsort()[::-1][:top]]
        for row in ops.convert_to_numpy(preds)
    ]


__all__ = ["decode_predictions", "preprocess_input"]

__dir__ = lambda: list(__all__)
