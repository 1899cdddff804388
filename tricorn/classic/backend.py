"""``K`` of Keras 2.3.1, also by the names that Keras 1 had."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tricorn.backend as core
from tricorn.backend.values import within
from tricorn.classic.names import handed_on
from tricorn.classic.spellings import VALUES, warn
from tricorn.graph.function import Update
from tricorn.ops.windows import enlarge_from_corners

_ORDERINGS = {"channels_last": "tf", "channels_first": "th"}
#: Keras 1's names
_OLDER = {
    "lesser": "less", "lesser_equal": "less_equal", "asymmetric_temporal_padding":
    "temporal_padding", "resize_dims": "resize_images",
}  # fmt: skip


def image_dim_ordering() -> str:
    """ "tf" for channels last, "th" for channels first."""
    return _ORDERINGS[core.image_data_format()]


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Say where channels stand: "tf" last, "th" first."""
    core.set_image_data_format(VALUES["dim_ordering"][dim_ordering])


def _lazily(update: Callable, compute: Callable) -> Callable:
    """An update that, in a layer's call, waits for `add_update`, which does it in training."""

    @functools.wraps(update)
    def run(x: Any, *args: Any, **kwargs: Any) -> Any:
        return Update(x, compute(x, *args, **kwargs)) if within() else update(x, *args, **kwargs)

    return run


update = _lazily(core.update, lambda x, new_x: new_x)
update_add = _lazily(core.update_add, lambda x, increment: core.identity(x) + increment)
update_sub = _lazily(core.update_sub, lambda x, decrement: core.identity(x) - decrement)
moving_average_update = _lazily(
    core.moving_average_update,
    lambda x, value, momentum: core.identity(x) * momentum + value * (1 - momentum),
)


def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str | None,
    interpolation: str = "nearest",
) -> Any:
    """Images enlarged by whole factors; "bilinear" has pixels at the first corners of squares."""
    if interpolation != "bilinear":
        return core.resize_images(x, height_factor, width_factor, data_format, interpolation)
    last = core.normalize_data_format(data_format) == "channels_last"
    return enlarge_from_corners(x, (height_factor, width_factor), last)


_find, __dir__ = handed_on(
    globals(),
    core,
    " ".join([*core.__all__, "image_dim_ordering", "set_image_dim_ordering"]),
)


def __getattr__(name: str) -> Any:
    if name == "_BACKEND":
        return core.backend()
    if name in ("_FLOATX", "_EPSILON", "_IMAGE_DATA_FORMAT"):
        return getattr(core, name[1:].lower())()
    if name in _OLDER:
        warn(f"K.{name} is Keras 1's spelling; write K.{_OLDER[name]}")
        return getattr(core, _OLDER[name])
    return _find(name)
