"""`FeatureSpace`: tables of numbers and categories as vectors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tricorn import dtypes, naming, ops, saving
from tricorn.data import Dataset
from tricorn.engines import registry
from tricorn.graph.symbolic import is_symbolic
from tricorn.layers import (
    CategoryEncoding,
    Discretization,
    HashedCrossing,
    Hashing,
    Input,
    IntegerLookup,
    Normalization,
    Rescaling,
    StringLookup,
)
from tricorn.layers.preprocessing.base import DataLayer, as_host, engine_of
from tricorn.serialization.catalogue import Configured
from tricorn.serialization.registry import deserialize_keras_object, serialize_keras_object
from tricorn.tracebacks import shortened

#: how many rows a batch has that is made of rows
_ROWS = 32


class Cross(Configured):
    """Features that are hashed together.

    Args:
        feature_names: their names.
        crossing_dim: number of bins.
        output_mode: "one_hot" or "int".
    """

    def __init__(self, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> None:
        _check_mode(output_mode, ("int", "one_hot"))
        self.feature_names = tuple(feature_names)
        self.crossing_dim, self.output_mode = crossing_dim, output_mode

    @property
    def name(self) -> str:
        return "_X_".join(self.feature_names)


class Feature(Configured):
    """One column of the data and the layer that prepares it.

    Args:
        dtype: of the column: "float32", "int32", "string" or another.
        preprocessor: the layer, or its config.
        output_mode: "one_hot", "int" or "float": what becomes of the layer's output.
    """

    def __init__(self, dtype: Any, preprocessor: Any, output_mode: str) -> None:
        _check_mode(output_mode, ("int", "one_hot", "float"))
        self.dtype, self.output_mode = dtype, output_mode
        self.preprocessor = deserialize_keras_object(preprocessor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "preprocessor": serialize_keras_object(self.preprocessor)}


def _check_mode(mode: str, known: tuple[str, ...]) -> None:
    if mode not in known:
        raise ValueError(
            "Invalid value for argument `output_mode`. It must be one of "
            f"{', '.join(map(repr, known))}; got output_mode={mode!r}"
        )


class TFDIdentity(DataLayer):
    """The input as it is: the preprocessor of plain numbers, under the name that files give it."""

    def call(self, inputs: Any) -> Any:
        return inputs


class FeatureSpace(DataLayer):
    """The columns of a table as vectors: numbers scaled or put into bins, categories as one-hot
    vectors or indices, combinations of them hashed.

    It is told what each column is, `adapt` learns vocabularies, means and bins from data, and a
    call encodes rows.  That works before a model, in the functions of a data pipeline of any kind,
    and, by `get_inputs` and `get_encoded_features`, in a model.

    Args:
        features: dict: name of a column -> what it is, by the name of one of the class's methods
            ("float", "float_normalized", "float_rescaled", "float_discretized",
            "integer_categorical", "string_categorical", "integer_hashed", "string_hashed") or by
            what that method gives.
        output_mode: "concat": one vector for each row, the features in the order of their names,
            then the crosses; "dict": a dict of them.
        crosses: list of combinations: tuples of names, or what `cross` gives.
        crossing_dim: number of bins of the combinations that are tuples.
        hashing_dim: number of bins of "integer_hashed" and "string_hashed".
        num_discretization_bins: number of bins of "float_discretized".
        name: as of every layer.

    Call arguments: a dict of columns: arrays, lists or tensors of shape (batch,) or (batch, 1), or
    of single values, for one row.  Columns that are no features are passed over.

    Attributes:
        preprocessors: name of a feature -> its layer.
        crossers: name of a combination, "a_X_b" -> its layer.

    Returns:
        float32 of shape (batch, sum of the widths), for one row (sum of the widths,); or the dict.

    Raises:
        ValueError: for features, modes and combinations that are not known; when called before
            `adapt`, or without a column; for a feature that cannot be concatenated.

    Example:
        >>> space = keras.utils.FeatureSpace(
        ...     {"age": "float_normalized", "town": "string_categorical"}
        ... )
        >>> data = {"age": [20.0, 40.0, 60.0], "town": ["Rome", "Oslo", "Rome"]}
        >>> space.adapt(data)
        >>> space(data).shape  # age, and [unknown, Rome, Oslo]
        (3, 4)
    """

    # --------------------------------------------------------------------------- kinds of features

    @classmethod
    def cross(cls, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Features that are hashed together into `crossing_dim` bins."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: Any, preprocessor: Any, output_mode: str) -> Feature:
        """A column prepared by a layer of yours.

        Args:
            dtype: of the column.
            preprocessor: the layer; one with `adapt` is adapted.
            output_mode: "float": its output is used as it is; "int": likewise, integers; "one_hot":
                its output is indices, which become vectors.
        """
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Numbers as they are."""
        return cls._of_layer("float", name, "float32", "float", TFDIdentity, dtype="float32")

    @classmethod
    def float_rescaled(
        cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None
    ) -> Feature:
        """``x · scale + offset``, see `Rescaling`."""
        arguments = {"scale": scale, "offset": offset}
        return cls._of_layer("float_rescaled", name, "float32", "float", Rescaling, **arguments)

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Numbers less their mean, by their standard deviation, see `Normalization`."""
        return cls._of_layer("float_normalized", name, "float32", "float", Normalization, axis=-1)

    @classmethod
    def float_discretized(
        cls,
        num_bins: int | None,
        bin_boundaries: Any = None,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Numbers as the bins they lie in, see `Discretization`.

        Args:
            num_bins: how many bins; None with `bin_boundaries`, which tell it.
            bin_boundaries: rising numbers; None: `adapt` finds them.
            output_mode: "one_hot" or "int".
            name: of the layer.

        Raises:
            ValueError: when there are not `num_bins` - 1 boundaries.
        """
        if bin_boundaries is not None:
            if num_bins not in (None, len(bin_boundaries) + 1):
                raise ValueError(
                    f"FeatureSpace.float_discretized: {len(bin_boundaries)} bin_boundaries make "
                    f"{len(bin_boundaries) + 1} bins, got num_bins={num_bins!r}"
                )
            num_bins = None
        arguments = {"num_bins": num_bins, "bin_boundaries": bin_boundaries}
        return cls._of_layer(
            "float_discretized", name, "float32", output_mode, Discretization, **arguments
        )

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Integers that are categories, see `IntegerLookup`."""
        arguments = {"max_tokens": max_tokens, "num_oov_indices": num_oov_indices}
        return cls._of_layer(
            "integer_categorical", name, "int32", output_mode, IntegerLookup, **arguments
        )

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Strings that are categories, see `StringLookup`."""
        arguments = {"max_tokens": max_tokens, "num_oov_indices": num_oov_indices}
        return cls._of_layer(
            "string_categorical", name, "string", output_mode, StringLookup, **arguments
        )

    @classmethod
    def string_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Strings hashed into bins, see `Hashing`."""
        return cls._of_layer(
            "string_hashed", name, "string", output_mode, Hashing, num_bins=num_bins
        )

    @classmethod
    def integer_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Integers hashed into bins, see `Hashing`."""
        return cls._of_layer(
            "integer_hashed", name, "int32", output_mode, Hashing, num_bins=num_bins
        )

    @staticmethod
    def _of_layer(
        kind: str, name: str | None, dtype: str, mode: str, layer: Any, /, **arguments: Any
    ) -> Feature:
        """A feature whose preprocessor is a new `layer`."""
        title = f"{name or naming.unique(kind)}_preprocessor"
        return Feature(dtype, layer(name=title, **arguments), mode)

    # -------------------------------------------------------------------------------------- making

    def __init__(
        self,
        features: dict[str, Any],
        output_mode: str = "concat",
        crosses: Any = None,
        crossing_dim: int | None = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not features:
            raise ValueError(
                "The `features` argument cannot be None or empty: it is a dict of the names of "
                "columns and of what they are"
            )
        _check_mode(output_mode, ("dict", "concat"))
        self.output_mode = output_mode
        self.crossing_dim, self.hashing_dim = crossing_dim, hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.features = {name: self._feature(name, value) for name, value in features.items()}
        self.crosses = [self._cross(value) for value in crosses or ()]
        self.crosses_by_name = {cross.name: cross for cross in self.crosses}
        self.inputs = {
            name: Input((1,), name=name, dtype=feature.dtype)
            for name, feature in self.features.items()
        }
        self.preprocessors = {name: f.preprocessor for name, f in self.features.items()}
        self.crossers = {
            cross.name: HashedCrossing(cross.crossing_dim, name=cross.name)
            for cross in self.crosses
        }
        self.one_hot_encoders: dict[str, CategoryEncoding] = {}
        self.encoded_features: Any = None
        self._is_adapted = False

    def _feature(self, name: str, value: Any) -> Feature:
        value = deserialize_keras_object(value)
        if isinstance(value, Feature):
            return value
        settings = {
            "float": {},
            "float_normalized": {},
            "float_rescaled": {},
            "float_discretized": {"num_bins": self.num_discretization_bins},
            "integer_categorical": {},
            "string_categorical": {},
            "integer_hashed": {"num_bins": self.hashing_dim},
            "string_hashed": {"num_bins": self.hashing_dim},
        }
        if not isinstance(value, str) or value not in settings:
            raise ValueError(
                f"Invalid feature type: {value!r} for the feature {name!r}; it must be one of "
                f"{', '.join(settings)}, or what FeatureSpace.feature and its like give"
            )
        return getattr(self, value)(name=name, **settings[value])

    def _cross(self, value: Any) -> Cross:
        value = deserialize_keras_object(value)
        if not isinstance(value, Cross):
            if not self.crossing_dim:
                raise ValueError(
                    "`crosses` given by names need a `crossing_dim`, the number of their bins, got "
                    f"crossing_dim={self.crossing_dim!r}"
                )
            value = Cross(value, self.crossing_dim)
        unknown = [name for name in value.feature_names if name not in self.features]
        if unknown:
            raise ValueError(
                f"`crosses` combines {value.feature_names} with unknown features: {unknown}; the "
                f"`features` dict has {list(self.features)}"
            )
        return value

    # ------------------------------------------------------------------------------------ adapting

    @shortened
    def adapt(self, dataset: Any) -> None:
        """Let the preprocessors learn from data what they need: vocabularies, means, bins.

        Args:
            dataset: a dict of columns (arrays or lists), or something that can be looped over more
                than once and gives dicts, of batches or of single rows: a ``tf.data.Dataset``, a
                `Dataset`, a list.

        Raises:
            ValueError: for other data, and data without a feature's column.
        """
        if isinstance(dataset, Mapping):
            dataset = _Table(dataset)
        elif isinstance(dataset, (str, bytes)) or not hasattr(dataset, "__iter__"):
            raise _not_data(dataset)
        elif isinstance(dataset, Iterator):
            dataset = list(dataset)  # it can be looped over once, and each feature needs a loop
        for name, layer in self.preprocessors.items():
            if _adapts(layer):
                layer.adapt(_column(dataset, name))
        self._is_adapted = True
        self.one_hot_encoders.clear()
        self.encoded_features = None
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Make the layers that encode indices, for which vocabularies must be known."""
        self.get_encoded_features()

    def get_inputs(self) -> dict[str, Any]:
        """Symbolic inputs of shape (batch, 1), for a model: a dict by the features' names.

        Raises:
            ValueError: before `adapt`.
        """
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """What a call would give for `get_inputs`, as symbolic tensors: the first part of a model.

        A model whose features are strings runs where the engine has tensors of strings; elsewhere
        leave the encoding to the data pipeline.

        Raises:
            ValueError: before `adapt`.
        """
        if not self._is_adapted and any(map(_adapts, self.preprocessors.values())):
            raise ValueError(
                "You need to call `.adapt(dataset)` first: the FeatureSpace "
                f"{self.name!r} has features whose vocabulary, mean or bins are found in data"
            )
        if self.encoded_features is None:
            self.encoded_features = self._encoded(self.inputs)
            self.built = True
        return self.encoded_features

    # ------------------------------------------------------------------------------------- calling

    @shortened
    def __call__(self, data: Any) -> Any:
        self.get_encoded_features()
        if not isinstance(data, Mapping):
            raise ValueError(
                "A FeatureSpace can only be called with a dict of columns, got "
                f"{data!r} (of type {type(data).__name__})"
            )
        missing = [name for name in self.features if name not in data]
        if missing:
            raise ValueError(
                f"the FeatureSpace {self.name!r} lacks the columns {missing}; it was called with "
                f"{list(data)}"
            )
        columns = {name: _tensor_or_array(data[name]) for name in self.features}
        is_row = any(len(x.shape) == 0 for x in columns.values())
        columns = {name: _upright(x) for name, x in columns.items()}
        with engine_of(columns):
            found = self._encoded(columns)
        if not is_row:
            return found
        if isinstance(found, dict):
            return {name: x[0] if x.shape[0] == 1 else x for name, x in found.items()}
        return found[0]

    def _encoded(self, columns: dict) -> Any:
        """The features and combinations of columns of shape (batch, 1)."""
        found = {name: layer(columns[name]) for name, layer in self.preprocessors.items()}
        crossed = {
            name: layer([found[part] for part in self.crosses_by_name[name].feature_names])
            for name, layer in self.crossers.items()
        }
        merged = {
            name: self._finished(name, part[name])
            for part in (found, crossed)
            for name in sorted(part)
        }
        return merged if self.output_mode == "dict" else ops.concatenate(list(merged.values()), -1)

    def _finished(self, name: str, x: Any) -> Any:
        """The output of a preprocessor or crosser in its feature's output mode."""
        spec = self.crosses_by_name.get(name) or self.features[name]
        if spec.output_mode == "one_hot":
            if name not in self.one_hot_encoders:
                self.one_hot_encoders[name] = self._encoder(name, dtypes.of(x))
            return self.one_hot_encoders[name](x)
        if self.output_mode == "concat" and not dtypes.is_float(dtypes.of(x)):
            raise ValueError(
                f"Cannot concatenate features: {name!r} has not been encoded, it is "
                f"{dtypes.of(x)}. Give it output_mode='one_hot', or the space output_mode='dict'"
            )
        return x

    def _encoder(self, name: str, dtype: str) -> CategoryEncoding:
        """The layer that makes vectors of a feature's indices."""
        layer: Any = self.crossers.get(name) or self.preprocessors[name]
        title = f"Feature {name!r} has `output_mode='one_hot'`"
        if not dtypes.is_integer(dtype):
            raise ValueError(
                f"{title}, so its preprocessor should return an integer dtype; {layer!r} returns "
                f"{dtype}"
            )
        if isinstance(layer, (IntegerLookup, StringLookup)):
            size = layer.vocabulary_size()
        elif isinstance(layer, CategoryEncoding):
            size = layer.num_tokens
        elif isinstance(layer, Discretization):
            size = layer.num_bins or len(layer.bin_boundaries or ()) + 1
        elif isinstance(layer, (HashedCrossing, Hashing)):
            size = layer.num_bins
        else:
            raise ValueError(
                f"{title}, but the number of indices of {layer!r} is not known, so it cannot be "
                "one-hot encoded. Use `output_mode='int'`"
            )
        return CategoryEncoding(size, output_mode="multi_hot")

    # --------------------------------------------------------------------------------------- files

    def get_config(self) -> dict[str, Any]:
        names = "output_mode", "crossing_dim", "hashing_dim", "num_discretization_bins", "name"
        return {
            "features": serialize_keras_object(dict(self.features)),
            "crosses": serialize_keras_object(list(self.crosses)),
            **{name: getattr(self, name) for name in names},
        }

    def get_build_config(self) -> dict[str, Any] | None:
        """The build configs of the preprocessors; None before `adapt`."""
        if not self.built:
            return None
        return {name: layer.get_build_config() for name, layer in self.preprocessors.items()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the preprocessors; what they have learned comes from the file."""
        for name, shapes in config.items():
            layer = self.preprocessors[name]
            if not layer.built:
                layer.build_from_config(shapes)
        self._is_adapted = True

    def save(self, filepath: Any) -> None:
        """Save the space to a ``.keras`` file; `load_model` reads it."""
        saving.save_model(self, filepath)


# --------------------------------------------------------------------------------------------- data


def _adapts(layer: Any) -> bool:
    """Whether a preprocessor learns something from data."""
    return layer._tricorn_learns if isinstance(layer, DataLayer) else hasattr(layer, "adapt")


class _Table:
    """The rows of a dict of columns, in batches."""

    def __init__(self, columns: Mapping) -> None:
        self.columns = {name: _host(column) for name, column in columns.items()}
        lengths = {name: len(x) if x.ndim else None for name, x in self.columns.items()}
        if len(set(lengths.values())) != 1 or None in lengths.values():
            raise ValueError(f"the columns must have one length, got {lengths}")
        self.length = next(iter(lengths.values()))

    def __iter__(self) -> Iterator[dict]:
        for start in range(0, self.length or 0, _ROWS):
            yield {name: x[start : start + _ROWS] for name, x in self.columns.items()}


def _column(dataset: Any, name: str) -> Dataset:
    """The batches of one column, of shape (batch, 1)."""

    def elements() -> Iterator[np.ndarray]:
        for element in dataset:
            element = element[0] if isinstance(element, tuple) else element
            if not isinstance(element, Mapping):
                raise _not_data(element)
            if name not in element:
                raise ValueError(
                    f"the data for `adapt` has no column {name!r}; it has {list(element)}"
                )
            yield _host(element[name])

    def begin() -> Iterator[np.ndarray]:
        found = elements()
        for x in found:
            if x.ndim:
                yield _upright(x)
            else:
                rows = [x, *itertools.islice(found, _ROWS - 1)]
                yield _upright(np.stack(rows))

    return Dataset(begin)


def _not_data(found: Any) -> ValueError:
    return ValueError(
        "`adapt()` can only be called on a dict of arrays or lists, or on a dataset that gives "
        f"dicts of columns, such as a tf.data.Dataset; got {found!r} (of type "
        f"{type(found).__name__})"
    )


def _tensor_or_array(x: Any) -> Any:
    """A column as it is, if it is a tensor, else as an array."""
    return x if is_symbolic(x) or registry.owner_of(x) is not None else as_host(x)


def _host(x: Any) -> np.ndarray:
    """A column as an array."""
    owner = registry.owner_of(x)
    return as_host(x if owner is None else owner.numpy(x))


def _upright(x: Any) -> Any:
    """Values of shape () or (batch,) as a column, of shape (1, 1) or (batch, 1)."""
    rank = len(x.shape)
    return x[None, None] if rank == 0 else x[:, None] if rank == 1 else x
