"""Follows feeds until it is stopped: their keyframes go to the models in turn, and into the lake within seconds."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from pipeline.lake.upkeep.upkeep_folder import LastPass, UpkeepFolder
from pipeline.live.account.losses import Lost
from pipeline.live.account.pending_ends import PendingEnds
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.first_release import set_aside_pickles
from pipeline.live.commits.in_flight import InFlight
from pipeline.live.commits.row_batcher import RowBatcher
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.live.engines.live_engine import LiveEngine, Worked
from pipeline.live.feeds.feed_roster import FeedRoster, ListFeeds
from pipeline.live.feeds.feed_starter import FeedStarter
from pipeline.live.scheduler import KeyframeScheduler
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.search_latency import SearchLatency
from pipeline.live.status.state_folder import StateFolder
from pipeline.live.status.status_log import StatusLog
from pipeline.plan.plan import Plan
from pipeline.runtime.threads import REAL_THREADS, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource

_STEP_S = 0.02
_STATUS_S = 1.0
_LIST_S = 1.0
_HELD_BYTES = 256 * 2**20  # rows held in memory while the lake and the spool are out of reach; beyond, frames are shed


class Follower:
    """Follows the feeds that `list_feeds` returns; it is called every second, so feeds can be added and removed.

    on_commit: called with each batch that was committed. on_status: called about once a second.
    """

    def __init__(
        self,
        engine: LiveEngine,
        plan: Plan,
        list_feeds: ListFeeds,
        *,
        state: StateFolder,
        on_commit: Callable[[Batch], None] = lambda _: None,
        on_status: Callable[[FollowStatus], None] = lambda _: None,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self._engine = engine
        self._on_commit = on_commit
        self._on_status = on_status
        self._time = time
        self._started = time.utc()
        self._log = StatusLog()
        self._latency = SearchLatency(time=time)
        self._folders: Mapping[str, str] = {}  # of the roster; the sink may commit before there is one
        set_aside_pickles(state)
        self._in_flight = InFlight(state.in_flight)
        self._last_pass = LastPass(UpkeepFolder(state.path))
        self._sink = Sink(engine.writer, Spool(state.spool), on_commit=self._committed, time=time, threads=threads)
        self._ends = PendingEnds()
        self._batcher = RowBatcher(plan.hash, commit_s=plan.live.commit_s, time=time)
        self._scheduler = KeyframeScheduler(
            most=plan.live.group_keyframes, group_s=plan.live.group_s, on_ending=self._ends.add
        )
        self._roster = FeedRoster(
            list_feeds,
            FeedStarter(engine, plan, self._sink, time=time, threads=threads),
            on_removed=self._scheduler.forget,
            started=self._started,
        )

    def run(self, stop: Callable[[], bool]) -> FollowStatus:
        """Runs until `stop()` is true, which is checked about fifty times a second; then commits what was received."""
        self._close_earlier()
        listed_s = reported_s = -1e9
        try:
            while not stop():
                now_s = self._time.monotonic_s()
                if now_s - listed_s >= _LIST_S:
                    self._roster.update()
                    self._folders = self._roster.folders
                    listed_s = now_s
                self._step()
                if now_s - reported_s >= _STATUS_S:
                    self._report()
                    reported_s = now_s
                self._time.sleep(_STEP_S)
        finally:
            self._finish()
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
        )

    def _report(self) -> FollowStatus:
        status = self.status()
        self._log.report(status)
        self._on_status(status)
        self._in_flight.report(self._roster.received())
        self._in_flight.write()
        return status

    def _committed(self, batch: Batch) -> None:
        """Records a commit; the sink calls it in its own thread."""
        self._in_flight.settle(batch)
        self._latency.add(batch, folders=self._folders)
        self._on_commit(batch)

    def _close_earlier(self) -> None:
        """Completes the recordings that an earlier follower left open, after its batches that wait on disk."""
        left = self._engine.writer.open_recordings([each.source for each in self._in_flight.earlier])
        self._put(self._in_flight.close_earlier(left, self._sink.spooled_before))

    # -- a step ----------------------------------------------------------------------------------

    def _step(self) -> None:
        for done in self._engine.worked():
            self._take(done)
        if self._sink.status().bytes < _HELD_BYTES:
            self._hand_out()
        self._close_recordings()
        self._roster.dismiss_ended()
        if self._batcher.due:
            self._put(self._batcher.take())

    def _take(self, done: Worked) -> None:
        """Takes over the result of a model."""
        self._scheduler.learn_rate(sum(len(packet.keyframes) for packet in done.packets), done.seconds)
        self._ends.returned(done.packets)
        if done.rows is None:
            for packet in done.packets:
                self._ends.add(Lost(packet.head.segment, packet.head.frames_decoded, done.error))
        for rows in done.rows or ():
            lost = self._batcher.add(rows)
            if lost is not None:
                self._ends.add(lost)

    def _hand_out(self) -> None:
        """Gives waiting packets to idle models, those of feeds first: files can wait."""
        feeds, files = self._roster.handles(folders=False), self._roster.handles(folders=True)
        while self._engine.idle_models:
            now_s = self._time.monotonic_s()
            group = self._scheduler.group(feeds, now_s=now_s) or self._scheduler.group(files, now_s=now_s)
            if not group:
                return
            self._ends.handed_out(group)
            self._engine.work(group)

    def _close_recordings(self) -> None:
        endings = self._ends.take()
        if endings:
            self._put(self._batcher.take())  # a recording ends after its rows
            self._put(Batch.of(endings))

    def _put(self, batch: Batch) -> None:
        if batch:
            self._sink.put(batch)

    # -- the end ---------------------------------------------------------------------------------

    def _finish(self) -> None:
        self._roster.stop()
        while self._open():
            self._step()
            self._time.sleep(_STEP_S)
        self._put(self._batcher.take())
        self._sink.close()

    def _open(self) -> bool:
        """Whether anything that was received has not reached the sink yet."""
        if self._sink.status().bytes >= _HELD_BYTES:
            return False  # the models get no more packets then: it would never end
        return bool(self._ends) or not self._roster.ended
