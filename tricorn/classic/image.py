"""``keras.preprocessing.image`` of Keras 2.3.1."""

from __future__ import annotations

from typing import Any

import tricorn.preprocessing.image as core
from tricorn.classic.names import handed_on
from tricorn.classic.spellings import warn


def load_img(
    path: Any,
    grayscale: bool = False,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
) -> Any:
    """An image from a file, see `tricorn.utils.load_img`; `grayscale` is Keras 1's."""
    if grayscale:
        warn('load_img: grayscale is Keras 1\'s; write color_mode="grayscale"')
        color_mode = "grayscale"
    return core.load_img(path, color_mode, target_size, interpolation)


__getattr__, __dir__ = handed_on(
    globals(), core, " ".join(name for name in core.__all__ if name != "smart_resize")
)
