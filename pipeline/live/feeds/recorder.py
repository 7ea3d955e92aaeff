"""Cuts the frames of a feed into recordings and short segments, as packets that a model can process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from operators.readers.live_stream import LiveFrame, utc_at_zero
from pipeline.ingest.packets import FramePacket, PacketHead
from pipeline.live.account.losses import RecordingEnded
from pipeline.live.live_config import LiveConfig
from pipeline.reading.keyframe_stream import KeyframeStream, ReadConfig
from pipeline.reading.reader_requests import PACKET_BYTES, PACKET_FRAMES
from schemas.clock import Clock, Span
from schemas.frames import Keyframe
from schemas.ids import digest, segment_id
from schemas.sources import Segment, Source, recording_uri


class Recorder:
    """Turns the frames of a feed into FramePackets, each a whole segment, and an end after those of each recording.

    uri: the feed's, as it is stored. plan_hash: hash of the plan by which the rows are made.
    identity: of a file that the feed follows (see `recording_id`).
    A recording is a source of the lake: an epoch of the feed, or recording_s of it. The choice of keyframes and the
    background continue from one recording to the next of an epoch.
    received: frames so far. emitted: how many of them are in packets.
    """

    def __init__(self, read: ReadConfig, live: LiveConfig, *, uri: str, plan_hash: str, identity: str = "") -> None:
        self._read = read
        self._live = live
        self._feed = _Feed(uri, identity, plan_hash)
        self._epoch: _Epoch | None = None
        self.received = 0
        self.emitted = 0

    @property
    def source(self) -> Source | None:
        """The current recording."""
        return None if self._epoch is None else self._epoch.source

    @property
    def unsettled(self) -> Span | None:
        """The span from the end of the last packet to the last frame received."""
        return None if self._epoch is None else self._epoch.unsettled

    def add(self, frame: LiveFrame) -> Iterator[FramePacket | RecordingEnded]:
        """Adds a frame; yields the packets and the ends that it completes."""
        if frame.epoch is not None:
            yield from self.finish(frame.epoch)
        self.received += 1
        if self._epoch is None:
            self._epoch = _Epoch(self._read, self._live, frame, self._feed)
        for item in self._epoch.add(frame):
            yield self._counted(item)

    def finish(self, reason: str) -> Iterator[FramePacket | RecordingEnded]:
        """Ends the epoch; yields its last packets and the end of its recording."""
        epoch, self._epoch = self._epoch, None
        if epoch is not None:
            for item in epoch.finish(reason):
                yield self._counted(item)

    def _counted(self, item: FramePacket | RecordingEnded) -> FramePacket | RecordingEnded:
        if isinstance(item, FramePacket):
            self.emitted += item.head.frames_decoded
        return item


@dataclass(frozen=True, slots=True)
class _Feed:
    uri: str
    identity: str
    plan_hash: str


class _Epoch:
    """A stretch of a feed with continuous times and the same size and codec."""

    def __init__(self, read: ReadConfig, live: LiveConfig, first: LiveFrame, feed: _Feed) -> None:
        self._live = live
        self._feed = feed
        self._info = first.info
        self._clock = Clock(first.info.time_base)
        self._earliest = self._zero_by_arrival(first)
        self._newest = first
        self._start = first.frame.pts  # of the recording
        self._begun = first.frame.pts  # of the segment
        self._source: Source | None = None  # once a segment of it was emitted: from then on its clock is fixed
        self._keyframes: list[Keyframe] = []
        everything = Span(first.frame.pts, first.frame.pts + 2**62)
        self._stream = KeyframeStream(read, self.source, everything, first=first.frame, from_beginning=True)

    @property
    def source(self) -> Source:
        return self._source or self._as_source()

    @property
    def unsettled(self) -> Span:
        return Span(self._begun, max(self._begun, self._newest.frame.pts) + 1)

    def add(self, frame: LiveFrame) -> Iterator[FramePacket | RecordingEnded]:
        self._newest = frame
        self._earliest = min(self._earliest, self._zero_by_arrival(frame))
        for keyframe in self._stream.add(frame.frame):
            self._keyframes.append(keyframe)
            if len(self._keyframes) == PACKET_FRAMES or sum(k.image.nbytes for k in self._keyframes) > PACKET_BYTES:
                yield self._packet(keyframe.pts + 1)
        settled = self._stream.settled_until
        if settled is None or settled <= self._begun:
            return
        seconds = self._clock.seconds(settled - self._begun)
        rolls = self._clock.seconds(settled - self._start) >= self._live.recording_s
        if rolls or seconds >= (self._live.segment_s if self._keyframes else self._live.quiet_s):
            yield self._packet(settled)
        if rolls:
            yield self._end(settled, "the next recording begins")

    def finish(self, reason: str) -> Iterator[FramePacket | RecordingEnded]:
        self._keyframes += self._stream.finish()
        stop = self._newest.frame.pts + 1
        if stop > self._begun:
            yield self._packet(stop)
        if self._source is not None:
            yield self._end(stop, reason)

    def _packet(self, stop: int) -> FramePacket:
        self._source = self.source
        span = Span(self._begun, stop)
        report = self._stream.take_report(stop)
        segment = Segment(self._source, span, segment_id(self._source.id, self._feed.plan_hash, span))
        packet = FramePacket(PacketHead(segment, 0, report.frames_decoded, report), tuple(self._keyframes))
        self._keyframes, self._begun = [], stop
        return packet

    def _end(self, stop: int, reason: str) -> RecordingEnded:
        ended = RecordingEnded(replace(self.source, span=Span(self._start, stop)), reason)
        self._start, self._source = stop, None
        self._earliest = self._zero_by_arrival(self._newest)
        return ended

    def _as_source(self) -> Source:
        """The recording as far as it is known. Its end is not known yet, so its span is longer than it can become."""
        zero = utc_at_zero(self._newest, self._earliest, self._live.stream)
        clock = replace(self._clock, start_time=zero)
        began = clock.utc(self._start)
        assert began is not None
        ends = self._start + 2 * clock.ticks(self._live.recording_s + self._live.stream.gap_s)
        return Source(
            uri=recording_uri(self._feed.uri, began),
            id=recording_id(self._feed.uri, self._feed.identity, self._start, began),
            kind="feed",
            clock=clock,
            span=Span(self._start, ends),
            width_px=self._info.width_px,
            height_px=self._info.height_px,
            sync_pts=(self._start,),
            frame_rate=self._info.frame_rate,
            codec=self._info.codec,
        )

    def _zero_by_arrival(self, frame: LiveFrame) -> datetime:
        return frame.arrived - timedelta(seconds=self._clock.seconds(frame.frame.pts))


def recording_id(feed: str, identity: str, start: int, began: datetime) -> str:
    """The id of a recording of a feed. start: PTS of its first frame. began: when that frame was shown.

    identity: that of the growing file that the feed follows (operators/readers/file_survey.py), "" for a stream.
    """
    file = (identity,) if identity else ()
    return digest("recording", feed, start, began.isoformat(), *file)


def ingested_spans(recordings: Sequence[Source], feed: str, identity: str) -> list[Span]:
    """The spans of a growing file that its recordings cover, in order.

    recordings: those of the feed, also of other files that were at its path.
    """
    found: list[tuple[datetime, Span]] = []
    for each in recordings:
        began = each.clock.utc(each.span.start)
        if began is not None and each.id == recording_id(feed, identity, each.span.start, began):
            found.append((began, each.span))
    return [span for _, span in sorted(found)]
