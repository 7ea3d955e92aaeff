"""Accounts for the frames of one feed, from the reports of the processes that decode it."""

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
    """The current recording, as last reported. emitted: frames in packets; pending: frames in no packet yet, which lie
    in the span `unsettled`."""

    source: Source
    emitted: int
    unsettled: Span
    pending: int

    def received(self) -> Received:
        return Received(self.source, self.emitted + self.pending, self.unsettled.stop, self.emitted)


class FeedAccount:
    """The account of one feed. Not thread-safe.

    plan_hash: hash of the plan by which the rows are made. reads_again: nothing is lost with a process, because the
    next one reads the file from the end of the last packet.
    """

    def __init__(self, *, plan_hash: str, reads_again: bool, time: TimeSource = REAL_TIME) -> None:
        self._plan_hash = plan_hash
        self._reads_again = reads_again
        self._counts = FrameCounts(time=time)
        self._recording: _Recording | None = None
        self._ended: dict[str, Received] = {}  # recordings whose end was not polled yet, by id

    def heartbeat(
        self, *, received: int, damaged: int, emitted: int, source: Source | None, unsettled: Span | None
    ) -> None:
        """Records a heartbeat. received, damaged, emitted: frames since the process began. unsettled: the span of
        `source` that is in no packet yet."""
        self._counts.received(received, damaged=damaged)
        if source is not None and unsettled is not None:
            self._recording = _Recording(source, self._emitted(source), unsettled, received - emitted)

    def packet(self, packet: FramePacket) -> None:
        """Records a segment of the recording; the other frames that were received of it are still pending."""
        self._counts.emitted(packet.head.frames_decoded)
        source, until = packet.head.segment.source, packet.head.segment.span.stop
        frames, now = packet.head.frames_decoded, self._recording
        newest = until + 1 if now is None else max(until + 1, now.unsettled.stop)
        pending = 0 if now is None else max(0, now.pending - frames)
        self._recording = _Recording(source, self._emitted(source) + frames, Span(until, newest), pending)

    def recording_ended(self, ended: RecordingEnded) -> None:
        """Records the end of a recording, which the process reports after the last packet."""
        assert self._recording is not None
        self._end(ended, frames=self._recording.emitted)
        self._recording = None

    def process_ended(self, reason: str) -> list[Ending]:
        """Counts the frames that a process took with it as lost, by the reason, and ends its recording."""
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

    def polled(self, item: FramePacket | Ending) -> None:
        """Records that an item was polled, for the models or for a commit."""
        if isinstance(item, FramePacket):
            report = item.head.end
            assert isinstance(report, SegmentReport)
            self._counts.polled(report, kept=len(item.keyframes))
        elif isinstance(item, RecordingEnded):
            self._ended.pop(item.source.id, None)

    def received(self) -> tuple[Received, ...]:
        """What was received of each recording whose end was not polled yet; nothing where it is read again."""
        if self._reads_again:
            return ()
        current = () if self._recording is None else (self._recording.received(),)
        return (*self._ended.values(), *current)

    def with_counts(self, status: FeedStatus, *, shed: int, waiting: int) -> FeedStatus:
        """The status with the counts of this account. shed, waiting: keyframes of the feed's buffer."""
        return self._counts.with_counts(status, shed=shed, waiting=waiting)

    def _emitted(self, recording: Source) -> int:
        """Number of frames of a recording that are in packets."""
        now = self._recording
        return now.emitted if now is not None and now.source.id == recording.id else 0

    def _end(self, ended: RecordingEnded, *, frames: int) -> None:
        self._ended[ended.source.id] = Received(ended.source, frames, ended.source.span.stop, frames)
