"""Downloads remote sources to this machine: each once, shared by all readers, in a cache of limited size."""

import fcntl
import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
from fsspec.callbacks import Callback

from pipeline.reading.addresses import is_http, is_remote, public_reason
from pipeline.reading.sources import Location
from schemas.errors import SourceError
from schemas.file_names import path_of_uri

CACHE_LIMIT_BYTES = 20 * 2**30


def local_path(location: Location, *, on_progress: Callable[[], None], cache_dir: Path | None = None) -> Path:
    """`local_file` for immediate use: later downloads of other processes may evict the file from the cache."""
    with local_file(location, on_progress=on_progress, cache_dir=cache_dir) as path:
        return path


@contextmanager
def local_file(location: Location, *, on_progress: Callable[[], None], cache_dir: Path | None = None) -> Iterator[Path]:
    """A path on this machine with the bytes of `location`, which exists until the end of the `with`.

    Remote files are downloaded once into `cache_dir`, which all readers of the machine may share; a file that changed
    is downloaded again. The cache is kept under 20 GiB by deleting the least recently used files that are not in use.

    on_progress: called after every chunk that was downloaded.

    Raises SourceError.
    """
    if not is_remote(location.address):
        yield Path(path_of_uri(location.address))
        return
    folder = cache_dir or Path(tempfile.gettempdir()) / f"regionlake-{os.getuid()}"
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = _fetch(location, folder, held, on_progress)
        except Exception as error:  # fsspec's backends raise their own libraries' errors
            reason = public_reason(error, location.address)
            raise SourceError(f"{location.uri}: cannot be fetched: {reason}") from error
        yield path


def _fetch(location: Location, folder: Path, held: ExitStack, on_progress: Callable[[], None]) -> Path:
    """The file's path in the cache; `held` keeps it there.

    A process that downloads or reads a file has it open with a shared lock, which ends with the process at the latest;
    locked files are not evicted. A lock on the folder makes lookup, creation and eviction happen one at a time.
    """
    filesystem, path = fsspec.core.url_to_fs(location.address)
    info = filesystem.info(path)
    version = _http_version(location, info) if is_http(location.address) else filesystem.ukey(path)
    digest = hashlib.sha256(f"{location.address}\n{version}".encode()).hexdigest()[:32]
    cached = folder / (digest + _suffix(location.address, path))
    with _locked(folder):
        if _hold(cached, held):
            return cached
        _evict(folder, keep_bytes=CACHE_LIMIT_BYTES - int(info.get("size") or 0))
        part = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115, closed by `held`
        held.enter_context(part)
        fcntl.flock(part, fcntl.LOCK_SH)
    try:
        heartbeat = Callback(hooks={"piece": lambda *_, **__: on_progress()})
        filesystem.get_file(path, part.name, callback=heartbeat)
        with _locked(folder):
            if not _hold(cached, held):  # else another reader was faster, and may be using its file
                Path(part.name).replace(cached)
    finally:
        Path(part.name).unlink(missing_ok=True)
    return cached


def _http_version(location: Location, info: Mapping[str, object]) -> str:
    """A text that changes when the file does; fsspec's own `ukey` contains only the URL."""
    reported = [info.get("ETag"), info.get("Last-Modified")]
    if not any(reported):  # a size alone is not enough: cameras write many pictures of one size
        return location.search or uuid.uuid4().hex
    return repr([*reported, info.get("size")])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _hold(cached: Path, held: ExitStack) -> bool:
    try:
        file = held.enter_context(cached.open("rb"))
    except FileNotFoundError:
        return False
    fcntl.flock(file, fcntl.LOCK_SH)
    os.utime(cached)
    return True


def _evict(folder: Path, *, keep_bytes: int) -> None:
    files: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # a failed download deletes its file at any time
            status = path.stat()
            files.append((status.st_atime, status.st_size, path))
    total = 0
    for _, size, path in sorted(files, reverse=True):
        total += size
        if total > keep_bytes:
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: the file is in use
                path.unlink()


def _suffix(address: str, path: str) -> str:
    return Path(urlsplit(address).path if is_http(address) else path).suffix
