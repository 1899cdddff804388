"""What Keras keeps for older programs."""

from tricorn.legacy import saving

__all__ = ["saving"]

__dir__ = lambda: list(__all__)
