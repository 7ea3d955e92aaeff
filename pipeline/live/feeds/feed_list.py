"""The feeds to follow: names and addresses, from the command line or from a TOML file."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import cattrs
import tomli_w

from operators.readers.stream_address import STREAM_SCHEMES
from operators.readers.stream_tls import TlsConfig
from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_lock import file_lock
from pipeline.plan.named_tables import read_named_tables
from pipeline.reading.addresses import is_remote, public_uri
from pipeline.reading.sources import VIDEO_SUFFIXES
from schemas.errors import InvalidValueError, PlanError, QueryError
from schemas.file_names import path_of_uri, uri_of_path
from schemas.recorder_names import NameRule
from schemas.sources import feed_name
from schemas.zones import Zone

T = TypeVar("T")
VIDEO_MASKED = ("drop", "encode")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_NO_FEED = (
    "cannot be followed; give an rtsp://, rtmp://, udp://, tcp://, srt:// or http(s)://….m3u8 address, a folder into "
    f"which files are dropped, or a file that grows ({' '.join(sorted(VIDEO_SUFFIXES))})"
)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A feed as the file describes it.

    url: the address of a stream, the path of a file that grows, or the path of a folder that a recorder fills (a path
        that is not UTF-8 is a `file:` URI);
        `${NAME}` is replaced by that variable of the environment.
    credentials: a file that holds `user:password`, for an address without them.
    paused: the feed stays in the list, and is not connected to.
    verify: False accepts any certificate of the server (rtsps, rtmps, https).
    certificate: SHA-256 of the only certificate that is accepted, `regionlake feeds add --trust-certificate` writes it.
    masks: areas that are black before anything looks at the picture, a box or a polygon as schemas.zones writes it.
        They are for streams and growing files: a folder's files show what is under them, whatever the lake does.
    video_masked: what becomes of the video of a stream with masks, where video is kept: "drop" keeps none, "encode"
        keeps its frames, encoded again with the masks black; its sound like that of other feeds.
    timezone, name_time: of a folder, how times in the names of its files are read (schemas.recorder_names.NameRule);
        by default in UTC, in the forms that are known.
    """

    url: str
    credentials: str | None = None
    paused: bool = False
    verify: bool = True
    certificate: str | None = None
    masks: tuple[str, ...] = ()
    video_masked: str = "drop"
    timezone: str | None = None
    name_time: str | None = None

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The masks. Raises PlanError for one that is no area of the picture."""
        try:
            zones = tuple(Zone.parse(mask) for mask in self.masks)
        except QueryError as error:
            raise PlanError(f"a mask is no area: {error}") from None
        if any(zone.source is not None for zone in zones):
            raise PlanError(f"a mask is of its feed, and names no source; got {', '.join(self.masks)}")
        return zones

    @property
    def tls(self) -> TlsConfig:
        """Which certificate of the server is trusted. Raises PlanError where the two settings do not fit."""
        try:
            return TlsConfig(verify=self.verify, certificate=self.certificate)
        except InvalidValueError as error:
            raise PlanError(str(error)) from None

    @property
    def naming(self) -> NameRule:
        """How the times in names of a folder's files are read. Raises PlanError for what can be no such rule."""
        given = self.timezone is not None or self.name_time is not None
        try:
            return NameRule(self.timezone or "UTC", self.name_time, given=given)
        except InvalidValueError as error:
            raise PlanError(str(error)) from None

    @property
    def is_file(self) -> bool:
        """Whether this is a file that grows. The name decides, because the file may not exist yet: it ends like that of
        a video; a folder with such a name is written with a slash at the end."""
        path = path_of_uri(self.url)
        return not is_remote(path) and Path(path).suffix.lower() in VIDEO_SUFFIXES and path[-1] != "/"

    @property
    def is_folder(self) -> bool:
        return not is_remote(self.url) and not self.is_file

    def address(self) -> str:
        """The address that opens the feed.

        Raises PlanError, without secrets, where a variable or the credentials are missing, or the address cannot be
        followed.
        """

        def value(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                raise PlanError(f"the environment has no {match[1]}, which {self.shown} needs")
            return quote(os.environ[match[1]], safe="")

        address = _VARIABLE.sub(value, self.url)
        if not is_remote(address):
            address = str(_expanded(path_of_uri(address)))
        elif not is_stream(address):
            raise PlanError(f"{public_uri(address)} {_NO_FEED}")
        if self.credentials is None:
            return address
        held = _expanded(self.credentials)
        try:
            if held.exists() and not held.is_file():  # a pipe or a device would block the follower
                raise PlanError(f"the credentials of {self.shown} cannot be read: {held} is no regular file")
            user, colon, password = held.read_text(encoding="utf-8").strip().partition(":")
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"the credentials of {self.shown} cannot be read: {error}") from None
        scheme, slashes, rest = address.partition("://")
        if not slashes or not colon:
            raise PlanError(f"the credentials of {self.shown} need a URL, and a file that holds user:password")
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"

    @property
    def shown(self) -> str:
        """The address without its secrets."""
        return public_uri(self.url)

    def check(self) -> None:
        """Raises PlanError where this can never be followed, whatever the environment and the credentials are."""
        _ = self.tls
        if self.video_masked not in VIDEO_MASKED:
            raise PlanError(f"video_masked is {' or '.join(VIDEO_MASKED)}, got {self.video_masked!r}")
        if self.zones and self.is_folder:
            raise PlanError(
                f"{self.shown} is a folder, and its files show what is under a mask; masks are for streams and files "
                "that grow"
            )
        if self.naming.given and not self.is_folder:
            raise PlanError(
                f"{self.shown} is no folder: timezone and name_time are of the names of files in a folder; streams and "
                "growing files have their times otherwise"
            )
        for path in (self.url, self.credentials or "/"):
            if not path or "\0" in path:
                raise PlanError(f"{path!r} {_NO_FEED}")
            if not is_remote(path):
                _expanded(path_of_uri(path))
        if is_remote(self.url) and "${" not in self.url and not is_stream(self.url):
            raise PlanError(f"{self.shown} {_NO_FEED}")


def _expanded(path: str) -> Path:
    """The path with `~` and `~user` replaced. Raises PlanError where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise PlanError(f"{path}: the home folder of {Path(path).parts[0]} is not known") from None


def entry_of(name: str) -> FeedEntry:
    """The entry of a stream, a folder or a file that grows, as a user names it. Raises PlanError for anything else."""
    if is_stream(name):
        return FeedEntry(name)
    path = _expanded(path_of_uri(name)).absolute()
    url = uri_of_path(str(path))
    entry = FeedEntry(f"{url}/" if path.is_dir() and FeedEntry(url).is_file else url)
    if is_remote(name) or not (path.is_dir() or entry.is_file):
        raise PlanError(f"{public_uri(name)} {_NO_FEED}")
    return entry


def is_stream(name: str) -> bool:
    """Whether a name that a user gives is the address of a stream, and not that of a file on the web."""
    scheme, slashes, rest = name.partition("://")
    if not slashes or scheme.lower() not in STREAM_SCHEMES:
        return False
    return scheme.lower() not in ("http", "https") or rest.partition("?")[0].endswith((".m3u8", ".m3u"))


class FeedList:
    """The file `path` with its `[feeds.NAME]` tables.

    Every change replaces the whole file atomically, and processes change it one after the other. Where the path is a
    link, the file that it points to is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, FeedEntry]:
        """The feeds by name. Raises PlanError where the file cannot be read, has a key that no feed has, or names
        anything that can never be followed: such a file is a mistake as a whole."""
        feeds = self._read()
        for name, entry in feeds.items():
            if not name.isprintable() or not name or feed_name(name) != name:
                raise PlanError(f"{self.path}: {name!r} cannot be the name of a feed")
            try:
                entry.check()
            except PlanError as error:
                raise PlanError(f"{self.path}: feeds.{name}: {error}") from None
        return feeds

    def create(self) -> None:
        """Makes a file without feeds, unless there is one. Raises PlanError where that is not possible."""
        with self._changing():
            if not self.path.exists():
                self._write({})

    def add(self, name: str, entry: FeedEntry) -> None:
        """Adds a feed. Raises PlanError where the name exists, or has characters that no name may have."""
        if not re.fullmatch(r"[\w.-]+", name):
            raise PlanError(f"a feed's name consists of letters, digits and . _ -, got {name!r}")
        entry.check()
        with self._changing():
            feeds = self._read() if self.path.exists() else {}
            if name in feeds:
                raise PlanError(f"{self.path} has a feed {name} already; remove it first, or choose another name")
            self._write({**feeds, name: entry})

    def remove(self, name: str) -> None:
        with self._changing():
            feeds = self._with(name)
            del feeds[name]
            self._write(feeds)

    def set_paused(self, name: str, paused: bool) -> None:
        with self._changing():
            feeds = self._with(name)
            self._write({**feeds, name: replace(feeds[name], paused=paused)})

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """No other process changes the file during the block. Raises PlanError where it cannot be changed."""
        try:
            with file_lock(self.path.resolve()):
                yield
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
            raise PlanError(f"{self.path} cannot be changed: {error}") from None

    def _read(self) -> dict[str, FeedEntry]:
        """The feeds by name, with those that can never be followed, which may then be removed."""
        return read_named_tables(self.path, "feeds", FeedEntry, converter=_converter, pipes=False)

    def _with(self, name: str) -> dict[str, FeedEntry]:
        feeds = self._read()
        if name not in feeds:
            known = ", ".join(sorted(feeds)) or "none"
            raise PlanError(f"{self.path} has no feed {name}; it has {known}")
        return feeds

    def _write(self, feeds: dict[str, FeedEntry]) -> None:
        tables = {
            name: {k: v for k, v in _converter.unstructure(entry).items() if v not in (_DEFAULTS.get(k), [])}
            for name, entry in feeds.items()
        }
        target = self.path.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600  # addresses may hold passwords
        with atomic_write(target) as path:
            path.touch(mode=mode)
            path.chmod(mode)
            path.write_text(tomli_w.dumps({"feeds": tables}), encoding="utf-8")


def _exactly(kind: type[T]) -> Callable[[object, object], T]:
    def structure(value: object, _: object) -> T:
        if not isinstance(value, kind):
            raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
        return value

    return structure


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"expected a list of texts, got {str(value)[:80]}")
    return tuple(value)


_DEFAULTS = {each.name: each.default for each in fields(FeedEntry)}
_converter = cattrs.Converter(forbid_extra_keys=True)
_converter.register_structure_hook(str, _exactly(str))  # cattrs would follow `url = 3`, and take "no" for true
_converter.register_structure_hook(bool, _exactly(bool))
_converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], lambda value, _: _texts(value))
