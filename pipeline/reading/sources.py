"""From what a user names (files, folders, globs, URLs) to files that can be opened on this machine."""

import fcntl
import glob
import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.callbacks import Callback

from operators.readers.picture import PICTURE_SUFFIXES
from schemas.errors import SourceError

# A folder is searched for these; a file that is named itself is opened whatever it is called.
VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .wmv .flv .3gp .ogv .mxf .h264 .h265 .hevc".split()
)
MEDIA_SUFFIXES = PICTURE_SUFFIXES | VIDEO_SUFFIXES
CACHE_LIMIT_BYTES = 20 * 2**30

# Parameters of a query, in small letters without - and _, that grant access or belong to what grants it.
_SECRET_PARTS = (
    *("token", "signature", "credential", "secret", "password", "passwd", "passphrase", "apikey", "accesskey"),
    *("accessid", "privatekey", "sessionid", "jwt", "xamz", "xgoog"),
)
_SECRET_NAMES = frozenset(
    "sig sign key code auth authkey authorization bearer pwd pass psw user usr username login session sid hmac policy "
    "keypairid expires xossdate xossexpires hdnts hdnea".split()
)
# With `sig`, a signature of Azure: all of it changes with each signing, and its names are too short to go without.
_AZURE_NAMES = frozenset("sv ss srt sp se st spr sr sip si sdd skoid sktid skt ske sks skv saoid suoid scid".split())
_WITH_QUERY = frozenset("http https rtsp rtsps rtmp rtmps rtp udp tcp srt".split())
_BOX_AT_ACCOUNT = frozenset("abfs abfss az wasb wasbs".split())  # what stands before @ is no user there
_INNER_USER = re.compile(r"((?::|%3a)(?:/|%2f){2})(?:(?!%2f)[^/?#&;])*(?:@|%40)", re.IGNORECASE)  # of a URL in a URL
_URL = re.compile(r"[a-z][a-z0-9+]*://[^\s'\"<>]+", re.IGNORECASE)
_CHAIN = re.compile(r"::(?=[a-z0-9+]+://)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Location:
    """One file: `address` opens it (and may hold credentials), `uri` is what is stored and shown.

    search: names the `find_sources` that found it; what tells no version of itself is kept for that one alone.
    """

    uri: str
    address: str
    search: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be used, and why."""

    uri: str
    error: str


def find_sources(names: Sequence[str]) -> Iterator[Location | Failure]:
    """The files behind files, folders (searched whole), globs and `http(s)://`, `s3://` URLs, each once.

    A name that stands for nothing becomes a Failure, so that the others go on.
    """
    address_of: dict[str, str] = {}
    search = uuid.uuid4().hex
    for name in names:
        try:
            found = _find_remote(name) if _is_remote(name) else _find_local(name)
            if not found:
                raise SourceError(f"{name}: holds no video or picture; RegionLake looks for {_suffixes()}")
        except Exception as error:  # every backend of fsspec has errors of its own (botocore's for want of credentials)
            yield Failure(public_uri(name), _reason(error, name))
            continue
        for location in found:
            if isinstance(location, Failure):
                yield location
                continue
            known = address_of.get(location.uri)
            if known is None:
                address_of[location.uri] = location.address
                yield replace(location, search=search)
            elif known != location.address:
                yield Failure(
                    location.uri,
                    f"{location.uri}: differs from another input only in what is not stored (user, password, "
                    "signature), so the lake could not tell the two apart; give it one name",
                )


def public_uri(address: str) -> str:
    """An address without what nobody else should read.

    Of `http(s)://` and streams, the user, the fragment (which no server sees) and those parameters of the query that
    are known to hold credentials or signatures are left out; the others tell one file from another. Of `s3://` and the
    like only the user is: `?` and `#` are letters of a key.
    """
    if not _is_remote(address):
        return address
    # by hand: urlsplit raises on malformed addresses, which must be shown too
    return "::".join(_public_link(link) for link in _CHAIN.split(address))  # zip://a.mp4::https://host/a.zip


def _public_link(link: str) -> str:
    scheme, colon, rest = link.partition("://")
    if scheme.lower() in _WITH_QUERY:
        rest, _, query = rest.partition("#")[0].partition("?")
        query = _public_query(query)
        rest = _INNER_USER.sub(r"\1", rest + ("?" + query if query else ""))
    authority, slash, path = rest.partition("/")
    if scheme not in _BOX_AT_ACCOUNT:
        authority = authority.rpartition("@")[2]
    return scheme + colon + authority + slash + path


def _public_query(query: str) -> str:
    parameters = re.findall("[^&;]+[&;]?", query)
    names = [re.sub("[-_]", "", unquote(p.rstrip("&;").partition("=")[0]).lower()) for p in parameters]
    secret = _SECRET_NAMES | _AZURE_NAMES if "sig" in names else _SECRET_NAMES
    public = [
        p
        for name, p in zip(names, parameters, strict=True)
        if name not in secret and not any(part in name for part in _SECRET_PARTS)
    ]
    return query if len(public) == len(parameters) else "".join(public).rstrip("&;")


def local_path(location: Location, *, on_progress: Callable[[], None], cache_dir: Path | None = None) -> Path:
    """`local_file` for a look at once: later, fetches of other processes may have pushed the file out of the cache."""
    with local_file(location, on_progress=on_progress, cache_dir=cache_dir) as path:
        return path


@contextmanager
def local_file(location: Location, *, on_progress: Callable[[], None], cache_dir: Path | None = None) -> Iterator[Path]:
    """A path on this machine with the bytes of `location`, there until the end of the `with`.

    Remote ones are fetched once into `cache_dir`, which all readers of the machine may share; one that changed at its
    place is fetched again. The cache is kept under 20 GiB, least recently used files first, but for those in use.

    on_progress: called after every piece that was fetched.

    Raises SourceError.
    """
    if not _is_remote(location.address):
        yield Path(location.address)
        return
    folder = cache_dir or Path(tempfile.gettempdir()) / f"regionlake-{os.getuid()}"
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = _fetch(location, folder, held, on_progress)
        except Exception as error:  # fsspec's backends raise errors of their own libraries
            reason = _reason(error, location.address)
            raise SourceError(f"{location.uri}: cannot be fetched: {reason}") from error
        yield path


def _fetch(location: Location, folder: Path, held: ExitStack, on_progress: Callable[[], None]) -> Path:
    """The file's place in the cache; `held` keeps it there.

    Whoever downloads or reads a file has it open with a shared lock, which ends with the process at the latest;
    eviction leaves locked files alone. Looking for a file, making one and evicting happen one at a time.
    """
    filesystem, path = fsspec.core.url_to_fs(location.address)
    info = filesystem.info(path)
    version = _http_version(location, info) if _is_http_link(location.address) else filesystem.ukey(path)
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
            if not _hold(cached, held):  # else another reader was faster, and may be reading that one
                Path(part.name).replace(cached)
    finally:
        Path(part.name).unlink(missing_ok=True)
    return cached


def _http_version(location: Location, info: Mapping[str, object]) -> str:
    """What changes when the file does; fsspec's own `ukey` is the URL alone."""
    told = [info.get("ETag"), info.get("Last-Modified")]
    if not any(told):  # a size alone tells too little: cameras write many pictures of one size
        return location.search or uuid.uuid4().hex
    return repr([*told, info.get("size")])


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


def _is_remote(name: str) -> bool:
    return "://" in name


def _is_http_link(address: str) -> bool:
    return _is_http(address.partition("://")[0])


def _is_http(scheme: str) -> bool:
    return scheme.lower() in ("http", "https")


def _find_local(name: str) -> list[Location | Failure]:
    path = Path(name).expanduser()
    failures: list[Failure] = []
    if path.is_dir():
        files = sorted(_media_below(path, failures))
    elif path.exists() or not glob.has_magic(name):
        files = [path]  # a missing file is reported by the probe, with the others
    else:
        files = [p for p in sorted(map(Path, glob.glob(str(path), recursive=True))) if p.is_file()]
        if not files:
            raise SourceError(f"{name}: no file matches")
    absolute = [str(p.absolute()) for p in files]
    return [*failures, *(Location(p, p) for p in absolute)]


def _media_below(folder: Path, failures: list[Failure]) -> Iterator[Path]:
    """Whatever has the suffix of a video or picture, behind links to folders too; what is no file the probe will name.

    Folders that cannot be listed are added to `failures`.
    """

    def note(error: OSError) -> None:
        failures.append(Failure(str(Path(error.filename).absolute()), f"{error.filename}: {error.strerror}"))

    listed: set[Path] = set()
    for where, folders, names in os.walk(folder, onerror=note, followlinks=True):
        here = Path(where)
        if here.resolve() in listed:  # a link in a circle
            folders.clear()
            continue
        listed.add(here.resolve())
        yield from (here / name for name in names if Path(name).suffix.lower() in MEDIA_SUFFIXES)


def _find_remote(name: str) -> list[Location | Failure]:
    if _is_http_link(name):
        return [Location(public_uri(name), name.partition("#")[0])]
    filesystem, path = fsspec.core.url_to_fs(name)
    if glob.has_magic(path) and not filesystem.exists(path):
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
    files: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # a download that failed takes its file away at any time
            status = path.stat()
            files.append((status.st_atime, status.st_size, path))
    total = 0
    for _, size, path in sorted(files, reverse=True):
        total += size
        if total > keep_bytes:
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: somebody has it in use
                path.unlink()


def _suffix(address: str, path: str) -> str:
    return Path(urlsplit(address).path if _is_http_link(address) else path).suffix


def _suffixes() -> str:
    return " ".join(sorted(MEDIA_SUFFIXES))


def _reason(error: BaseException, address: str) -> str:
    text = (str(error) or type(error).__name__).replace(address, public_uri(address))
    return _URL.sub(lambda url: public_uri(url[0]), text)  # a redirection's, or ours as a library spells it
