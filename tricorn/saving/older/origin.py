"""What wrote a file, and which conventions follow from it."""

from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

from tricorn import conventions
from tricorn.conventions import Conventions


class Origin(NamedTuple):
    """What wrote a file.

    Attributes:
        version: (major, minor) of Keras or tf.keras.
        tensorflow: whether it was tf.keras.
        engine: "tensorflow", "theano" or "cntk".
        image_format: of layers whose config does not say it, in Keras 1.
        said: the conventions that a file of our own says, where it is not those of its version.
        python: the Python whose bytecode is in it, in a file of our own.
        legacy: whether optimizers are those of before tf.keras 2.11; None: the version tells.
    """

    version: tuple[int, int]
    tensorflow: bool = False
    engine: str = "tensorflow"
    image_format: str = "channels_last"
    said: Conventions | None = None
    python: str | None = None
    legacy: bool | None = None

    @property
    def title(self) -> str:
        """What errors call it."""
        number = ".".join(map(str, self.version))
        return f"tf.keras {number}" if self.tensorflow else f"Keras {number} on {self.engine}"

    @property
    def conventions(self) -> Conventions:
        """How models behaved there."""
        if self.said is not None:
            return self.said
        if self.tensorflow:
            new = self.version >= (2, 11)
            return conventions.TF_KERAS_2_11 if new else conventions.TF_KERAS
        if self.version >= (2, 3):
            found = conventions.KERAS_2
        else:
            found = conventions.KERAS_1 if self.version < (2, 0) else conventions.KERAS_2_0
        if self.engine != "theano":
            return found
        variance = "epsilon" if self.version < (2, 0) else "keras epsilon"
        return dataclasses.replace(
            found, moving_variance=variance, shared_averages="first", same_padding="centered",
            step_count="before",
        )  # fmt: skip


def origin_of(version: str | None, engine: str | None) -> Origin:
    """What the attributes ``keras_version`` and ``backend`` of a file say.

    Raises:
        ValueError: for a version that is none.
    """
    found = re.match(r"(\d+)(?:\.(\d+))?", version or "1.0")
    if found is None:
        raise ValueError(f"keras_version is {version!r}, not a version")
    number = (int(found[1]), int(found[2] or 0))
    tensorflow = "tf" in (version or "") or number >= (2, 4)
    return Origin(number, tensorflow, engine or "theano")
