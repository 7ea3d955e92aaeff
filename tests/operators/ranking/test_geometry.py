"""Catches a geometric distance that leaves [0, 1], is not symmetric where it should be, or fails on boxes without an
area."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.ranking.geometry import geometric_distance
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.query import Geometry
from tests.operators.ranking.drawn_boxes import Box, boxes

GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)
SYMMETRIC = tuple(geometry for geometry in GEOMETRIES if geometry != "inside")


def distance(a: Box, b: Box, geometry: Geometry) -> float:
    return float(geometric_distance(Boxes(np.array([a])), Boxes(np.array([b])), geometry=geometry)[0])


def by_hand(a: Box, b: Box, geometry: Geometry) -> float:
    """The formulas of methods.md §1.3, one pair at a time."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = np.float32(a).tolist(), np.float32(b).tolist()
    area_a, area_b = (ax1 - ax0) * (ay1 - ay0), (bx1 - bx0) * (by1 - by0)
    shared = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    union = area_a + area_b - shared
    iou = shared / union if union > 0 else 0.0
    if geometry == "iou":
        return 1 - iou
    if geometry == "inside":
        return 1 - (shared / area_a if area_a > 0 else 0.0)
    if geometry == "giou":
        hull = (max(ax1, bx1) - min(ax0, bx0)) * (max(ay1, by1) - min(ay0, by0))
        return (1 - (iou - ((hull - union) / hull if hull > 0 else 0.0))) / 2
    if geometry == "centroid":
        return math.dist(((ax0 + ax1) / 2, (ay0 + ay1) / 2), ((bx0 + bx1) / 2, (by0 + by1) / 2)) / math.sqrt(2)
    if geometry == "area":
        return 1 - min(area_a, area_b) / max(area_a, area_b) if max(area_a, area_b) > 0 else 0.0
    # w/h against w'/h', each times both heights: the ratio of the ratios without dividing by a height of zero
    wide_a, wide_b = (ax1 - ax0) * (by1 - by0), (bx1 - bx0) * (ay1 - ay0)
    return 1 - min(wide_a, wide_b) / max(wide_a, wide_b) if max(wide_a, wide_b) > 0 else 0.0


@pytest.mark.parametrize("geometry", GEOMETRIES)
@given(pairs=st.lists(boxes(), min_size=0, max_size=8), query=boxes())
def test_every_box_of_a_batch_has_the_distance_of_the_formula(geometry: Geometry, pairs: list[Box], query: Box) -> None:
    batch = Boxes(np.array(pairs, np.float32).reshape(-1, 4))
    found = geometric_distance(batch, Boxes(np.array([query])), geometry=geometry)
    assert found.dtype == np.float32
    assert found.shape == (len(pairs),)
    # 1e-6: float32 of the result; the sums inside are float64
    np.testing.assert_allclose(found, [by_hand(p, query, geometry) for p in pairs], atol=1e-6)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("geometry", SYMMETRIC)
@given(a=boxes(), b=boxes())
def test_distance_is_symmetric(geometry: Geometry, a: Box, b: Box) -> None:
    assert distance(a, b, geometry) == distance(b, a, geometry)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@given(a=boxes())
def test_a_box_with_an_area_is_at_no_distance_from_itself(geometry: Geometry, a: Box) -> None:
    if (a[2] - a[0]) * (a[3] - a[1]) > 0:
        assert distance(a, a, geometry) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [("iou", 0.5), ("giou", 0.25), ("centroid", 0.25 / math.sqrt(2)), ("shape", 0.5), ("area", 0.5), ("inside", 0.0)],
)
def test_left_half_against_the_whole_frame(geometry: Geometry, expected: float) -> None:
    assert distance((0, 0, 0.5, 1), (0, 0, 1, 1), geometry) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("geometry", "expected"),
    # shared 1/16, union 7/16, hull 9/16; centres 1/4 apart on both axes
    [
        ("iou", 6 / 7),
        ("giou", (1 - (1 / 7 - 2 / 9)) / 2),
        ("centroid", 0.25),
        ("shape", 0.0),
        ("area", 0.0),
        ("inside", 0.75),
    ],
)
def test_two_quarters_that_share_a_sixteenth(geometry: Geometry, expected: float) -> None:
    assert distance((0, 0, 0.5, 0.5), (0.25, 0.25, 0.75, 0.75), geometry) == pytest.approx(expected, abs=1e-6)


def test_opposite_corners_are_the_farthest_centres() -> None:
    assert distance((0, 0, 0, 0), (1, 1, 1, 1), "centroid") == 1.0


def test_giou_tells_near_from_far_where_iou_cannot() -> None:
    query, near, far = (0.0, 0.0, 0.1, 0.1), (0.2, 0.0, 0.3, 0.1), (0.9, 0.9, 1.0, 1.0)
    assert distance(near, query, "iou") == distance(far, query, "iou") == 1.0
    assert distance(near, query, "giou") < distance(far, query, "giou")


def test_inside_depends_on_whose_share_it_is() -> None:
    left, all_of_it = (0.0, 0.0, 0.5, 1.0), (0.0, 0.0, 1.0, 1.0)
    assert (distance(left, all_of_it, "inside"), distance(all_of_it, left, "inside")) == (0.0, 0.5)


def test_several_query_boxes_are_refused() -> None:
    two = Boxes(np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5]]))
    with pytest.raises(InvalidValueError, match="one box, got 2"):
        geometric_distance(two, two, geometry="iou")
