"""Catches windows that miss objects which they are guaranteed to contain, and levels other than DetailCLIP's."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.proposals.windows.complete_cover import CompleteCover, CompleteCoverConfig, cover_levels, cover_windows
from schemas.errors import InvalidValueError
from schemas.frames import Keyframe
from schemas.regions import Proposals

# DetailCLIP's counts: windows of CC@k on a square, k = 1…15
TOTALS = [1, 5, 14, 30, 39, 66, 79, 103, 136, 166, 187, 248, 273, 315, 355]

ks = st.integers(1, 15)


@st.composite
def frame_sizes(draw: st.DrawFn) -> tuple[int, int]:
    """(width, height) in pixels; one side up to six times the other."""
    short_px = draw(st.integers(1, 1000))
    size_px = (short_px, draw(st.integers(short_px, 6 * short_px)))
    return size_px if draw(st.booleans()) else size_px[::-1]


def corners_px(windows: Proposals, *, width_px: int, height_px: int) -> dict[str, np.ndarray]:
    """Proposer → float64 (N, 4), in pixels."""
    px = windows.boxes.xyxy.astype(np.float64) * [width_px, height_px, width_px, height_px]
    names = np.array(windows.proposer)
    return {name: px[names == name] for name in dict.fromkeys(windows.proposer)}


@pytest.mark.parametrize(("k", "total"), list(enumerate(TOTALS, start=1)))
def test_a_square_has_as_many_windows_as_published(k: int, total: int) -> None:
    assert len(cover_windows(k, width_px=600, height_px=600)) == total


def test_windows_an_axis_for_k_10_and_the_largest_side_of_each_count() -> None:
    levels = cover_levels(10)
    assert [level.per_axis for level in levels] == [10, 6, 4, 3, 2, 1]
    assert [10 * level.side for level in levels] == [1, 2, 3, 5, 9, 10]


@settings(deadline=None)
@given(ks)
def test_counts_an_axis_are_those_of_the_published_formula(k: int) -> None:
    c = 10**6
    published = {math.ceil((k * c - (m - 1)) / (m * c - (m - 1))) if m > 1 else k for m in range(1, k + 1)}
    assert {level.per_axis for level in cover_levels(k)} == published


@settings(deadline=None)
@given(ks, frame_sizes())
@example(4, (1, 300))
def test_each_level_reaches_every_border_with_squares_of_its_side(k: int, size_px: tuple[int, int]) -> None:
    width_px, height_px = size_px
    short_px = min(size_px)
    found = corners_px(cover_windows(k, width_px=width_px, height_px=height_px), width_px=width_px, height_px=height_px)
    tolerance_px = 1e-6 * max(width_px, height_px)  # a few steps of float32
    for level in cover_levels(k):
        windows = found[f"cover-{level.per_axis}"]
        assert windows[:, :2].min() == 0
        assert (windows[:, 2:].max(axis=0) == [width_px, height_px]).all()
        squares = windows[1:] if level.per_axis == 1 and width_px != height_px else windows
        np.testing.assert_allclose(squares[:, 2:] - squares[:, :2], float(level.side) * short_px, atol=tolerance_px)


@settings(deadline=None)
@given(ks, frame_sizes())
@example(4, (1, 300))
def test_neighbours_overlap_at_least_as_stated_along_both_axes(k: int, size_px: tuple[int, int]) -> None:
    width_px, height_px = size_px
    short_px = min(size_px)
    found = corners_px(cover_windows(k, width_px=width_px, height_px=height_px), width_px=width_px, height_px=height_px)
    for level in cover_levels(k):
        if level.per_axis == 1:
            continue
        for low, high in ((0, 2), (1, 3)):
            starts, stops = (np.unique(found[f"cover-{level.per_axis}"][:, end]) for end in (low, high))
            assert len(starts) == len(stops) >= level.per_axis
            overlap = stops[:-1] - starts[1:]
            assert overlap.min() >= float(level.overlap) * short_px - 1e-6 * max(width_px, height_px)


@settings(max_examples=300, deadline=None)
@given(ks, frame_sizes(), st.floats(1e-4, 1), st.floats(0.05, 1), st.floats(0, 1), st.floats(0, 1))
def test_an_object_lies_wholly_in_a_window_of_the_first_level_that_overlaps_enough(
    k: int, size_px: tuple[int, int], longer: float, aspect: float, left: float, top: float
) -> None:
    width_px, height_px = size_px
    short_px = min(size_px)
    level = next(level for level in cover_levels(k) if level.overlap >= longer)
    width, height = longer * short_px, longer * short_px * aspect
    x, y = left * (width_px - width), top * (height_px - height)
    windows = corners_px(
        cover_windows(k, width_px=width_px, height_px=height_px), width_px=width_px, height_px=height_px
    )
    x0, y0, x1, y1 = windows[f"cover-{level.per_axis}"].T
    tolerance_px = 1e-6 * max(size_px)
    within = (x0 <= x + tolerance_px) & (y0 <= y + tolerance_px)
    within &= (x1 >= x + width - tolerance_px) & (y1 >= y + height - tolerance_px)
    assert within.any()
    assert longer / float(level.side) >= float(level.least_share) - 1e-9


@settings(deadline=None)
@given(ks)
def test_levels_come_by_size_and_the_last_holds_all(k: int) -> None:
    levels = cover_levels(k)
    assert [level.side for level in levels] == sorted(level.side for level in levels)
    assert levels[-1].overlap == levels[-1].side == 1
    held = Fraction(0)  # the largest object that smaller levels hold wherever it stands
    for level in levels:
        # one a hair larger needs this level, so no larger share could be promised
        assert level.least_share == (held / level.side if level.overlap > held else 0)
        held = max(held, level.overlap)


def test_the_stated_shares_of_cc_4() -> None:
    stated = [(float(level.side), float(level.overlap), float(level.least_share)) for level in cover_levels(4)]
    # tiling; halves a sixth apart; three quarters half a frame apart; the frame
    expected = [(1 / 4, 0, 0), (1 / 2, 1 / 4, 0), (3 / 4, 1 / 2, 1 / 3), (1, 1, 1 / 2)]
    np.testing.assert_allclose(stated, expected)


def test_frames_that_are_not_square_keep_the_whole_frame() -> None:
    windows = cover_windows(4, width_px=1920, height_px=1080)
    np.testing.assert_array_equal(windows.boxes.xyxy[0], [0, 0, 1, 1])
    assert windows.proposer[0] == "cover-1"
    assert windows.proposer.count("cover-1") == 3  # the frame, and two squares of its height
    assert (windows.score == 1).all()


def test_a_proposer_follows_the_size_of_its_frames() -> None:
    propose = CompleteCover(CompleteCoverConfig())
    for shape in ((90, 160, 3), (160, 90, 3), (90, 160, 3)):
        found = propose(Keyframe(0, np.zeros(shape, np.uint8), None, "picture"))
        expected = cover_windows(4, width_px=shape[1], height_px=shape[0])
        np.testing.assert_array_equal(found.boxes.xyxy, expected.boxes.xyxy)


def test_k_below_1_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="k must be at least 1, got 0"):
        CompleteCoverConfig(k=0)
