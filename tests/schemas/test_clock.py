"""Catches PTS that drift, merge or lose their microseconds on the way to seconds and UTC."""

import doctest
import pickle
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import clock
from schemas.clock import Clock, Span, span_of_seconds, union
from schemas.errors import InvalidValueError

pts = st.integers(-(2**40), 2**40)
time_bases = st.fractions(min_value=Fraction(1, 10**6), max_value=1).filter(lambda f: f > 0)


@given(time_bases, pts)
def test_the_first_pts_at_a_frames_own_time_is_that_frame(time_base: Fraction, p: int) -> None:
    clock = Clock(time_base)
    assert clock.pts_at_or_after(p * time_base) == p
    assert clock.pts_at_or_after(p * time_base + Fraction(1, 10**9)) == p + 1


@given(time_bases, st.floats(0, 1e5))
def test_ticks_last_at_least_the_duration_and_no_tick_more(time_base: Fraction, duration_s: float) -> None:
    ticks = Clock(time_base).ticks(duration_s)
    assert ticks * time_base >= Fraction(duration_s) > (ticks - 1) * time_base


def test_utc_keeps_microseconds_after_a_year_of_a_feed() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(Fraction(1, 90_000), start)
    year_s = 365 * 86_400
    assert clock.utc(year_s * 90_000 + 9) == start + timedelta(seconds=year_s, microseconds=100)


def test_utc_is_unknown_without_a_start_time() -> None:
    assert Clock(Fraction(1, 25)).utc(100) is None


def test_a_start_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="time zone"):
        Clock(Fraction(1, 25), datetime(2026, 1, 1))


spans = st.tuples(st.integers(-50, 50), st.integers(1, 40)).map(lambda t: Span(t[0], t[0] + t[1]))


@given(spans, st.lists(spans, max_size=6))
def test_minus_leaves_exactly_the_ticks_that_no_other_span_holds(span: Span, others: list[Span]) -> None:
    left = span.minus(others)
    kept = [t for piece in left for t in range(piece.start, piece.stop)]
    assert kept == [t for t in range(span.start, span.stop) if not any(t in o for o in others)]


def ticks_of(spans: Iterable[Span]) -> set[int]:
    return {t for span in spans for t in range(span.start, span.stop)}


@given(st.lists(spans))
def test_a_union_holds_the_same_ticks_in_as_few_spans_as_can_be(some: list[Span]) -> None:
    united = union(some)
    assert ticks_of(united) == ticks_of(some)
    assert all(a.stop < b.start for a, b in pairwise(united))  # in order, and a tick at least apart


@given(st.lists(spans), st.lists(spans), st.randoms())
def test_a_union_does_not_depend_on_order_or_grouping(a: list[Span], b: list[Span], random: Random) -> None:
    shuffled = random.sample([*a, *b], len(a) + len(b))
    assert union([*a, *b]) == union(shuffled) == union([*union(a), *b])
    assert union(union(a)) == union(a)


@given(spans, st.lists(spans))
def test_minus_and_what_it_takes_away_make_up_the_span(span: Span, others: list[Span]) -> None:
    taken = [both for other in others if (both := span.intersection(other)) is not None]
    assert union([*span.minus(others), *taken]) == [span]
    assert span.minus(others) == span.minus(union(others))


def test_the_examples_are_true() -> None:
    assert doctest.testmod(clock) == (0, 2)


@given(time_bases, pts, st.integers(0, 10_000))
def test_seconds_of_a_span_are_that_span_again_and_never_less_than_a_tick(base: Fraction, start: int, n: int) -> None:
    found = span_of_seconds(float(start * base), float((start + n) * base), base)
    assert found == Span(start, start + max(1, n))


@given(spans, spans)
def test_intersection_holds_the_ticks_of_both(a: Span, b: Span) -> None:
    both = a.intersection(b)
    ticks = set(range(a.start, a.stop)) & set(range(b.start, b.stop))
    assert ticks == (set(range(both.start, both.stop)) if both else set())


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="start < stop"):
        Span(3, 3)


def test_clock_survives_pickling() -> None:
    clock = Clock(Fraction(1, 15360), datetime(2026, 5, 1, tzinfo=UTC))
    assert pickle.loads(pickle.dumps(clock)) == clock
