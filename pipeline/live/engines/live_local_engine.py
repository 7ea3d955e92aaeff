"""Feeds as threads of this process, each with a child that decodes, and one model."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from pipeline.ingest.packets import FramePacket, RowPacket
from pipeline.ingest.stages import EmbedStage, ProposeStage
from pipeline.live.commits.sink import LiveWriter
from pipeline.live.engines.live_engine import Worked
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.plan.plan import Plan
from pipeline.runtime.threads import REAL_THREADS, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource


class LocalLiveEngine:
    """An engine for a few feeds on one machine."""

    def __init__(
        self,
        plan: Plan,
        make_writer: Callable[[], LiveWriter],
        *,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self._time = time
        self._threads = threads
        self._propose = ProposeStage(plan)
        self._embed = EmbedStage(plan)
        self.writer = make_writer()  # holds the lake's lock: after all that may be refused
        self._thread = ThreadPoolExecutor(1, "model")
        self._running: tuple[tuple[FramePacket, ...], float, Future[list[RowPacket]]] | None = None

    def feed(self, name: str, request: FollowRequest) -> Feed:
        feed = Feed(name, request, time=self._time, threads=self._threads)
        feed.start()
        return feed

    @property
    def idle_models(self) -> int:
        return int(self._running is None)

    def work(self, packets: Sequence[FramePacket]) -> None:
        group = tuple(packets)
        future = self._thread.submit(lambda: self._embed(self._propose(group)))
        self._running = group, self._time.monotonic_s(), future

    def worked(self) -> list[Worked]:
        if self._running is None or not self._running[2].done():
            return []
        (group, began_s, future), self._running = self._running, None
        seconds, error = self._time.monotonic_s() - began_s, future.exception()
        if error is not None:
            return [Worked(group, seconds, None, f"the model failed: {type(error).__name__}: {error}")]
        return [Worked(group, seconds, tuple(future.result()))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._thread.shutdown()
        self._propose.close()
        self._embed.close()
        self.writer.close()
