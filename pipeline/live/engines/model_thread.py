"""A thread that gives groups of packets to a model, one at a time; a group with which it dies has failed."""

import threading
from collections.abc import Callable, Sequence

from pipeline.ingest.packets import FramePacket, RowPacket
from pipeline.live.engines.live_engine import Worked
from pipeline.runtime.threads import SupervisedThread, Threads, ThreadStatus, described
from pipeline.runtime.time_source import TimeSource

Model = Callable[[Sequence[FramePacket]], Sequence[RowPacket]]


class ModelThread:
    """Calls `model` with each group. It is started again when it dies."""

    def __init__(self, model: Model, *, time: TimeSource, threads: Threads) -> None:
        self._model = model
        self._time = time
        self._news = threading.Condition()
        self._group: tuple[FramePacket, ...] | None = None  # until its result was taken
        self._begun = False  # the model was called with it
        self._worked: Worked | None = None
        self._ending = False
        self._thread = SupervisedThread("model", self._run, time=time, threads=threads)

    @property
    def idle(self) -> bool:
        """Whether it can take a group; not while it is dead, so that keyframes wait in the feeds."""
        running = self._thread.status().state == "running"
        return running and self._group is None

    @property
    def thread(self) -> ThreadStatus:
        return self._thread.status()

    def work(self, packets: Sequence[FramePacket]) -> None:
        """Begins with a group. It must be idle."""
        with self._news:
            self._group, self._begun = tuple(packets), False
            self._news.notify_all()

    def worked(self) -> Worked | None:
        """The result of the group, once; None before."""
        with self._news:
            worked = self._worked
            if worked is not None:
                self._worked = self._group = None
            return worked

    def close(self) -> None:
        """Ends after the group with which the model is busy."""
        with self._news:
            self._ending = True
            self._news.notify_all()
        self._thread.end()
        self._thread.join()

    def _run(self) -> None:
        if self._begun and self._worked is None:
            self._finish(0.0, None, f"the thread of the model died: {self._thread.status().error}")
        while True:
            with self._news:
                self._time.wait_for(self._news, lambda: self._ending or self._waits)
                if self._ending:
                    return
                self._begun = True
            self._call()

    @property
    def _waits(self) -> bool:
        return self._group is not None and not self._begun

    def _call(self) -> None:
        assert self._group is not None
        began_s = self._time.monotonic_s()
        try:
            rows = tuple(self._model(self._group))
        except Exception as error:
            self._finish(self._time.monotonic_s() - began_s, None, f"the model failed: {described(error)}")
        else:
            self._finish(self._time.monotonic_s() - began_s, rows, "")

    def _finish(self, seconds: float, rows: tuple[RowPacket, ...] | None, error: str) -> None:
        with self._news:
            assert self._group is not None
            self._worked = Worked(self._group, seconds, rows, error)
