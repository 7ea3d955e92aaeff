"""A folder into which a recorder drops files: each is ingested once it is finished, when feeds leave models idle."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.ingest.packets import FramePacket, SegmentFailure, Work
from pipeline.live.account.losses import Received
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_status import THREAD_DIED, FeedState, FeedStatus
from pipeline.plan.plan import Plan
from pipeline.reading.addresses import public_uri
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.reader_requests import failure_packet
from pipeline.reading.recorder_times import dated
from pipeline.reading.segments import split_source
from pipeline.reading.sources import NO_MEDIA, Failure, Location, find_sources
from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads, described
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.errors import FileChangedError, LakeError, PlanConflictError, SourceError
from schemas.recorder_names import KNOWN_FORMS, NameRule
from schemas.sources import SegmentReport, Source, recording_uri

_LOOK_S = 2.0
_WAITING_PACKETS = 2
_PACKET_KEYFRAMES = 2
_TROUBLED = BackoffConfig(first_s=4.0, longest_s=60.0)
_SAME_TIME = 8
_LAST_S = datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # file systems have later times
_OVERWRITTEN = "its file was overwritten while it was read"
_Mark = tuple[int, int]  # size in bytes, mtime in ns
_log = logging.getLogger(__name__)


class FolderFeed:
    """Ingests files below a folder as `regionlake ingest` does, each once it has not changed for `settle_s`.

    register: registers a source in the lake; returns the spans that are still to be read, and raises PlanConflictError,
        FileChangedError where the lake has other contents under the source's name.
    refuse: records a file that cannot be read. Both are called in a thread of this feed, and wait for the lake; where
        they raise LakeError, the file is looked at again.
    naming: how the times in names of files are read; what is not known or was decided is logged.
    Files are read only as fast as the models process them, so that nothing is shed.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        plan: Plan,
        *,
        register: Callable[[Source], list[Span]],
        refuse: Callable[[Failure], None],
        naming: NameRule = KNOWN_FORMS,
        settle_s: float = 5.0,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self.name = name
        self._folder = folder
        self._plan = plan
        self._plan_hash = plan.hash
        self._register = register
        self._refuse = refuse
        self._naming = naming
        self._settle_s = settle_s
        self._reader = ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s)
        self._time = time
        self._news = threading.Condition()
        self._items: deque[FeedItem] = deque()
        self._status = FeedStatus(name, public_uri(str(folder)), "connecting", time.utc())
        self._ingested: dict[str, _Mark] = {}  # by path, as it was when its ingest began
        self._troubled: dict[str, _Trouble] = {}  # by path
        self._at: str | None = None  # the path that is being ingested
        self._kept = 0  # keyframes of the segment that is being read
        self._wanted = True  # not paused
        self._stopped = False
        self._thread = SupervisedThread(
            f"folder {name}", self._run, pauses=plan.live.backoff, noted=self._died, time=time, threads=threads
        )

    @property
    def ready(self) -> bool:
        return bool(self._items)

    def poll(self) -> FeedItem | None:
        with self._news:
            item = self._items.popleft() if self._items else None
            self._news.notify_all()
            if isinstance(item, FramePacket):
                self._count(item)
        return item

    def _count(self, packet: FramePacket) -> None:
        if packet.head.number == 0:  # the first, or the first again after a thread died
            self._kept = 0
        self._kept += len(packet.keyframes)
        if isinstance(packet.head.end, SegmentReport):  # only the end of a segment says how many frames it had
            status, frames = self._status, packet.head.end.frames_decoded
            self._status = replace(
                status,
                received=status.received + frames,
                kept=status.kept + self._kept,
                not_selected=status.not_selected + frames - self._kept,
            )

    def status(self) -> FeedStatus:
        thread = self._thread.status()
        with self._news:
            return self._status.of_thread(thread)

    def received(self) -> tuple[Received, ...]:
        """Nothing, because files are read again and no frame can be lost."""
        return ()

    def pause(self) -> None:
        """Pauses after the segment that is being read."""
        self._change(wanted=False)

    def resume(self) -> None:
        self._change(wanted=True)

    def stop(self) -> None:
        """Stops reading; the next run reads the files that were not read completely."""
        self._change(wanted=True, stopped=True)
        self._thread.end()
        self._reader.stop()

    @property
    def ended(self) -> bool:
        return self._stopped and not self._thread.alive

    def _change(self, *, wanted: bool, stopped: bool = False) -> None:
        with self._news:
            self._wanted = wanted
            self._stopped = self._stopped or stopped
            if self._stopped:
                self._items.clear()
            elif not wanted:
                self._enter("paused")
            self._news.notify_all()

    # -- the thread ------------------------------------------------------------------------------

    def _died(self, error: str) -> None:
        with self._news:
            self._status = self._status.restarted(THREAD_DIED, error)

    def _run(self) -> None:
        if self._at is not None:  # a thread before this one died of it: the others come first
            self._put_off(self._at)
        with self._reader:
            while not self._stopped:
                for location, mark in self._finished():
                    self._ingested[location.uri] = mark
                    self._ingest(location)
                    if self._stopped:
                        return
                with self._news:
                    self._time.wait_for(self._news, lambda: self._stopped, _LOOK_S)
                self._await_wanted()

    def _await_wanted(self) -> None:
        with self._news:
            self._time.wait_for(self._news, lambda: self._wanted or self._stopped)

    def _finished(self) -> list[tuple[Location, _Mark]]:
        """Files that are new or changed, and have not changed for `settle_s`, each as it is now."""
        found = []
        present: dict[str, _Mark] = {}
        with self._news:
            if self._wanted:
                self._enter("live" if self._folder.is_dir() else "stalled")
        for location in find_sources([str(self._folder)]):
            if isinstance(location, Failure):
                if self._folder.is_dir() and NO_MEDIA in location.error:
                    continue  # yet
                self._note(location.error)
                continue
            try:
                now = _mark_of(location)
            except FileNotFoundError:
                continue  # since it was listed
            except OSError as error:  # a folder that may not be entered, a disk that fails
                self._note(f"{location.uri}: {error.strerror or error}")
                continue
            present[location.uri] = now
            rested_s = self._time.utc().timestamp() - now[1] / 1e9
            if self._ingested.get(location.uri) != now and rested_s >= self._settle_s and self._due(location.uri):
                found.append((location, now))
        # only what is there: recorders that name files by their time make others for years
        self._ingested = {uri: mark for uri, mark in self._ingested.items() if uri in present}
        self._troubled = {uri: trouble for uri, trouble in self._troubled.items() if uri in present}
        return found

    def _ingest(self, location: Location) -> None:
        self._at = location.uri
        try:
            self._ingest_whole(location)
        except LakeError as error:  # the lake is out of reach; a probe reads the whole file, so not at every look
            self._note(str(error))
            self._put_off(location.uri)
        except Exception as error:  # nobody foresaw it: the other files of the folder do not wait for this one
            if not self._stopped:
                _log.exception("feed %s: %s cannot be ingested, and is tried again", self.name, location.uri)
                self._note(f"{location.uri}: {described(error)}")
                self._put_off(location.uri)
        else:
            self._troubled.pop(location.uri, None)
        self._at = None

    def _ingest_whole(self, location: Location) -> None:
        try:
            source = self._reader.probe(location)
        except SourceError as error:
            if not self._stopped:
                self._note(str(error))
                self._refuse(Failure(location.uri, str(error)))
            return
        named = dated(source, location, self._naming)
        try:
            source, todo = self._registered(named.source)
        except PlanConflictError as error:
            self._note(str(error))
            return
        if named.note is not None and todo:
            _log.warning("feed %s: %s: %s", self.name, location.uri, named.note, extra={"feed": self.name})
            if named.source.clock.start_time is None:
                self._note(f"{location.uri}: {named.note}")
        run = self._plan.run
        for segment in split_source(source, segment_s=run.segment_s, plan_hash=self._plan_hash, todo=todo):
            self._await_wanted()
            work = Work(segment, location)
            if not self._is_as_it_was(location):  # its rows would show other pictures
                packets: Iterable[FramePacket] = [failure_packet(work, number=0, frames_decoded=0, error=_OVERWRITTEN)]
            else:
                packets = self._reader.read(work)
            for packet in _in_small(packets, most=_PACKET_KEYFRAMES):
                if isinstance(packet.head.end, SegmentFailure):
                    self._note(packet.head.end.error)
                if not self._put(packet):
                    return

    def _registered(self, source: Source) -> tuple[Source, list[Span]]:
        """Registers a source; returns it under the name that it has in the lake, and its spans that are to be read.

        The first contents of a file have its path as their name. Others that a recorder writes under the same path are
        another recording, with the time at which they were written after the path, so that each name has one source.
        """
        written_s = min(max(0.0, self._ingested[source.uri][1] / 1e9), _LAST_S)
        for attempt in range(_SAME_TIME):
            time = datetime.fromtimestamp(written_s, UTC) + timedelta(milliseconds=attempt - 1)
            named = source if attempt == 0 else replace(source, uri=recording_uri(source.uri, time))
            try:
                return named, self._register(named)
            except FileChangedError:
                continue
        raise SourceError(f"{source.uri}: its name was used {_SAME_TIME} times within as many milliseconds")

    def _is_as_it_was(self, location: Location) -> bool:
        """Whether the file is the one whose ingest began."""
        try:
            return _mark_of(location) == self._ingested[location.uri]
        except OSError:
            return False

    def _put_off(self, uri: str) -> None:
        """Lets a file be tried again after a pause that grows each time."""
        trouble = self._troubled.setdefault(uri, _Trouble(Backoff(_TROUBLED)))
        trouble.until_s = self._time.monotonic_s() + trouble.pauses(lasted_s=0.0)
        self._ingested.pop(uri, None)
        self._at = None

    def _due(self, uri: str) -> bool:
        trouble = self._troubled.get(uri)
        return trouble is None or self._time.monotonic_s() >= trouble.until_s

    def _put(self, packet: FramePacket) -> bool:
        """Adds a packet, once there is room; returns False if the feed was stopped instead."""
        with self._news:
            self._time.wait_for(self._news, lambda: len(self._items) < _WAITING_PACKETS or self._stopped)
            if self._stopped:
                return False
            self._items.append(packet)
            return True

    def _note(self, error: str) -> None:
        with self._news:
            self._status = replace(self._status, last_error=error)

    def _enter(self, state: FeedState) -> None:
        if state != self._status.state:
            self._status = replace(self._status, state=state, since=self._time.utc())


@dataclass(slots=True)
class _Trouble:
    """A file whose ingest failed, as far as is known not by its contents. until_s: monotonic; no attempt before."""

    pauses: Backoff
    until_s: float = 0.0


def _mark_of(location: Location) -> _Mark:
    """The file as it is now. Raises OSError."""
    about = Path(location.address).stat()
    return about.st_size, about.st_mtime_ns


def _in_small(packets: Iterable[FramePacket], *, most: int) -> Iterator[FramePacket]:
    """Splits packets into those of at most `most` keyframes, so that feeds do not wait long for a model."""
    number = 0
    for packet in packets:
        if packet.head.number == 0:  # the first, or the first again after the decoder died
            number = 0
        chunks = [packet.keyframes[at : at + most] for at in range(0, len(packet.keyframes), most)] or [()]
        for at, keyframes in enumerate(chunks):
            last = at == len(chunks) - 1
            head = replace(packet.head, number=number, end=packet.head.end if last else None)
            yield FramePacket(head, keyframes)
            number += 1
