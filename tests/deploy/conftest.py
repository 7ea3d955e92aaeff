"""Fixtures for the tests of deploy: search results to draw and print."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from schemas.query import BoxTuple, Hit, Place, Query, SearchResult


@pytest.fixture
def make_hit() -> Callable[..., Hit]:
    def make(*, rank: int = 1, box: BoxTuple = (0.25, 0.25, 0.5, 0.75), source: str = "/clips/bikes.mp4") -> Hit:
        return Hit(
            rank=rank,
            distance=0.4,
            place=Place(box, "moving", f"region-{rank}", semantic=0.7, geometric=0.1),
            source=source,
            source_id="source",
            pts=103,
            pts_s=8.24,
            time=datetime(2026, 5, 1, 12, 0, 8, tzinfo=UTC),
            shot_s=(7.6, 10.0),
            frame_id=f"frame-{rank}",
        )

    return make


@pytest.fixture
def make_result(make_hit: Callable[..., Hit]) -> Callable[..., SearchResult]:
    def make(*, hits: int = 3, box: BoxTuple | None = (0.2, 0.3, 0.6, 0.8)) -> SearchResult:
        found = tuple(make_hit(rank=rank + 1) for rank in range(hits))
        return SearchResult(Query(text="a bicycle", box=box), 12.34, True, 1204, found)

    return make
