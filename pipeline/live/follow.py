"""Follows feeds until it is stopped: their keyframes go to the models in turn, and into the lake within seconds."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace

from pipeline.lake.upkeep.upkeep_folder import LastPass, UpkeepFolder
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.first_release import set_aside_pickles
from pipeline.live.commits.in_flight import InFlight
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.live.dispatcher import Dispatcher
from pipeline.live.engines.live_engine import LiveEngine
from pipeline.live.feeds.feed_roster import FeedRoster, ListFeeds
from pipeline.live.feeds.feed_starter import FeedStarter
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.search_latency import SearchLatency
from pipeline.live.status.state_folder import StateFolder
from pipeline.live.status.status_log import StatusLog
from pipeline.plan.plan import Plan
from pipeline.plan.stored_plan import StoredPlan
from pipeline.ring.config import RingConfig
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads, ThreadStatus
from pipeline.runtime.time_source import REAL_TIME, TimeSource

_LOOK_S = 0.02
_STATUS_S = 1.0
_LIST_S = 1.0
_FIRST_S = 5.0


class Follower:
    """Follows the feeds that `list_feeds` returns; it is called every second, so feeds can be added and removed.

    ring: where the packets of streams are kept; None to keep none.
    on_commit: called with each batch that was committed, in the sink's thread. on_status: called about once a second,
        in a thread that may wait for a disk. other_threads: returns those that the status is to show besides.
    The thread of `run` does no work but to look after the others: those of the list of feeds, the dispatcher and the
    status are its own, the sink, the model and each feed have one each. Whichever dies is started again, and the status
    shows it until it runs.
    """

    def __init__(
        self,
        engine: LiveEngine,
        plan: Plan,
        list_feeds: ListFeeds,
        *,
        state: StateFolder,
        ring: RingConfig | None = None,
        on_commit: Callable[[Batch], None] = lambda _: None,
        on_status: Callable[[FollowStatus], None] = lambda _: None,
        other_threads: Callable[[], tuple[ThreadStatus, ...]] = tuple,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self._engine = engine
        self._on_commit = on_commit
        self._on_status = on_status
        self._other_threads = other_threads
        self._time = time
        self._thread_maker = threads
        self._started = time.utc()
        self._log = StatusLog()
        self._latency = SearchLatency(time=time)
        state.make_own()
        set_aside_pickles(state)
        self._in_flight = InFlight(state.in_flight)
        self._last_pass = LastPass(UpkeepFolder(state.path))
        spool = Spool(state.spool, refused=state.refused, plan=StoredPlan.of(plan))
        self._sink = Sink(engine.writer, spool, on_commit=self._committed, time=time, threads=threads)
        self._roster = FeedRoster(
            list_feeds,
            FeedStarter(engine, plan, self._sink, ring=ring, time=time, threads=threads),
            on_removed=lambda name: self._dispatcher.forget(name),
            started=self._started,
        )
        self._dispatcher = Dispatcher(engine, self._sink, self._roster, plan.live, plan_hash=plan.hash, time=time)
        self._news = threading.Condition()
        self._ending = self._listed = False
        self._threads: tuple[SupervisedThread, ...] = ()

    def run(self, stop: Callable[[], bool]) -> FollowStatus:
        """Runs until `stop()` is true, which is checked about fifty times a second; then commits what was received."""
        self._close_earlier()
        listing = self._start("list of feeds", self._list)
        dispatching = self._start("dispatcher", self._dispatcher.run)
        reporting = self._start("status", self._report_often)
        self._threads = (listing, dispatching, reporting)
        try:
            while not stop():
                self._look_after_threads()
                self._time.sleep(_LOOK_S)
        finally:
            self._finish(listing, dispatching, reporting)
        return self._report()

    def status(self) -> FollowStatus:
        upkeep = self._last_pass.report()
        return FollowStatus(
            at=self._time.utc(),
            started=self._started,
            pid=os.getpid(),
            feeds=self._roster.statuses(),
            sink=self._sink.status(),
            list_error=self._roster.list_error,
            findable=self._latency.status(),
            held=() if upkeep is None else tuple(replace(each, ids=()) for each in upkeep.held),
            clock_ahead_s=None if upkeep is None else upkeep.clock_ahead_s,
            threads=(*self._look_after_threads(), *self._engine.threads, *self._other_threads()),
        )

    def _committed(self, batch: Batch) -> None:
        """Records a commit; the sink calls it in its own thread."""
        self._in_flight.settle(batch)
        self._latency.add(batch, folders=self._roster.folders)
        self._on_commit(batch)

    def _close_earlier(self) -> None:
        """Completes the recordings that an earlier follower left open, after its batches that wait on disk."""
        left = self._engine.writer.open_recordings([each.source for each in self._in_flight.earlier])
        batch = self._in_flight.close_earlier(left, self._sink.spooled_before)
        if batch:
            self._sink.put(batch)

    # -- the threads -----------------------------------------------------------------------------

    def _start(self, name: str, run: Callable[[], None]) -> SupervisedThread:
        return SupervisedThread(name, run, time=self._time, threads=self._thread_maker)

    def _look_after_threads(self) -> tuple[ThreadStatus, ...]:
        """The states of the threads; those that died so that they could not start themselves again are started."""
        return (*(thread.status() for thread in self._threads), self._sink.thread)

    def _list(self) -> None:
        while not self._ending:
            self._roster.update()
            with self._news:
                self._listed = True
                self._news.notify_all()
            self._wait(_LIST_S)

    def _report_often(self) -> None:
        with self._news:  # the first status has feeds, unless one of them waits for the lake
            self._time.wait_for(self._news, lambda: self._listed or self._ending, _FIRST_S)
        while not self._ending:
            self._report()
            self._wait(_STATUS_S)

    def _wait(self, seconds: float) -> None:
        with self._news:
            self._time.wait_for(self._news, lambda: self._ending, seconds)

    def _report(self) -> FollowStatus:
        status = self.status()
        self._log.report(status)
        self._on_status(status)
        self._in_flight.report(self._roster.received())
        self._in_flight.write()
        return status

    def _finish(self, listing: SupervisedThread, dispatching: SupervisedThread, reporting: SupervisedThread) -> None:
        self._roster.stop()  # also those that are still being started
        self._dispatcher.end()
        dispatching.end()
        dispatching.join()
        self._dispatcher.flush()
        self._sink.close()
        with self._news:
            self._ending = True
            self._news.notify_all()
        for thread in (listing, reporting):
            thread.end()
            thread.join()
