"""Catches segments that overlap, leave a gap, or start where decoding cannot."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.reading.segments import split_source
from schemas.clock import Clock, Span
from schemas.sources import Source


def source(start: int, length: int, sync: list[int]) -> Source:
    points = tuple(sorted({start, *(start + s % length for s in sync)}))
    span = Span(start, start + length)
    return Source("clip.mp4", "0" * 32, "video", Clock(Fraction(1, 10)), span, 64, 48, points, 10.0, "h264")


sources = st.builds(source, st.integers(-100, 100), st.integers(1, 2000), st.lists(st.integers(0, 5000), max_size=40))


@given(sources, st.floats(0.05, 300))
def test_segments_tile_the_source_and_start_at_sync_points(clip: Source, segment_s: float) -> None:
    segments = split_source(clip, segment_s=segment_s, plan_hash="p", todo=[clip.span])
    assert segments[0].span.start == clip.span.start
    assert segments[-1].span.stop == clip.span.stop
    assert all(a.span.stop == b.span.start for a, b in pairwise(segments))
    assert all(s.span.start in clip.sync_pts for s in segments)
    assert len({s.id for s in segments}) == len(segments)


@given(sources, st.floats(0.05, 300), st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 500)), max_size=4))
def test_what_is_left_to_do_is_covered_exactly_once(
    clip: Source, segment_s: float, done: list[tuple[int, int]]
) -> None:
    todo = clip.span.minus([Span(clip.span.start + a, clip.span.start + a + n) for a, n in done])
    segments = split_source(clip, segment_s=segment_s, plan_hash="p", todo=todo)
    ticks = [t for s in segments for t in range(s.span.start, s.span.stop)]
    assert ticks == [t for span in todo for t in range(span.start, span.stop)]


def test_a_short_tail_stays_with_the_segment_before_it() -> None:
    clip = source(0, 1040, list(range(0, 1040, 10)))  # 104 s, a sync point a second
    spans = [s.span for s in split_source(clip, segment_s=50, plan_hash="p", todo=[clip.span])]
    assert spans == [Span(0, 500), Span(500, 1040)]
