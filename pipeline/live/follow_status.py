"""How a follower is, at a moment."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.live.feed_status import FeedStatus


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
class FollowStatus:
    """at, started: UTC. pid: of the follower. list_error: why the list of feeds could not be read; those read before
    go on."""

    at: datetime
    started: datetime
    pid: int
    feeds: tuple[FeedStatus, ...]
    sink: SinkStatus
    list_error: str | None = None
