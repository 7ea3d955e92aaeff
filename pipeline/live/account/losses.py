"""Closes a recording that nothing continues: finds which of its frames are lost, and where it ends.

This is the same for a decoder that died, an actor that died and a follower that was killed: some frames were received,
those in settled spans are accounted for, and the others are lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from schemas.clock import Span
from schemas.ids import segment_id
from schemas.sources import Segment, Source


@dataclass(frozen=True, slots=True)
class Received:
    """frames: received of the recording `source` so far, the newest of them just before `stop` (PTS).
    emitted: how many of them are in packets; while this is 0, the id of the recording may change."""

    source: Source
    frames: int
    stop: int
    emitted: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A span of a source of which `frames` frames were received and are lost. reason: the fault.
    state: "quarantined" where a file is to blame."""

    segment: Segment
    frames: int
    reason: str
    state: Literal["failed", "quarantined"] = "failed"


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """source: with its final span. reason: why the recording ended."""

    source: Source
    reason: str


Ending = Lost | RecordingEnded


def close_recording(
    source: Source, received: Received | None, settled: Sequence[tuple[Span, int]], *, plan_hash: str, reason: str
) -> list[Ending]:
    """The losses of a recording in order, then its end, by which each of its frames is accounted for.

    received: None where that is not known. settled: spans that are in the lake or on their way to it, each with its
    number of frames. The gaps between them, and after them up to the newest frame, are lost; the last gap has the
    number of all frames that were received and are not settled. For a recording without any frame the result is empty.
    """
    spans = [span for span, _ in settled]
    start = source.span.start
    stop = max((span.stop for span in spans), default=start)
    missing = 0 if received is None else received.frames - sum(frames for _, frames in settled)
    if received is not None and missing > 0:
        stop = max(stop, received.stop)
    gaps = Span(start, stop).minus(spans) if stop > start else []
    if missing > 0 and not gaps:  # the settled spans are newer than the count of the frames
        gaps, stop = [Span(stop, stop + 1)], stop + 1
    endings: list[Ending] = []
    for gap in gaps:
        segment = Segment(source, gap, segment_id(source.id, plan_hash, gap))
        endings.append(Lost(segment, max(0, missing) if gap == gaps[-1] else 0, reason))
    if stop > start:
        endings.append(RecordingEnded(replace(source, span=Span(start, stop)), reason))
    return endings
