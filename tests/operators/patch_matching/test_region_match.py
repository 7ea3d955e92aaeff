"""Catches growing that differs from the paper's in any pair, and scores, boxes and masks that do not belong to the
grown region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from operators.patch_matching.config import GrowingConfig
from operators.patch_matching.growing import grow
from operators.patch_matching.pyramid import Level
from operators.patch_matching.region_match import RegionMatch, match_region
from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid
from tests.operators.patch_matching.reference import grow_one_by_one
from tests.operators.representatives.grids import painted_grid, random_grid


def pasted(subject: PatchGrid, *, rows: int, cols: int, at: tuple[int, int], seed: int = 5) -> PatchGrid:
    """A frame of other patches with the subject's at one place."""
    vectors = random_grid(rows=rows, cols=cols, seed=seed).vectors.copy()
    vectors[at[0] : at[0] + subject.rows, at[1] : at[1] + subject.cols] = subject.vectors
    return PatchGrid(vectors)


def found(match: RegionMatch | None) -> RegionMatch:
    assert match is not None
    return match


@given(
    shape=st.tuples(*[st.integers(1, 5)] * 4),
    seeds=st.integers(1, 9),
    share=st.sampled_from([0.0, 0.4, 0.7, 0.9]),
    seed=st.integers(0, 10),
)
@settings(max_examples=80, deadline=None)
def test_regions_equal_those_grown_pair_by_pair(
    shape: tuple[int, int, int, int], seeds: int, share: float, seed: int
) -> None:
    """Cosines all differ, so that there is one order of seeds; the largest region may still not be the only one."""
    rng = np.random.default_rng(seed)
    similarity = rng.permutation(np.linspace(-1, 1, 2 * int(np.prod(shape)), dtype=np.float32)).reshape(2, *shape)
    threshold = float(np.quantile(similarity, 1 - share))
    grown = grow(similarity, threshold=threshold, seeds=seeds)
    for n in range(2):
        expected = grow_one_by_one(similarity[n], threshold=threshold, seeds=seeds)
        cells = np.argwhere(grown.members[n])
        pairs = {((int(i), int(j)), (int(i + grown.shift[n, 0]), int(j + grown.shift[n, 1]))) for i, j in cells}
        assert pairs == expected


def test_a_subject_is_found_where_it_stands() -> None:
    subject = random_grid(rows=2, cols=3, seed=1)
    target = pasted(subject, rows=6, cols=8, at=(3, 4))
    match = found(match_region([Level(1.0, subject)], [target])[0])
    assert match.query_cells.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert_array_equal(match.target_cells, match.query_cells + np.array([3, 4]))
    assert_allclose(match.box.xyxy, [[4 / 8, 3 / 6, 7 / 8, 5 / 6]], atol=1e-6)
    assert match.mask.shape == (6, 8)
    assert_array_equal(np.argwhere(match.mask), match.target_cells)
    mean = subject.flat().mean(axis=0)
    assert match.score == pytest.approx(float(mean @ mean), abs=1e-6)


def test_the_score_is_similarity_times_the_share_that_was_found() -> None:
    subject = painted_grid(["abc", "def"], noise=0)
    direction = np.eye(16, dtype=np.float32)
    frame = np.tile(direction[15], (3, 4, 1))
    frame[1, 1], frame[1, 2], frame[2, 1] = direction[0], direction[1], direction[3]  # a, b and d of the subject
    match = found(match_region([Level(1.0, subject)], [PatchGrid(frame)], config=GrowingConfig(coverage_power=2.0))[0])
    # means: of six directions, and of three of them; their product is 3 · 1/6 · 1/3
    assert match.score == pytest.approx(1 / 6 * (3 / 6) ** 2)
    assert match.query_cells.tolist() == [[0, 0], [0, 1], [1, 0]]


def test_scattered_patches_are_worth_less_than_a_connected_region() -> None:
    subject = random_grid(rows=3, cols=3, seed=1)
    together = pasted(subject, rows=6, cols=6, at=(1, 2))
    vectors = random_grid(rows=6, cols=6, seed=7).vectors.copy()
    vectors[[0, 0, 0, 2, 2, 2, 4, 4, 4], [0, 2, 4] * 3] = subject.flat()  # the same patches, none beside another
    scores = [found(m).score for m in match_region([Level(1.0, subject)], [together, PatchGrid(vectors)])]
    assert scores[0] > 4 * abs(scores[1])  # nine patches of nine, and one


def test_nothing_similar_is_no_match() -> None:
    subject = painted_grid(["aa"], noise=0)
    nothing = PatchGrid(-np.broadcast_to(subject.vectors[0, 0], (3, 3, 16)).copy())
    assert match_region([Level(1.0, subject)], [nothing]) == [None]
    assert match_region([Level(1.0, subject)], []) == []


def test_targets_of_several_shapes_keep_their_order() -> None:
    subject = random_grid(rows=2, cols=2, seed=1)
    targets = [pasted(subject, rows=rows, cols=5, at=(rows - 2, 0)) for rows in (3, 4, 3, 6)]
    alone = [found(match_region([Level(1.0, subject)], [target])[0]) for target in targets]
    for one, together in zip(alone, match_region([Level(1.0, subject)], targets), strict=True):
        assert_array_equal(one.target_cells, found(together).target_cells)
        assert one.score == pytest.approx(found(together).score)


def test_the_level_at_which_most_is_found_is_the_match() -> None:
    """Half as many patches each way: found whole there, which counts as much as found whole at full size."""
    full, half = random_grid(rows=4, cols=6, seed=1), random_grid(rows=2, cols=3, seed=2)
    levels = [Level(1.0, full), Level(0.5, half)]
    large, small = pasted(full, rows=8, cols=8, at=(1, 2)), pasted(half, rows=8, cols=8, at=(5, 4))
    as_large, as_small = (found(m) for m in match_region(levels, [large, small]))
    assert (as_large.scale, as_small.scale) == (1.0, 0.5)
    assert as_small.score == pytest.approx(as_large.score)
    assert_allclose(as_small.box.xyxy, [[4 / 8, 5 / 8, 7 / 8, 7 / 8]], atol=1e-6)


def test_patches_outside_the_subject_are_ignored() -> None:
    """The lower row of the ROI is background, which stands under another subject as well."""
    grid = random_grid(rows=2, cols=3, seed=1)
    subject = Level(1.0, grid, np.array([[1, 1, 1], [0, 0, 0]], np.bool_))
    itself, background = (
        pasted(grid, rows=6, cols=8, at=(1, 2)),
        pasted(grid.part(slice(1, 2), slice(0, 3)), rows=6, cols=8, at=(2, 2)),
    )
    match, other = match_region([subject], [itself, background])
    assert other is None or len(other.query_cells) == 1
    assert found(match).query_cells.tolist() == [[0, 0], [0, 1], [0, 2]]
    mean = grid.flat()[:3].mean(axis=0)
    assert found(match).score == pytest.approx(float(mean @ mean), abs=1e-6)


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"threshold": 1.5}, {"seeds": 0}, {"coverage_power": -1.0}):
        with pytest.raises(InvalidValueError):
            GrowingConfig(**wrong)
