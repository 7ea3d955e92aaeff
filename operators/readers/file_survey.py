"""What a growing file holds when it is opened: what of it was taken before, and when the rest was written."""

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
from schemas.clock import Span
from schemas.errors import SourceError
from schemas.ids import digest

_BACK_S = 1.0  # pictures that are coded in another order than they are shown go back by less


class Coverage:
    """Which pictures of a file were taken, by their PTS, asked in the order of the file.

    spans: what was taken, in the order of the file, where PTS may begin anew.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._last: int | None = None  # PTS that was covered
        self.at = 0  # the span that covered it

    def covers(self, pts: int) -> bool:
        for at in range(self.at, len(self._spans)):
            if pts in self._spans[at] and (at > self.at or self._last is None or pts > self._last):
                self.at, self._last = at, pts
                return True
        return False


@dataclass(frozen=True, slots=True)
class Survey:
    """Of a file, at a moment.

    identity: digest of its first coded picture: two files at one path, one after the other, differ in it.
    skip: coded pictures, from the first, that need not be decoded: nothing follows from them that was not taken.
    taken: spans that were taken, from the one on in which decoding begins.
    stretches: first and last PTS of what lies between jumps of PTS, from the one on in which decoding begins.
    written: when the last picture was, UTC.
    """

    identity: str
    skip: int
    taken: tuple[Span, ...]
    stretches: tuple[tuple[int, int], ...]
    written: datetime


def survey(
    path: Path, taken: Callable[[str], Sequence[Span]], *, gap_s: float, on_progress: Callable[[], bool]
) -> Survey:
    """Reads all that the file holds and decodes nothing of it.

    taken: told the file's identity, returns the spans of it that were taken, in its order. What comes before the first
        was taken too, and removed from the lake since: a file is read in order.
    gap_s: what PTS may jump ahead by within a stretch. on_progress: called for every picture; True ends it.
    Raises SourceError where the file holds no video yet.
    """
    identity, coverage = "", Coverage(())
    spans: tuple[Span, ...] = ()
    skip = from_span = from_stretch = count = 0
    begun = beyond = False  # the first picture that was taken, the last of them
    stretches: list[tuple[int, int]] = []
    container, stream = open_video(str(path))
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
                spans = tuple(taken(identity))
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
    """As far as that goes: the last piece may be half written."""
    with suppress(av.error.FFmpegError):
        yield from container.demux(stream)


class WrittenTimes:
    """When each picture of a growing file was written, as far as that can be told, asked in the order of the file.

    What was there already is counted back from the moment of the last write; of what came since, the picture that was
    least delayed tells. The file may be read slower than it grows, which changes nothing of it.
    now: UTC.
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
        """UTC. base: seconds per tick."""
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
        """None of a stretch that was written later. One is taken to have ended when the next began."""
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
