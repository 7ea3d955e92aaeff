"""Catches a share of a box in a zone that differs from exact clipping, or depends on how the zone was drawn."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from operators.ranking.geometry import geometric_distance
from operators.ranking.zones import share_inside
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.zones import Zone
from tests.operators.ranking.drawn_boxes import Box, boxes, coordinates

Point = tuple[Fraction, Fraction]
ELL = Zone.parse("0,0 1,0 1,.5 .5,.5 .5,1 0,1")
TRIANGLE = Zone.parse("0,0 .5,0 0,.5")


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    """Of any shape: corners are drawn until they are those of a zone."""
    corners = draw(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=7, unique=True))
    try:
        return Zone(tuple(corners))
    except QueryError:
        assume(False)
        raise


def clipped(points: list[Point], axis: int, bound: Fraction, sign: int) -> list[Point]:
    """The part of a polygon on one side of a line (Sutherland and Hodgman, 1974)."""
    kept: list[Point] = []
    for a, b in zip(points, points[1:] + points[:1], strict=True):
        inside_a, inside_b = (sign * (p[axis] - bound) >= 0 for p in (a, b))
        if inside_a:
            kept.append(a)
        if inside_a != inside_b:
            t = (bound - a[axis]) / (b[axis] - a[axis])
            kept.append((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))
    return kept


def by_clipping(box: Box, zone: Zone) -> float:
    """The share of the box in the zone: the polygon is clipped at each side of the box, in fractions."""
    x0, y0, x1, y1 = (Fraction(side) for side in np.float32(box).tolist())
    if x1 <= x0 or y1 <= y0:
        return 0.0
    points = [(Fraction(x), Fraction(y)) for x, y in np.float32(zone.corners).tolist()]
    for axis, bound, sign in ((0, x0, 1), (0, x1, -1), (1, y0, 1), (1, y1, -1)):
        points = clipped(points, axis, bound, sign)
    twice = sum(
        ((a[0] * b[1] - b[0] * a[1]) for a, b in zip(points, points[1:] + points[:1], strict=True)), Fraction(0)
    )
    return float(abs(twice) / 2 / ((x1 - x0) * (y1 - y0)))


@given(zone=zones(), several=st.lists(boxes(), max_size=6))
def test_the_share_is_that_of_exact_clipping(zone: Zone, several: list[Box]) -> None:
    batch = Boxes(np.array(several, np.float32).reshape(-1, 4))
    found = share_inside(batch, zone)
    assert (found.dtype, found.shape) == (np.float32, (len(several),))
    # 1e-6: a box as thin as the last bit of float32 has a share of sums in float64
    np.testing.assert_allclose(found, [by_clipping(box, zone) for box in several], atol=1e-6)
    assert ((found >= 0) & (found <= 1)).all()
    for number, each in enumerate(found.tolist()):  # whatever else is in the batch
        assert share_inside(batch[number : number + 1], zone).tolist() == [each]


@given(zone=zones(), box=boxes(), first=st.integers(0, 6), back=st.booleans())
def test_it_does_not_matter_where_the_drawing_began_and_in_which_direction(
    zone: Zone, box: Box, first: int, back: bool
) -> None:
    corners = zone.corners[first % len(zone.corners) :] + zone.corners[: first % len(zone.corners)]
    other = Zone(corners[::-1] if back else corners)
    one = Boxes(np.array([box], np.float32))
    np.testing.assert_allclose(share_inside(one, zone), share_inside(one, other), atol=1e-6)


@given(query=boxes(), several=st.lists(boxes(), max_size=6))
def test_a_box_as_a_zone_is_as_the_geometry_inside(query: Box, several: list[Box]) -> None:
    assume(query[0] < query[2] and query[1] < query[3])
    batch = Boxes(np.array(several, np.float32).reshape(-1, 4))
    distance = geometric_distance(batch, Boxes(np.array([query])), geometry="inside")
    np.testing.assert_allclose(1 - share_inside(batch, Zone.of(query)), distance, atol=1e-6)


@pytest.mark.parametrize(
    ("box", "zone", "share"),
    [
        ((0, 0, 0.5, 1), TRIANGLE, 0.25),
        ((0, 0, 0.5, 0.5), TRIANGLE, 0.5),
        ((0, 0, 0.1, 0.1), TRIANGLE, 1.0),
        ((0.5, 0.5, 1, 1), TRIANGLE, 0.0),
        ((0.25, 0.25, 0.75, 0.75), ELL, 0.75),
        ((0.5, 0.5, 1, 1), ELL, 0.0),
        ((0, 0, 1, 1), ELL, 0.75),
        ((0.2, 0.2, 0.2, 0.9), ELL, 0.0),
    ],
)
def test_shares_by_hand(box: Box, zone: Zone, share: float) -> None:
    assert share_inside(Boxes([box]), zone).tolist() == [np.float32(share)]  # type: ignore[arg-type]


def test_a_region_that_ends_where_the_zone_ends_is_wholly_inside() -> None:
    # 0.1 and 0.7 are rounded upwards in float32
    thin = Boxes(np.array([[0.0999, 0.6999, 0.1, 0.7], [0.1, 0.2, 0.7, 0.7]], np.float32))
    assert share_inside(thin, Zone.of((0, 0.2, 0.7, 0.7))).tolist() == [1.0, 1.0]
    assert share_inside(thin, Zone.parse("0,.2 .7,.2 .7,.7 .1,.7 0,.7")).tolist() == [1.0, 1.0]
