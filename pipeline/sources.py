"""From what a user names (files, folders, globs, URLs) to files that can be opened on this machine."""

import glob
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.callbacks import Callback

from schemas.errors import SourceError

# A folder is searched for these; a file that is named itself is opened whatever it is called.
MEDIA_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .wmv .flv .3gp .ogv .mxf .h264 .h265 .hevc "
    ".jpg .jpeg .png .webp .bmp .tif .tiff".split()
)
CACHE_LIMIT_BYTES = 20 * 2**30


@dataclass(frozen=True, slots=True)
class Location:
    """One file: `address` opens it (and may hold credentials), `uri` is what is stored and shown."""

    uri: str
    address: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be used, and why."""

    uri: str
    error: str


def find_sources(names: Sequence[str]) -> Iterator[Location | Failure]:
    """The files behind files, folders (searched whole), globs and `http(s)://`, `s3://` URLs, each once.

    A name that stands for nothing becomes a Failure, so that the others go on.
    """
    seen: set[str] = set()
    for name in names:
        try:
            found = _find_remote(name) if _is_remote(name) else _find_local(name)
            if not found:
                raise SourceError(f"{name}: holds no video or picture; RegionLake looks for {_suffixes()}")
        except (OSError, ValueError, ImportError) as error:
            yield Failure(public_uri(name), _reason(error, name))
            continue
        for location in found:
            if location.uri not in seen:
                seen.add(location.uri)
                yield location


def public_uri(address: str) -> str:
    """An address without what nobody else should read: user, password and query (signatures) of a URL."""
    if not _is_remote(address):
        return address
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def local_path(location: Location, *, on_progress: Callable[[], None], cache_dir: Path | None = None) -> Path:
    """A path on this machine with the bytes of `location`; remote ones are fetched once into `cache_dir`.

    on_progress: called after every piece that was fetched.

    The cache is kept under 20 GiB, least recently used files first. Raises SourceError.
    """
    if not _is_remote(location.address):
        return Path(location.address)
    folder = cache_dir or Path(tempfile.gettempdir()) / f"regionlake-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        filesystem, path = fsspec.core.url_to_fs(location.address)
        version = f"{location.address}\n{filesystem.ukey(path)}"
        cached = folder / (hashlib.sha256(version.encode()).hexdigest()[:32] + Path(urlsplit(path).path).suffix)
        if cached.exists():
            os.utime(cached)
            return cached
        _evict(folder, keep_bytes=CACHE_LIMIT_BYTES - int(filesystem.info(path).get("size") or 0))
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
            try:
                heartbeat = Callback(hooks={"piece": lambda *_, **__: on_progress()})
                filesystem.get_file(path, part.name, callback=heartbeat)
                Path(part.name).replace(cached)  # atomic: another reader sees the whole file or none
            finally:
                Path(part.name).unlink(missing_ok=True)
        return cached
    except Exception as error:  # fsspec's backends raise errors of their own libraries
        raise SourceError(f"{location.uri}: cannot be fetched: {_reason(error, location.address)}") from error


def _is_remote(name: str) -> bool:
    return "://" in name


def _find_local(name: str) -> list[Location]:
    path = Path(name).expanduser()
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES and p.is_file())
    elif path.exists() or not glob.has_magic(name):
        files = [path]  # a missing file is reported by the probe, with the others
    else:
        files = [p for p in sorted(map(Path, glob.glob(str(path), recursive=True))) if p.is_file()]
        if not files:
            raise SourceError(f"{name}: no file matches")
    absolute = [str(p.absolute()) for p in files]
    return [Location(p, p) for p in absolute]


def _find_remote(name: str) -> list[Location]:
    filesystem, path = fsspec.core.url_to_fs(name)
    if filesystem.protocol == "http" or "http" in filesystem.protocol:
        return [Location(public_uri(name), name)]
    if glob.has_magic(path):
        paths = sorted(filesystem.glob(path))
        if not paths:
            raise SourceError(f"{public_uri(name)}: no object matches")
    elif filesystem.isdir(path):
        paths = sorted(p for p in filesystem.find(path) if Path(p).suffix.lower() in MEDIA_SUFFIXES)
    else:
        paths = [path]
    addresses = [filesystem.unstrip_protocol(p) for p in paths]
    return [Location(public_uri(a), a) for a in addresses]


def _evict(folder: Path, *, keep_bytes: int) -> None:
    files = sorted(((p.stat().st_atime, p.stat().st_size, p) for p in folder.iterdir()), reverse=True)
    total = 0
    for _, size, path in files:
        total += size
        if total > keep_bytes:
            path.unlink(missing_ok=True)


def _suffixes() -> str:
    return " ".join(sorted(MEDIA_SUFFIXES))


def _reason(error: BaseException, address: str) -> str:
    return (str(error) or type(error).__name__).replace(address, public_uri(address))
