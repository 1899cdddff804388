"""Data from directories and arrays, by the names that older programs use; see `utils`."""

from tricorn.preprocessing import image, sequence, text
from tricorn.utils.directories import image_dataset_from_directory, text_dataset_from_directory
from tricorn.utils.timeseries import timeseries_dataset_from_array

__all__ = [
    "image",
    "image_dataset_from_directory",
    "sequence",
    "text",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]

__dir__ = lambda: list(__all__)
