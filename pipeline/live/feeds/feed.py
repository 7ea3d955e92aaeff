"""One feed under supervision: connects for ever, and replaces the process that decodes when it hangs or dies."""

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.backoff import Backoff
from pipeline.live.feeds.feed_buffer import FeedBuffer, FeedItem, Lost
from pipeline.live.feeds.feed_child import FollowRequest, Heartbeat, StreamEnded
from pipeline.live.feeds.feed_status import FeedState, FeedStatus
from pipeline.live.feeds.recorder import RecordingEnded
from pipeline.packets import FramePacket
from pipeline.reading.child import Child
from schemas.clock import Span
from schemas.ids import segment_id
from schemas.sources import Segment, SegmentReport, Source

CHILD_CODE = "from pipeline.live.feeds.feed_child import main; main()"
_log = logging.getLogger(__name__)
_START_S = 30.0  # of a Python with all that decoding needs, on a busy machine, beside what opening may take
_RATE_S = 10.0
_GLANCE_S = 0.25
_END_S = 3.0  # of a child that was asked to end


@dataclass(slots=True)
class _Recording:
    """The recording that the child is in, as last told."""

    source: Source
    handed_on_until: int  # PTS
    unsettled: Span


class Feed:
    """Supervises one feed from `start()` to `stop()`, in a thread of its own; what it gives waits in a small buffer.

    name: what it is called by people, and in the lake. request: how it is opened and read.
    Deadlines are kept out here: a decoder that hangs in C answers nobody.
    """

    def __init__(self, name: str, request: FollowRequest, *, choose: Callable[[], float] = random.random) -> None:
        self.name = name
        self._request = request
        self._choose = choose
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._buffer = FeedBuffer(
            most=request.live.buffer_keyframes, stale_s=request.live.stale_s, plan_hash=request.plan_hash
        )
        self._status = FeedStatus(name, request.uri, "connecting", datetime.now(UTC))
        self._received_at: deque[tuple[float, int]] = deque()
        self._lost: Counter[str] = Counter()
        self._restarts: Counter[str] = Counter()
        self._wanted = True  # not paused
        self._stopped = False
        self._child: Child | None = None
        self._recording: _Recording | None = None
        self._earlier = 0  # received by children before this one
        self._earlier_damaged = 0
        self._of_child = 0  # received by this one
        self._damaged_of_child = 0
        self._accounted = 0  # of them: told of in packets
        self._thread = threading.Thread(target=self._supervise, name=f"feed {name}", daemon=True)

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
            if isinstance(item, FramePacket):
                report = item.head.end
                assert isinstance(report, SegmentReport)
                kept = len(item.keyframes)
                self._status = replace(
                    self._status,
                    kept=self._status.kept + kept,
                    not_selected=self._status.not_selected + report.frames_decoded - kept - report.shed,
                )
            return item

    def status(self) -> FeedStatus:
        with self._lock:
            now, status = time.monotonic(), self._status
            while self._received_at and now - self._received_at[0][0] > _RATE_S:
                self._received_at.popleft()
            rate = sum(frames for _, frames in self._received_at) / _RATE_S
            received = self._earlier + self._of_child
            gone = sum(self._lost.values())
            waiting = self._buffer.keyframes
            settled = status.not_selected + status.kept + self._buffer.shed + waiting + gone
            return replace(
                status,
                frames_per_s=rate,
                received=received,
                undecided=received - settled,
                waiting=waiting,
                shed=self._buffer.shed,
                damaged=self._earlier_damaged + self._damaged_of_child,
                lost=dict(self._lost),
                restarts=dict(self._restarts),
            )

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
                reason = self._follow_once()
            except OSError as error:  # no process can be started now
                reason = f"no decoder can be started: {error.strerror or error}"
            with self._news:
                if self._stopped:
                    return
                if not self._wanted:
                    continue
                self._restarts[reason] += 1
                self._enter("backing off", error=reason)
                wait_s = waits(lasted_s=time.monotonic() - began)
                self._news.wait_for(lambda: self._stopped or not self._wanted, wait_s)

    def _follow_once(self) -> str:
        """One child, from its start to its end; returns why it ended."""
        live = self._request.live
        with self._lock:
            if self._stopped or not self._wanted:
                return "stopped"
            child = self._child = Child(CHILD_CODE)
        reason = ""
        deadline_s = _START_S + live.stream.open_timeout_s
        try:
            child.connection.send(self._request)
            while True:
                if not self._answered(child, deadline_s):
                    with self._lock:
                        self._enter("stalled")
                    reason = f"no frame for {deadline_s:g} s: the decoder was killed"
                    break
                message = child.connection.recv()
                if isinstance(message, StreamEnded):
                    reason = message.reason
                    break
                self._told(message)
                deadline_s = live.stalled_s
        except (EOFError, OSError):
            reason = ""
        except Exception as error:  # a supervisor that ends would never connect again
            _log.exception("feed %s: what its decoder says cannot be taken", self.name)
            reason = f"{type(error).__name__}: {error}"
        with self._lock:
            self._child = None
        child.kill()
        reason = reason or f"the decoder died ({child.exit_reason()})"
        child.close()
        with self._news:
            if self._stopped:
                reason = "stopped"
            elif not self._wanted:
                reason = "paused"
            self._close_recording(reason)
            self._news.notify_all()
        return reason

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
                self._received_at.append((time.monotonic(), message.received - self._of_child))
                self._of_child, self._damaged_of_child = message.received, message.damaged
                self._status = replace(self._status, behind_s=message.behind_s)
                if message.source is not None and message.unsettled is not None:
                    self._recording = _Recording(message.source, message.unsettled.start, message.unsettled)
            elif isinstance(message, FramePacket):
                segment = message.head.segment
                self._accounted += message.head.frames_decoded
                self._of_child = max(self._of_child, self._accounted)
                until = segment.span.stop
                self._recording = _Recording(segment.source, until, Span(until, until + 1))
                self._buffer.put(message)
                self._news.notify_all()
            elif isinstance(message, RecordingEnded):
                self._recording = None
                self._buffer.put(message)
                self._news.notify_all()

    def _close_recording(self, reason: str) -> None:
        """After the child: what it took along is lost by name, and the recording that it was in has ended."""
        lost = self._of_child - self._accounted
        recording = self._recording
        if lost:
            self._lost[reason] += lost
        if recording is not None:
            source, stop = recording.source, recording.handed_on_until
            if lost:
                span = recording.unsettled
                segment = Segment(source, span, segment_id(source.id, self._request.plan_hash, span))
                self._buffer.put(Lost(segment, lost, reason))
                stop = span.stop
            if stop > source.span.start:
                self._buffer.put(RecordingEnded(replace(source, span=Span(source.span.start, stop)), reason))
        self._earlier += self._of_child
        self._earlier_damaged += self._damaged_of_child
        self._of_child = self._damaged_of_child = self._accounted = 0
        self._recording = None

    def _enter(self, state: FeedState, *, error: str | None = None) -> None:
        if state != self._status.state:
            self._status = replace(self._status, state=state, since=datetime.now(UTC))
        if error is not None:
            self._status = replace(self._status, last_error=error)
