"""Catches zones that are not areas of the frame, are not read as they were written, or change their representation."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import QueryError
from schemas.zones import MOST_CORNERS, Zone

ELL = "0,0 1,0 1,.5 .5,.5 .5,1 0,1"


@pytest.mark.parametrize(
    ("text", "corners", "source"),
    [
        ("0,.2,.4,1", ((0, 0.2), (0.4, 0.2), (0.4, 1), (0, 1)), None),
        ("0,.5 .4,.5 .4,1 0,1", ((0, 0.5), (0.4, 0.5), (0.4, 1), (0, 1)), None),
        (" 0,0  1,0  .5,1 ", ((0, 0), (1, 0), (0.5, 1)), None),
        ("0,0 1,0 .5,1 0,0", ((0, 0), (1, 0), (0.5, 1)), None),
        ("0,0 0,0 1,0 .5,1 .5,1", ((0, 0), (1, 0), (0.5, 1)), None),
        ("gate=0,0,1,1", ((0, 0), (1, 0), (1, 1), (0, 1)), "gate"),
        ("http://a/b?c=d=0,0 1,0 .5,1", ((0, 0), (1, 0), (0.5, 1)), "http://a/b?c=d"),
        (ELL, ((0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)), None),
        # the third side continues the first one
        ("0,0 .3,.1 .6,.2 .9,.3 .5,1", ((0, 0), (0.3, 0.1), (0.6, 0.2), (0.9, 0.3), (0.5, 1)), None),
    ],
)
def test_a_zone_is_a_box_or_corners_and_may_name_its_sources(
    text: str, corners: tuple[tuple[float, float], ...], source: str | None
) -> None:
    zone = Zone.parse(text)
    assert (zone.corners, zone.source) == (corners, source)
    assert Zone.parse(str(zone)) == zone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no zone: a box is written x0,y0,x1,y1, a polygon"),
        ("gate=", "'gate=' is no zone"),
        ("left half", "'left half' is no zone"),
        ("0,0,1", "'0,0,1' is no zone"),
        ("0,0 1,0 1", "'0,0 1,0 1' is no zone"),
        ("0,0,1,1 0,1", "is no zone"),
        ("=0,0,1,1", "the name of the zone's source is empty"),
        ("0,0 1,1", "3 to 256 corners that differ, got 2"),
        ("0,0 1,1 0,0 1,1", "sides of the zone meet|corners lie on one line"),
        ("0,0 1,0 0,0", "3 to 256 corners that differ, got 2"),
        ("0,0 .5,.5 1,1", "no area: its 3 corners lie on one line"),
        ("0,0 1,1 1,0 0,1", r"sides of the zone meet, \(0, 0\) to \(1, 1\) and \(1, 0\) to \(0, 1\)"),
        ("0,0 1,0 .5,0 .5,1", r"sides of the zone meet, \(0, 0\) to \(1, 0\) and \(1, 0\) to \(0.5, 0\)"),
        ("0,0 1,0 1,1 .5,0 0,1", "sides of the zone meet"),  # a corner on another side
        ("0,0 .5,.5 1,0 1,1 .5,.5 0,1", "sides of the zone meet"),  # one corner twice
        ("0,0 2,0 1,1", r"outside the frame, \(2, 0\)"),
        ("0,-.1 1,0 1,1", r"outside the frame, \(0, -0.1\)"),
        ("0,0 nan,0 1,1", r"outside the frame, \(nan, 0\)"),
        ("0,0,0,1", "must lie in the frame and have an area, .* got 0,0,0,1"),
        ("0,0,640,480", "must lie in the frame and have an area"),
        ("nan,0,1,1", "must lie in the frame and have an area"),
        (" ".join(f"{i / 1000},{i % 2}" for i in range(MOST_CORNERS + 1)), "3 to 256 corners that differ, got 257"),
    ],
)
def test_what_is_no_area_of_the_frame_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message) as refused:
        Zone.parse(text)
    assert "\n" not in str(refused.value)


def test_a_zone_is_made_of_a_box_corners_or_text() -> None:
    box = Zone.parse("0,.2,.4,1")
    assert Zone.of((0, 0.2, 0.4, 1)) == Zone.of("0,.2,.4,1") == Zone.of(box) == box
    assert Zone.of([(0, 0), (1, 0), (0.5, 1)]) == Zone.parse("0,0 1,0 .5,1")
    assert (box.is_box, box.bounds) == (True, (0, 0.2, 0.4, 1))
    assert (Zone.parse(ELL).is_box, Zone.parse(ELL).bounds) == (False, (0, 0, 1, 1))
    for shape in (3, (1, 2, 3), [(0, 0, 1), (1, 0, 1)]):
        with pytest.raises(QueryError, match="a zone is a box"):
            Zone.of(shape)  # type: ignore[arg-type]


def test_ids_of_hits_derive_from_its_representation() -> None:
    assert repr(Zone.parse("gate=0,.25,.5,1")) == (
        "Zone(((0.0, 0.25), (0.5, 0.25), (0.5, 1.0), (0.0, 1.0)), source='gate')"
    )
    assert repr(Zone(((0, 0), (1, 0), (0, 1)), source_ids=("a",))) == (
        "Zone(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)), source=None, source_ids=('a',))"
    )


coordinates = st.integers(0, 4).map(lambda n: n / 4)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=6, unique=True))
def test_sides_of_a_zone_meet_at_its_corners_alone(corners: list[tuple[float, float]]) -> None:
    """On a grid of 16 × 16 points for each cell, every point of a side is hit if two sides have one in common there."""
    sides = list(pairwise([*corners, corners[0]]))
    points = [{_on(side, n) for n in range(_STEPS + 1)} for side in sides]
    crossing = any(points[i] & points[j] - ({*sides[i]} & {*sides[j]}) for i in range(len(sides)) for j in range(i))
    try:
        Zone(tuple(corners))
    except QueryError:
        return
    assert not crossing


_STEPS = 48  # many divisors, so that most common points of two sides are steps of both


def _on(side: tuple[tuple[float, float], tuple[float, float]], step: int) -> tuple[float, float]:
    (ax, ay), (bx, by) = side
    return (round(ax + (bx - ax) * step / _STEPS, 9), round(ay + (by - ay) * step / _STEPS, 9))
