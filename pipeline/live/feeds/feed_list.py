"""The feeds to follow: names and addresses, from the command line or from a TOML file."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import cattrs
import tomli_w

from operators.readers.stream_address import STREAM_SCHEMES
from operators.runtime.atomic_write import atomic_write
from pipeline.plan.named_tables import read_named_tables
from pipeline.reading.addresses import is_remote, public_uri
from pipeline.reading.sources import VIDEO_SUFFIXES
from schemas.errors import PlanError
from schemas.file_names import path_of_uri, uri_of_path

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
    """

    url: str
    credentials: str | None = None
    paused: bool = False

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
            address = str(Path(path_of_uri(address)).expanduser())
        elif not is_stream(address):
            raise PlanError(f"{public_uri(address)} {_NO_FEED}")
        if self.credentials is None:
            return address
        try:
            user, colon, password = Path(self.credentials).expanduser().read_text().strip().partition(":")
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


def entry_of(name: str) -> FeedEntry:
    """The entry of a stream, a folder or a file that grows, as a user names it. Raises PlanError for anything else."""
    if is_stream(name):
        return FeedEntry(name)
    path = Path(path_of_uri(name)).expanduser().absolute()
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
    """The file `path` with its `[feeds.NAME]` tables. Every change replaces the whole file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, FeedEntry]:
        """The feeds by name. Raises PlanError where the file cannot be read, or has a key that no feed has."""
        return read_named_tables(self.path, "feeds", FeedEntry, converter=_converter)

    def add(self, name: str, entry: FeedEntry) -> None:
        """Adds a feed. Raises PlanError where the name exists, or has characters that no name may have."""
        if not re.fullmatch(r"[\w.-]+", name):
            raise PlanError(f"a feed's name consists of letters, digits and . _ -, got {name!r}")
        feeds = self.read() if self.path.exists() else {}
        if name in feeds:
            raise PlanError(f"{self.path} has a feed {name} already; remove it first, or choose another name")
        self._write({**feeds, name: entry})

    def remove(self, name: str) -> None:
        feeds = self._with(name)
        del feeds[name]
        self._write(feeds)

    def set_paused(self, name: str, paused: bool) -> None:
        feeds = self._with(name)
        self._write({**feeds, name: replace(feeds[name], paused=paused)})

    def _with(self, name: str) -> dict[str, FeedEntry]:
        feeds = self.read()
        if name not in feeds:
            known = ", ".join(sorted(feeds)) or "none"
            raise PlanError(f"{self.path} has no feed {name}; it has {known}")
        return feeds

    def _write(self, feeds: dict[str, FeedEntry]) -> None:
        tables = {
            name: {k: v for k, v in _converter.unstructure(entry).items() if v not in (None, False)}
            for name, entry in feeds.items()
        }
        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o600  # addresses may hold passwords
        with atomic_write(self.path) as path:
            path.touch(mode=mode)
            path.chmod(mode)
            path.write_text(tomli_w.dumps({"feeds": tables}))


_converter = cattrs.Converter(forbid_extra_keys=True)
