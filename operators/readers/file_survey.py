"""Surveys a growing file when it is opened: which parts were ingested before, and when the rest was written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from operators.readers.container import open_video
from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from schemas.clock import Span
from schemas.errors import SourceError
from schemas.ids import digest

_BACK_S = 1.0  # where pictures are coded in another order than they are shown, PTS go back by less


class Coverage:
    """Whether a picture of a file was ingested before, by its PTS. Must be called in the order of the file.

    spans: the ingested spans in the order of the file. PTS may restart from one span to the next.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._last: int | None = None  # the last PTS that was covered
        self.at = 0  # index of the span that covered it

    def covers(self, pts: int) -> bool:
        for at in range(self.at, len(self._spans)):
            if pts in self._spans[at] and (at > self.at or self._last is None or pts > self._last):
                self.at, self._last = at, pts
                return True
        return False


@dataclass(frozen=True, slots=True)
class Survey:
    """The state of a growing file at one moment.

    identity: digest of its first coded picture. It differs between two files that have the same path one after the
        other.
    skip: number of coded pictures at the beginning that need not be decoded, because every picture that depends on
        them was ingested before.
    ingested: spans that were ingested before, starting with the one in which decoding begins.
    stretches: first and last PTS of each stretch between jumps of PTS, starting with the one in which decoding begins.
    written: when the last picture was written, UTC.
    """

    identity: str
    skip: int
    ingested: tuple[Span, ...]
    stretches: tuple[tuple[int, int], ...]
    written: datetime


def survey(
    path: Path,
    ingested_spans: Callable[[str], Sequence[Span]],
    *,
    gap_s: float,
    on_progress: Callable[[], bool],
    limits: ReadLimits = DEFAULT_LIMITS,
) -> Survey:
    """Reads the whole file without decoding it.

    ingested_spans: is called with the file's identity and returns its ingested spans in the order of the file. As a
        file is read in order, everything before the first span was ingested too, and has been removed from the lake
        since.
    gap_s: how far PTS may jump ahead within a stretch.
    on_progress: called for every picture; the survey ends if it returns True.
    Raises SourceError if the file contains no video yet, or if `on_progress` ended the survey.
    """
    identity, coverage = "", Coverage(())
    spans: tuple[Span, ...] = ()
    skip = from_span = from_stretch = count = 0
    begun = beyond = False  # whether the first ingested picture, and the last one, have been passed
    stretches: list[tuple[int, int]] = []
    container, stream = open_video(str(path), limits)
    with container:
        base = stream.time_base or Fraction(1)
        for packet in _readable(container, stream):
            if on_progress():
                raise SourceError("stopped")
            if packet.pts is None or not packet.size:
                count += packet.size > 0
                continue
            if not identity:
                identity = digest("picture", bytes(packet))
                spans = tuple(ingested_spans(identity))
                coverage = Coverage(spans)
            stretches = _with(stretches, packet.pts, base=base, gap_s=gap_s)
            if packet.is_keyframe and not beyond:
                if coverage.covers(packet.pts):
                    skip, from_span, from_stretch = count, coverage.at, len(stretches) - 1
                    begun = True
                beyond = begun and skip != count
            count += 1
    if not identity:
        raise SourceError("holds no picture yet")
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Survey(identity, skip, spans[from_span:], tuple(stretches[from_stretch:]), written)


def _readable(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """Packets up to the first error: the end of the file may be only half written."""
    with suppress(av.error.FFmpegError):
        yield from container.demux(stream)


class WrittenTimes:
    """Estimates when each picture of a growing file was written. Must be called in the order of the file.

    For the pictures that the survey found, the time is counted back from the last write. For later pictures, it follows
    from the one that arrived with the least delay. Reading more slowly than the file grows does not change the result.

    now: returns the current time, UTC.
    """

    def __init__(self, known: Survey, *, gap_s: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._stretches = known.stretches
        self._written = known.written
        self._gap_s = gap_s
        self._now = now
        self._at = 0
        self._last: int | None = None
        self._zero: datetime | None = None  # UTC at PTS 0 of the stretch

    def of(self, pts: int, *, base: Fraction) -> datetime:
        """When the picture at `pts` was written, UTC. base: seconds per tick."""
        if self._last is not None and _jumps(self._last, pts, base=base, gap_s=self._gap_s):
            self._at += 1
            self._zero = None
        self._last = pts
        if self._zero is None:
            self._zero = self._by_survey(base)
        by_now = self._now() - timedelta(seconds=float(pts * base))
        if self._zero is None or by_now < self._zero:
            self._zero = by_now
        return self._zero + timedelta(seconds=float(pts * base))

    def _by_survey(self, base: Fraction) -> datetime | None:
        """UTC at PTS 0 of the current stretch, assuming that each stretch ended when the next one began.

        None if the stretch was written after the survey.
        """
        if self._at >= len(self._stretches):
            return None
        after = sum((last - first) * base for first, last in self._stretches[self._at + 1 :])
        last = self._stretches[self._at][1]
        return self._written - timedelta(seconds=float(after + last * base))


def _with(stretches: list[tuple[int, int]], pts: int, *, base: Fraction, gap_s: float) -> list[tuple[int, int]]:
    if stretches and not _jumps(stretches[-1][1], pts, base=base, gap_s=gap_s):
        first, last = stretches[-1]
        stretches[-1] = min(first, pts), max(last, pts)
    else:
        stretches.append((pts, pts))
    return stretches


def _jumps(before: int, pts: int, *, base: Fraction, gap_s: float) -> bool:
    return not -_BACK_S <= (pts - before) * base <= gap_s
