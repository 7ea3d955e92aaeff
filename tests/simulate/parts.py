"""What schedules are made of: recordings whose rows are made once, and a lease, a lock and pins that threads share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from schemas.clock import Span
from schemas.shots import CutEvent, Shot
from schemas.sources import Source
from tests.pipeline.lake.synthetic import OTHER_PLAN, PLAN
from tests.pipeline.lake.upkeep.feeds import Recording

FEEDS = ("gate", "yard")
RECORDINGS = 8  # of each feed: half of them under the first plan
EVERY_S = 20.0  # a recording begins
PIECES = 3
MAX_AGE = timedelta(seconds=60)
TOLERANCE = timedelta(seconds=5)  # of the clock
SETTLE_S = 400.0  # after the last fault


def fold(source: Source, events: Sequence[CutEvent], _first: int, _last: int) -> list[Shot]:
    """A shot between every two events; together they cover the source."""
    edges = [source.span.start, *(event.pts for event in events), source.span.stop]
    return [Shot(Span(a, b), "cut" if number else "start") for number, (a, b) in enumerate(pairwise(edges))]


class Panic(BaseException):
    """As of a library in Rust: no Exception."""


@dataclass(slots=True)
class Lease:
    """A lease that nobody disputes."""

    number: int

    def hold(self) -> bool:
        return False

    def share(self, lake: Lake) -> None:
        lake.lease = self  # type: ignore[assignment]

    def require(self) -> None: ...

    def release(self) -> None: ...


@cache
def recording(feed: str, number: int) -> Recording:
    plan = PLAN if number < RECORDINGS // 2 else OTHER_PLAN
    at = FEEDS.index(feed) * RECORDINGS + number
    began_h = number * EVERY_S / 3600
    return Recording(at, length=60, step=20, regions=1, plan=plan, feed=feed, hour=began_h)


@cache
def rows_of(feed: str, number: int, piece: int) -> SegmentRows:
    """patches are omitted: they are treated as regions are."""
    made = recording(feed, number)
    return replace(made.rows_at(made.segments(PIECES)[piece]), patches=None)


class SteppedPins:
    """The table of pins for changes, with a step before each."""

    def __init__(self, table: Any, step: Callable[[str, str], None]) -> None:
        self._table = table
        self._step = step

    def add(self, rows: Any) -> None:
        self._step("add", "pins")
        self._table.add(rows)

    def delete(self, where: str) -> None:
        self._step("delete", "pins")
        self._table.delete(where)


@cache
def _names() -> dict[str, tuple[str, int]]:
    return {recording(feed, number).source.id: (feed, number) for feed in FEEDS for number in range(RECORDINGS)}


def named(source_id: str) -> tuple[str, int]:
    """The feed and the number of a recording."""
    return _names()[source_id]
