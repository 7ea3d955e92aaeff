"""Follows feeds: what they give goes to the models by turns, and to the lake within seconds; until it is stopped."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.segment_assembler import SegmentAssembler
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.first_release import set_aside_pickles
from pipeline.live.commits.in_flight import InFlight
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.live.engines.live_engine import FeedHandle, LiveEngine, Worked
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_buffer import Lost
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_list import FeedEntry
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.feeds.folder_feed import FolderFeed
from pipeline.live.feeds.recorder import RecordingEnded
from pipeline.live.scheduler import KeyframeScheduler
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.search_latency import SearchLatency
from pipeline.live.status.state_folder import StateFolder
from pipeline.live.status.status_log import StatusLog
from pipeline.plan.plan import Plan
from pipeline.reading.sources import Failure
from schemas.clock import Span
from schemas.errors import LakeError, PlanError
from schemas.sources import Source

_STEP_S = 0.02
_STATUS_S = 1.0
_LIST_S = 1.0
_HELD_BYTES = 256 * 2**20  # of rows that the lake and the spool refuse: from there on frames are shed

ListFeeds = Callable[[], Mapping[str, FeedEntry]]


@dataclass(slots=True)
class _Followed:
    entry: FeedEntry
    handle: FeedHandle | None  # None where it could not be started
    error: str | None = None

    def status(self) -> FeedStatus | None:
        return None if self.handle is None else self.handle.status()


class Follower:
    """Follows the feeds that `list_feeds` names, which is asked every second, so that they come and go while it runs.

    on_commit: told each batch that is in the lake. on_status: told about once a second.
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
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._plan_hash = plan.hash
        self._live = plan.live
        self._list_feeds = list_feeds
        self._on_status = on_status
        self._findable = SearchLatency()
        self._folders: dict[str, str] = {}  # absolute path → name; made anew, never changed: the sink reads it
        self._log = StatusLog()

        set_aside_pickles(state)
        self._in_flight = InFlight(state.in_flight)

        def committed(batch: Batch) -> None:
            self._in_flight.settle(batch)
            self._findable.add(batch, folders=self._folders)
            on_commit(batch)

        spool = Spool(state.spool)
        self._spooled = spool.segments
        self._sink = Sink(engine.writer, spool, on_commit=committed)
        self._assembler = SegmentAssembler(self._plan_hash)
        self._turns = KeyframeScheduler(most=plan.live.group_keyframes, group_s=plan.live.group_s)
        self._feeds: dict[str, _Followed] = {}
        self._files: dict[str, Feed] = {}  # the last of each name: they know what was taken
        self._leaving: list[_Followed] = []  # removed, and not empty yet
        self._left: dict[str, FeedStatus] = {}  # the last of those that are gone
        self._outstanding: Counter[str] = Counter()  # segments of each recording that models have
        self._closing: list[Lost | RecordingEnded] = []  # wait until those are done
        self._batch: list[SegmentRows] = []
        self._batch_since = 0.0
        self._started = datetime.now(UTC)
        self._list_error: str | None = None

    def run(self, stop: Callable[[], bool]) -> FollowStatus:
        """Until `stop()` is true, which is asked some fifty times a second; then what was received is brought in."""
        self._close_earlier()
        listed_s = told_s = -1e9
        try:
            while not stop():
                now_s = time.monotonic()
                if now_s - listed_s >= _LIST_S:
                    self._list()
                    listed_s = now_s
                self._step()
                if now_s - told_s >= _STATUS_S:
                    self._tell()
                    told_s = now_s
                time.sleep(_STEP_S)
        finally:
            self._finish()
        return self._tell()

    def status(self) -> FollowStatus:
        feeds = []
        for name, each in sorted(self._feeds.items()):
            status = each.status() or FeedStatus(name, each.entry.shown, "failed", self._started, last_error=each.error)
            leaving = [left.status() for left in self._leaving if left.handle is not None and left.handle.name == name]
            for before in (self._left.get(name), *leaving):
                status = status if before is None else status.after(before)
            feeds.append(status)
        return FollowStatus(
            at=datetime.now(UTC),
            started=self._started,
            pid=os.getpid(),
            feeds=tuple(feeds),
            sink=self._sink.status(),
            list_error=self._list_error,
            findable=self._findable.status(),
        )

    def _tell(self) -> FollowStatus:
        status = self.status()
        self._log.tell(status)
        self._on_status(status)
        followed = (*self._feeds.values(), *self._leaving)
        self._in_flight.told(each for one in followed if one.handle is not None for each in one.handle.received())
        self._in_flight.write()
        return status

    def _close_earlier(self) -> None:
        """Completes what a follower before this one left, behind what of it waits on disk."""
        left = self._engine.writer.open_recordings([each.source for each in self._in_flight.earlier])
        batch = self._in_flight.close_earlier(left, self._spooled)
        if batch:
            self._sink.put(batch)

    def _remember(self, followed: _Followed) -> None:
        """Counts go on where a feed of the same name follows."""
        status = followed.status()
        if status is not None:
            before = self._left.get(status.name)
            self._left[status.name] = status if before is None else status.after(before)

    # -- feeds -----------------------------------------------------------------------------------

    def _list(self) -> None:
        try:
            wanted = self._list_feeds()
        except PlanError as error:  # somebody is editing it
            self._list_error = str(error)
            return
        self._list_error = None
        for name in set(self._feeds) - set(wanted):
            self._leave(name)
        for name, entry in wanted.items():
            followed = self._feeds.get(name)
            if followed is not None and replace(followed.entry, paused=False) != replace(entry, paused=False):
                self._leave(name)
                followed = None
            if followed is None or followed.handle is None:
                followed = self._feeds[name] = self._start(name, entry)
            if followed.handle is not None and entry.paused != followed.entry.paused:
                followed.handle.pause() if entry.paused else followed.handle.resume()
            followed.entry = entry
        self._folders = {
            str(Path(each.handle.status().uri).absolute()): name
            for name, each in self._feeds.items()
            if each.handle is not None and each.entry.is_folder
        }

    def _start(self, name: str, entry: FeedEntry) -> _Followed:
        try:
            address = entry.address()
        except PlanError as error:
            return _Followed(entry, None, str(error))
        handle: FeedHandle
        if entry.is_folder:
            handle = FolderFeed(name, Path(address), self._plan, register=self._register, refuse=self._refuse)
        else:
            request = FollowRequest(address, name, self._plan_hash, self._plan.read, self._live)
            if entry.is_file:
                try:
                    request = replace(request, taken=self._taken_of_file(name))
                except LakeError as error:
                    return _Followed(entry, None, str(error))
                handle = self._files[name] = Feed(name, request)  # on this machine, as the file is
                handle.start()
            else:
                handle = self._engine.feed(name, request)
        if entry.paused:
            handle.pause()
        return _Followed(entry, handle)

    def _taken_of_file(self, name: str) -> tuple[Source, ...]:
        """What is in the lake of a file that grows, or on its way there. Raises LakeError while that cannot be told."""
        before = self._files.get(name)
        if before is not None:
            if not before.ended:
                raise LakeError("what was received of it before it was removed is brought in first")
            return before.taken
        if self._sink.status().spooled:
            raise LakeError("what waits on disk for the lake is brought in first")
        return tuple(self._sink.ask(lambda writer: writer.recordings(name)))

    def _register(self, source: Source) -> list[Span]:
        return self._sink.ask(lambda writer: writer.register(source, replace=False))

    def _refuse(self, failure: Failure) -> None:
        self._sink.ask(lambda writer: writer.quarantine(failure.uri, error=failure.error))

    def _leave(self, name: str) -> None:
        followed = self._feeds.pop(name)
        self._turns.forget(name)
        if followed.handle is not None:
            followed.handle.stop()
            self._leaving.append(followed)

    # -- a step ----------------------------------------------------------------------------------

    def _step(self) -> None:
        for done in self._engine.worked():
            self._take(done)
        if self._sink.status().bytes < _HELD_BYTES:
            self._hand_out()
        self._close_recordings()
        for followed in [each for each in self._leaving if each.handle is None or each.handle.ended]:
            self._leaving.remove(followed)
            self._remember(followed)
        if self._batch and time.monotonic() - self._batch_since >= self._live.commit_s:
            self._commit()

    def _hand_out(self) -> None:
        """Gives idle models what waits; files can wait for feeds, and feeds for nobody."""
        feeds, files = self._handles(folders=False), self._handles(folders=True)
        while self._engine.idle_models:
            now_s = time.monotonic()
            group = self._turns.group(feeds, now_s=now_s) or self._turns.group(files, now_s=now_s)
            if not group:
                return
            for packet in group:
                self._outstanding[packet.head.segment.source.id] += 1
            self._engine.work(group)

    def _handles(self, *, folders: bool) -> list[FeedHandle]:
        followed = (*self._feeds.values(), *self._leaving)
        return [each.handle for each in followed if each.handle is not None and each.entry.is_folder == folders]

    def _take(self, done: Worked) -> None:
        self._turns.took(sum(len(packet.keyframes) for packet in done.packets), done.seconds)
        for packet in done.packets:
            self._outstanding[packet.head.segment.source.id] -= 1
            if done.rows is None:
                self._closing.append(Lost(packet.head.segment, packet.head.frames_decoded, done.error))
        for rows in done.rows or ():
            whole = self._assembler.add(rows)
            if isinstance(whole, SegmentRows):
                if not self._batch:
                    self._batch_since = time.monotonic()
                self._batch.append(whole)
            elif whole is not None:
                segment, failure = whole
                self._closing.append(Lost(segment, 0, failure.error, failure.state))

    def _close_recordings(self) -> None:
        """Of recordings of which no model has anything any more."""
        self._closing += self._turns.told
        self._turns.told.clear()
        lost, ended, waiting = [], [], []
        for item in self._closing:
            if self._outstanding[_source_id(item)]:
                waiting.append(item)
            elif isinstance(item, Lost):
                lost.append(item)
            else:
                ended.append(item)
        if not lost and not ended:
            return
        self._closing = waiting
        self._commit()  # what they rest on
        self._sink.put(Batch(lost=tuple(lost), ended=tuple(ended)))
        for recording in ended:
            del self._outstanding[recording.source.id]

    def _commit(self) -> None:
        if self._batch:
            self._sink.put(Batch(rows=tuple(self._batch)))
            self._batch = []

    def _finish(self) -> None:
        for name in list(self._feeds):
            handle = self._feeds[name].handle
            if handle is not None:
                handle.stop()
        while self._open():
            self._step()
            time.sleep(_STEP_S)
        self._commit()
        self._sink.close()

    def _open(self) -> bool:
        """Whether anything that was received is still on its way to the lake's writer."""
        if self._sink.status().bytes >= _HELD_BYTES:
            return False  # nothing more is handed out then: it would never end
        handles = [*self._handles(folders=False), *self._handles(folders=True)]
        reading = not all(handle.ended for handle in handles)
        return bool(reading or self._turns.told or self._closing or any(self._outstanding.values()))


def _source_id(item: Lost | RecordingEnded) -> str:
    return item.segment.source.id if isinstance(item, Lost) else item.source.id
