"""Whole models in ``.keras`` files and weights in ``.weights.h5`` files, as Keras 3 has them.

A ``.keras`` file is a zip archive (or a folder) of ``metadata.json``, ``config.json``,
``model.weights.h5`` and, where layers have them, files below ``assets/``.  Reading one runs no code
that the file brings: the config's names are looked up in `registry`, archive members are read by
the names above, and every size is checked before memory is taken for it.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import stat
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import h5py

from tricorn import _version, atomic, limits
from tricorn.graph.scope import library_code
from tricorn.saving import hdf5, orbax, safetensors, shards, weights
from tricorn.saving.older import models, states, writing
from tricorn.saving.older.differences import differences
from tricorn.serialization import registry
from tricorn.tracebacks import shortened

#: the version whose layout is written
KERAS_VERSION = "3.15.1"
METADATA, CONFIG, WEIGHTS, ASSETS = "metadata.json", "config.json", "model.weights.h5", "assets"
_SMALL = 1 << 20
#: bytes that a model may take beyond what the file stores for it: constants, optimizer, metrics
_ROOM = 64 << 20


# ------------------------------------------------------------------------------------------ saving


@shortened
@library_code
def save_model(
    model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
) -> None:
    """Save architecture, weights, compile arguments and optimizer state.

    Args:
        model: what is saved.
        filepath: path that ends in ``.keras``, a folder's path with ``zipped=False``, or a binary
            file object; a path that ends in ``.h5`` or ``.hdf5`` for the layout that Keras 2.3.1
            and tf.keras read.
        overwrite: False: refuse when there is a file already.
        zipped: False writes a folder instead of an archive.
        kwargs: `save_format` of Keras 2: the path's ending says the format; `include_optimizer` of
            ``.h5`` files.

    Raises:
        ValueError: another ending, another argument; what an ``.h5`` file cannot say.
        FileExistsError: with ``overwrite=False``.
        TypeError: something in a config that is not plain data.

    Source: the format of ``keras.saving.save_model``.

    Example:
        >>> keras.models.save_model(model, "model.keras")
    """
    save_format = kwargs.pop("save_format", None)
    old = str(filepath).endswith((".h5", ".hdf5"))
    include_optimizer = kwargs.pop("include_optimizer", True) if old else True
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {list(kwargs)}")
    if save_format is not None and not old and not str(filepath).endswith(".keras"):
        raise ValueError(
            "The `save_format` argument is deprecated in Keras 3: give a path that ends in .keras, "
            f"got save_format={save_format!r} and {str(filepath)!r}"
        )
    if not model.built:
        warnings.warn(
            f"the model {model.name!r} is saved before it was built: its weights do not exist yet. "
            "Call it on data, or build(input_shape), first",
            stacklevel=2,
        )
    if isinstance(filepath, io.IOBase):
        _write_archive(model, filepath)
        return
    path = Path(filepath)
    if old:
        _check_overwrite(path, overwrite)
        with atomic.writing(path) as file, h5py.File(file, "w") as h5:
            writing.write(model, h5, include_optimizer)
        return
    is_archive = path.suffix == ".keras"
    if is_archive != (zipped is not False):
        raise ValueError(
            f"cannot save to {str(path)!r}: the name of a model file ends in .keras, the name of a "
            "folder (zipped=False) does not"
        )
    _check_overwrite(path, overwrite)
    _tell(model)
    if is_archive:
        with atomic.writing(path) as file:
            _write_archive(model, file)
    else:
        _write_folder(model, path)


def _tell(model: Any) -> None:
    """Say what Keras 3 will compute otherwise with a model of an older version."""
    if reasons := differences(model):
        more = f"; and {len(reasons) - 10} more" if len(reasons) > 10 else ""
        warnings.warn(
            f"Keras 3 computes some things otherwise with {model.name!r} than here, where the file "
            f"goes on exactly: {'; '.join(reasons[:10])}{more}",
            stacklevel=4,
        )


def _check_overwrite(path: Path, overwrite: bool) -> None:
    if not overwrite and path.exists():
        raise FileExistsError(f"{str(path)!r} exists; pass overwrite=True to replace it")


def _texts(model: Any) -> dict[str, str]:
    """The two JSON members."""
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "tricorn_version": _version.__version__,
    }
    config = registry.serialize_shared(model)
    return {METADATA: json.dumps(metadata), CONFIG: _dumps(config, model)}


def _dumps(config: Any, model: Any, **options: Any) -> str:
    try:
        return json.dumps(config, **options)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the config of {model.name!r} is not plain data ({error}); the get_config() of each "
            "custom class must give numbers, strings, lists, dicts and serialised objects"
        ) from error


def _write_archive(model: Any, file: Any) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in _texts(model).items():
            archive.writestr(name, text)
        with tempfile.TemporaryFile() as whole:
            _write_weights(model, whole)
            whole.seek(0)
            with archive.open(WEIGHTS, "w", force_zip64=True) as member:
                shutil.copyfileobj(whole, member, 1 << 20)
        with tempfile.TemporaryDirectory() as folder:
            _save_assets(model, Path(folder))
            for asset in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                archive.write(asset, f"{ASSETS}/{asset.relative_to(folder).as_posix()}")


def checkpoint_parts(model: Any, weights_only: bool) -> dict[str, Any]:
    """What a checkpoint of Orbax's holds, by the names of its parts."""
    parts: dict[str, Any] = {"pytree": orbax.state_of(model, weights_only)}
    if not weights_only:
        parts["model_config"] = {"config": _texts(model)[CONFIG]}
        with tempfile.TemporaryDirectory() as folder:
            _save_assets(model, Path(folder))
            if files := orbax.files_below(folder):
                parts["assets"] = files
    return parts


def _write_folder(model: Any, path: Path) -> None:
    texts = _texts(model)
    path.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with atomic.writing(path / name, "w") as file:
            file.write(text)
    with atomic.writing(path / WEIGHTS) as file:
        _write_weights(model, file)
    _save_assets(model, path / ASSETS)


def _write_weights(model: Any, file: IO) -> None:
    with h5py.File(file, "w") as h5:
        weights.write(model, h5)


def _save_assets(model: Any, folder: Path) -> None:
    for path, obj in weights.saveables(model):
        if hasattr(obj, "save_assets"):
            target = folder / path
            target.mkdir(parents=True, exist_ok=True)
            obj.save_assets(str(target))


@library_code
def save_weights(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    max_shard_size: float | None = None,
    *,
    objects_to_skip: Iterable[Any] = (),
) -> None:
    """Save the weights to a file, or to several.

    Args:
        filepath: path; ``.weights.h5`` gives the layout of Keras 3, with the optimizer's state;
            any other name that ends in ``.h5`` or ``.hdf5`` that of Keras 2 and tf.keras;
            ``.safetensors`` that format, without the optimizer; with `max_shard_size` the name of
            the index, ``.weights.json``, beside which the shards are put,
            ``<name>_00000.weights.h5`` and so on.
        overwrite: False: refuse when there is a file already.
        max_shard_size: how many GiB of arrays a file holds at most.
        objects_to_skip: layers and the like whose weights are not saved, nor those of what only
            they lead to; not for the layout of Keras 2.

    Raises:
        ValueError: another ending, a model that is not built, an array larger than a shard.
        FileExistsError: with ``overwrite=False``.

    Example:
        >>> keras.saving.save_weights(model, "model.weights.h5")
    """
    _check_built(model, "saved")
    path = Path(filepath)
    plain = (".h5", ".hdf5", ".safetensors")
    endings = plain if max_shard_size is None else (".weights.json", ".weights.h5")
    if not path.name.endswith(endings):
        raise ValueError(
            "the name of a weights file ends in .weights.h5, .h5, .hdf5 or .safetensors, got "
            f"{str(path)!r}"
            if max_shard_size is None
            else "with max_shard_size the filename must end in .weights.json, the index of the "
            f"files, got {str(path)!r}"
        )
    if max_shard_size is not None:
        if not isinstance(max_shard_size, (int, float)) or not max_shard_size > 0:
            raise ValueError(
                f"max_shard_size must be a positive number of GiB, got {max_shard_size!r}"
            )
        if path.suffix == ".h5":
            index = path.with_suffix(".json")
            warnings.warn(
                f"weights in several files have an index, {str(index)!r}, written instead of "
                f"{str(path)!r}; load_weights takes the index",
                stacklevel=2,
            )
            path = index
        _check_overwrite(path, overwrite)
        shards.write(model, path, max_shard_size, objects_to_skip)
        return
    _check_overwrite(path, overwrite)
    modern = path.name.endswith(".weights.h5")
    if objects_to_skip and not modern:
        raise ValueError(f"objects_to_skip is for .weights.h5 files, got {str(path)!r}")
    if path.suffix == ".safetensors":
        with atomic.writing(path) as file:
            safetensors.write(model, file)
        return
    with atomic.writing(path) as file, h5py.File(file, "w") as h5:
        if modern:
            weights.write(model, h5, objects_to_skip)
        else:
            hdf5.write(model, h5)


def _check_built(model: Any, action: str) -> None:
    if not model.built:
        raise ValueError(
            f"the weights of {model.name!r} cannot be {action}: the model is not built, so it has "
            "none. Call it on data, or build(input_shape), first"
        )


# ----------------------------------------------------------------------------------------- loading


@shortened
@library_code
def load_model(
    filepath: Any,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Load a model that `save_model` or any Keras saved: Keras 3 and tf.keras in ``.keras`` files,
    tf.keras, Keras 2 and Keras 1 in ``.h5`` files.  It computes what it did there.

    Args:
        filepath: path of a ``.keras`` file or of its unzipped folder, of an ``.h5`` file, a binary
            file object of an archive, or a folder of checkpoints that `callbacks.OrbaxCheckpoint`
            wrote, of which the newest is taken.
        custom_objects: names in the file -> classes and functions; also a `Lambda` layer's name ->
            its function.
        compile: compile it as it was when saved, with the optimizer's state.
        safe_mode: False allows the bytecode of lambdas in the file to run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that is damaged or hostile, or whose weights do not fit its config.
        TypeError: a name in the file that is not known.

    Source: the format of ``keras.saving.load_model``.

    Example:
        >>> model.save("model.keras")
        >>> again = keras.models.load_model("model.keras")
        >>> np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
        True
    """
    if not isinstance(filepath, io.IOBase) and _is_hdf5(os.fspath(filepath)):
        with open(filepath, "rb") as source, weights.WeightsFile(source, str(filepath)) as file:
            return models.load(file, _room(file), custom_objects, compile, safe_mode)
    with _opened(filepath) as parts:
        config = limits.parse(parts.read(CONFIG), f"{parts.name}: {CONFIG}")
        if not isinstance(config, dict) or "class_name" not in config:
            raise ValueError(f"{parts.name}: {CONFIG} does not describe a model")
        registry.mark_first(config)
        config = models.modern(config, _written_by(parts), parts.name)
        if not compile:
            config["compile_config"] = None
        with parts.weights() as file:
            with limits.budget(_room(file)), registry.sharing():
                model = registry.deserialize_keras_object(config, custom_objects, safe_mode)
            if not hasattr(model, "save_own_variables"):
                raise ValueError(
                    f"{parts.name}: {CONFIG} describes a {type(model).__name__}, expected a model"
                )
            _read(model, file)
        _load_assets(model, parts)
    return model


def _is_hdf5(path: Any) -> bool:
    """Whether a file is in HDF5, and no archive with such a file at a place where HDF5 looks."""
    if not h5py.is_hdf5(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) != b"PK\x03\x04"


def _room(file: Any) -> int:
    """Bytes that the weights of a model, its optimizer and metrics may take."""
    return min(8 * file.nbytes + _ROOM, limits.allowed(file.stored))


def _written_by(parts: Any) -> str | None:
    """The version of Keras that wrote a model, where it says so."""
    if isinstance(parts, orbax.Checkpoint):
        return None
    metadata = limits.parse(parts.read(METADATA), f"{parts.name}: {METADATA}")
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else None


def _read(model: Any, file: Any, **options: Any) -> None:
    """Assign what a file of weights or a state of Orbax's holds."""
    with limits.budget(limits.allowed(file.stored)):
        if isinstance(file, orbax.State):
            file.read(model, **options)
            return
        if isinstance(file, weights.WeightsFile):
            models.convert_kernels(model, file)
        if weights.read(model, file, **options):
            states.complete(model.optimizer)


@shortened
@library_code
def load_weights(
    model: Any,
    filepath: Any,
    skip_mismatch: bool = False,
    by_name: bool = False,
    reshape: bool = False,
    objects_to_skip: Iterable[Any] = (),
) -> None:
    """Load weights into a built model.

    What the file holds decides how it is read, not its name: a ``.keras`` archive or a
    ``.weights.h5`` file (with the optimizer's state where both have it), weights or a whole
    model in the ``.h5`` layout of Keras 1, Keras 2 and tf.keras, or ``.safetensors``.  A name that
    ends in ``.json`` is that of an index, which leads to weights in several files.

    Args:
        filepath: path of the file, or of a folder that ``save(zipped=False)`` or
            `callbacks.OrbaxCheckpoint` wrote.
        skip_mismatch: load what fits and warn about the rest.
        objects_to_skip: layers and the like that stay as they are, with what only they lead to;
            not for the ``.h5`` layout of Keras 2.
        by_name: for the ``.h5`` layout: layers correspond by name; otherwise in order.
        reshape: for the ``.h5`` layout: arrays of another shape but as many numbers fit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a model that is not built, a damaged or hostile file, or weights that differ
            (nothing is loaded then).

    Example:
        >>> keras.saving.save_weights(model, "model.weights.h5")
        >>> keras.saving.load_weights(model, "model.weights.h5")
    """
    _check_built(model, "loaded")
    path, skip = Path(filepath), tuple(objects_to_skip)
    if path.suffix == ".safetensors":
        _only_hdf5(path, by_name=by_name, reshape=reshape)
        safetensors.read(model, path, skip_mismatch, skip)
        return
    with opened_weights(path) as file:
        if not isinstance(file, weights.WeightsFile) or (found := hdf5.layout(file)) is None:
            _only_hdf5(path, by_name=by_name, reshape=reshape)
            _read(model, file, skip_mismatch=skip_mismatch, skip=skip)
            return
        if skip:
            raise ValueError(
                f"objects_to_skip is for .weights.h5 files; {str(path)!r} has the layout of "
                "Keras 2. by_name=True leaves layers of other names as they are"
            )
        hdf5.read(model, file, found, by_name=by_name, skip_mismatch=skip_mismatch, reshape=reshape)


@contextmanager
def opened_weights(path: Path) -> Iterator[weights.Stores | orbax.State]:
    """The weights in a file or a folder, or those that an index (``.json``) leads to, while the
    block lasts."""
    if path.suffix == ".json":
        with shards.reading(path, limits.parse(limits.read_text(path), str(path))) as found:
            yield found
    elif path.suffix == ".keras" or path.is_dir() or zipfile.is_zipfile(path):
        with _opened(path) as parts, parts.weights() as file:
            yield file
    else:
        with path.open("rb") as source, weights.WeightsFile(source, str(path)) as file:
            yield file


def read_texts(path: Any) -> Iterator[dict[str, Any]]:
    """The config and the metadata of a saved model."""
    with _opened(path) as parts:
        for name in (CONFIG, METADATA):
            data = limits.parse(parts.read(name), f"{parts.name}: {name}")
            if not isinstance(data, dict):
                raise ValueError(
                    f"{parts.name}: {name} must hold a dict, got {type(data).__name__}"
                )
            yield data


def _only_hdf5(path: Path, **options: bool) -> None:
    for name in (name for name, value in options.items() if value):
        raise ValueError(
            f"{name}=True is for .h5 files in the layout of Keras 2; in {str(path)!r} weights have "
            "places by the model's structure. skip_mismatch=True loads what fits"
        )


class _Folder:
    """The parts of a model that lie in a folder."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)

    def _find(self, member: str) -> Path:
        path = self.path / member
        if not path.exists():
            raise ValueError(f"{self.name} has no {member}: it is not a saved model")
        return limits.inside(self.path, path)

    def read(self, member: str) -> bytes:
        return limits.read_text(self._find(member))

    @contextmanager
    def weights(self) -> Iterator[weights.WeightsFile]:
        path = self._find(WEIGHTS)
        with path.open("rb") as source, weights.WeightsFile(source, str(path)) as file:
            yield file

    @contextmanager
    def assets(self) -> Iterator[Path | None]:
        folder = self.path / ASSETS
        for path in folder.rglob("*"):
            if path.is_symlink() or not path.is_dir():
                limits.inside(folder, path)
        yield folder if folder.is_dir() else None


class _Archive:
    """The parts of a model in a zip archive whose member names and sizes are checked."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.archive, self.name = archive, name
        self.members: dict[str, zipfile.ZipInfo] = {}
        assert archive.fp is not None
        #: bytes that may still come out of it
        self._left = limits.allowed(limits.stored_size(archive.fp))
        for info in archive.infolist():
            self._check(info)
            self.members[info.filename] = info

    def _check(self, info: zipfile.ZipInfo) -> None:
        member = info.filename
        title = f"{self.name}: the member {member!r}"
        parts = member.replace("\\", "/").split("/")
        if member.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise ValueError(f"{title} points outside the archive; the file is not loaded")
        if member in self.members:
            raise ValueError(f"{title} is there twice; the file is not loaded")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ValueError(f"{title} is a link, expected a file; the file is not loaded")
        limits.check_packing(title, info)
        if info.file_size > _SMALL + weights.MAX_EXPANSION * info.compress_size:
            raise ValueError(
                f"{title} declares {info.file_size:,} bytes while {info.compress_size:,} are "
                "stored; the file is not loaded"
            )

    def _copy(self, member: str, target: IO) -> None:
        """A member's bytes to a file; no more than it declares."""
        info = self.members.get(member)
        if info is None:
            raise ValueError(f"{self.name} has no {member}: it is not a saved model")
        self._left -= info.file_size
        if self._left < 0:
            raise ValueError(
                f"{self.name}: the member {member!r} declares {info.file_size:,} bytes, far more "
                "than the archive holds; the file is not loaded. When you trust it, allow more by "
                "config.set_loading_limit(bytes)"
            )
        try:
            with self.archive.open(info) as source:
                shutil.copyfileobj(source, target, 1 << 20)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise ValueError(f"{self.name}: the member {member!r} is damaged: {error}") from error

    def read(self, member: str) -> bytes:
        if (info := self.members.get(member)) is not None:
            title = f"{self.name}: the member {member!r}"
            limits.check_text(title, info.file_size, info.compress_size)
        buffer = io.BytesIO()
        self._copy(member, buffer)
        return buffer.getvalue()

    @contextmanager
    def weights(self) -> Iterator[weights.WeightsFile]:
        with tempfile.TemporaryFile() as source:
            self._copy(WEIGHTS, source)
            source.seek(0)
            with weights.WeightsFile(source, f"{self.name}: {WEIGHTS}") as file:
                yield file

    @contextmanager
    def assets(self) -> Iterator[Path | None]:
        names = [name for name in self.members if name.startswith(f"{ASSETS}/")]
        if not names:
            yield None
            return
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                path = Path(folder, name)
                if name.endswith("/"):
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as target:
                    self._copy(name, target)
            yield Path(folder, ASSETS)


@contextmanager
def _opened(filepath: Any) -> Iterator[_Folder | _Archive | orbax.Checkpoint]:
    """The parts of a saved model."""
    if isinstance(filepath, io.IOBase):
        source: Any = filepath
        name = getattr(filepath, "name", "the file")
    else:
        path = Path(filepath)
        if path.is_dir():
            checkpoint = orbax.newest(path)
            yield _Folder(path) if checkpoint is None else orbax.Checkpoint(checkpoint)
            return
        if not path.exists():
            raise FileNotFoundError(f"there is no file {str(path)!r}")
        if path.suffix != ".keras":
            raise ValueError(f"the name of a model file ends in .keras, got {str(path)!r}")
        source, name = str(path), str(path)
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{name} is not a .keras archive, or is cut off: {error}") from error
    with archive:
        yield _Archive(archive, str(name))


def _load_assets(model: Any, parts: Any) -> None:
    takers = [(p, obj) for p, obj in weights.saveables(model) if hasattr(obj, "load_assets")]
    if takers:
        with parts.assets() as folder:
            for path, obj in takers:
                if folder is not None and (folder / path).is_dir():
                    obj.load_assets(os.fspath(folder / path))


# -------------------------------------------------------------------------------------------- JSON


def model_to_json(model: Any, **options: Any) -> str:
    """The architecture as JSON text; `model_from_json` makes an equal model with fresh weights.

    Args:
        options: for ``json.dumps``, e.g. ``indent=2``.
    """
    return _dumps(registry.serialize_shared(model), model, **options)


@shortened
def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `model_to_json` (or any Keras's ``to_json``) described, with fresh weights.

    Args:
        json_string: the text.
        custom_objects: names in it -> classes and functions.

    Raises:
        ValueError: text that is not JSON or describes no model.
        TypeError: a name that is not known.

    Example:
        >>> again = keras.models.model_from_json(model.to_json())
        >>> again.input_shape
        (None, 2)
    """
    config = limits.parse(json_string, "the text")
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError("the JSON text does not describe a model")
    if models.is_older(config):
        return models.from_config(config, custom_objects)
    with registry.sharing():
        return registry.deserialize_keras_object(config, custom_objects)
