"""Feeds as threads of this process, each with its child that decodes, and one model beside them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from pipeline.live.engine import Worked
from pipeline.live.feed import Feed
from pipeline.live.feed_buffer import FeedItem
from pipeline.live.feed_child import FollowRequest
from pipeline.live.feed_status import FeedStatus
from pipeline.live.sink import LiveWriter
from pipeline.packets import FramePacket, RowPacket
from pipeline.plan import Plan
from pipeline.stages import EmbedStage, ProposeStage


class LocalLiveEngine:
    """For a few feeds on one machine."""

    def __init__(self, plan: Plan, make_writer: Callable[[], LiveWriter]) -> None:
        self._propose = ProposeStage(plan)
        self._embed = EmbedStage(plan)
        self.writer = make_writer()  # holds the lake's lock: after all that may be refused
        self._thread = ThreadPoolExecutor(1, "model")
        self._running: list[tuple[tuple[FramePacket, ...], Future[list[RowPacket]]]] = []

    def feed(self, name: str, request: FollowRequest) -> "LocalFeed":
        return LocalFeed(Feed(name, request))

    @property
    def idle_models(self) -> int:
        return int(not self._running)

    def work(self, packets: Sequence[FramePacket]) -> None:
        group = tuple(packets)
        self._running.append((group, self._thread.submit(lambda: self._embed(self._propose(group)))))

    def worked(self) -> list[Worked]:
        finished = [(group, future) for group, future in self._running if future.done()]
        self._running = [(group, future) for group, future in self._running if not future.done()]
        return [_worked(group, future) for group, future in finished]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._thread.shutdown()
        self._propose.close()
        self._embed.close()
        self.writer.close()


class LocalFeed:
    """A Feed that runs from the beginning."""

    def __init__(self, feed: Feed) -> None:
        self.name = feed.name
        self._feed = feed
        feed.start()

    @property
    def ready(self) -> bool:
        return self._feed.ready()

    def poll(self) -> FeedItem | None:
        return self._feed.take()

    def status(self) -> FeedStatus:
        return self._feed.status()

    def pause(self) -> None:
        self._feed.pause()

    def resume(self) -> None:
        self._feed.resume()

    def stop(self) -> None:
        self._feed.stop()

    @property
    def ended(self) -> bool:
        return self._feed.ended


def _worked(group: tuple[FramePacket, ...], future: Future[list[RowPacket]]) -> Worked:
    error = future.exception()
    if error is not None:
        return Worked(group, None, f"the model failed: {type(error).__name__}: {error}")
    return Worked(group, tuple(future.result()))
