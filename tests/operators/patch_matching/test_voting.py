"""Catches votes that differ from those of the paper's table 1, counted one by one."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from operators.patch_matching.config import VoteKind
from operators.patch_matching.voting import votes
from schemas.patches import PatchGrid
from schemas.vectors import VectorArray
from tests.operators.patch_matching.reference import votes_one_by_one
from tests.operators.representatives.grids import random_grid

KINDS: tuple[VoteKind, ...] = get_args(VoteKind)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_votes_equal_those_counted_one_by_one(kind: VoteKind, data: st.DataObject) -> None:
    size = st.integers(1, 4)
    targets = [
        random_grid(rows=data.draw(size), cols=data.draw(size), dimension=8, seed=seed)
        for seed in range(data.draw(st.integers(1, 4)))
    ]
    query = random_grid(rows=data.draw(size), cols=data.draw(size), dimension=8, seed=99).flat()
    neighbours = data.draw(st.integers(1, 6))
    cast = votes(query, targets, kind=kind, neighbours=neighbours)
    assert_allclose(cast, votes_one_by_one(query, targets, kind=kind, neighbours=neighbours), rtol=1e-3)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("majority", [3, 1]),
        ("unique", [2, 1]),
        ("weighted", [1 / 0.2 + 1 / 0.4 + 1 / 0.2, 1 / 0.4]),
        ("weighted-unique", [1 / 0.2 + 1 / 0.2, 1 / 0.4]),
    ],
)
def test_a_worked_example(kind: VoteKind, expected: list[float]) -> None:
    """Two query patches along x and y, two neighbours each. Picture 0 has x at .8 and .6, and y at .8; picture 1 has
    y at .6: x takes two of picture 0, y takes one of each."""
    query = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    pictures = [
        strip([[0.8, 0, 0.6], [0.6, 0, -0.8], [0, 0.8, 0.6]]),
        strip([[0, 0.6, 0.8], [0, 0, 1]]),
    ]
    assert_allclose(votes(query, pictures, kind=kind, neighbours=2), expected, rtol=1e-4)


def strip(vectors: list[list[float]]) -> PatchGrid:
    grid: VectorArray = np.array([vectors], np.float32)
    return PatchGrid(grid)


def test_votes_do_not_depend_on_the_order_of_the_pictures() -> None:
    targets = [random_grid(rows=3, cols=3, seed=seed) for seed in range(4)]
    query = random_grid(rows=2, cols=2, seed=9).flat()
    there = votes(query, targets, kind="weighted")
    assert_allclose(votes(query, targets[::-1], kind="weighted"), there[::-1])


def test_nothing_to_vote_for() -> None:
    assert votes(random_grid(rows=1, cols=1).flat(), [], kind="majority").shape == (0,)
