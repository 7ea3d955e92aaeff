"""Farthest-first traversal: catches near duplicates that are chosen, and a choice that misses a part of the set."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.ranking.diverse import diverse
from schemas.vectors import VectorArray, normalise


def drawn(seed: int, n: int) -> VectorArray:
    return normalise(np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32))


def radius(vectors: VectorArray, chosen: "np.ndarray | tuple[int, ...]") -> float:
    """The largest chord from a vector to the nearest chosen one."""
    chord = np.linalg.norm(vectors[:, None] - vectors[list(chosen)][None], axis=2)
    return float(chord.min(axis=1).max())


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 4))
def test_no_choice_covers_the_set_twice_as_well(seed: int, n: int, count: int) -> None:
    """The bound of Gonzalez (1985), for chords, which are a metric and grow with the distance of cosines."""
    vectors, count = drawn(seed, n), min(count, n)
    best = min(radius(vectors, each) for each in combinations(range(n), count))
    assert radius(vectors, diverse(vectors, count=count)) <= 2 * best + 1e-5


@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0.0, 1.0))
def test_no_two_are_nearer_than_the_limit_and_none_is_omitted_that_is_not(seed: int, n: int, least: float) -> None:
    vectors = drawn(seed, n)
    chosen = diverse(vectors, count=n, least_distance=least)
    distance = 1 - vectors @ vectors[chosen].T
    among = distance[chosen] + 10 * np.eye(len(chosen))
    assert among.min() >= least - 1e-6
    others = np.setdiff1d(np.arange(n), chosen)
    assert (distance[others].min(axis=1, initial=0.0) <= max(least, 1e-6)).all()


def test_of_equal_ones_the_first_is_taken() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]]
    assert diverse(vectors, count=5, least_distance=0.01).tolist() == [0, 2, 4]


def test_of_none_none_is_taken() -> None:
    assert not len(diverse(np.zeros((0, 4), np.float32), count=3))
