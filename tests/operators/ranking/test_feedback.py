"""Relevance feedback. Catches a query that moves away from what was liked, or whose weight against geometry changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.ranking.feedback import Rocchio
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray, normalise

NONE = np.zeros((0, 8), np.float32)


def drawn(seed: int, count: int) -> VectorArray:
    return normalise(np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32))


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(0, 5), st.floats(0.1, 3))
def test_it_moves_towards_the_liked_and_keeps_its_length(seed: int, liked: int, unliked: int, length: float) -> None:
    query, good, bad = drawn(seed, 1)[0] * np.float32(length), drawn(seed + 1, liked), drawn(seed + 2, unliked)
    moved = Rocchio()(query, good, NONE)
    assert np.linalg.norm(moved) == pytest.approx(length, rel=1e-5)
    assert moved @ good.mean(axis=0) >= query @ good.mean(axis=0) - 1e-5
    away = Rocchio()(query, NONE, bad) if unliked else query
    if unliked:
        assert away @ bad.mean(axis=0) <= query @ bad.mean(axis=0) + 1e-5
    shuffled = Rocchio()(query, good[::-1], bad[::-1])
    np.testing.assert_allclose(shuffled, Rocchio()(query, good, bad), atol=1e-6)


def test_without_a_query_it_is_the_mean_of_what_was_liked() -> None:
    good = drawn(3, 3)
    np.testing.assert_allclose(Rocchio()(None, good, NONE), normalise(good.mean(axis=0)[None])[0], atol=1e-6)
    np.testing.assert_allclose(Rocchio()(None, good[:1], NONE), good[0], atol=1e-6)


def test_judgements_that_cancel_each_other_leave_nothing() -> None:
    one = drawn(4, 1)
    assert not Rocchio(1.0, 1.0)(None, one, one).any()


def test_weights_are_not_negative() -> None:
    with pytest.raises(InvalidValueError, match="unlike"):
        Rocchio(1.0, -0.5)
