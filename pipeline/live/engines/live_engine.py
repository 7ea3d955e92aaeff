"""What runs feeds and models: in this process, or as actors of Ray."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from pipeline.ingest.packets import FramePacket, RowPacket
from pipeline.live.account.losses import Received
from pipeline.live.commits.sink import LiveWriter
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_status import FeedStatus


class FeedHandle(Protocol):
    """A feed (pipeline/live/feeds/feed.py), here or in an actor."""

    name: str

    @property
    def ready(self) -> bool:
        """Whether an item waits, as far as is known without waiting."""
        ...

    def poll(self) -> FeedItem | None:
        """The oldest item; until it is taken, it may be thinned."""
        ...

    def status(self) -> FeedStatus:
        """As last reported."""
        ...

    def received(self) -> Sequence[Received]:
        """As last reported, of each recording of a stream whose end was not polled."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None:
        """Lets it end; what it still gives can be polled."""
        ...

    @property
    def ended(self) -> bool:
        """Whether it has ended, and everything was polled."""
        ...


@dataclass(frozen=True, slots=True)
class Worked:
    """A group of packets that a model is done with, after `seconds`. rows: one for each; None where it failed, and
    `error` says why."""

    packets: tuple[FramePacket, ...]
    seconds: float
    rows: tuple[RowPacket, ...] | None
    error: str = ""


class LiveEngine(Protocol):
    """Starts feeds, and shares models among them."""

    writer: LiveWriter

    def feed(self, name: str, request: FollowRequest) -> FeedHandle: ...

    @property
    def idle_models(self) -> int:
        """How many groups could be worked on at once now."""
        ...

    def work(self, packets: Sequence[FramePacket]) -> None:
        """Gives a model a group. Only while one is idle."""
        ...

    def worked(self) -> list[Worked]:
        """The groups that were finished since the last call."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...
