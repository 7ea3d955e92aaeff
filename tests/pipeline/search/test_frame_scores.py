"""Catches fusions of several rankings that lose frames, or depend on the scale of one of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.frame_scores import FrameScores, fused
from schemas.query import Fusion, Place

PART = Place(box=(0.0, 0.0, 0.5, 0.5), proposer="moving")


def scores(distance: list[float], place: Place | None = None) -> FrameScores:
    return FrameScores(np.array(distance, np.float32), lambda _: place or Place(), candidates=len(distance))


def test_one_way_alone_keeps_its_distances() -> None:
    alone = scores([0.3, np.inf, 0.9])
    assert fused([(0.2, alone)], fusion="rrf") is alone


def test_reciprocal_ranks_are_those_of_the_formula() -> None:
    found = fused([(3.0, scores([0.1, 0.2, 0.2, np.inf])), (1.0, scores([9.0, np.inf, 5.0, np.inf]))], fusion="rrf")
    expected = [
        1 - (3 * 61 / 61 + 61 / 62) / 4,
        1 - (3 * 61 / 62) / 4,
        1 - (3 * 61 / 62 + 61 / 61) / 4,
        np.inf,  # nobody found it
    ]
    np.testing.assert_allclose(found.distance, np.array(expected, np.float32), rtol=1e-6)


def test_weighted_distances_are_scaled_over_the_frames_found() -> None:
    found = fused([(1.0, scores([2.0, 4.0, 3.0])), (3.0, scores([0.5, np.inf, 0.5]))], fusion="weighted")
    np.testing.assert_allclose(found.distance, [0.0, 1.0, 0.125], atol=1e-6)


def test_the_place_is_that_of_the_first_way_which_says_more_than_the_whole_frame() -> None:
    both = fused([(1.0, scores([1.0, 1.0])), (1.0, scores([1.0, np.inf], PART))], fusion="rrf")
    assert both.place(0) == PART
    assert both.place(1) == Place()


distances = st.lists(st.one_of(st.floats(0, 2, width=32), st.just(np.inf)), min_size=5, max_size=5)


@given(distances, distances, st.sampled_from(["rrf", "weighted"]), st.permutations(range(5)))
def test_the_order_of_frames_and_of_ways_does_not_matter(
    a: list[float], b: list[float], fusion: Fusion, order: list[int]
) -> None:
    one = fused([(1.0, scores(a)), (2.0, scores(b))], fusion=fusion).distance
    other = fused([(2.0, scores(b)), (1.0, scores(a))], fusion=fusion).distance
    np.testing.assert_allclose(one, other, atol=1e-6)
    moved = fused([(1.0, scores([a[i] for i in order])), (2.0, scores([b[i] for i in order]))], fusion=fusion).distance
    np.testing.assert_array_equal(moved, one[order])
    finite = one[np.isfinite(one)]
    assert ((finite >= -1e-6) & (finite <= 1)).all()


@pytest.mark.parametrize("fusion", ["rrf", "weighted"])
def test_the_scale_of_one_way_does_not_matter(fusion: Fusion) -> None:
    a, b = scores([0.1, 0.7, 0.4]), scores([0.3, 0.2, 0.9])
    wide = scores([300.0, 200.0, 900.0])
    np.testing.assert_allclose(
        fused([(1, a), (1, b)], fusion=fusion).distance, fused([(1, a), (1, wide)], fusion=fusion).distance, atol=1e-6
    )
