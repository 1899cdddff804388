"""Sequences of different lengths as one array; see `utils`."""

from tricorn.utils.sequences import pad_sequences

__all__ = ["pad_sequences"]
