"""Which sources a user may see."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from schemas.errors import InvalidValueError
from schemas.file_names import path_of_uri, printable
from schemas.sources import feed_name

_BELOW = "**"


@dataclass(frozen=True, slots=True)
class SourceGrants:
    """The sources that a user may see, by their names; None: every source.

    A pattern is the name of a feed, or the last parts of a file's path (`bikes.mp4`, `may/bikes.mp4`), or a glob of
    these; `may/**` is all that lies in a folder. A name that contains `*`, `?` or `[` is found as it is, too, and a
    byte that is not UTF-8 is written as names are shown, `caf\\xe9.ts`. A pattern is compared with whole parts: unlike
    `--source` of a search, it has no effect as a part of a name, because `gate` would then also show a `gate-vault`
    that is added later.
    Raises InvalidValueError for a pattern that is empty.
    """

    patterns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for pattern in self.patterns or ():
            if not pattern.strip("/ ") or not pattern.isprintable():
                raise InvalidValueError(
                    f"a source is the name of a feed or file, or a glob such as yard*; got {pattern!r}"
                )

    @property
    def everything(self) -> bool:
        return self.patterns is None

    def allow(self, source: str) -> bool:
        """source: the name of a feed, or the URI of a source of the lake."""
        if self.patterns is None:
            return True
        return _allowed(self.patterns, feed_name(source))


EVERY_SOURCE = SourceGrants()


def parts_of(address: str) -> list[str]:
    """The parts of a path, or of what follows the scheme of an address."""
    path = printable(path_of_uri(address)).rpartition("://")[2]
    return [part for part in path.split("/") if part] or [path or "?"]


@lru_cache(maxsize=2**16)  # an alarm log names the same sources thousands of times
def _allowed(patterns: tuple[str, ...], address: str) -> bool:
    parts = parts_of(address)
    return any(_matches(parts, parts_of(pattern)) for pattern in patterns)


def _matches(parts: list[str], pattern: list[str]) -> bool:
    folder = pattern[-1] == _BELOW
    pattern = pattern[: -1 if folder else None]
    starts = range(len(parts) - len(pattern)) if folder else [len(parts) - len(pattern)]
    return any(start >= 0 and all(map(_is, parts[start : start + len(pattern)], pattern)) for start in starts)


def _is(part: str, pattern: str) -> bool:
    return part == pattern or fnmatchcase(part, pattern)
