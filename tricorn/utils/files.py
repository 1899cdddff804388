"""Files from the web, kept in a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.parse
import urllib.request
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricorn import config
from tricorn.callbacks.display import Progress, message
from tricorn.saving.atomic import writing

_BLOCK = 1 << 16


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | Sequence[str] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """A file from the web, downloaded if it is not in the cache.

    It is in the cache whole or not at all.

    Args:
        fname: its name there; None: by `origin`.
        origin: the address.
        untar: extract it as a tar archive.
        md5_hash: older form of `file_hash`.
        file_hash: what its bytes must give; a cached file that gives something else is downloaded
            again.
        cache_subdir: folder in the cache.
        hash_algorithm: ``"sha256"``, ``"md5"``, or ``"auto"``: by the length of `file_hash`.
        extract: extract it as an archive.
        archive_format: ``"tar"``, ``"zip"``, a list of them, ``"auto"`` for both, None for none.
        cache_dir: the cache; None: ``$KERAS_HOME``, else ``~/.keras``.
        force_download: download it in any case.

    Returns:
        The path of the file, or of the folder it was extracted to.

    Raises:
        ValueError: no `origin`, a path for `fname`, bytes that do not give `file_hash`, or an
            archive whose members lie outside of it.
        OSError: it cannot be fetched.

    Example:
        >>> # path = keras.utils.get_file("data.csv", "https://example.org/data.csv")
    """
    if origin is None:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = _cache(cache_dir) / cache_subdir
    folder.mkdir(parents=True, exist_ok=True)
    name = os.fspath(fname) if fname else os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name:
        raise ValueError(f"no file name can be found in {origin!r}. Please specify `fname`")
    if os.path.basename(name) != name or name in (".", ".."):
        raise ValueError(f"`fname` must be a name without folders (see `cache_dir`), got {name!r}")
    target = extracted = folder / name
    if extract or untar:
        stem = name.partition(".")[0]
        if fname and "." in name:
            extracted = folder / f"{stem}_extracted"
        else:
            target = folder / f"{name}_archive"
    fresh = force_download or not _kept(target, file_hash, hash_algorithm)
    if fresh:
        _download(origin, target, file_hash, hash_algorithm)
    if not (extract or untar):
        return str(target)
    if fresh or not extracted.is_dir():
        _extract(target, extracted, "tar" if untar else archive_format)
    return str(extracted)


def _cache(cache_dir: Any) -> Path:
    if cache_dir is None:
        return config.home()
    folder = Path(cache_dir).expanduser()
    usable = os.access(folder, os.W_OK)
    return folder if usable else Path(tempfile.gettempdir()) / ".keras"


def validate_file(
    fpath: Any, file_hash: str, algorithm: str = "auto", chunk_size: int = _BLOCK
) -> bool:
    """Whether a file's bytes give `file_hash`; see `get_file` for `algorithm`."""
    return _hash(Path(fpath), file_hash, algorithm) == str(file_hash).lower()


def _kept(target: Path, file_hash: str | None, algorithm: str) -> bool:
    """Whether the cache has the file that is meant."""
    if not target.exists():
        return False
    if file_hash is None or validate_file(target, file_hash, algorithm):
        return True
    message(f"{target} has not the hash {file_hash}: it is downloaded again")
    return False


def _hasher(file_hash: str | None, algorithm: str) -> Any:
    sha256 = algorithm == "sha256" or (algorithm == "auto" and len(file_hash or "") == 64)
    return hashlib.sha256() if sha256 else hashlib.md5()


def _hash(path: Path, file_hash: str, algorithm: str) -> str:
    hasher = _hasher(file_hash, algorithm)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def _download(origin: str, target: Path, file_hash: str | None, algorithm: str) -> None:
    message(f"Downloading data from {origin}")
    hasher = _hasher(file_hash, algorithm)
    try:
        with urllib.request.urlopen(origin) as source, writing(target) as file:
            size = source.headers.get("Content-Length")
            progress, done = Progress(int(size) if size else None), 0
            while block := source.read(_BLOCK):
                file.write(block)
                hasher.update(block)
                done += len(block)
                progress.update(done)
            progress.finish()
            if size and done != int(size):
                raise OSError(f"URL fetch failure on {origin}: {done} of {size} bytes came")
            if file_hash is not None and hasher.hexdigest() != str(file_hash).lower():
                raise ValueError(
                    f"Incomplete or corrupted file detected: {origin} has the {hasher.name} hash "
                    f"{hasher.hexdigest()}, expected {file_hash}"
                )
    except urllib.error.URLError as error:
        raise OSError(f"URL fetch failure on {origin}: {error}") from error


def _extract(archive: Path, folder: Path, formats: Any) -> None:
    """Extract an archive beside its folder first, and put it in the place when it is whole."""
    formats = ("tar", "zip") if formats == "auto" else (formats or ())
    formats = (formats,) if isinstance(formats, str) else formats
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        inner = Path(temporary, "extracted")
        if "tar" in formats and tarfile.is_tarfile(archive):
            try:
                with tarfile.open(archive) as tar:
                    tar.extractall(inner, filter="data")
            except tarfile.FilterError as error:
                raise ValueError(f"{archive} is not extracted: {error}") from error
        elif "zip" in formats and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for name in packed.namelist():
                    if not Path(inner, name).resolve().is_relative_to(inner.resolve()):
                        raise ValueError(f"{archive} is not extracted: {name!r} is outside of it")
                packed.extractall(inner)
        else:
            warnings.warn(
                f"Could not extract archive: {archive} is no {' or '.join(formats)} file",
                stacklevel=4,
            )
            return
        if folder.is_dir():
            shutil.rmtree(folder)
        os.replace(inner, folder)
