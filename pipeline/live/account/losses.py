"""What became of a recording that nobody goes on with: which frames of it are lost, and where it ends.

A decoder that died, an actor that died and a follower that was killed leave the same question, and it is answered here
alone: so many frames were received, so many are settled in these stretches, and the others are lost.
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
    emitted: how many of them are in packets; while it is 0, the id of the recording may change."""

    source: Source
    frames: int
    stop: int
    emitted: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch of a source of which `frames` were received, and nothing is left. reason: the fault, by its name.
    state: "quarantined" blames a file."""

    segment: Segment
    frames: int
    reason: str
    state: Literal["failed", "quarantined"] = "failed"


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """source: with the span that it has in the end. reason: why another one begins, or none."""

    source: Source
    reason: str


Ending = Lost | RecordingEnded


def close_recording(
    source: Source, received: Received | None, settled: Sequence[tuple[Span, int]], *, plan_hash: str, reason: str
) -> list[Ending]:
    """What is to be reported of a recording so that each of its frames is accounted for: losses in order, then its end.

    received: None where that is not known. settled: stretches that are in the lake or on their way to it, each with its
    number of frames. What lies between them, and behind them up to the newest frame, is lost; how many frames were
    received and are not settled stands at the last such stretch. Of a recording without any frame there is nothing.
    """
    spans = [span for span, _ in settled]
    start = source.span.start
    stop = max((span.stop for span in spans), default=start)
    missing = 0 if received is None else received.frames - sum(frames for _, frames in settled)
    if received is not None and missing > 0:
        stop = max(stop, received.stop)
    gaps = Span(start, stop).minus(spans) if stop > start else []
    if missing > 0 and not gaps:  # stretches that are newer than the count of the frames are settled already
        gaps, stop = [Span(stop, stop + 1)], stop + 1
    endings: list[Ending] = []
    for gap in gaps:
        segment = Segment(source, gap, segment_id(source.id, plan_hash, gap))
        endings.append(Lost(segment, max(0, missing) if gap == gaps[-1] else 0, reason))
    if stop > start:
        endings.append(RecordingEnded(replace(source, span=Span(start, stop)), reason))
    return endings
