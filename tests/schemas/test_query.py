"""Catches empty or contradictory queries that are accepted: they used to return everything."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import InvalidValueError, QueryError
from schemas.query import Moment, Query, Ranking, WeightedMethod
from schemas.query_json import query_json
from schemas.zones import Zone


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "asks for nothing"),
        ({"text": "  "}, "is empty"),
        ({"text": "dog", "not_text": (" ",)}, "is empty"),
        ({"box": (0, 0, 1, 1), "not_text": ("cat",)}, "give `text`, `image` or `frame` too"),
        ({"text": "dog", "not_rois": ((0, 0, 1, 1),)}, "give `image`"),
        ({"text": "dog", "not_weight": 1.5}, "not_weight"),
        ({"text": "dog", "methods": ()}, "at least one"),
        ({"text": "dog", "methods": ("regions", WeightedMethod())}, "each method once"),
        ({"text": "dog", "roi": (0, 0, 1, 1)}, "`roi`"),
        ({"text": "dog", "k": 0}, "at least 1, got 0"),
        ({"box": (0.2, 0.2, 0.2, 0.8)}, "must have an area"),
        ({"box": (0.2, 0.2, 0.2, 0.8), "geometry": "inside"}, "must have an area"),
        ({"zones": (0, 0, 1, 1)}, "a list of zones, also of one"),
        ({"zones": "0,0,1,1"}, "a list of zones, also of one"),
        ({"zones": ((0, 0, 2, 1),)}, "must lie in the frame"),
        ({"zones": (((0, 0), (1, 1)),)}, "3 to 256 corners that differ, got 2"),
        ({"zones": ((0, 0, 1, 1),), "box": (0, 0, 1, 1)}, "not both"),
        ({"zones": ((0, 0, 1, 1),), "geometry": "giou"}, "no other `geometry`; got giou"),
        ({"zones": ((0, 0, 1, 1),), "min_confidence": 0.5}, "a zone alone"),
        ({"text": "dog", "min_inside": 1.5}, "min_inside"),
    ],
)
def test_a_query_without_sense_says_what_to_give(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(QueryError, match=said):
        Query(**wrong)  # type: ignore[arg-type]


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until"),
    [(NOON, NOON - timedelta(seconds=1)), (NOON, NOON.replace(tzinfo=None)), (5.0, 5.0), (5.0, 1.0)],
)
def test_times_between_which_nothing_lies_are_refused_with_both(since: Moment, until: Moment) -> None:
    with pytest.raises(QueryError, match=rf"`since` {re.escape(str(since))} .* `until` {re.escape(str(until))}"):
        Query(text="a cat", since=since, until=until)


def test_times_between_which_something_may_lie_are_taken() -> None:
    for since, until in ((NOON, NOON + timedelta(seconds=1)), (1.0, 5.0), (NOON, 5.0), (5.0, NOON), (None, 0.0)):
        assert Query(text="a cat", since=since, until=until).until == until


def test_a_box_outside_the_frame_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="not pixels"):
        Query(box=(10, 10, 200, 200))


def test_zones_are_given_as_boxes_corners_or_text_and_have_their_geometry() -> None:
    box = (0.0, 0.2, 0.4, 1.0)
    query = Query(zones=[box, ((0, 0), (1, 0), (0.5, 1)), Zone.parse("gate=0,0,.5,1")])  # type: ignore[arg-type]
    assert query.zones == query.areas
    assert [str(zone) for zone in query.areas] == ["0,0.2,0.4,1", "0,0 1,0 0.5,1", "gate=0,0,0.5,1"]
    assert (query.geometry, query.min_inside) == ("inside", 0.5)
    assert replace(query, k=3).areas == query.areas
    assert len({query, replace(query, k=3)}) == 2, "a query can be a key"
    assert Query(box=box, geometry="inside").areas == (Zone.of(box),)
    assert Query(box=box).areas == Query(text="a dog", geometry="inside").areas == ()
    assert query_json(query)["zones"][2] == {  # type: ignore[index]
        "corners": ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),
        "source": "gate",
        "source_ids": (),
    }


def test_a_weight_beyond_1_is_refused() -> None:
    with pytest.raises(QueryError, match="semantic_weight"):
        Ranking(semantic_weight=1.5)


def test_what_follows_needs_words_and_a_time() -> None:
    with pytest.raises(QueryError, match="empty"):
        Query(text="a cat", then=" ", within_s=1)
    with pytest.raises(QueryError, match="number of seconds"):
        Query(text="a cat", then="a dog", within_s=0)
    with pytest.raises(QueryError, match="give `then`"):
        Query(text="a cat", then_box=(0, 0, 1, 1))


def test_a_method_without_weight_is_refused() -> None:
    with pytest.raises(QueryError, match="must be positive"):
        WeightedMethod("global", 0.0)


def test_the_names_that_methods_had_before_are_understood() -> None:
    assert WeightedMethod("parts").name == "representatives"  # type: ignore[arg-type]
    assert WeightedMethod("parts-global", 0.5) == WeightedMethod("representatives-global", 0.5)  # type: ignore[arg-type]
