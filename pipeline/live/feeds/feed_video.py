"""Keeps the packets of one feed in its ring, in a thread of its own: a disk that is full or slow holds up no frame."""

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace

from operators.readers.stream_packet import NotKept, RunBegins, RunPackets
from pipeline.ring.config import RingConfig, VideoStatus
from pipeline.ring.writer import RingWriter
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource

_log = logging.getLogger(__name__)
_END_S = 5.0  # how long the end of a feed waits for a disk that does not answer


@dataclass(frozen=True, slots=True)
class RecordingVideo:
    """Which run of packets (`RunBegins.run`) a recording is made of; sent before its first segment."""

    source_id: str
    run: int


@dataclass(frozen=True, slots=True)
class _ChildEnded:
    """The process that demuxes has ended; the next one begins another run."""


@dataclass(frozen=True, slots=True)
class _Missing:
    """Packets are missing here, as too many waited for the disk."""

    packets: int


VideoMessage = RunBegins | RunPackets | NotKept | RecordingVideo
_Item = VideoMessage | _ChildEnded | _Missing


class FeedVideo:
    """Takes the messages of the feed's processes in their order, from any thread; `put` never waits for the disk."""

    def __init__(
        self, name: str, config: RingConfig, *, time: TimeSource = REAL_TIME, threads: Threads = REAL_THREADS
    ) -> None:
        self._name = name
        self._config = config
        self._time = time
        self._writer = RingWriter(name, config)
        self._news = threading.Condition()
        self._items: deque[_Item] = deque()
        self._bytes = 0  # of the packets that wait
        self._busy = False
        self._ended_s: float | None = None
        self._status = VideoStatus()
        self._silent: str | None = None
        self._elsewhere = 0  # packets that were dropped before they reached the writer
        self._thread = SupervisedThread(f"video of {name}", self._run, noted=self._died, time=time, threads=threads)

    def put(self, message: VideoMessage) -> None:
        with self._news:
            if isinstance(message, RunPackets):
                size = sum(len(packet.data) for packet in message.packets)
                if self._bytes + size > self._config.waiting_bytes:
                    self._miss(len(message.packets))
                    return
                self._bytes += size
            self._items.append(message)
            self._news.notify_all()

    def child_ended(self) -> None:
        """The process that demuxed has ended: what it sent is written, and the run ends."""
        with self._news:
            self._items.append(_ChildEnded())
            self._news.notify_all()

    def end(self) -> None:
        """Lets the thread end once everything is written; returns at once."""
        with self._news:
            if self._ended_s is None:
                self._ended_s = self._time.monotonic_s()
            self._news.notify_all()
        self._thread.end()

    @property
    def ended(self) -> bool:
        """Whether everything was written after `end()`, or the disk has not answered for some seconds."""
        if self._ended_s is None:
            return False
        return not self._thread.alive or self._time.monotonic_s() - self._ended_s > _END_S

    @property
    def waiting(self) -> bool:
        """Whether messages wait, or one is being processed."""
        with self._news:
            return bool(self._items) or self._busy

    def status(self) -> VideoStatus:
        self._thread.status()  # starts it again where it could not do so itself
        with self._news:
            return replace(self._status, dropped=self._status.dropped + self._elsewhere)

    def _miss(self, packets: int) -> None:
        last = self._items[-1] if self._items else None
        if isinstance(last, _Missing):
            self._items[-1] = _Missing(last.packets + packets)
        else:
            self._items.append(_Missing(packets))

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._news:
                self._time.wait_for(self._news, lambda: self._items or self._ended_s is not None)
                if not self._items:
                    break
                item = self._items.popleft()
                self._busy = True
                if isinstance(item, RunPackets):
                    self._bytes -= sum(len(packet.data) for packet in item.packets)
            self._take(item)
            self._busy = False
        self._take(_ChildEnded())

    def _take(self, item: _Item) -> None:
        error = self._status.error
        written = self._writer.fragments
        try:
            if isinstance(item, RunBegins):
                self._silent = item.silent
                self._writer.begin(item)
            elif isinstance(item, RunPackets):
                error = self._add(item) or error
            elif isinstance(item, RecordingVideo):
                self._writer.bind(item.source_id, item.run)
            elif isinstance(item, NotKept):
                error = item.reason
            elif isinstance(item, _Missing):
                self._elsewhere += item.packets
                error = "the disk takes longer than the packets come"
                self._writer.skip()
            else:
                self._writer.close()
        except OSError as failed:
            error = _reason(failed)
        if self._writer.fragments > written and not self._writer.waits:
            error = None
        self._report(error)

    def _add(self, item: RunPackets) -> str | None:
        """Adds packets; returns why some are lost, if any are."""
        self._elsewhere += item.dropped
        error = None
        for packet in item.packets:
            try:
                self._writer.add(packet)
            except OSError as failed:
                error = _reason(failed)
                if packet.is_sync:  # those before it are lost, and it begins another file
                    self._writer.add(packet)
                else:
                    self._elsewhere += 1
        return error

    def _report(self, error: str | None) -> None:
        writer, before = self._writer, self._status.error
        with self._news:
            self._status = VideoStatus(
                writer.fragments, writer.bytes, writer.dropped, error, writer.gop_s, self._silent
            )
        if error is not None and before is None:
            _log.warning("the video of feed %s is not kept: %s", self._name, error, extra={"feed": self._name})
        elif error is None and before is not None:
            _log.warning("the video of feed %s is kept again", self._name, extra={"feed": self._name})

    def _died(self, error: str) -> None:
        with self._news:
            self._status = replace(self._status, error=f"its thread died: {error}")
            self._items.append(_Missing(0))  # what the thread held may be lost


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
