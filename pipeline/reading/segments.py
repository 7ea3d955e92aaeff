"""Cuts the spans of a source that are still to be read into segments, at sync points."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from schemas.clock import Span
from schemas.ids import segment_id
from schemas.sources import Segment, Source


def split_source(source: Source, *, segment_s: float, plan_hash: str, todo: Sequence[Span]) -> list[Segment]:
    """Segments of about `segment_s` seconds that cover the spans `todo` of `source`, in order.

    Each starts at a sync point (a GOP's first picture) where possible, so that few frames are decoded twice; rows
    do not depend on where the borders are.
    """
    borders = _borders(source, segment_s)
    cut = [Span(a, b) for a, b in pairwise(borders)]
    spans = [both for span in todo for part in cut if (both := part.intersection(span))]
    return [Segment(source, span, segment_id(source.id, plan_hash, span)) for span in spans]


def _borders(source: Source, segment_s: float) -> list[int]:
    length = max(1, source.clock.ticks(Fraction(segment_s)))
    borders = [source.span.start]
    for sync in source.sync_pts:
        # a rest shorter than half a segment is added to the last segment
        if sync - borders[-1] >= length and source.span.stop - sync > length // 2:
            borders.append(sync)
    return [*borders, source.span.stop]
