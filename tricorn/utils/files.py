"""Files from the web, kept in a cache."""

from __future__ import annotations

import hashlib
import http.client
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tricorn import config, limits
from tricorn.atomic import writing
from tricorn.callbacks.display import Progress, message

_BLOCK = 1 << 16
#: seconds without a byte after which a connection is taken for cut
_PATIENCE = 60


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

    It is in the cache whole or not at all.  A download that is cut goes on where it stopped: at
    once, and at the next call where `file_hash` tells that the parts belong together.

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
            archive that is damaged, whose members lie outside of it, or that grows without bound.
        OSError: it cannot be fetched; says where to put the file.

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
    """Whether a file's bytes give a hash.

    Args:
        fpath: path of the file.
        file_hash: the hash in hexadecimal digits.
        algorithm: "md5", "sha256", or "auto": as long as the hash is.
        chunk_size: accepted, as in Keras 2; the file is read in blocks anyway.

    Example:
        >>> with open("empty.txt", "w"):
        ...     pass
        >>> keras.utils.validate_file("empty.txt", "d41d8cd98f00b204e9800998ecf8427e")
        True
    """
    with Path(fpath).open("rb") as file:
        return _digest(file, file_hash, algorithm) == str(file_hash).lower()


def _kept(target: Path, file_hash: str | None, algorithm: str) -> bool:
    """Whether the cache has the file that is meant."""
    if not target.exists():
        return False
    if file_hash is None or validate_file(target, file_hash, algorithm):
        return True
    message(f"{target} has not the hash {file_hash}: it is downloaded again")
    return False


def _digest(file: Any, file_hash: str | None, algorithm: str) -> str:
    """The hash of a file in hexadecimal digits, of the kind that `file_hash` is."""
    sha256 = algorithm == "sha256" or (algorithm == "auto" and len(file_hash or "") == 64)
    file.seek(0)
    return hashlib.file_digest(file, "sha256" if sha256 else "md5").hexdigest()


def _download(origin: str, target: Path, file_hash: str | None, algorithm: str) -> None:
    """Fetch a file whole.  Of one whose hash is known, what came before it was cut stays for the
    next time."""
    message(f"Downloading data from {origin}")
    part = target.with_name(f".{target.name}.part")
    with writing(target) as file:
        begun = file_hash is not None and part.exists()
        if begun:
            with part.open("rb") as kept:
                shutil.copyfileobj(kept, file)
        try:
            _fetch(origin, file)
        except BaseException as error:
            if file_hash is not None and file.tell():
                with writing(part) as kept:
                    file.seek(0)
                    shutil.copyfileobj(file, kept)
            if not isinstance(error, (OSError, http.client.HTTPException)):
                raise
            raise OSError(
                f"URL fetch failure on {origin}: {error}. Without a network, get the file "
                f"elsewhere and put it at {target}"
            ) from error
        found = _digest(file, file_hash, algorithm)
        if begun and file_hash is not None and found != file_hash.lower():
            _restart(file)  # what was kept belonged to another file
            _fetch(origin, file)
            found = _digest(file, file_hash, algorithm)
        part.unlink(missing_ok=True)
        if file_hash is not None and found != file_hash.lower():
            raise ValueError(
                f"Incomplete or corrupted file detected: {origin} has the hash {found}, expected "
                f"{file_hash}"
            )


def _fetch(origin: str, file: Any) -> None:
    """Append to a file what it lacks of what is at an address; a connection that is cut is made
    anew as long as something comes."""
    version, most = None, file.tell()
    while True:
        begin = file.tell()
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        if begin and version:
            headers["If-Range"] = version
        try:
            request = urllib.request.Request(origin, headers=headers)
            with urllib.request.urlopen(request, timeout=_PATIENCE) as source:
                continued = source.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
                if begin and not (source.status == 206 and continued):
                    begin = _restart(file)
                version = source.headers.get("ETag")
                size = source.headers.get("Content-Length")
                total = begin + int(size) if size else None
                _copy(source, file, total)
                if total is None or file.tell() == total:
                    return
                cut: Exception = OSError(f"{file.tell()} of {total} bytes came")
        except urllib.error.HTTPError as error:
            if error.code != 416 or not begin:  # there is nothing after what was kept
                raise
            _restart(file)
            continue
        except (OSError, http.client.HTTPException) as error:
            cut = error
        if file.tell() <= most:
            raise cut
        most = file.tell()


def _restart(file: Any) -> int:
    file.seek(0)
    file.truncate()
    return 0


def _copy(source: Any, file: Any, total: int | None) -> None:
    progress = Progress(total, unit="byte")
    try:
        while block := source.read(_BLOCK):
            file.write(block)
            progress.update(file.tell())
    finally:
        progress.finish()


def _extract(archive: Path, folder: Path, formats: Any) -> None:
    """Extract an archive beside its folder first, and put it in the place when it is whole."""
    formats = ("tar", "zip") if formats == "auto" else (formats or ())
    formats = (formats,) if isinstance(formats, str) else formats
    most = limits.allowed(5 * archive.stat().st_size)  # it goes to the disk
    damage = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        inner = Path(temporary, "extracted")
        if "tar" in formats and tarfile.is_tarfile(archive):
            try:
                with tarfile.open(archive) as tar:
                    _check_members(archive, _members_of_tar(tar), most)
                    # what the filter refuses is refused above; Python before 3.11.4 has none
                    filtered = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                    tar.extractall(inner, **filtered)  # type: ignore[arg-type]
            except damage as error:
                raise ValueError(f"{archive} is not extracted: {error}") from error
        elif "zip" in formats and zipfile.is_zipfile(archive):
            try:
                with zipfile.ZipFile(archive) as packed:
                    _check_members(archive, _members_of_zip(packed), most)
                    packed.extractall(inner)
            except (*damage, NotImplementedError) as error:
                raise ValueError(f"{archive} is not extracted: {error}") from error
        else:
            warnings.warn(
                f"Could not extract archive: {archive} is no {' or '.join(formats)} file",
                stacklevel=4,
            )
            return
        if folder.is_dir():
            shutil.rmtree(folder)
        os.replace(inner, folder)


class _Member(NamedTuple):
    """A member of an archive; `link` is the path that it leads to from the top of the archive."""

    name: str
    size: int
    link: str | None = None
    ordinary: bool = True


def _members_of_tar(tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar:
        link = info.linkname if info.islnk() else None
        if info.issym():
            link = posixpath.join(posixpath.dirname(info.name), info.linkname)
        yield _Member(info.name, info.size, link, info.isreg() or info.isdir() or link is not None)


def _members_of_zip(packed: zipfile.ZipFile) -> Iterator[_Member]:
    for info in packed.infolist():
        limits.check_packing(f"{packed.filename}: the member {info.filename!r}", info)
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        yield _Member(info.filename.replace("\\", "/"), info.file_size, None, not is_link)


def _check_members(archive: Path, members: Iterable[_Member], most: int) -> None:
    """Refuse an archive whose members leave its folder or take far more room than it does.

    No path may lead through a link of the archive: then what a path says is where it leads.
    """
    links: set[str] = set()
    paths: list[tuple[str, str]] = []
    left = most
    for member in members:
        refused = f"{archive} is not extracted: the member {member.name!r}"
        for path in (member.name, *(() if member.link is None else (member.link,))):
            plain = posixpath.normpath(path)
            if posixpath.isabs(path) or plain.startswith("../") or plain == ".." or ":" in path[:2]:
                raise ValueError(f"{refused} leads to {path!r}, outside of the archive")
            paths.append((member.name, plain))
        if not member.ordinary:
            raise ValueError(f"{refused} is no ordinary file, folder or link")
        if member.link is not None:
            links.add(posixpath.normpath(member.name))
        left -= member.size
        if left < 0:
            raise ValueError(
                f"{refused} and those before it would take more than {most:,} bytes, far more than "
                "the archive. When you trust it, allow more by config.set_loading_limit(bytes)"
            )
    for name, path in paths if links else ():
        if any(above in links for above in map(str, PurePosixPath(path).parents)):
            raise ValueError(f"{archive} is not extracted: {name!r} leads through a link")
