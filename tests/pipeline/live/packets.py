"""Packets of invented feeds, for tests of what processes them."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np

from pipeline.ingest.packets import FramePacket, PacketHead
from pipeline.live.account.losses import RecordingEnded
from schemas.clock import Clock, Span
from schemas.frames import Keyframe, KeyframeReason
from schemas.ids import digest, segment_id
from schemas.sources import Segment, SegmentReport, Source

_IMAGE = np.zeros((2, 2, 3), np.uint8)


def recording(name: str = "gate", *, start: int = 0) -> Source:
    """Ten ticks a second."""
    clock = Clock(Fraction(1, 10), datetime(2026, 5, 1, tzinfo=UTC))
    span = Span(start, start + 6000)
    return Source(f"{name}#{start}", digest(name, start), "feed", clock, span, 2, 2, (start,), 10.0, "h264")


def packet(
    source: Source, start: int, stop: int, keyframes: tuple[int, ...] = (), *, reason: KeyframeReason = "change"
) -> FramePacket:
    """A segment of which every tick was a frame. keyframes: their PTS."""
    span = Span(start, stop)
    segment = Segment(source, span, segment_id(source.id, "plan", span))
    report = SegmentReport(stop - start, 0, start, stop - 1, ())
    kept = tuple(Keyframe(pts, _IMAGE, None, reason) for pts in keyframes)
    return FramePacket(PacketHead(segment, 0, stop - start, report), kept)


def ended(source: Source, stop: int) -> RecordingEnded:
    return RecordingEnded(replace(source, span=Span(source.span.start, stop)), "over")
