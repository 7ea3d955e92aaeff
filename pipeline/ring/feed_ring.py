"""The ring of one feed as it is on disk: its files in order, and which recordings they show."""

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_lock import file_lock
from operators.runtime.file_sync import make_folder
from pipeline.ring.recordings import Recordings
from schemas.errors import LakeError
from schemas.ids import digest

_ABOUT = "feed.json"
_FILE = re.compile(r"(\d{8,})-(\d{6,})\.mp4")
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class PartFile:
    """A file of a ring. run: of the packets in it. part: its number in the run. Their order is that of recording."""

    run: int
    part: int
    path: Path

    @staticmethod
    def name(run: int, part: int) -> str:
        return f"{run:08}-{part:06}.mp4"


@dataclass(frozen=True, slots=True)
class FeedRing:
    """The folder of one feed in the folder of all rings. feed: its name."""

    folder: Path
    feed: str

    @staticmethod
    def of(rings: Path, feed: str) -> "FeedRing":
        """rings: the folder of all rings; that of the feed is named after it, and need not exist."""
        shown = _UNSAFE.sub("_", feed)[:60].strip("._") or "feed"
        return FeedRing(rings / f"{shown}-{digest('ring', feed)[:8]}", feed)

    def make(self) -> None:
        """Makes the folder, which its user alone may enter. Raises OSError."""
        if not (self.folder / _ABOUT).exists():
            make_folder(self.folder, mode=0o700)
            with atomic_write(self.folder / _ABOUT) as path:
                path.write_text(json.dumps({"feed": self.feed}))

    def locked(self) -> AbstractContextManager[None]:
        """No other process changes the ring meanwhile. Raises OSError."""
        return file_lock(self.folder / "ring")

    @property
    def recordings(self) -> Recordings:
        return Recordings(self.folder)

    def run_of(self, source_id: str) -> int | None:
        """The run of packets of a recording; None where none was kept. Raises LakeError."""
        try:
            found = [each.run for each in self.recordings.read() if each.source_id == source_id]
        except OSError as error:
            raise LakeError(f"{self.recordings.path} cannot be read: {error}") from None
        return found[-1] if found else None

    def parts(self, run: int | None = None) -> list[PartFile]:
        """The files, oldest first; of one run, or all. Empty where there is no ring."""
        found = []
        try:
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        for name in names:
            match = _FILE.fullmatch(name)
            if match is not None and run in (None, int(match[1])):
                found.append(PartFile(int(match[1]), int(match[2]), self.folder / name))
        return sorted(found)


def rings_in(rings: Path) -> Iterator[FeedRing]:
    """The rings of all feeds, by name of folder; none where the folder is not there."""
    try:
        folders = sorted(path for path in rings.iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in folders:
        try:
            yield FeedRing(folder, str(json.loads((folder / _ABOUT).read_text())["feed"]))
        except (OSError, ValueError, KeyError, TypeError):  # the name of the folder still shows whose it is
            yield FeedRing(folder, folder.name)


def rings_of_state(state: Path) -> Path:
    """The folder of all rings of a lake. state: the folder of its state (`StateFolder`)."""
    return state / "video"


def is_video(rings: Path, path: Path) -> bool:
    """Whether this is a file with fragments in one of the rings."""
    return path.is_relative_to(rings) and _FILE.fullmatch(path.name) is not None
