"""Catches distances that are kept for other words, for rows that changed, or that are computed again for each box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.search import known_distances
from pipeline.search.known_distances import KnownDistances
from schemas.boxes import FloatArray
from schemas.vectors import VectorArray

ROWS, DIMENSION = 200, 8
VECTORS = np.random.default_rng(0).normal(size=(ROWS, DIMENSION)).astype(np.float32)
QUERIES = np.random.default_rng(1).normal(size=(9, DIMENSION)).astype(np.float32)


class Counted:
    """Products with VECTORS; `asked` collects the rows of each call."""

    def __init__(self, query: VectorArray, vectors: VectorArray = VECTORS) -> None:
        self._query, self._vectors = query, vectors
        self.asked: list[list[int]] = []

    def __call__(self, rows: NDArray[np.intp]) -> FloatArray:
        self.asked.append(rows.tolist())
        return 1 - self._vectors[rows] @ self._query


@settings(max_examples=60, deadline=None)
@given(
    asked=st.lists(st.tuples(st.integers(0, 8), st.integers(0, ROWS), st.integers(0, ROWS)), min_size=1, max_size=20)
)
def test_whatever_was_asked_before_the_distances_are_those_of_the_query(asked: list[tuple[int, int, int]]) -> None:
    known = KnownDistances()
    for number, start, stop in asked:
        query, rows = QUERIES[number], np.arange(start, stop)
        found = known(query, rows, count=ROWS, compute=Counted(query))
        np.testing.assert_allclose(found, 1 - VECTORS[rows] @ query, atol=1e-5)


def test_only_rows_that_are_new_are_computed() -> None:
    known, compute = KnownDistances(), Counted(QUERIES[0])
    for rows in (np.arange(10, 50), np.arange(20, 60), np.arange(10, 60)):
        known(QUERIES[0], rows, count=ROWS, compute=compute)
    assert compute.asked == [list(range(10, 50)), list(range(50, 60))]


def test_what_is_forgotten_is_computed_from_the_vectors_that_there_are_then() -> None:
    known, rows = KnownDistances(), np.arange(5)
    known(QUERIES[0], rows, count=ROWS, compute=Counted(QUERIES[0]))
    known.forget()
    others = VECTORS[::-1].copy()
    found = known(QUERIES[0], rows, count=ROWS, compute=Counted(QUERIES[0], others))
    np.testing.assert_allclose(found, 1 - others[rows] @ QUERIES[0], atol=1e-5)


@pytest.mark.parametrize(("fit", "computed"), [(2, 2), (1, 3), (0, 3)])
def test_of_more_regions_than_fit_into_memory_fewer_queries_are_kept_or_none(
    fit: int, computed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_distances, "MOST_BYTES", 4 * ROWS * fit)
    known, rows, calls = KnownDistances(), np.arange(5), 0
    for number in (0, 1, 0):
        compute = Counted(QUERIES[number])
        found = known(QUERIES[number], rows, count=ROWS, compute=compute)
        np.testing.assert_allclose(found, 1 - VECTORS[rows] @ QUERIES[number], atol=1e-5)
        calls += len(compute.asked)
    assert calls == computed
