"""Removes the oldest video of feeds beyond an age or a size, and keeps what is pinned."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.ring.feed_ring import FeedRing, PartFile, rings_in
from pipeline.ring.ring_file import opened_ring_file, span_of
from schemas.clock import Span
from schemas.errors import SourceError

_AROUND_S = 2.0  # a clip shows so much around a hit


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What a pass did.

    files, bytes: removed. pinned: files that stay beyond the limits because something in them is pinned. moving: files
    that stay beyond the age because something moves in them.
    """

    files: int = 0
    bytes: int = 0
    pinned: int = 0
    moving: int = 0


# the files, among some of one ring, in which something moves
Moving = Callable[[FeedRing, Sequence[PartFile]], set[Path]]


@dataclass(frozen=True, slots=True)
class _Oldest:
    """Files that were last written to before `written` are removed, although `moving` says that something moves."""

    written: datetime
    moving: Moving


@dataclass(frozen=True, slots=True)
class _Sized:
    part: PartFile
    bytes: int
    written_s: float  # since 1970, by the clock of this machine


def trim(
    rings: Path,
    *,
    max_age: timedelta | None,
    max_bytes: int | None,
    now: datetime,
    pinned: Mapping[str, Sequence[Span]],
    moving_max_age: timedelta | None = None,
    moving: Moving | None = None,
) -> Trimmed:
    """Removes whole files, of each feed the oldest first. Raises OSError.

    max_age: files that were written to for the last time longer ago go; None for no limit. max_bytes: of each feed; its
    newest file stays. pinned: spans of PTS by id of recording; files that show them, or what clips show around them,
    stay and count. moving_max_age, moving: files older than `max_age` that `moving` returns stay until they are older
    than this; bytes remove them like the others.
    """
    done = Trimmed()
    for ring in rings_in(rings):
        oldest = None if moving is None or moving_max_age is None else _Oldest(now - moving_max_age, moving)
        one = _trim_ring(ring, max_age, max_bytes, now, pinned, oldest)
        done = Trimmed(
            done.files + one.files, done.bytes + one.bytes, done.pinned + one.pinned, done.moving + one.moving
        )
    return done


def _trim_ring(
    ring: FeedRing,
    max_age: timedelta | None,
    max_bytes: int | None,
    now: datetime,
    pinned: Mapping[str, Sequence[Span]],
    oldest_moving: _Oldest | None,
) -> Trimmed:
    files = _sized(ring)
    if not files:
        return Trimmed()
    held = sum(each.bytes for each in files)
    before_s = None if max_age is None else now.timestamp() - max_age.total_seconds()
    protected = _runs(ring, pinned)
    removed: list[_Sized] = []
    stay = move = 0
    moving: set[Path] = set()
    if before_s is not None and oldest_moving is not None:
        least_s = oldest_moving.written.timestamp()
        moving = oldest_moving.moving(ring, [each.part for each in files if least_s <= each.written_s < before_s])
    for each in files:
        old = before_s is not None and each.written_s < before_s
        moves = old and each.part.path in moving
        much = max_bytes is not None and held > max_bytes and each is not files[-1]
        if not much and (moves or not old):
            move += moves
            continue
        if shows(each.part, protected.get(each.part.run, ())):
            stay += 1
            continue
        with ring.locked():
            each.part.path.unlink(missing_ok=True)
        removed.append(each)
        held -= each.bytes
    if removed:
        left = {part.run for part in ring.parts()}
        newest = files[-1].part.run  # it may still be written, and one after it may have begun
        with ring.locked():
            ring.recordings.keep(lambda recorded: recorded.run in left or recorded.run >= newest)
    return Trimmed(len(removed), sum(each.bytes for each in removed), stay, move)


def _sized(ring: FeedRing) -> list[_Sized]:
    found = []
    for part in ring.parts():
        try:
            about = part.path.stat()
        except FileNotFoundError:
            continue
        found.append(_Sized(part, about.st_size, about.st_mtime))
    return found


def _runs(ring: FeedRing, pinned: Mapping[str, Sequence[Span]]) -> dict[int, list[Span]]:
    """The pinned spans by run of packets."""
    found: dict[int, list[Span]] = {}
    for recorded in ring.recordings.read() if pinned else ():
        if recorded.source_id in pinned:
            found.setdefault(recorded.run, []).extend(pinned[recorded.source_id])
    return found


def shows(part: PartFile, spans: Iterable[Span]) -> bool:
    """Whether a file shows one of these spans of its run, or what a clip shows around it."""
    spans = list(spans)
    if not spans:
        return False
    try:
        with opened_ring_file(part.path) as file:
            shown = span_of(list(file.fragments()))
            around, shift = round(_AROUND_S / file.meta.time_base), file.meta.shift
    except SourceError:  # nothing can be cut from it
        return False
    if shown is None:
        return False
    return any(shown.start < span.stop + shift + around and shown.stop > span.start + shift - around for span in spans)
