"""Catches scores that differ from a sum over every shift written out, and boxes and masks of another place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.patch_matching.config import CorrelationConfig
from operators.patch_matching.correlation import correlate
from operators.patch_matching.pyramid import Level
from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid
from tests.operators.representatives.grids import random_grid


@given(shape=st.tuples(*[st.integers(1, 4)] * 4), seed=st.integers(0, 100), masked=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_score_is_the_largest_of_all_shifts(shape: tuple[int, int, int, int], seed: int, masked: bool) -> None:
    rows, cols, target_rows, target_cols = shape
    query, target = (
        random_grid(rows=rows, cols=cols, seed=seed),
        random_grid(rows=target_rows, cols=target_cols, seed=999),
    )
    inside = np.random.default_rng(seed).random((rows, cols)) < 0.6 if masked else np.ones((rows, cols), np.bool_)
    inside[0, 0] = True
    sums = {}
    for down in range(1 - rows, target_rows):
        for across in range(1 - cols, target_cols):
            sums[down, across] = sum(
                np.exp((float(query.vectors[y, x] @ target.vectors[y + down, x + across]) - 1) / 0.2)
                for y, x in np.argwhere(inside)
                if 0 <= y + down < target_rows and 0 <= x + across < target_cols
            )
    (match,) = correlate([Level(1.0, query, inside if masked else None)], [target])
    assert match.score == pytest.approx(max(sums.values()) / inside.sum(), rel=1e-5)
    down, across = max(sums, key=lambda shift: sums[shift])
    cells = [(y + down, x + across) for y, x in np.argwhere(inside)]
    cells = [(y, x) for y, x in cells if 0 <= y < target_rows and 0 <= x < target_cols]
    low, high = np.min(cells, axis=0), np.max(cells, axis=0) + 1
    expected = [low[1] / target_cols, low[0] / target_rows, high[1] / target_cols, high[0] / target_rows]
    np.testing.assert_allclose(match.box.xyxy, [expected], atol=1e-6)


def test_an_exact_copy_has_the_score_1_at_its_place_with_all_its_cells_in_the_mask() -> None:
    subject = random_grid(rows=2, cols=3, seed=1)
    vectors = random_grid(rows=6, cols=8, seed=5).vectors.copy()
    vectors[3:5, 4:7] = subject.vectors
    match, elsewhere = correlate([Level(1.0, subject)], [PatchGrid(vectors), random_grid(rows=5, cols=5, seed=7)])
    assert match.score == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(match.box.xyxy, [[4 / 8, 3 / 6, 7 / 8, 5 / 6]], atol=1e-6)
    assert match.mask.sum() == 6
    assert match.mask[3:5, 4:7].all()
    np.testing.assert_array_equal(match.target_cells, match.query_cells + np.array([3, 4]))
    assert elsewhere.score < 0.5


def test_a_subject_that_leaves_the_frame_keeps_a_box_within_it() -> None:
    subject = random_grid(rows=3, cols=4, seed=1)
    vectors = random_grid(rows=6, cols=6, seed=5).vectors.copy()
    vectors[4:, :3] = subject.vectors[:2, 1:]
    (match,) = correlate([Level(1.0, subject)], [PatchGrid(vectors)])
    np.testing.assert_allclose(match.box.xyxy, [[0, 4 / 6, 3 / 6, 1]], atol=1e-6)
    assert match.score == pytest.approx(6 / 12, abs=1e-5)


def test_a_smaller_level_must_fit_clearly_better() -> None:
    subject = random_grid(rows=4, cols=4, seed=1)
    half = PatchGrid(np.ascontiguousarray(subject.vectors[::2, ::2]))
    vectors = random_grid(rows=7, cols=7, seed=5).vectors.copy()
    vectors[1:3, 1:3] = half.vectors
    levels = [Level(1.0, subject), Level(0.5, half)]
    (small,) = correlate(levels, [PatchGrid(vectors)])
    assert small.scale == 0.5
    assert small.score == pytest.approx(0.9, abs=1e-5)
    (large,) = correlate(levels, [subject])  # it has the smaller one nowhere, and fits itself
    assert (large.scale, large.score) == (1.0, pytest.approx(1, abs=1e-5))


def test_without_targets_there_is_no_match() -> None:
    assert correlate([Level(1.0, random_grid(rows=2, cols=2, seed=1))], []) == []


@pytest.mark.parametrize("setting", [{"width": 0.0}, {"fewer": 0.0}, {"fewer": 1.5}, {"threshold": 2.0}])
def test_settings_that_mean_nothing_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(setting))):
        CorrelationConfig(**setting)
