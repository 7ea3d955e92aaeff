"""How much was received of a recording, and what tells of one that broke off."""

from dataclasses import dataclass, replace

from pipeline.live.feeds.feed_buffer import Lost
from pipeline.live.feeds.recorder import RecordingEnded
from schemas.clock import Span
from schemas.ids import segment_id
from schemas.sources import Segment, Source


@dataclass(frozen=True, slots=True)
class Received:
    """frames: received of the recording `source` so far, the newest of them just before `stop` (PTS).
    handed_on: how many of them packets told of; while it is 0, the id of the recording may change."""

    source: Source
    frames: int
    stop: int
    handed_on: int


def broken_off(
    source: Source, unsettled: Span, frames: int, *, reason: str, plan_hash: str
) -> list[Lost | RecordingEnded]:
    """What is to be said of a recording that nobody goes on with.

    unsettled: the stretch of which `frames` were received and are gone; before it, everything is told of.
    """
    items: list[Lost | RecordingEnded] = []
    stop = unsettled.start
    if frames > 0:
        items.append(Lost(Segment(source, unsettled, segment_id(source.id, plan_hash, unsettled)), frames, reason))
        stop = unsettled.stop
    if stop > source.span.start:
        items.append(RecordingEnded(replace(source, span=Span(source.span.start, stop)), reason))
    return items
