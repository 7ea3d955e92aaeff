"""Supervises one feed: reconnects for ever, and replaces the process that decodes when it hangs or dies."""

import logging
import math
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from operators.readers.growing_file import FileMark
from operators.readers.stream_packet import NotKept, RunBegins, RunPackets
from pipeline.ingest.packets import FramePacket
from pipeline.live.account.feed_account import FeedAccount
from pipeline.live.account.losses import Received, RecordingEnded
from pipeline.live.feeds.feed_buffer import FeedBuffer, FeedItem
from pipeline.live.feeds.feed_child import FollowRequest, Heartbeat, StreamEnded
from pipeline.live.feeds.feed_status import THREAD_DIED, FeedState, FeedStatus
from pipeline.live.feeds.feed_video import FeedVideo, RecordingVideo
from pipeline.reading.child import Child
from pipeline.runtime.backoff import Backoff
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads, described
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.sources import Source

# one thread, as NumPy would start others before the child is confined
_ENVIRONMENT = MappingProxyType({"OPENBLAS_NUM_THREADS": "1"})
CHILD_CODE = "from pipeline.live.feeds.feed_child import main; main()"
_log = logging.getLogger(__name__)
_START_S = 30.0  # start of a Python with all that decoding needs, on a busy machine; opening takes additional time
_GLANCE_S = 0.25
_FILE_LOOK_S = 0.5
_END_S = 3.0  # time that a child has after it was asked to end


class Feed:
    """Supervises one feed from `start()` to `stop()`, in a thread of its own; its items wait in a small buffer.

    name: the feed's name, also in the lake. request: how it is opened and read.
    Deadlines are enforced here, outside the decoder, which may hang in C.
    A file that grows is read no faster than it is polled: nothing of it is shed, and what a decoder that died had not
    delivered is read again.
    """

    def __init__(
        self,
        name: str,
        request: FollowRequest,
        *,
        choose: Callable[[], float] = random.random,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self.name = name
        self._request = request
        self._choose = choose
        self._time = time
        self._threads = threads
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._buffer = FeedBuffer(
            most=sys.maxsize if request.is_file else request.live.buffer_keyframes,
            stale_s=math.inf if request.is_file else request.live.stale_s,
            plan_hash=request.plan_hash,
        )
        self._recordings = list(request.recordings)
        self._status = FeedStatus(
            name, request.uri, "connecting", time.utc(), unverified=request.unverified, masks=len(request.masks)
        )
        self._account = FeedAccount(plan_hash=request.plan_hash, reads_again=request.is_file, time=time)
        self._wanted = True  # not paused
        self._stopped = False
        self._child: Child | None = None
        self._video: FeedVideo | None = None
        self._thread: SupervisedThread | None = None

    @property
    def recordings(self) -> tuple[Source, ...]:
        """The recordings that were made of a file, those of the request first; complete once the feed has ended."""
        return tuple(self._recordings)

    def start(self) -> None:
        ring = self._request.ring
        if ring is not None and self._request.keeps_video:
            self._video = FeedVideo(self.name, ring, time=self._time, threads=self._threads)
        self._thread = SupervisedThread(
            f"feed {self.name}",
            self._run,
            pauses=self._request.live.backoff,
            noted=self._died,
            choose=self._choose,
            time=self._time,
            threads=self._threads,
        )

    @property
    def pid(self) -> int | None:
        """The id of the process that decodes; None where there is none."""
        child = self._child
        return None if child is None else child.pid

    def pause(self) -> None:
        """Disconnects until `resume()`; pending frames that were received are still chosen or dropped."""
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
        """Disconnects for ever, without waiting for it; what still comes can be polled."""
        with self._news:
            self._stopped = True
            if self._child is not None:
                self._child.ask_to_end()
            self._news.notify_all()
        if self._thread is not None:
            self._thread.end()

    @property
    def ended(self) -> bool:
        """Whether the feed was stopped, and everything was polled."""
        done = self._stopped and (self._thread is None or not self._thread.alive) and not len(self._buffer)
        return done and (self._video is None or self._video.ended)

    @property
    def ready(self) -> bool:
        """Whether an item waits."""
        return self.wait(0.0)

    def wait(self, wait_s: float) -> bool:
        """Whether an item waits, or comes within `wait_s`."""
        with self._news:
            self._time.wait_for(self._news, lambda: len(self._buffer) > 0, wait_s)
            return len(self._buffer) > 0

    def poll(self) -> FeedItem | None:
        """Removes and returns the oldest item; None if none waits."""
        with self._news:
            item = self._buffer.take()
            self._news.notify_all()
            if item is not None:
                self._account.polled(item)
            return item

    def status(self) -> FeedStatus:
        thread = None if self._thread is None else self._thread.status()
        video = None if self._video is None else self._video.status()
        with self._lock:
            status = self._status if thread is None else self._status.of_thread(thread)
            status = replace(status, video=video)
            return self._account.with_counts(status, shed=self._buffer.shed, waiting=self._buffer.keyframes)

    def received(self) -> tuple[Received, ...]:
        """What was received of each recording whose end was not polled yet; nothing for a file, which is read again."""
        with self._lock:
            return self._account.received()

    # -- the thread ------------------------------------------------------------------------------

    def _died(self, error: str) -> None:
        with self._lock:
            self._account.restarted(THREAD_DIED)
            self._status = replace(self._status, last_error=f"{THREAD_DIED}: {error}")
            if self._child is not None:
                self._child.kill()  # nobody reads from it until the next thread closes it

    def _run(self) -> None:
        self._supervise()
        if self._video is not None:
            self._video.end()

    def _supervise(self) -> None:
        self._end_child(StreamEnded(THREAD_DIED))  # that of a thread before this one
        waits = Backoff(self._request.live.backoff, choose=self._choose)
        while True:
            with self._news:
                if not self._wanted:
                    self._enter("paused")
                self._time.wait_for(self._news, lambda: self._wanted or self._stopped)
                if self._stopped:
                    return
                self._enter("connecting")
            began_s = self._time.monotonic_s()
            try:
                ended = self._follow_once()
            except OSError as error:  # for want of memory or processes
                ended = StreamEnded(f"no decoder can be started: {error.strerror or error}")
            with self._news:
                if self._stopped:
                    return
                if not self._wanted:
                    continue
                if ended.failed:
                    self._account.restarted(ended.reason)
                    self._enter("backing off", error=ended.reason)
                    wait_s = waits(lasted_s=self._time.monotonic_s() - began_s)
                    self._time.wait_for(self._news, lambda: self._stopped or not self._wanted, wait_s)
                if ended.mark is not None:
                    self._enter("stalled", error=ended.reason)
            if ended.mark is not None:
                self._await_other(ended.mark)

    def _await_other(self, mark: FileMark) -> None:
        """Waits until the file changes, without a process: it may never change."""
        path = Path(self._request.address)
        while True:
            now = FileMark.of(path)  # without the lock: a disk may not answer
            with self._news:
                if (now is not None and now != mark) or self._stopped or not self._wanted:
                    return
                self._time.wait_for(self._news, lambda: self._stopped or not self._wanted, _FILE_LOOK_S)

    def _follow_once(self) -> StreamEnded:
        """Runs one child from its start to its end; returns how it ended."""
        with self._lock:
            if self._stopped or not self._wanted:
                return StreamEnded("stopped")
            child = self._child = Child(CHILD_CODE, environment=_ENVIRONMENT)
        try:
            ended = self._messages(child)
        except (EOFError, OSError):
            ended = StreamEnded("")
        except Exception as error:  # nobody foresaw it: another decoder may send better messages
            _log.exception("feed %s: a message of its decoder cannot be processed", self.name)
            ended = StreamEnded(described(error))
        return self._end_child(ended)

    def _messages(self, child: Child) -> StreamEnded:
        """Takes the messages of a child to the last one. Raises EOFError or OSError where it dies."""
        live = self._request.live
        deadline_s = _START_S + live.stream.open_timeout_s
        child.connection.send(replace(self._request, recordings=tuple(self._recordings)))
        while True:
            self._await_room()
            if not self._answered(child, deadline_s):
                with self._lock:
                    self._enter("stalled")
                return StreamEnded(f"no frame for {deadline_s:g} s: the decoder was killed")
            message = child.receive()
            if isinstance(message, StreamEnded):
                return message
            self._take_note(message)
            deadline_s = live.stalled_s

    def _end_child(self, ended: StreamEnded) -> StreamEnded:
        """Kills the child, if there is one, and accounts for the frames that it took with it; returns how it ended.

        It may be called again after it was interrupted.
        """
        child = self._child
        if child is None:
            return ended
        child.kill()
        ended = ended if ended.reason else StreamEnded(f"the decoder died ({child.exit_reason()})")
        with self._news:
            if self._stopped or not self._wanted:
                ended = replace(ended, reason="stopped" if self._stopped else "paused")
            for item in self._account.process_ended(ended.reason):
                self._put(item)
            self._child = None
            self._news.notify_all()
        if self._video is not None:
            self._video.child_ended()
        child.close()
        return ended

    def _await_room(self) -> None:
        """For a file, waits until the buffer has room, and lets its decoder wait."""
        if self._request.is_file:
            most = self._request.live.buffer_keyframes
            with self._news:
                self._time.wait_for(
                    self._news, lambda: self._buffer.keyframes < most or self._stopped or not self._wanted
                )

    def _answered(self, child: Child, deadline_s: float) -> bool:
        """Whether a message came in time; a child that was asked to end has less time."""
        began_s = self._time.monotonic_s()
        while not child.connection.poll(_GLANCE_S):
            waited_s = self._time.monotonic_s() - began_s
            ending = self._stopped or not self._wanted
            if waited_s >= (min(deadline_s, _END_S) if ending else deadline_s):
                return False
        return True

    def _take_note(self, message: object) -> None:
        if isinstance(message, RunBegins | RunPackets | NotKept | RecordingVideo):
            if self._video is not None:
                self._video.put(message)
            return
        with self._news:
            if isinstance(message, Heartbeat):
                self._enter("live")
                self._status = replace(self._status, behind_s=message.behind_s)
                self._account.heartbeat(
                    received=message.received,
                    damaged=message.damaged,
                    emitted=message.emitted,
                    source=message.source,
                    unsettled=message.unsettled,
                )
            elif isinstance(message, FramePacket):
                self._account.packet(message)
                self._put(message)
            elif isinstance(message, RecordingEnded):
                self._account.recording_ended(message)
                self._put(message)

    def _put(self, item: FeedItem) -> None:
        self._buffer.put(item)
        self._news.notify_all()
        if isinstance(item, RecordingEnded) and (self._request.is_file or self._request.is_playlist):
            if self._request.is_playlist:
                self._recordings.clear()
            self._recordings.append(item.source)

    def _enter(self, state: FeedState, *, error: str | None = None) -> None:
        if state != self._status.state:
            self._status = replace(self._status, state=state, since=self._time.utc())
        if error is not None:
            self._status = replace(self._status, last_error=error)
