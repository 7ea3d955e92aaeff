"""Feeds as threads of this process, each with a child that decodes, and one model."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from pipeline.ingest.packets import FramePacket
from pipeline.ingest.stages import ModelStages
from pipeline.live.commits.batch_commits import LiveWriter
from pipeline.live.engines.live_engine import Worked
from pipeline.live.engines.model_thread import ModelThread
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.plan.plan import Plan
from pipeline.runtime.threads import REAL_THREADS, Threads, ThreadStatus
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
        self._models = ModelStages(plan)
        self.writer = make_writer()  # holds the lake's lock: after all that may be refused
        self._model = ModelThread(self._models, time=time, threads=threads)

    def feed(self, name: str, request: FollowRequest) -> Feed:
        feed = Feed(name, request, time=self._time, threads=self._threads)
        feed.start()
        return feed

    @property
    def idle_models(self) -> int:
        return int(self._model.idle)

    def work(self, packets: Sequence[FramePacket]) -> None:
        self._model.work(packets)

    def worked(self) -> list[Worked]:
        worked = self._model.worked()
        return [] if worked is None else [worked]

    @property
    def threads(self) -> tuple[ThreadStatus, ...]:
        return (self._model.thread,)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._model.close()
        self._models.close()
        self.writer.close()
