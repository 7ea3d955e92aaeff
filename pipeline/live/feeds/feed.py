"""One feed under supervision: connects for ever, and replaces the process that decodes when it hangs or dies."""

import logging
import math
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from operators.readers.growing_file import FileMark
from pipeline.ingest.packets import FramePacket
from pipeline.live.feeds.feed_buffer import FeedBuffer, FeedItem
from pipeline.live.feeds.feed_child import FollowRequest, Heartbeat, StreamEnded
from pipeline.live.feeds.feed_status import FeedState, FeedStatus
from pipeline.live.feeds.frame_counts import FrameCounts
from pipeline.live.feeds.received import Received, broken_off
from pipeline.live.feeds.recorder import RecordingEnded
from pipeline.reading.child import Child
from pipeline.runtime.backoff import Backoff
from schemas.clock import Span
from schemas.sources import SegmentReport, Source

CHILD_CODE = "from pipeline.live.feeds.feed_child import main; main()"
_log = logging.getLogger(__name__)
_START_S = 30.0  # of a Python with all that decoding needs, on a busy machine, beside what opening may take
_GLANCE_S = 0.25
_FILE_LOOK_S = 0.5
_END_S = 3.0  # of a child that was asked to end


@dataclass(slots=True)
class _Recording:
    """The recording that the child is in, as last told. handed_on: frames in packets; undecided: in none of them, of
    the stretch `unsettled`."""

    source: Source
    handed_on: int
    unsettled: Span
    undecided: int

    def received(self) -> Received:
        return Received(self.source, self.handed_on + self.undecided, self.unsettled.stop, self.handed_on)


class Feed:
    """Supervises one feed from `start()` to `stop()`, in a thread of its own; what it gives waits in a small buffer.

    name: what it is called by people, and in the lake. request: how it is opened and read.
    Deadlines are kept out here: a decoder that hangs in C answers nobody.
    A file that grows is read no faster than it is taken: nothing of it is shed, and what a decoder that died had in its
    hands is read again.
    """

    def __init__(self, name: str, request: FollowRequest, *, choose: Callable[[], float] = random.random) -> None:
        self.name = name
        self._request = request
        self._choose = choose
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._buffer = FeedBuffer(
            most=sys.maxsize if request.is_file else request.live.buffer_keyframes,
            stale_s=math.inf if request.is_file else request.live.stale_s,
            plan_hash=request.plan_hash,
        )
        self._taken = list(request.taken)
        self._status = FeedStatus(name, request.uri, "connecting", datetime.now(UTC))
        self._counts = FrameCounts()
        self._wanted = True  # not paused
        self._stopped = False
        self._child: Child | None = None
        self._recording: _Recording | None = None
        self._ended: dict[str, Received] = {}  # recordings whose end waits to be taken, by id
        self._thread = threading.Thread(target=self._supervise, name=f"feed {name}", daemon=True)

    @property
    def taken(self) -> tuple[Source, ...]:
        """The recordings that were made of a file, those of the request first; complete once this has ended."""
        return tuple(self._taken)

    def start(self) -> None:
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process that decodes; None where there is none."""
        child = self._child
        return None if child is None else child.pid

    def pause(self) -> None:
        """Lets the stream go, until `resume()`; what was received is still decided on."""
        with self._news:
            self._wanted = False
            if self._child is not None:
                self._child.ask_to_end()
            self._news.notify_all()

    def resume(self) -> None:
        with self._news:
            self._wanted = True
            self._news.notify_all()

    def stop(self) -> None:
        """As `pause()`, for good and without waiting for it; what still comes can be taken."""
        with self._news:
            self._stopped = True
            if self._child is not None:
                self._child.ask_to_end()
            self._news.notify_all()

    @property
    def ended(self) -> bool:
        """Whether it was stopped, and everything was taken."""
        return self._stopped and not self._thread.is_alive() and not len(self._buffer)

    @property
    def ready(self) -> bool:
        """Whether an item waits."""
        return self.wait(0.0)

    def wait(self, wait_s: float) -> bool:
        """Whether an item waits, or comes within `wait_s`."""
        with self._news:
            self._news.wait_for(lambda: len(self._buffer) > 0, wait_s)
            return len(self._buffer) > 0

    def poll(self) -> FeedItem | None:
        """The oldest item that waits."""
        with self._news:
            item = self._buffer.take()
            self._news.notify_all()
            if isinstance(item, FramePacket):
                report = item.head.end
                assert isinstance(report, SegmentReport)
                self._counts.taken(report, kept=len(item.keyframes))
            elif isinstance(item, RecordingEnded):
                self._ended.pop(item.source.id, None)
            return item

    def status(self) -> FeedStatus:
        with self._lock:
            return self._counts.onto(self._status, shed=self._buffer.shed, waiting=self._buffer.keyframes)

    def received(self) -> tuple[Received, ...]:
        """Of each recording whose end was not taken yet; of a file nothing, for it is read again."""
        with self._lock:
            if self._request.is_file:
                return ()
            current = () if self._recording is None else (self._recording.received(),)
            return (*self._ended.values(), *current)

    # -- the thread ------------------------------------------------------------------------------

    def _supervise(self) -> None:
        waits = Backoff(self._request.live.backoff, choose=self._choose)
        while True:
            with self._news:
                if not self._wanted:
                    self._enter("paused")
                self._news.wait_for(lambda: self._wanted or self._stopped)
                if self._stopped:
                    return
                self._enter("connecting")
            began = time.monotonic()
            try:
                ended = self._follow_once()
            except OSError as error:  # no process can be started now
                ended = StreamEnded(f"no decoder can be started: {error.strerror or error}")
            with self._news:
                if self._stopped:
                    return
                if not self._wanted:
                    continue
                if ended.failed:
                    self._counts.restarted(ended.reason)
                    self._enter("backing off", error=ended.reason)
                    wait_s = waits(lasted_s=time.monotonic() - began)
                    self._news.wait_for(lambda: self._stopped or not self._wanted, wait_s)
                if ended.mark is not None:
                    self._enter("stalled", error=ended.reason)
            if ended.mark is not None:
                self._await_other(ended.mark)

    def _await_other(self, mark: FileMark) -> None:
        """Until the file is another than it was: no process waits for what may never come."""
        path = Path(self._request.address)
        while True:
            now = FileMark.of(path)  # without the lock: a disk may not answer
            with self._news:
                if (now is not None and now != mark) or self._stopped or not self._wanted:
                    return
                self._news.wait_for(lambda: self._stopped or not self._wanted, _FILE_LOOK_S)

    def _follow_once(self) -> StreamEnded:
        """One child, from its start to its end, and what that was."""
        live = self._request.live
        with self._lock:
            if self._stopped or not self._wanted:
                return StreamEnded("stopped")
            child = self._child = Child(CHILD_CODE)
        ended = StreamEnded("")
        deadline_s = _START_S + live.stream.open_timeout_s
        try:
            child.connection.send(replace(self._request, taken=tuple(self._taken)))
            while True:
                self._await_room()
                if not self._answered(child, deadline_s):
                    with self._lock:
                        self._enter("stalled")
                    ended = StreamEnded(f"no frame for {deadline_s:g} s: the decoder was killed")
                    break
                message = child.connection.recv()
                if isinstance(message, StreamEnded):
                    ended = message
                    break
                self._told(message)
                deadline_s = live.stalled_s
        except (EOFError, OSError):
            pass
        except Exception as error:  # a supervisor that ends would never connect again
            _log.exception("feed %s: what its decoder says cannot be taken", self.name)
            ended = StreamEnded(f"{type(error).__name__}: {error}")
        with self._lock:
            self._child = None
        child.kill()
        ended = ended if ended.reason else StreamEnded(f"the decoder died ({child.exit_reason()})")
        child.close()
        with self._news:
            if self._stopped or not self._wanted:
                ended = replace(ended, reason="stopped" if self._stopped else "paused")
            self._close_recording(ended.reason)
            self._news.notify_all()
        return ended

    def _await_room(self) -> None:
        """A file can wait, and its decoder with it."""
        if self._request.is_file:
            most = self._request.live.buffer_keyframes
            with self._news:
                self._news.wait_for(lambda: self._buffer.keyframes < most or self._stopped or not self._wanted)

    def _answered(self, child: Child, deadline_s: float) -> bool:
        """Whether a message came in time; one that is asked to end is given less."""
        began = time.monotonic()
        while not child.connection.poll(_GLANCE_S):
            waited_s = time.monotonic() - began
            ending = self._stopped or not self._wanted
            if waited_s >= (min(deadline_s, _END_S) if ending else deadline_s):
                return False
        return True

    def _told(self, message: object) -> None:
        with self._news:
            if isinstance(message, Heartbeat):
                self._enter("live")
                self._counts.received(message.received, damaged=message.damaged)
                self._status = replace(self._status, behind_s=message.behind_s)
                if message.source is not None and message.unsettled is not None:
                    handed_on = self._handed_on(message.source)
                    undecided = message.received - message.handed_on
                    self._recording = _Recording(message.source, handed_on, message.unsettled, undecided)
            elif isinstance(message, FramePacket):
                self._counts.handed_on(message.head.frames_decoded)
                self._recording = self._after(message)
                self._buffer.put(message)
                self._news.notify_all()
            elif isinstance(message, RecordingEnded):
                assert self._recording is not None  # a packet of it came before
                self._end(message, frames=self._recording.handed_on)
                self._recording = None
                self._news.notify_all()

    def _handed_on(self, recording: Source) -> int:
        """Frames of it, so far."""
        now = self._recording
        return now.handed_on if now is not None and now.source.id == recording.id else 0

    def _after(self, packet: FramePacket) -> _Recording:
        """The recording, once this packet of it came; what else was received of it is still undecided."""
        source, until = packet.head.segment.source, packet.head.segment.span.stop
        frames, now = packet.head.frames_decoded, self._recording
        newest = until + 1 if now is None else max(until + 1, now.unsettled.stop)
        undecided = 0 if now is None else max(0, now.undecided - frames)
        return _Recording(source, self._handed_on(source) + frames, Span(until, newest), undecided)

    def _close_recording(self, reason: str) -> None:
        """After the child: what it took along is lost by name, and the recording that it was in has ended."""
        lost = self._counts.child_ended(reason, reads_again=self._request.is_file)
        now, self._recording = self._recording, None
        if now is None:
            return
        plan_hash = self._request.plan_hash
        for item in broken_off(now.source, now.unsettled, lost, reason=reason, plan_hash=plan_hash):
            if isinstance(item, RecordingEnded):
                self._end(item, frames=now.handed_on + lost)
            else:
                self._buffer.put(item)

    def _end(self, ended: RecordingEnded, *, frames: int) -> None:
        """Of a recording of which so many were received."""
        self._ended[ended.source.id] = Received(ended.source, frames, ended.source.span.stop, frames)
        self._take_note(ended.source)
        self._buffer.put(ended)

    def _take_note(self, recording: Source) -> None:
        if self._request.is_playlist:
            self._taken.clear()
        if self._request.is_file or self._request.is_playlist:
            self._taken.append(recording)

    def _enter(self, state: FeedState, *, error: str | None = None) -> None:
        if state != self._status.state:
            self._status = replace(self._status, state=state, since=datetime.now(UTC))
        if error is not None:
            self._status = replace(self._status, last_error=error)
