"""Accounts for the frames of one feed, by what the processes that decode it report."""

from dataclasses import dataclass

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.frame_counts import FrameCounts
from pipeline.live.account.losses import Ending, Received, RecordingEnded, close_recording
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.sources import SegmentReport, Source


@dataclass(slots=True)
class _Recording:
    """The recording that goes on, as last reported. emitted: frames in packets; pending: in none of them, of the
    stretch `unsettled`."""

    source: Source
    emitted: int
    unsettled: Span
    pending: int

    def received(self) -> Received:
        return Received(self.source, self.emitted + self.pending, self.unsettled.stop, self.emitted)


class FeedAccount:
    """plan_hash: of the plan that the rows are made by. reads_again: nothing is lost with a process, as the next one
    reads the file from where the last packet ended. Not for several threads at once.
    """

    def __init__(self, *, plan_hash: str, reads_again: bool, time: TimeSource = REAL_TIME) -> None:
        self._plan_hash = plan_hash
        self._reads_again = reads_again
        self._counts = FrameCounts(time=time)
        self._recording: _Recording | None = None
        self._ended: dict[str, Received] = {}  # recordings whose end waits to be taken, by id

    def heartbeat(
        self, *, received: int, damaged: int, emitted: int, source: Source | None, unsettled: Span | None
    ) -> None:
        """received, damaged, emitted: frames since the process began. unsettled: the stretch of `source` that is in no
        packet."""
        self._counts.received(received, damaged=damaged)
        if source is not None and unsettled is not None:
            self._recording = _Recording(source, self._emitted(source), unsettled, received - emitted)

    def packet(self, packet: FramePacket) -> None:
        """A segment of the recording; what else was received of it is still pending."""
        self._counts.emitted(packet.head.frames_decoded)
        source, until = packet.head.segment.source, packet.head.segment.span.stop
        frames, now = packet.head.frames_decoded, self._recording
        newest = until + 1 if now is None else max(until + 1, now.unsettled.stop)
        pending = 0 if now is None else max(0, now.pending - frames)
        self._recording = _Recording(source, self._emitted(source) + frames, Span(until, newest), pending)

    def recording_ended(self, ended: RecordingEnded) -> None:
        """As the process reports it, after the last packet."""
        assert self._recording is not None
        self._end(ended, frames=self._recording.emitted)
        self._recording = None

    def process_ended(self, reason: str) -> list[Ending]:
        """What it took along is lost by name, and the recording that it was in has ended."""
        lost = self._counts.process_ended(reason, reads_again=self._reads_again)
        now, self._recording = self._recording, None
        if now is None:
            return []
        start, until = now.source.span.start, now.unsettled.start
        endings = close_recording(
            now.source,
            Received(now.source, now.emitted + lost, now.unsettled.stop, now.emitted),
            [(Span(start, until), now.emitted)] if until > start else [],
            plan_hash=self._plan_hash,
            reason=reason,
        )
        for ending in endings:
            if isinstance(ending, RecordingEnded):
                self._end(ending, frames=now.emitted + lost)
        return endings

    def restarted(self, reason: str) -> None:
        self._counts.restarted(reason)

    def taken(self, item: FramePacket | Ending) -> None:
        """By the models, or by whoever commits it."""
        if isinstance(item, FramePacket):
            report = item.head.end
            assert isinstance(report, SegmentReport)
            self._counts.taken(report, kept=len(item.keyframes))
        elif isinstance(item, RecordingEnded):
            self._ended.pop(item.source.id, None)

    def received(self) -> tuple[Received, ...]:
        """Of each recording whose end was not taken yet; nothing where it is read again."""
        if self._reads_again:
            return ()
        current = () if self._recording is None else (self._recording.received(),)
        return (*self._ended.values(), *current)

    def onto(self, status: FeedStatus, *, shed: int, waiting: int) -> FeedStatus:
        """The status with the counts of this account. shed, waiting: keyframes, before the models."""
        return self._counts.onto(status, shed=shed, waiting=waiting)

    def _emitted(self, recording: Source) -> int:
        """Frames of it in packets so far."""
        now = self._recording
        return now.emitted if now is not None and now.source.id == recording.id else 0

    def _end(self, ended: RecordingEnded, *, frames: int) -> None:
        self._ended[ended.source.id] = Received(ended.source, frames, ended.source.span.stop, frames)
