"""Batches of images from arrays, directories and tables, changed at random as they are read."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from collections.abc import Iterator as AnyIterator
from typing import Any

import numpy as np

from tricorn import config
from tricorn.callbacks.display import message
from tricorn.preprocessing import transforms
from tricorn.utils.images import array_to_img, img_to_array, load_img
from tricorn.utils.py_dataset import PyDataset


class ImageDataGenerator:
    """Images that are changed at random, and brought to one scale, as batches are made of them.

    Draws come from NumPy's global generator, in Keras 2's order: equal seeds give equal images.
    Newer programs have layers for it, which run inside a model (`layers.RandomRotation` ...).

    Args:
        featurewise_center: subtract the mean over all images, per channel; needs `fit`.
        samplewise_center: subtract each image's own mean.
        featurewise_std_normalization, samplewise_std_normalization: divide by the deviation.
        zca_whitening: remove linear correlations between pixels; needs `fit`.
        zca_epsilon: what is added to variances there.
        rotation_range: degrees.
        width_shift_range, height_shift_range: fraction of the size when below 1, else pixels; an
            int n: a whole number of pixels below n; a list: one of these.
        brightness_range: (least, most) factor.
        shear_range: degrees.
        zoom_range: (least, most), or a number z for (1 - z, 1 + z).
        channel_shift_range: the most that is added to all values.
        fill_mode, cval: what stands outside, see `apply_affine_transform`.
        horizontal_flip, vertical_flip: mirror every other image.
        rescale: factor; None or 0 for none.
        preprocessing_function: from an image to an image, after it was changed, before it is
            brought to scale.
        data_format: None: the default.
        validation_split: the fraction of the images that ``subset="validation"`` means.
        interpolation_order: of the splines, 0 to 5.
        dtype: None: floatx.

    Attributes:
        mean, std, principal_components: what `fit` found.

    Raises:
        ValueError: for arguments that are no ranges.

    Example:
        >>> generator = keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)
        >>> batches = generator.flow(np.full((5, 4, 4, 3), 255.0), batch_size=2)
        >>> len(batches), float(next(batches).max())
        (3, 1.0)
    """

    def __init__(
        self, featurewise_center: bool = False, samplewise_center: bool = False,
        featurewise_std_normalization: bool = False, samplewise_std_normalization: bool = False,
        zca_whitening: bool = False, zca_epsilon: float = 1e-6, rotation_range: float = 0,
        width_shift_range: Any = 0.0, height_shift_range: Any = 0.0,
        brightness_range: tuple[float, float] | None = None, shear_range: float = 0.0,
        zoom_range: Any = 0.0, channel_shift_range: float = 0.0, fill_mode: str = "nearest",
        cval: float = 0.0, horizontal_flip: bool = False, vertical_flip: bool = False,
        rescale: float | None = None, preprocessing_function: Callable | None = None,
        data_format: str | None = None, validation_split: float = 0.0,
        interpolation_order: int = 1, dtype: str | None = None,
    ) -> None:  # fmt: skip
        self.featurewise_center, self.samplewise_center = featurewise_center, samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.channel_shift_range = brightness_range, channel_shift_range
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.validation_split, self.interpolation_order = validation_split, interpolation_order
        self.data_format, self.dtype = config.data_format(data_format), dtype or config.floatx()
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                f"`validation_split` must be strictly between 0 and 1, got {validation_split!r}"
            )
        if isinstance(zoom_range, (int, float)):
            zoom_range = [1 - zoom_range, 1 + zoom_range]
        self.zoom_range = transforms.pair("zoom_range", zoom_range)
        if brightness_range is not None:
            transforms.pair("brightness_range", brightness_range)
        if zca_whitening:
            self._also("zca_whitening", "featurewise_std_normalization", False)
            self._also("zca_whitening", "featurewise_center", True)
        for kind in ("featurewise", "samplewise"):
            if getattr(self, f"{kind}_std_normalization"):
                self._also(f"{kind}_std_normalization", f"{kind}_center", True)
        self.mean: Any = None
        self.std: Any = None
        self.principal_components: Any = None

    def _also(self, asked: str, name: str, value: bool) -> None:
        """One setting decides another one."""
        if getattr(self, name) != value:
            setattr(self, name, value)
            warnings.warn(f"ImageDataGenerator: {asked}=True means {name}={value}", stacklevel=4)

    # ------------------------------------------------------------------------------------ batches

    def flow(
        self, x: Any, y: Any = None, batch_size: int = 32, shuffle: bool = True, **settings: Any
    ) -> NumpyArrayIterator:
        """Batches of images in an array; see `NumpyArrayIterator`, also for `settings`."""
        settings = {"data_format": self.data_format, "dtype": self.dtype, **settings}
        return NumpyArrayIterator(x, y, self, batch_size, shuffle, **settings)

    def flow_from_directory(
        self, directory: Any, target_size: tuple[int, int] = (256, 256), **settings: Any
    ) -> DirectoryIterator:
        """Batches of images in a directory; see `DirectoryIterator`, also for `settings`."""
        settings = {"data_format": self.data_format, "dtype": self.dtype, **settings}
        return DirectoryIterator(directory, self, target_size, **settings)

    def flow_from_dataframe(
        self, dataframe: Any, directory: Any = None, **settings: Any
    ) -> DataFrameIterator:
        """Batches of images that a table lists; see `DataFrameIterator`, also for `settings`."""
        settings = {"data_format": self.data_format, "dtype": self.dtype, **settings}
        return DataFrameIterator(dataframe, directory, self, **settings)

    # ----------------------------------------------------------------------------------- one image

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """An image, or a batch, brought to scale, in place where it can be."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + 1e-6
        if self.featurewise_center and self._fitted("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._fitted(
            "featurewise_std_normalization", self.std
        ):
            x /= self.std + 1e-6
        if self.zca_whitening and self._fitted("zca_whitening", self.principal_components):
            x = (x.reshape(-1, np.prod(x.shape[-3:])) @ self.principal_components).reshape(x.shape)
        return x

    def _fitted(self, setting: str, found: Any) -> bool:
        if found is None:
            warnings.warn(
                f"ImageDataGenerator: {setting} does nothing before fit(images)", stacklevel=4
            )
        return found is not None

    def get_random_transform(self, img_shape: Any, seed: int | None = None) -> dict[str, Any]:
        """How to change an image of this shape, drawn at random.

        Args:
            seed: for NumPy's global generator.
        """
        if seed is not None:
            np.random.seed(seed)
        theta = self._within(self.rotation_range)
        tx = self._shift(self.height_shift_range, img_shape[self.row_axis - 1])
        ty = self._shift(self.width_shift_range, img_shape[self.col_axis - 1])
        shear = self._within(self.shear_range)
        least, most = self.zoom_range
        zx, zy = (1, 1) if least == most == 1 else np.random.uniform(least, most, 2)
        flips = [
            np.random.random() < 0.5 and flip for flip in (self.horizontal_flip, self.vertical_flip)
        ]
        return {
            "theta": theta, "tx": tx, "ty": ty, "shear": shear, "zx": zx, "zy": zy,
            "flip_horizontal": flips[0], "flip_vertical": flips[1],
            "channel_shift_intensity": self._within(self.channel_shift_range) or None,
            "brightness": self.brightness_range and np.random.uniform(*self.brightness_range),
        }  # fmt: skip

    @staticmethod
    def _within(limit: float) -> float:
        return np.random.uniform(-limit, limit) if limit else 0

    @staticmethod
    def _shift(limits: Any, size: int) -> float:
        if not np.any(limits):
            return 0
        if isinstance(limits, float):
            shift = np.random.uniform(-limits, limits)
        else:
            shift = np.random.choice(limits) * np.random.choice([-1, 1])
        return shift * size if np.max(limits) < 1 else shift

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """An image changed as `get_random_transform` says; what is not in it stays."""
        found = transform_parameters
        rows, columns, channels = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        affine = {
            key: found[key] for key in ("theta", "tx", "ty", "shear", "zx", "zy") if key in found
        }
        x = transforms.apply_affine_transform(
            x, **affine, row_axis=rows, col_axis=columns, channel_axis=channels,
            fill_mode=self.fill_mode, cval=self.cval, order=self.interpolation_order,
        )  # fmt: skip
        if found.get("channel_shift_intensity") is not None:
            x = transforms.apply_channel_shift(x, found["channel_shift_intensity"], channels)
        for key, axis in (("flip_horizontal", columns), ("flip_vertical", rows)):
            x = np.flip(x, axis) if found.get(key) else x
        if found.get("brightness") is not None:
            x = transforms.apply_brightness_shift(x, found["brightness"])
        return x

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """An image changed at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find the mean, the deviation and the principal components that the settings ask for.

        Args:
            x: images, array of four axes.
            augment: of images changed at random.
            rounds: how many times each is changed.
            seed: for NumPy's global generator.

        Raises:
            ValueError: for another number of axes.
        """
        x = np.array(x, dtype=self.dtype)
        _check_images("fit", x, self.channel_axis)
        if seed is not None:
            np.random.seed(seed)
        if self.rescale:
            x *= self.rescale
        if augment:
            x = np.stack([self.random_transform(image) for _ in range(rounds) for image in x])
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = -1
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = np.mean(x, axes).reshape(shape)
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axes).reshape(shape)
            x /= self.std + 1e-6
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            vectors, variances, _ = np.linalg.svd(flat.T @ flat / len(flat))
            scale = 1 / np.sqrt(variances[None] + self.zca_epsilon)
            self.principal_components = (vectors * scale) @ vectors.T


def _check_images(user: str, x: np.ndarray, channel_axis: int) -> None:
    if x.ndim != 4:
        raise ValueError(f"{user}: images must be an array of rank 4, got the shape {x.shape}")
    if x.shape[channel_axis] not in (1, 3, 4):
        warnings.warn(
            f"{user}: images have 1, 3 or 4 channels, but axis {channel_axis} of the shape "
            f"{x.shape} is {x.shape[channel_axis]}; is `data_format` right?",
            stacklevel=4,
        )


# --------------------------------------------------------------------------------------- iterators


class Iterator(PyDataset):
    """Batches of samples, without end when they are looped over; `fit` takes them by number.

    A subclass gives `_get_batches_of_transformed_samples(index_array)`, the batch of these samples.

    Args:
        n: how many samples there are.
        batch_size: samples in a batch; the last one has the rest.
        shuffle: a new order for each epoch.
        seed: NumPy's global generator has this seed plus the number of the batch before each.
        workers: ``workers``, ``use_multiprocessing`` and ``max_queue_size`` of `PyDataset`.
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")

    def __init__(
        self, n: int, batch_size: int, shuffle: bool, seed: int | None, **workers: Any
    ) -> None:
        super().__init__(**workers)
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self.index_array: Any = None
        self.__setstate__({})

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("lock", "index_generator")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lock, self.index_generator = threading.Lock(), self._flow_index()

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__} must define _get_batches_of_transformed_samples(index_array)"
        )

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, idx: int) -> Any:
        if idx >= len(self):
            raise ValueError(f"there is no batch {idx}: there are {len(self)}")
        self._seed()
        self.total_batches_seen += 1
        if self.index_array is None:
            self.on_epoch_end()
        start = self.batch_size * idx
        return self._get_batches_of_transformed_samples(
            self.index_array[start : start + self.batch_size]
        )

    def _seed(self) -> None:
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)

    def on_epoch_end(self) -> None:
        """Put the samples into another order."""
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def reset(self) -> None:
        """Let the next batch of a loop be the first one."""
        self.batch_index = 0

    def _flow_index(self) -> AnyIterator[np.ndarray]:
        """The numbers of the samples in each batch."""
        self.reset()
        while True:
            self._seed()
            if self.batch_index == 0:
                self.on_epoch_end()
            start = self.batch_index * self.batch_size
            self.batch_index = (self.batch_index + 1) % max(len(self), 1)
            self.total_batches_seen += 1
            yield self.index_array[start : start + self.batch_size]

    def __iter__(self) -> AnyIterator:
        return self

    def __next__(self) -> Any:
        with self.lock:
            index_array = next(self.index_generator)
        return self._get_batches_of_transformed_samples(index_array)

    def next(self) -> Any:
        """The next batch."""
        return self.__next__()

    def _tricorn_epochs(self) -> PyDataset:
        return _Epochs(self)


class _Epochs(PyDataset):
    """The batches of an `Iterator` by their numbers, an epoch at a time."""

    def __init__(self, batches: Iterator) -> None:
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]

    def on_epoch_end(self) -> None:
        self.batches.on_epoch_end()


class _ImageIterator(Iterator):
    """An `Iterator` over images, which may be saved, too."""

    image_data_generator: ImageDataGenerator | None
    data_format: str
    dtype: str
    save_to_dir: str | None
    save_prefix: str
    save_format: str
    _save_numbers = 10**7

    def _image(self, index: int) -> np.ndarray:
        """An image as it is."""
        raise NotImplementedError

    def _images(self, index_array: np.ndarray) -> np.ndarray:
        images, generator = [], self.image_data_generator
        for index in index_array:
            image = self._image(index)
            if generator:
                params = generator.get_random_transform(image.shape)
                image = generator.standardize(generator.apply_transform(image, params))
            images.append(image)
        batch = np.array(images, self.dtype)
        for index, image in zip(index_array, batch if self.save_to_dir else ()):
            number = np.random.randint(self._save_numbers)
            name = f"{self.save_prefix}_{index}_{number}.{self.save_format}"
            array_to_img(image, self.data_format).save(os.path.join(self.save_to_dir or "", name))
        return batch


class NumpyArrayIterator(_ImageIterator):
    """Batches ``x``, ``(x, y)`` or ``(x, y, sample_weight)`` of images in an array.

    Args:
        x: images, array of four axes; or a pair of them and another array or a list of arrays,
            whose rows come with them unchanged.
        y, sample_weight: a row for each image, or None.
        image_data_generator: an `ImageDataGenerator`.
        batch_size, shuffle, seed: see `Iterator`.
        data_format: None: the default.
        save_to_dir: a directory where all images are saved, as
            ``{save_prefix}_{number}_{any number}.{save_format}``.
        subset: ``"training"`` or ``"validation"``: without the first, or only the first images,
            of which the generator's `validation_split` tells how many.
        dtype: None: floatx.

    Raises:
        ValueError: for unequal lengths; one part of a split lacks a class.
    """

    _save_numbers = 10**4

    def __init__(
        self, x: Any, y: Any, image_data_generator: ImageDataGenerator, batch_size: int = 32,
        shuffle: bool = False, sample_weight: Any = None, seed: int | None = None,
        data_format: str | None = None, save_to_dir: str | None = None, save_prefix: str = "",
        save_format: str = "png", subset: str | None = None, dtype: str | None = None,
    ) -> None:  # fmt: skip
        self.dtype, self.data_format = dtype or config.floatx(), config.data_format(data_format)
        self.image_data_generator = image_data_generator
        self.save_to_dir, self.save_prefix = save_to_dir, save_prefix
        self.save_format = save_format
        others: list = []
        if isinstance(x, (tuple, list)):
            x, rest = x
            others = [np.asarray(part) for part in (rest if isinstance(rest, list) else [rest])]
        y, sample_weight = (
            None if part is None else np.asarray(part) for part in (y, sample_weight)
        )
        for name, part in (("y", y), ("sample_weight", sample_weight), *(("x", o) for o in others)):
            if part is not None and len(part) != len(x):
                raise ValueError(
                    f"there are {len(x)} images, but {len(part)} rows of {name}: "
                    "all must have the same length"
                )
        rows = slice(None)
        if subset is not None:
            cut = int(len(x) * image_data_generator.validation_split)
            rows = _part(subset, slice(cut, None), slice(cut))
            if y is not None and not np.array_equal(np.unique(y[:cut]), np.unique(y[cut:])):
                raise ValueError(
                    "the training and validation subsets have different classes; shuffle images "
                    "that are sorted by class before they are split"
                )
        self.x = np.asarray(x[rows], dtype=self.dtype)
        self.x_misc = [part[rows] for part in others]
        self.y = None if y is None else y[rows]
        self.sample_weight = None if sample_weight is None else sample_weight[rows]
        axis = 3 if self.data_format == "channels_last" else 1
        _check_images("NumpyArrayIterator", self.x, axis)
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _image(self, index: int) -> np.ndarray:
        return self.x[index].copy()

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        images = self._images(index_array)
        x = [images, *(part[index_array] for part in self.x_misc)] if self.x_misc else images
        if self.y is None:
            return x
        if self.sample_weight is None:
            return x, self.y[index_array]
        return x, self.y[index_array], self.sample_weight[index_array]


def _part(subset: str | None, training: Any, validation: Any) -> Any:
    if subset not in ("training", "validation"):
        raise ValueError(f'subset must be "training" or "validation", got {subset!r}')
    return training if subset == "training" else validation


class _FileIterator(_ImageIterator):
    """An `Iterator` over image files.

    Attributes:
        filenames: as the directory or the table has them.
        filepaths: where they are.
        class_indices: class -> number.
        classes: the number of each image's class.
        labels: what targets are made of.
        sample_weight: array, or None.
        samples: how many images there are.
    """

    allowed_class_modes: tuple = ("categorical", "binary", "sparse", "input", None)
    class_mode: str | None
    filenames: list[str]
    filepaths: list[str]
    labels: Any
    classes: Any
    class_indices: dict[str, int]
    sample_weight: Any = None

    def set_processing_attrs(
        self, image_data_generator: ImageDataGenerator | None,
        target_size: tuple[int, int] = (256, 256), color_mode: str = "rgb",
        class_mode: str | None = "categorical", data_format: str | None = None,
        save_to_dir: str | None = None, save_prefix: str = "", save_format: str = "png",
        subset: str | None = None, interpolation: str = "nearest", dtype: str | None = None,
    ) -> None:  # fmt: skip
        """Keep the settings of how files are read, see `DirectoryIterator`."""
        height, width = target_size
        self.image_data_generator, self.target_size = image_data_generator, (height, width)
        self.color_mode, self.data_format = color_mode, config.data_format(data_format)
        self.save_to_dir, self.save_prefix = save_to_dir, save_prefix
        self.save_format, self.interpolation = save_format, interpolation
        self.class_mode, self.dtype = class_mode, dtype or config.floatx()
        channels = {"grayscale": 1, "rgb": 3, "rgba": 4}
        known: dict[str, tuple] = {
            "color_mode": (*channels,),
            "class_mode": self.allowed_class_modes,
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(str, values))}, got "
                    f"{getattr(self, name)!r}"
                )
        size = (*self.target_size, channels[color_mode])
        first = self.data_format == "channels_first"
        self.image_shape = size[-1:] + size[:-1] if first else size
        fraction = image_data_generator.validation_split if image_data_generator else 0.0
        self.split = (0, 1) if subset is None else _part(subset, (fraction, 1), (0, fraction))

    def _within_split(self, rows: list) -> list:
        start, stop = (int(part * len(rows)) for part in self.split)
        return rows[start:stop]

    def _image(self, index: int) -> np.ndarray:
        image = load_img(
            self.filepaths[index], self.color_mode, self.target_size, self.interpolation
        )
        return img_to_array(image, self.data_format).copy()

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        x = self._images(index_array)
        if self.class_mode is None:
            return x
        if self.sample_weight is None:
            return x, self._targets(x, index_array)
        return x, self._targets(x, index_array), self.sample_weight[index_array]

    def _targets(self, x: np.ndarray, index_array: np.ndarray) -> Any:
        if self.class_mode == "input":
            return x.copy()
        if self.class_mode == "multi_output":
            return [column[index_array] for column in self.labels]
        if self.class_mode == "raw":
            return self.labels[index_array]
        found = [self.classes[index] for index in index_array]
        if self.class_mode in ("binary", "sparse"):
            return np.array(found, self.dtype)
        targets = np.zeros((len(x), len(self.class_indices)), self.dtype)
        for row, numbers in zip(targets, found):
            row[numbers] = 1
        return targets


class DirectoryIterator(_FileIterator):
    """Batches ``(x, y)`` of the images in a directory, by classes in directories below it; needs
    Pillow.

    Args:
        directory: the directory.
        image_data_generator: an `ImageDataGenerator`.
        target_size: (height, width) that images are resized to.
        color_mode: ``"grayscale"``, ``"rgb"`` or ``"rgba"``.
        classes: the directories, in the order of their numbers; None: all, sorted.
        class_mode: ``"categorical"`` (one-hot), ``"binary"`` or ``"sparse"`` (numbers),
            ``"input"`` (the images), or None for ``x`` alone.
        batch_size, shuffle, seed: see `Iterator`.
        data_format, save_to_dir, save_prefix, save_format, subset, dtype: see
            `NumpyArrayIterator`; a split is made within each class.
        follow_links: whether to follow links to directories.
        interpolation: see `load_img`.

    Raises:
        ValueError: for other modes.
    """

    def __init__(
        self, directory: Any, image_data_generator: ImageDataGenerator | None,
        target_size: tuple[int, int] = (256, 256), color_mode: str = "rgb",
        classes: list[str] | None = None, class_mode: str | None = "categorical",
        batch_size: int = 32, shuffle: bool = True, seed: int | None = None,
        follow_links: bool = False, **settings: Any,
    ) -> None:  # fmt: skip
        self.set_processing_attrs(
            image_data_generator, target_size, color_mode, class_mode, **settings
        )
        self.directory = directory
        if not classes:
            classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        self.num_classes = len(classes)
        self.class_indices = {name: number for number, name in enumerate(classes)}
        found = [
            (name, os.path.join(name, os.path.relpath(path, os.path.join(directory, name))))
            for name in classes
            for path in self._within_split(self._files(os.path.join(directory, name), follow_links))
        ]
        self.filenames = [path for _, path in found]
        self.filepaths = [os.path.join(directory, path) for path in self.filenames]
        self.classes = np.array([self.class_indices[name] for name, _ in found], "int32")
        self.labels, self.samples = self.classes, len(found)
        message(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _files(self, folder: str, follow_links: bool) -> list[str]:
        walked = sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0])
        return [
            os.path.join(root, name)
            for root, _, names in walked
            for name in sorted(names)
            if name.lower().endswith(self.white_list_formats)
        ]


class DataFrameIterator(_FileIterator):
    """Batches of the images that a table lists; needs Pillow.

    Args:
        dataframe: a pandas ``DataFrame``, or a dict of columns.
        directory: what the files' names are relative to.
        image_data_generator: an `ImageDataGenerator`.
        x_col: the column of files.
        y_col: the column of targets, or a list of them.
        weight_col: the column of sample weights.
        classes: the classes that are kept, None: all; in any case sorted.
        class_mode: see `DirectoryIterator`; the column's entries may be lists of classes. Also
            ``"raw"``: the columns as an array, ``"multi_output"``: as a list of arrays.
        validate_filenames: leave out files that are not there or no images.
        target_size, color_mode, batch_size, shuffle, seed, data_format, save_to_dir, save_prefix,
            save_format, subset, interpolation, dtype: see `DirectoryIterator`.

    Raises:
        TypeError: columns whose entries are of another type.
        ValueError: for other modes, or ``"binary"`` without two classes.
    """

    allowed_class_modes = (*_FileIterator.allowed_class_modes, "multi_output", "raw")

    def __init__(
        self, dataframe: Any, directory: Any = None,
        image_data_generator: ImageDataGenerator | None = None, x_col: str = "filename",
        y_col: Any = "class", weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256), color_mode: str = "rgb",
        classes: list[str] | None = None, class_mode: str | None = "categorical",
        batch_size: int = 32, shuffle: bool = True, seed: int | None = None,
        validate_filenames: bool = True, **settings: Any,
    ) -> None:  # fmt: skip
        self.set_processing_attrs(
            image_data_generator, target_size, color_mode, class_mode, **settings
        )
        self.directory = directory or ""
        names = list(dataframe[x_col])
        _check_column(x_col, names, (str,))
        rows = list(range(len(names)))
        if validate_filenames:
            rows = [row for row in rows if self._is_image(names[row])]
            if len(rows) < len(names):
                warnings.warn(
                    f"{len(names) - len(rows)} invalid image filename(s) in {x_col!r} are left out",
                    stacklevel=2,
                )
        told = f"Found {{}} {'' if validate_filenames else 'non-'}validated image filenames"
        if class_mode in ("categorical", "binary", "sparse"):
            kinds = (str, list, tuple) if class_mode == "categorical" else (str,)
            labels = list(dataframe[y_col])
            _check_column(y_col, labels, kinds)
            lists = [[label] if isinstance(label, str) else list(label) for label in labels]
            kept = set(classes or (name for row in rows for name in lists[row]))
            if class_mode == "binary" and len(kept) != 2:
                raise ValueError(f'class_mode="binary" needs 2 classes, there are {len(kept)}')
            self.class_indices = {name: number for number, name in enumerate(sorted(kept))}
            told += f" belonging to {len(kept)} classes"
            rows = [row for row in rows if kept.intersection(lists[row])]
            rows = self._within_split(rows)
            numbers = [[self.class_indices[n] for n in lists[row] if n in kept] for row in rows]
            several = [not isinstance(labels[row], str) for row in rows]
            self.classes = [many if s else many[0] for many, s in zip(numbers, several)]
            self.labels = self.classes
        else:
            rows = self._within_split(rows)
            if class_mode == "multi_output":
                if not isinstance(y_col, list):
                    raise TypeError(f'class_mode="multi_output" needs a list y_col, got {y_col!r}')
                self.labels = [_column(dataframe, name, rows) for name in y_col]
            elif class_mode == "raw":
                wide = isinstance(y_col, (list, tuple))
                columns = [_column(dataframe, n, rows) for n in (y_col if wide else [y_col])]
                self.labels = np.stack(columns, -1) if wide else columns[0]
        if weight_col is not None:
            self.sample_weight = _column(dataframe, weight_col, rows)
            if self.sample_weight.dtype.kind not in "biuf":
                raise TypeError(f"the column weight_col={weight_col!r} must hold numbers")
        self.filenames = [names[row] for row in rows]
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self.samples = len(rows)
        message(told.format(self.samples) + ".")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _is_image(self, name: str) -> bool:
        path = os.path.join(self.directory, name)
        return name.lower().endswith(self.white_list_formats) and os.path.isfile(path)


def _column(table: Any, name: str, rows: list[int]) -> np.ndarray:
    values = list(table[name])
    return np.array([values[row] for row in rows])


def _check_column(name: str, values: list, kinds: tuple) -> None:
    wrong = next((value for value in values if not isinstance(value, kinds)), None)
    if wrong is not None:
        raise TypeError(
            f"the column {name!r} must hold {' or '.join(kind.__name__ for kind in kinds)}, got "
            f"{wrong!r}"
        )
