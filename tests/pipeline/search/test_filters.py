"""Catches filters that let wrong frames through at their edges, or drop right ones."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.lake import Lake
from pipeline.search.filters import overlapping, source_matches
from pipeline.search.searcher import Searcher
from schemas.boxes import Boxes
from schemas.query import Hit, Query

Find = Callable[..., tuple[Hit, ...]]


@pytest.fixture(scope="module")
def find(random_lake: Lake) -> Find:
    searcher = Searcher(random_lake)

    def found(**filters: Any) -> tuple[Hit, ...]:
        return searcher.search(Query(**({"box": (0.0, 0.0, 1.0, 1.0), "k": 1000} | filters))).hits

    return found


def test_without_filters_every_frame_is_a_hit(find: Find) -> None:
    assert len(find()) == 100


def test_frames_that_are_left_out_are_not_found_and_all_others_are(find: Find) -> None:
    first, second, *others = [hit.frame_id for hit in find()]
    assert [hit.frame_id for hit in find(not_frames=(second, first))] == others


def test_presentation_time_takes_its_start_and_leaves_its_end(find: Find) -> None:
    assert {h.pts_s for h in find(since=2.0, until=3.0)} == {2.0, 2.5}


def test_recording_time_takes_its_start_and_leaves_its_end(find: Find) -> None:
    start = datetime(2026, 5, 1, 2, tzinfo=UTC)  # world 2
    hits = find(since=start + timedelta(seconds=1), until=start + timedelta(seconds=2))
    assert [(h.source, h.time) for h in sorted(hits, key=lambda h: h.pts)] == [
        ("/videos/cam2/clip-2.mp4", start + timedelta(seconds=1)),
        ("/videos/cam2/clip-2.mp4", start + timedelta(seconds=1.5)),
    ]


def test_recording_time_may_come_in_any_time_zone(find: Find) -> None:
    start = datetime(2026, 5, 1, 4, tzinfo=timezone(timedelta(hours=2)))
    assert {h.source for h in find(since=start, until=start + timedelta(hours=1))} == {"/videos/cam2/clip-2.mp4"}


def test_sources_without_a_recording_time_never_match_one(find: Find) -> None:
    assert {h.source for h in find(since=datetime(1900, 1, 1, tzinfo=UTC))} == {
        "/videos/cam0/clip-0.mp4",
        "/videos/cam2/clip-2.mp4",
        "/videos/cam1/clip-4.mp4",
    }
    assert all(h.time is None for h in find(source="clip-1"))


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("cam0", True),
        ("CAM0", False),
        ("/videos/*", True),
        ("videos/*", False),
        ("*/clip-?.mp4", True),
        ("*clip-[1-9].mp4", False),
        ("clip-0.mp4", True),
    ],
)
def test_source_patterns(pattern: str, matches: bool) -> None:
    assert source_matches("/videos/cam0/clip-0.mp4", pattern) is matches


def test_a_pattern_keeps_its_sources_only(find: Find) -> None:
    assert {h.source for h in find(source="*/cam0/*")} == {"/videos/cam0/clip-0.mp4", "/videos/cam0/clip-3.mp4"}
    assert find(source="nowhere") == ()


sides = st.one_of(st.floats(0, 1, width=32), st.integers(0, 4).map(lambda n: n / 4))
spans = st.tuples(sides, sides).map(sorted)


@given(boxes=st.lists(st.tuples(spans, spans), max_size=20), xs=spans, ys=spans)
def test_overlap_is_a_positive_intersection(
    boxes: list[tuple[list[float], list[float]]], xs: list[float], ys: list[float]
) -> None:
    xyxy = np.array([(x[0], y[0], x[1], y[1]) for x, y in boxes], np.float32).reshape(-1, 4)
    box = (xs[0], ys[0], xs[1], ys[1])
    # float64: the product of two small float32 sides would vanish
    low = np.maximum(xyxy[:, :2], np.float32(box[:2])).astype(np.float64)
    high = np.minimum(xyxy[:, 2:], np.float32(box[2:])).astype(np.float64)
    expected = np.clip(high - low, 0, None).prod(axis=1) > 0
    assert overlapping(tuple(Boxes(xyxy).xyxy.T), box).tolist() == expected.tolist()
