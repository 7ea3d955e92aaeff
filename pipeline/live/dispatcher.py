"""Gives packets of feeds to models in turn, and their rows to the sink, until every feed has ended."""

from collections import deque
from collections.abc import Sequence

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import Lost
from pipeline.live.account.pending_ends import PendingEnds
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.row_batcher import RowBatcher
from pipeline.live.commits.sink import Sink
from pipeline.live.engines.live_engine import LiveEngine, Worked
from pipeline.live.feeds.feed_roster import FeedRoster
from pipeline.live.live_config import LiveConfig
from pipeline.live.scheduler import KeyframeScheduler
from pipeline.runtime.time_source import TimeSource

DISPATCHER_DIED = "the thread that serves the models died"
_STEP_S = 0.02
_HELD_BYTES = 256 * 2**20  # rows held in memory while the lake and the spool are out of reach; beyond, frames are shed


class Dispatcher:
    """Runs in one thread, which may die at any point and call `run` again: the group that it held is then lost, by
    count, and everything else continues.

    roster: its feeds are served; it calls `forget` with those that it removes.
    """

    def __init__(
        self,
        engine: LiveEngine,
        sink: Sink,
        roster: FeedRoster,
        config: LiveConfig,
        *,
        plan_hash: str,
        time: TimeSource,
    ) -> None:
        self._engine = engine
        self._sink = sink
        self._roster = roster
        self._time = time
        self._ends = PendingEnds()
        self._batcher = RowBatcher(plan_hash, commit_s=config.commit_s, time=time)
        self._scheduler = KeyframeScheduler(
            most=config.group_keyframes, group_s=config.group_s, on_ending=self._ends.add
        )
        self._done: deque[Worked] = deque()  # by models, and not taken over yet
        self._held: Sequence[FramePacket] = ()  # between the feeds and a model, or between a model and the sink
        self._ending = False

    def run(self) -> None:
        """Serves the feeds until, after `end()`, all have ended and what they gave has reached the sink."""
        self._give_up_held()
        while not (self._ending and self._ended):
            self._step()
            self._time.sleep(_STEP_S)
        self._put(self._batcher.take())

    def end(self) -> None:
        """Lets `run` return once the feeds, which were asked to stop, have ended."""
        self._ending = True

    def forget(self, name: str) -> None:
        """Removes the counts of a feed that was removed."""
        self._scheduler.forget(name)

    def flush(self) -> None:
        """Puts the rows that wait into the sink, where the thread is dead."""
        self._give_up_held()
        self._close_recordings()
        self._put(self._batcher.take())

    @property
    def _ended(self) -> bool:
        """Whether everything that was received has reached the sink."""
        if self._sink.status().bytes >= _HELD_BYTES:
            return True  # the models get no more packets then: it would never end
        return self._roster.ended and not self._ends

    def _step(self) -> None:
        self._done.extend(self._engine.worked())
        while self._done:
            self._held = self._done[0].packets
            self._take(self._done.popleft())
            self._held = ()
        if self._sink.status().bytes < _HELD_BYTES:
            self._hand_out()
        self._close_recordings()
        self._roster.dismiss_ended()
        if self._batcher.due:
            self._put(self._batcher.take())

    def _take(self, done: Worked) -> None:
        """Takes over the result of a model."""
        self._scheduler.learn_rate(sum(len(packet.keyframes) for packet in done.packets), done.seconds)
        if done.rows is None:
            self._lose(done.packets, done.error)
        for rows in done.rows or ():
            lost = self._batcher.add(rows)
            if lost is not None:
                self._ends.add(lost)
        self._ends.returned(done.packets)

    def _hand_out(self) -> None:
        """Gives waiting packets to idle models, those of feeds first: files can wait."""
        feeds, files = self._roster.handles(folders=False), self._roster.handles(folders=True)
        while self._engine.idle_models:
            now_s = self._time.monotonic_s()
            group = self._scheduler.group(feeds, now_s=now_s) or self._scheduler.group(files, now_s=now_s)
            if not group:
                return
            self._held = group
            self._ends.handed_out(group)
            self._engine.work(group)
            self._held = ()

    def _give_up_held(self) -> None:
        """Counts the group as lost that a thread before this one held when it died."""
        held, self._held = self._held, ()
        self._lose(held, DISPATCHER_DIED)
        self._ends.returned(held)

    def _lose(self, packets: Sequence[FramePacket], reason: str) -> None:
        for packet in packets:
            self._ends.add(Lost(packet.head.segment, packet.head.frames_decoded, reason))

    def _close_recordings(self) -> None:
        endings = self._ends.take()
        if endings:
            self._put(self._batcher.take())  # a recording ends after its rows
            self._put(Batch.of(endings))

    def _put(self, batch: Batch) -> None:
        if batch:
            self._sink.put(batch)
