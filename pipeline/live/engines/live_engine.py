"""The interface of engines that run feeds and models, in this process or as actors of Ray."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from pipeline.ingest.packets import FramePacket, RowPacket
from pipeline.live.account.losses import Received
from pipeline.live.commits.batch_commits import LiveWriter
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.runtime.threads import ThreadStatus


class FeedHandle(Protocol):
    """A feed (pipeline/live/feeds/feed.py), in this process or in an actor."""

    name: str

    @property
    def ready(self) -> bool:
        """Whether an item waits, as far as that is known without waiting for the feed."""
        ...

    def poll(self) -> FeedItem | None:
        """Removes and returns the oldest item; until then, its keyframes may be shed."""
        ...

    def status(self) -> FeedStatus:
        """The status that was last reported."""
        ...

    def received(self) -> Sequence[Received]:
        """What was last reported as received of each recording of a stream whose end was not polled."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None:
        """Asks the feed to end; what it still yields can be polled."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the feed has ended, and everything was polled."""
        ...


@dataclass(frozen=True, slots=True)
class Worked:
    """A group of packets that a model has processed in `seconds`. rows: one for each packet; None if the model failed,
    and `error` says why."""

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
        """Number of groups that could be processed now."""
        ...

    def work(self, packets: Sequence[FramePacket]) -> None:
        """Gives a group to a model, of which one must be idle."""
        ...

    def worked(self) -> list[Worked]:
        """The groups that were finished since the last call."""
        ...

    @property
    def threads(self) -> tuple[ThreadStatus, ...]:
        """The threads or actors of the models."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...
