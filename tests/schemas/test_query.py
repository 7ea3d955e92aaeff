"""Catches empty or contradictory queries that are accepted: they used to return everything."""

import pytest

from schemas.errors import InvalidValueError, QueryError
from schemas.query import Query, Ranking, WeightedMethod


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
    ],
)
def test_a_query_without_sense_says_what_to_give(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(QueryError, match=said):
        Query(**wrong)  # type: ignore[arg-type]


def test_a_box_outside_the_frame_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="not pixels"):
        Query(box=(10, 10, 200, 200))


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
