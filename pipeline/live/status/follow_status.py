"""The status of a follower at a moment."""

from dataclasses import dataclass, field
from datetime import datetime

from pipeline.lake.upkeep.holds import Held
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.runtime.threads import ThreadStatus


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """batches, bytes: waiting in memory. spooled: batches on disk. commits, keyframes: committed since the follower
    began. error: why commits fail, which are tried again: mostly the lake is out of reach; None if they do not.
    refused: batches on disk that the lake does not accept. refusal: why not the last of them, if the follower knows."""

    batches: int
    bytes: int
    spooled: int
    commits: int
    keyframes: int
    error: str | None
    refused: int = 0
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class FindableStatus:
    """How long keyframes took from the moment that they show until a search could find them (search_latency.py).

    p50_s, p95_s: quantiles of the last minute; None without keyframes. All others count since the follower began.
    keyframes: in the lake, by feed. timed: those of streams, which alone are timed; within: those that took at most as
    long as each of BUCKETS_S; sum_s: total time of all that are timed.
    """

    p50_s: float | None = None
    p95_s: float | None = None
    keyframes: dict[str, int] = field(default_factory=dict)
    timed: int = 0
    within: tuple[int, ...] = ()
    sum_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FollowStatus:
    """at, started: UTC. pid: the follower's. list_error: why the list of feeds could not be read; the feeds of the last
    list are kept. held, clock_ahead_s: of the last pass of upkeep, see PassReport; without ids. threads: those of the
    follower besides those of its feeds, whose deaths show in the states of feeds."""

    at: datetime
    started: datetime
    pid: int
    feeds: tuple[FeedStatus, ...]
    sink: SinkStatus
    list_error: str | None = None
    findable: FindableStatus = field(default_factory=FindableStatus)
    held: tuple[Held, ...] = ()
    clock_ahead_s: float | None = None
    threads: tuple[ThreadStatus, ...] = ()

    @property
    def dead(self) -> tuple[ThreadStatus, ...]:
        """The threads that do not run at the moment."""
        return tuple(thread for thread in self.threads if thread.state in ("backing off", "failed"))
