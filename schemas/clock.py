"""Time in a source: integer presentation timestamps (PTS) and the time base that scales them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from schemas import require
from schemas.errors import InvalidValueError

_MOST_S = 1000 * 365 * 86400


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; one without a time zone is in UTC. Raises OverflowError before year 1 and after 9999."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Converts the integer PTS of one source to seconds and, where its recording time is known, to UTC.

    time_base: seconds per tick, e.g. 1/15360.
    start_time: UTC at PTS 0, or None when the source does not say when it was recorded.
    """

    time_base: Fraction
    start_time: datetime | None = None

    def __post_init__(self) -> None:
        require.above(Fraction(0), time_base=self.time_base)
        if self.start_time is not None and self.start_time.tzinfo is None:
            raise InvalidValueError(f"start_time must carry a time zone, got {self.start_time!r}; use UTC")

    def seconds(self, pts: int) -> float:
        """Presentation time in seconds, as ffprobe's `pts_time`."""
        return float(pts * self.time_base)

    def holds(self, pts: int) -> bool:
        """Whether a PTS is a time: within a thousand years of PTS 0, so that UTC has four digits for its year."""
        return abs(pts * self.time_base) <= _MOST_S

    def pts_at_or_after(self, seconds: Fraction | float) -> int:
        """The first PTS whose time is not before `seconds`."""
        return math.ceil(Fraction(seconds) / self.time_base)

    def ticks(self, duration_s: Fraction | float) -> int:
        """The smallest whole number of ticks that lasts at least `duration_s`."""
        return math.ceil(Fraction(duration_s) / self.time_base)

    def utc(self, pts: int) -> datetime | None:
        """UTC of a PTS to the microsecond, or None where `start_time` is unknown."""
        if self.start_time is None:
            return None
        # whole microseconds: float seconds lose them after a few months of a feed
        offset = timedelta(microseconds=math.floor(pts * self.time_base * 1_000_000))
        return self.start_time.astimezone(UTC) + offset


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open interval of PTS, `[start, stop)`, of one source."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop <= self.start:
            raise InvalidValueError(f"a span needs start < stop, got [{self.start}, {self.stop})")

    def __contains__(self, pts: int) -> bool:
        return self.start <= pts < self.stop

    def intersection(self, other: "Span") -> "Span | None":
        """The span that both cover; None where they share no tick."""
        start, stop = max(self.start, other.start), min(self.stop, other.stop)
        return Span(start, stop) if start < stop else None

    def minus(self, others: "Iterable[Span]") -> "list[Span]":
        """The parts of this span that no other span covers, in order."""
        left: list[Span] = []
        start = self.start
        for other in union(others):
            if other.stop <= start or other.start >= self.stop:
                continue
            if other.start > start:
                left.append(Span(start, other.start))
            start = other.stop
        if start < self.stop:
            left.append(Span(start, self.stop))
        return left


def span_of_seconds(start_s: Fraction | float, stop_s: Fraction | float, time_base: Fraction) -> Span:
    """The span of `start_s <= time < stop_s`, of one tick at least. Bounds are rounded to the nearest tick, because
    borders of shots arrive as float seconds.

    >>> span_of_seconds(0.04, 0.12, Fraction(1, 25))
    Span(start=1, stop=3)
    """
    start, stop = round(Fraction(start_s) / time_base), round(Fraction(stop_s) / time_base)
    return Span(start, max(start + 1, stop))


def union(spans: Iterable[Span]) -> list[Span]:
    """The spans merged, in order: spans that overlap or touch become one.

    >>> union([Span(4, 6), Span(0, 2), Span(2, 3), Span(5, 9)])
    [Span(start=0, stop=3), Span(start=4, stop=9)]
    """
    united: list[Span] = []
    for span in sorted(spans):
        if united and span.start <= united[-1].stop:
            united[-1] = Span(united[-1].start, max(united[-1].stop, span.stop))
        else:
            united.append(span)
    return united
