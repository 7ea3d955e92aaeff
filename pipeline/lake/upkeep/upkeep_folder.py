"""The files beside a lake by which its upkeep and other processes inform each other."""

import json
import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cattrs
import cattrs.preconf.json

from operators.runtime.atomic_write import atomic_write
from pipeline.lake.upkeep.clock_check import ClockReading
from pipeline.lake.upkeep.upkeep_status import PassReport, UpkeepStatus, read_upkeep_status
from schemas.errors import LakeError

_converter = cattrs.preconf.json.make_converter()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Release:
    """What somebody released. ids: sources that may be removed. clock: a reading of the clock that is right."""

    ids: tuple[str, ...] = ()
    clock: ClockReading | None = None


@dataclass(frozen=True, slots=True)
class FollowedFeeds:
    """The feeds that were ever followed into a lake, as far as upkeep must know them.

    files: names of the feeds in each feeds file, by its path. removed: names that were in such a file, and are in none
    any more. folders: names of the feeds that are folders, by path.
    """

    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)

    def with_file(self, path: str, names: Iterable[str], *, others: Iterable[str] = ()) -> "FollowedFeeds":
        """Returns these feeds with the present contents of a feeds file.

        others: names of feeds that are followed without being in it.
        """
        names = tuple(sorted(names))
        files = {**self.files, path: names}
        listed = {name for each in files.values() for name in each} | set(others)
        removed = ({*self.removed, *self.files.get(path, ())}) - listed
        return FollowedFeeds(files, tuple(sorted(removed)), self.folders)

    def with_folders(self, folders: Mapping[str, str]) -> "FollowedFeeds":
        """Returns these feeds with further folders."""
        return FollowedFeeds(self.files, self.removed, {**self.folders, **folders})


class LastPass:
    """The last pass of the upkeep of a lake, read again when its file has changed."""

    def __init__(self, folder: "UpkeepFolder") -> None:
        self._folder = folder
        self._changed_ns: int | None = None
        self._report: PassReport | None = None

    def report(self) -> PassReport | None:
        """None if there was no pass."""
        try:
            changed_ns = self._folder.status.stat().st_mtime_ns
        except OSError:
            return None
        if changed_ns != self._changed_ns:
            status = self._folder.last_status()
            self._report = status.last if status is not None else None
            self._changed_ns = changed_ns
        return self._report


class UpkeepFolder:
    """A folder of small JSON files, each replaced as a whole. Reading one that is damaged is logged and gives nothing.

    For a lake in a bucket it is on the machine where its writer runs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.status = path / "upkeep.json"
        self._feeds = path / "followed-feeds.json"
        self._releases = path / "releases"

    def last_status(self) -> UpkeepStatus | None:
        """The status of the last upkeep; None if there was none."""
        try:
            return read_upkeep_status(self.status)
        except LakeError as error:
            _log.error("the last pass of upkeep is not known: %s", error)
            return None

    def followed(self) -> FollowedFeeds:
        try:
            return _converter.loads(self._feeds.read_text(), FollowedFeeds)
        except FileNotFoundError:
            return FollowedFeeds()
        except (OSError, ValueError, cattrs.BaseValidationError) as error:
            _log.error("%s cannot be read, so no feed counts as removed: %s", self._feeds, error)
            return FollowedFeeds()

    def write_followed(self, feeds: FollowedFeeds) -> None:
        """Raises OSError where it cannot be written."""
        with atomic_write(self._feeds) as path:
            path.write_text(_converter.dumps(feeds))

    def release(self, release: Release) -> None:
        """Adds a release, for the next pass of whichever process does upkeep. Raises OSError."""
        self._releases.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_write(self._releases / f"{uuid.uuid4().hex}.json") as path:  # a file each: two may be added at once
            path.write_text(_converter.dumps(release))

    def releases(self) -> dict[Path, Release]:
        """The releases, by file."""
        found = {}
        for path in sorted(self._releases.glob("*.json")):
            try:
                found[path] = _converter.loads(path.read_text(), Release)
            except (OSError, ValueError, json.JSONDecodeError, cattrs.BaseValidationError) as error:
                _log.error("a release cannot be read and is ignored; release again: %s: %s", path, error)
        return found
