"""How a follower is, at a moment."""

from dataclasses import dataclass, field
from datetime import datetime

from pipeline.live.feeds.feed_status import FeedStatus


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """batches, bytes: that wait in memory. spooled: batches on disk. commits, keyframes: in the lake since the follower
    began. error: why the lake is out of reach; None where it is not."""

    batches: int
    bytes: int
    spooled: int
    commits: int
    keyframes: int
    error: str | None


@dataclass(frozen=True, slots=True)
class FindableStatus:
    """How long keyframes took from the moment that they show until a query could find them (findable.py).

    p50_s, p95_s: of those of the last minute; None where there were none.
    keyframes: in the lake, by feed. timed: of them all, those of streams; within: those that took at most
    as long as the bucket of the same place (BUCKETS_S); sum_s: of all that are timed. Since the follower began.
    """

    p50_s: float | None = None
    p95_s: float | None = None
    keyframes: dict[str, int] = field(default_factory=dict)
    timed: int = 0
    within: tuple[int, ...] = ()
    sum_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FollowStatus:
    """at, started: UTC. pid: of the follower. list_error: why the list of feeds could not be read; those read before
    go on."""

    at: datetime
    started: datetime
    pid: int
    feeds: tuple[FeedStatus, ...]
    sink: SinkStatus
    list_error: str | None = None
    findable: FindableStatus = field(default_factory=FindableStatus)
