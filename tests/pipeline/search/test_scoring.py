"""Catches scores whose error exceeds the stated bound, or that depend on the row of a vector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.search.scoring import Scorer, float32_error
from schemas.vectors import VectorArray, normalise

SCORER = Scorer(threads=3)


def drawn(seed: int, *, rows: int, dimension: int) -> tuple[NDArray[np.float16], VectorArray]:
    rng = np.random.default_rng(seed)
    stored = normalise(rng.normal(size=(rows, dimension)).astype(np.float32)).astype(np.float16)
    return stored, normalise(rng.normal(size=dimension).astype(np.float32))


def reference(stored: NDArray[np.float16], query: VectorArray) -> np.ndarray:
    wide = stored.astype(np.longdouble)
    return 1 - (wide * query.astype(np.longdouble)).sum(axis=1)


# more than one chunk, more than one task, and last ones that are not full
@pytest.mark.parametrize("rows", [0, 1, 7, 1024, 1025, 16_384, 40_001])
def test_exact_scores_are_the_products_rounded_once(rows: int) -> None:
    stored, query = drawn(rows, rows=rows, dimension=96)
    found = SCORER.distances(stored, query)
    assert found.dtype == np.float32
    assert found.tolist() == reference(stored, query).astype(np.float32).tolist()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), dimension=st.sampled_from([16, 512, 768]))
def test_float32_scores_are_within_the_bound(seed: int, dimension: int) -> None:
    stored, query = drawn(seed, rows=500, dimension=dimension)
    # the worst case for a sum: parts of one sign
    for target in (query, np.abs(query)):
        error = np.abs(SCORER.distances(np.abs(stored), target, exact=False) - reference(np.abs(stored), target))
        assert error.max() <= float32_error(dimension)


@pytest.mark.parametrize("count", [0, 1, 10, 900, 17_000, 25_000])
@pytest.mark.parametrize("exact", [True, False])
def test_chosen_rows_have_the_scores_of_all(count: int, exact: bool) -> None:
    stored, query = drawn(3, rows=40_000, dimension=32)
    rows = np.sort(np.random.default_rng(count).choice(40_000, count, replace=False))
    some = SCORER.distances(stored, query, rows, exact=exact)
    every = SCORER.distances(stored, query, exact=exact)[rows]
    np.testing.assert_allclose(some, every, atol=0 if exact else 2 * float32_error(32))


def test_equal_vectors_have_equal_scores_wherever_they_stand() -> None:
    stored, query = drawn(4, rows=50_000, dimension=100)
    places = [0, 1, 1023, 1024, 3333, 16_384, 49_999]
    stored[places] = stored[17]
    assert len(set(SCORER.distances(stored, query)[places].tolist())) == 1


def test_every_float16_counts_with_its_own_value() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)][:, None]
    one = np.ones(1, np.float32)
    for exact in (True, False):
        np.testing.assert_array_equal(SCORER.distances(finite, one, exact=exact), 1 - finite[:, 0].astype(np.float32))
