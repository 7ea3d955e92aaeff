"""Downloads remote sources to this machine: each once, shared by all readers, in a cache of limited size."""

import fcntl
import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
from fsspec.callbacks import Callback

from operators.runtime.own_folder import make_own_folder, user_cache_folder
from pipeline.reading.addresses import is_http, is_remote, public_reason
from pipeline.reading.fetch_rule import too_large
from pipeline.reading.http_download import HttpDownload, HttpFile
from pipeline.reading.sources import Location
from schemas.errors import SourceError
from schemas.file_names import path_of_uri
from schemas.sources import feed_name

CACHE_LIMIT_BYTES = 20 * 2**30


@contextmanager
def local_file(location: Location, *, on_progress: Callable[[], None], cache_dir: Path | None = None) -> Iterator[Path]:
    """A path on this machine with the bytes of `location`, which exists until the end of the `with`.

    Remote files are downloaded once into `cache_dir`, which all readers of the user may share; a file that changed is
    downloaded again. The cache is kept under 20 GiB by deleting the least recently used files that are not in use.

    on_progress: called after every chunk that was downloaded.

    Raises SourceError, also where the location's rule does not allow the address.
    """
    if not is_remote(location.address):
        yield _path_here(location.address)
        return
    folder = cache_dir or user_cache_folder() / "downloads"
    with ExitStack() as held:
        try:
            location.fetch.require_source(location.address)
            make_own_folder(folder)
            path = _fetch(location, folder, held, on_progress)
        except Exception as error:  # fsspec's backends raise their own libraries' errors
            reason = public_reason(error, location.address)
            raise SourceError(f"{location.uri}: cannot be fetched: {reason}") from error
        yield path


def _path_here(address: str) -> Path:
    """The path of a file on this machine, also where the URI names the time at which its name was used again."""
    path = Path(path_of_uri(address))
    return path if os.path.lexists(path) else Path(path_of_uri(feed_name(address)))


def _fetch(location: Location, folder: Path, held: ExitStack, on_progress: Callable[[], None]) -> Path:
    """The file's path in the cache; `held` keeps it there.

    A process that downloads or reads a file has it open with a shared lock, which ends with the process at the latest;
    locked files are not evicted. A lock on the folder makes lookup, creation and eviction happen one at a time.
    """
    with _Remote(location) as remote:
        cached = folder / remote.name
        with _locked(folder):
            if _hold(cached, held):
                return cached
            _evict(folder, keep_bytes=CACHE_LIMIT_BYTES - (remote.size or 0))
            part = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115, closed by `held`
            held.enter_context(part)
            fcntl.flock(part, fcntl.LOCK_SH)
        try:
            remote.save(part, on_progress)
            cached = folder / remote.name  # of the version that was downloaded
            with _locked(folder):
                if not _hold(cached, held):  # else another reader was faster, and may be using its file
                    Path(part.name).replace(cached)
        finally:
            Path(part.name).unlink(missing_ok=True)
    return cached


class _Remote:
    """A remote file: by HTTP, or in a store that fsspec knows; a context manager.

    size: in bytes, if it is known.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._http: HttpDownload | None = None
        if is_http(location.address):
            self._http = HttpDownload(location.address, location.fetch)
            self._note(self._http.about())
            return
        self._filesystem, self._path = fsspec.core.url_to_fs(location.address)
        size = self._filesystem.info(self._path).get("size")
        self.size = None if size is None else int(size)
        limit = location.fetch.download.max_bytes
        if self.size is not None and self.size > limit:
            raise SourceError(too_large(limit, self.size))
        self._version = str(self._filesystem.ukey(self._path))

    def __enter__(self) -> "_Remote":
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self._http.close()

    @property
    def name(self) -> str:
        """The name in the cache, which another version of the file does not have."""
        address = self._location.address
        path = urlsplit(address).path if self._http is not None else self._path
        return hashlib.sha256(f"{address}\n{self._version}".encode()).hexdigest()[:32] + Path(path).suffix

    def save(self, part: "tempfile._TemporaryFileWrapper[bytes]", on_progress: Callable[[], None]) -> None:
        if self._http is not None:
            self._note(self._http.save(part.file, on_progress=on_progress))
            return
        heartbeat = Callback(hooks={"piece": lambda *_, **__: on_progress()})
        self._filesystem.get_file(self._path, part.name, callback=heartbeat)

    def _note(self, offered: HttpFile) -> None:
        self.size = offered.size
        if offered.version is not None:
            self._version = offered.version
        elif not hasattr(self, "_version"):
            self._version = self._location.search or uuid.uuid4().hex


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
