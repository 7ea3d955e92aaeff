"""What the rings of a lake hold, and what is wrong with them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.ring.feed_ring import FeedRing, rings_in
from pipeline.ring.ring_file import is_begun, opened_ring_file
from schemas.errors import SourceError


@dataclass(frozen=True, slots=True)
class KeptVideo:
    """The video of a feed. first: when its oldest file was written to for the last time, last: its newest; UTC."""

    feed: str
    files: int
    bytes: int
    first: datetime
    last: datetime


def kept_video(rings: Path) -> list[KeptVideo]:
    """The feeds of which video is kept, by name."""
    found = []
    for ring in rings_in(rings):
        abouts = []
        for part in ring.parts():
            try:
                abouts.append(part.path.stat())
            except FileNotFoundError:  # removed meanwhile
                continue
        if abouts:
            times = [datetime.fromtimestamp(each.st_mtime, UTC) for each in abouts]
            size = sum(each.st_size for each in abouts)
            found.append(KeptVideo(ring.feed, len(abouts), size, min(times), max(times)))
    return sorted(found, key=lambda each: each.feed)


def ring_problems(rings: Path) -> list[str]:
    """What is damaged, as sentences. A fragment that a crash cut off, at the end of a file, is not."""
    return [problem for ring in rings_in(rings) for problem in _problems(ring)]


def _problems(ring: FeedRing) -> list[str]:
    found = []
    last: tuple[int, int] | None = None  # run, and the end of its last fragment
    for part in ring.parts():
        try:
            with opened_ring_file(part.path) as file:
                if (file.meta.feed, file.meta.run) != (ring.feed, part.run):
                    found.append(f"video of {ring.feed}: {part.path} is of run {file.meta.run} of {file.meta.feed}")
                    continue
                for each in file.fragments():
                    if last is not None and last[0] == part.run and each.dts < last[1]:
                        found.append(f"video of {ring.feed}: {part.path} goes back in time at byte {each.offset:,}")
                    last = part.run, each.stop_dts
        except SourceError as error:
            if part.path.exists() and not is_begun(part.path):  # it was not removed, or left unfinished by a crash
                found.append(f"video of {ring.feed}: {error}; run: regionlake repair --lake LAKE")
    try:
        ring.recordings.read()
    except OSError as error:
        found.append(f"video of {ring.feed}: its recordings are not known: {error}")
    return found
