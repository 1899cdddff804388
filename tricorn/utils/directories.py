"""Datasets from directories of images, texts and sounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tricorn import config
from tricorn.callbacks.display import message
from tricorn.data import Dataset
from tricorn.docstrings import complete
from tricorn.utils.data import check_format, given

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
#: how many files are read at a time
_WORKERS = 8
_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}

Labels = str | Sequence[int] | None


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """A dataset of the images in a directory, by classes in directories below it; needs Pillow.

    Args:
        directory: the directory.
        labels: ``"inferred"``: the directory an image is in is its class; a list of ints, one for
            each file in the order of the sorted paths; None: no labels.
        label_mode: ``"int"``, ``"categorical"`` (one-hot), ``"binary"`` (float32 of shape (1,)), or
            None for no labels.
        class_names: with inferred labels: the classes, in the order of their numbers.
        color_mode: ``"grayscale"``, ``"rgb"`` or ``"rgba"``.
        batch_size: None: single images.
        image_size: (height, width) that images are resized to.
        shuffle: a new order for each epoch; otherwise by sorted paths.
        seed: of the order, needed to shuffle and split.
        validation_split: the fraction, in (0, 1), that is kept for validation.
        subset: ``"training"``, ``"validation"`` or ``"both"``, with a `validation_split`.
        interpolation: ``"bilinear"``, ``"nearest"``, ``"bicubic"``, ``"area"``, ``"lanczos3"``,
            ``"lanczos5"``, ``"gaussian"`` or ``"mitchellcubic"``.
        follow_links: whether to follow links to directories.
        crop_to_aspect_ratio: cut images to the shape's proportions instead of distorting them.
        pad_to_aspect_ratio: pad them with zeros instead.
        data_format: ``"channels_last"`` or ``"channels_first"``; None: the default.
        format: ``"tf"``: a ``tf.data.Dataset`` in a program that uses TensorFlow, otherwise as
            ``"python"``: a `Dataset`; ``"arrays"``: everything as NumPy arrays.
        verbose: tell how many files there are.

    Returns:
        A dataset of float32 images (height, width, channels) from 0 to 255, or of pairs (images,
        labels), in batches, with attributes ``class_names`` and ``file_paths``; two of them in a
        list for ``subset="both"``.

    Raises:
        ValueError: for arguments that do not fit, or no images.
        ImportError: Pillow is not installed.

    Example:
        >>> # photos/cat/1.jpg, photos/dog/1.jpg ...
        >>> # data = keras.utils.image_dataset_from_directory("photos", image_size=(64, 64))
    """
    from tricorn.data.images import METHODS, fitted
    from tricorn.utils.images import img_to_array, load_img

    if color_mode not in _CHANNELS:
        raise ValueError(f"`color_mode` must be one of {', '.join(_CHANNELS)}, got {color_mode!r}")
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2:
        raise ValueError(f"Invalid `image_size`: expected (height, width), got {image_size!r}")
    method = interpolation.lower()
    if method not in METHODS:
        raise ValueError(f"`interpolation` must be one of {', '.join(METHODS)}, got {method!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "Only one of `pad_to_aspect_ratio`, `crop_to_aspect_ratio` can be set to `True`."
        )
    layout = config.data_format(data_format)
    way = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else "stretch"

    def load(path: str) -> np.ndarray:
        image = img_to_array(load_img(path, color_mode), "channels_last", "float32")
        image = fitted(image, size, method, way)
        return image if layout == "channels_last" else np.moveaxis(image, -1, 0)

    return _from_directory(
        load, directory, _IMAGES, labels, label_mode, class_names, batch_size, shuffle, seed,
        validation_split, subset, follow_links, format, verbose,
    )  # fmt: skip


def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """A dataset of the ``.txt`` files in a directory, by classes in directories below it.

    Args:
        max_length: texts are cut to so many characters.

    Returns:
        A dataset of texts (UTF-8), or of pairs (texts, labels), in batches.

    Raises:
        ValueError: for arguments that do not fit, or no files.

    Example:
        >>> # reviews/good/1.txt, reviews/bad/1.txt ...
        >>> # data = keras.utils.text_dataset_from_directory("reviews", batch_size=32)
    """

    def load(path: str) -> str:
        return Path(path).read_text("utf-8")[:max_length]

    return _from_directory(
        load, directory, (".txt",), labels, label_mode, class_names, batch_size, shuffle, seed,
        validation_split, subset, follow_links, format, verbose,
    )  # fmt: skip


def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """A dataset of the ``.wav`` files in a directory, by classes in directories below it.

    Args:
        sampling_rate: files of another rate are resampled to it.
        output_sequence_length: sounds are cut or padded with zeros to so many samples.
        ragged: sounds of different lengths stay so: a batch is a list of them, or, in a
            ``tf.data.Dataset``, a ragged tensor.

    Returns:
        A dataset of float32 sounds (samples, channels) from -1 to 1, or of pairs (sounds, labels),
        in batches.

    Raises:
        ValueError: for arguments that do not fit, or no files.

    Example:
        >>> # sounds/dog/1.wav, sounds/cat/1.wav ...
        >>> # data = keras.utils.audio_dataset_from_directory("sounds", batch_size=8)
    """
    from tricorn.utils.sounds import read_wav

    if ragged and output_sequence_length is not None:
        raise ValueError("Cannot set both `ragged` and `output_sequence_length`")
    if sampling_rate is not None and not (isinstance(sampling_rate, int) and sampling_rate > 0):
        raise ValueError(f"`sampling_rate` must be an integer higher than 0, got {sampling_rate!r}")

    def load(path: str) -> np.ndarray:
        return read_wav(path, sampling_rate, output_sequence_length)

    return _from_directory(
        load, directory, (".wav",), labels, label_mode, class_names, batch_size, shuffle, seed,
        validation_split, subset, follow_links, "tf", verbose, ragged,
    )  # fmt: skip


complete(
    (text_dataset_from_directory, audio_dataset_from_directory),
    dict.fromkeys(
        (
            "directory", "labels", "label_mode", "class_names", "batch_size", "shuffle", "seed",
            "validation_split", "subset", "follow_links", "format", "verbose",
        ),
        "as in `image_dataset_from_directory`",
    ),
)  # fmt: skip


def _from_directory(
    load: Callable[[str], Any],
    directory: Any,
    endings: tuple[str, ...],
    labels: Labels,
    label_mode: str | None,
    class_names: Sequence[str] | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    split: float | None,
    subset: str | None,
    follow_links: bool,
    format: str,
    verbose: bool,
    ragged: bool = False,
) -> Any:
    _check(labels, label_mode, class_names, split, subset, shuffle, seed)
    check_format(format)
    seed = int(np.random.randint(1_000_000)) if seed is None else seed
    if label_mode is None:
        labels = None
    paths, numbers, names = _index(directory, endings, labels, class_names, follow_links)
    if label_mode == "binary" and names is not None and len(names) != 2:
        raise ValueError(
            f'When passing `label_mode="binary"`, there must be exactly 2 class_names, got {names}'
        )
    if verbose:
        classes = "" if names is None else f" belonging to {len(names)} classes"
        message(f"Found {len(paths)} files{classes}.")
    if shuffle:  # as Keras draws, so that a split with the same seed is the same
        order = np.arange(len(paths))
        np.random.RandomState(seed).shuffle(order)
        paths, numbers = [paths[i] for i in order], numbers[order]
    held = int(split * len(paths)) if split else 0
    cut = len(paths) - held
    parts = {"training": slice(cut), "validation": slice(cut, None), None: slice(None)}
    datasets = []
    for part in ("training", "validation") if subset == "both" else (subset,):
        chosen = paths[parts[part]]
        if verbose and part:
            message(f"Using {len(chosen)} files for {part}.")
        if not chosen:
            raise ValueError(
                f"No {f'{part} ' if part else ''}files found in directory {directory}. "
                f"Allowed formats: {endings}"
            )
        targets = None if labels is None else _targets(numbers[parts[part]], label_mode, names)
        again = seed if shuffle and (part, subset) != ("validation", "both") else None
        dataset = _files(load, chosen, targets, again)
        dataset.class_names, dataset.file_paths = names, chosen
        datasets.append(given(dataset, batch_size, format, ragged))
    return datasets if subset == "both" else datasets[0]


def _check(
    labels: Any, label_mode: Any, class_names: Any, split: Any, subset: Any, shuffle: Any, seed: Any
) -> None:
    listed = isinstance(labels, (list, tuple, np.ndarray))
    if not listed and labels not in ("inferred", None):
        raise ValueError(
            "`labels` must be a list with the number of the class of each file, 'inferred' or "
            f"None, got {labels!r}"
        )
    if class_names and (listed or labels is None):
        raise ValueError(
            f"`class_names` can be given with labels='inferred' only, got {class_names!r}"
        )
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            f"`label_mode` must be 'int', 'categorical', 'binary' or None, got {label_mode!r}"
        )
    if split and not 0 < split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, got {split!r}")
    if bool(split) != bool(subset):
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f"`subset` must be 'training', 'validation' or 'both', got {subset!r}")
    if split and shuffle and seed is None:
        raise ValueError(
            "`validation_split` with shuffle needs a `seed`, so that the parts do not overlap"
        )


def _index(
    directory: Any, endings: tuple[str, ...], labels: Any, class_names: Any, follow_links: bool
) -> tuple[list[str], np.ndarray, list[str] | None]:
    """The paths, the numbers of their classes, and the names of the classes."""
    directory = os.fspath(directory)
    if not isinstance(labels, str):
        paths = _found(directory, endings, follow_links)
        if labels is None:
            return paths, np.zeros(len(paths), np.int32), None
        if len(labels) != len(paths):
            raise ValueError(
                "Expected the lengths of `labels` to match the number of files in the target "
                f"directory: there are {len(labels)} labels and {len(paths)} files in {directory}"
            )
        return paths, np.asarray(labels), [str(label) for label in sorted(set(labels))]
    found = [entry.name for entry in os.scandir(directory) if entry.is_dir()]
    found = sorted(name for name in found if not name.startswith("."))
    names = found if class_names is None else list(class_names)
    if not set(names) <= set(found):
        raise ValueError(
            "The `class_names` passed did not match the names of the subdirectories: expected "
            f"some of {found}, got {names}"
        )
    groups = [_found(os.path.join(directory, name), endings, follow_links) for name in names]
    numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(group) for group in groups])
    return [path for group in groups for path in group], numbers, names


def _found(directory: str, endings: tuple[str, ...], follow_links: bool) -> list[str]:
    folders = sorted(os.walk(directory, followlinks=follow_links), key=lambda found: found[0])
    return [
        os.path.join(root, name)
        for root, _, names in folders
        for name in sorted(names)
        if name.lower().endswith(endings)
    ]


def _targets(numbers: np.ndarray, label_mode: str | None, names: list[str] | None) -> np.ndarray:
    if label_mode == "binary":
        return numbers.astype(np.float32)[:, None]
    if label_mode == "categorical":
        return np.eye(len(names or ()), dtype=np.float32)[numbers]
    return numbers.astype(np.int32)


def _files(
    load: Callable[[str], Any], paths: list[str], targets: np.ndarray | None, seed: int | None
) -> Dataset:
    """What is in files, read by several threads; with a seed in a new order each time."""

    def element(row: int) -> Any:
        loaded = load(paths[row])
        return loaded if targets is None else (loaded, targets[row])

    rows = Dataset.range(len(paths))
    rows = rows if seed is None else rows.shuffle(len(paths), seed)
    return rows.map(element, _WORKERS)
