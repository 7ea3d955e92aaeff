"""Catches questions that ask for nothing, and that used to return everything."""

import pytest

from schemas.errors import InvalidValueError, QueryError
from schemas.query import Query, Ranking


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "asks for nothing"),
        ({"text": "  "}, "is empty"),
        ({"text": "dog", "image": "dog.jpg"}, "not both"),
        ({"text": "dog", "roi": (0, 0, 1, 1)}, "--roi"),
        ({"text": "dog", "k": 0}, "k must be"),
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
