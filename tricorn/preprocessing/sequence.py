"""Sequences of numbers and of words, and time series, batch by batch; see `utils`."""

from tricorn.preprocessing.time_windows import TimeseriesGenerator, timeseries_generator_from_json
from tricorn.preprocessing.word_pairs import make_sampling_table, skipgrams
from tricorn.utils.sequences import pad_sequences

__all__ = [
    "TimeseriesGenerator",
    "make_sampling_table",
    "pad_sequences",
    "skipgrams",
    "timeseries_generator_from_json",
]
