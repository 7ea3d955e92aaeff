"""Catches representatives that lose or repeat patches, differ from the mean of their patches, report another place in
the frame, or change from one run to the next."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from operators.encoders.pooling import pool_boxes
from operators.representatives.build import build_representatives
from operators.representatives.config import RepresentativesConfig, RepresentativesMethod
from operators.representatives.representatives import Representatives
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, PlanError
from schemas.patches import PatchGrid
from schemas.vectors import FeatureMap, normalise
from tests.operators.representatives.grids import painted_grid, random_grid

CLUSTERING: tuple[RepresentativesMethod, ...] = ("all", "kmeans", "agglomerative-count", "agglomerative-threshold")
THREE_THINGS = ["aaab", "aaab", "cccb"]


def made(grid: PatchGrid, method: RepresentativesMethod, *, count: int = 3, threshold: float = 0.4) -> Representatives:
    return build_representatives(RepresentativesConfig(method=method, count=count, threshold=threshold))(
        grid, Boxes.empty()
    )


@pytest.mark.parametrize("method", CLUSTERING)
@given(rows=st.integers(1, 5), cols=st.integers(1, 6), count=st.integers(1, 40), seed=st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_every_patch_belongs_to_one_representative(
    method: RepresentativesMethod, rows: int, cols: int, count: int, seed: int
) -> None:
    grid = random_grid(rows=rows, cols=cols, seed=seed)
    few = made(grid, method, count=count)
    assert few.counts.sum() == rows * cols
    assert few.counts.min() >= 1
    assert (np.diff(few.counts) <= 0).all()  # the largest first
    assert_allclose(np.linalg.norm(few.vectors, axis=1), 1, atol=1e-6)
    assert few.boxes.area().min() >= 0.999 / (rows * cols)


@pytest.mark.parametrize("method", ["kmeans", "agglomerative-count"])
def test_a_count_is_reached_where_patches_differ(method: RepresentativesMethod) -> None:
    grid = random_grid(rows=6, cols=7)
    for count in (1, 2, 10, 41):
        assert len(made(grid, method, count=count)) == count


@pytest.mark.parametrize(("method", "threshold"), [("all", 0.4), ("kmeans", 0.4), ("agglomerative-threshold", 0.0)])
def test_as_many_as_there_are_patches_are_the_patches(method: RepresentativesMethod, threshold: float) -> None:
    grid = random_grid(rows=3, cols=4)
    few = made(grid, method, count=12, threshold=threshold)
    assert_allclose(few.vectors, grid.flat(), atol=1e-6)
    x, y = np.arange(12) % 4 / 4, np.arange(12) // 4 / 3
    assert_allclose(few.boxes.xyxy, np.stack([x, y, x + 1 / 4, y + 1 / 3], axis=1), atol=1e-6)


@pytest.mark.parametrize("method", ["kmeans", "agglomerative-count", "agglomerative-threshold"])
def test_things_of_one_kind_are_one_representative(method: RepresentativesMethod) -> None:
    grid = painted_grid(THREE_THINGS)
    few = made(grid, method)
    assert few.counts.tolist() == [6, 3, 3]
    letters = np.array([list(row) for row in THREE_THINGS]).ravel()
    for n, (letter, box) in enumerate(
        {"a": [0, 0, 3 / 4, 2 / 3], "b": [3 / 4, 0, 1, 1], "c": [0, 2 / 3, 3 / 4, 1]}.items()
    ):
        assert_allclose(few.vectors[n], normalise(grid.flat()[letters == letter].mean(axis=0)), atol=1e-6)
        assert_allclose(few.boxes.xyxy[n], box, atol=1e-6)


def test_a_box_spans_all_places_of_its_patches() -> None:
    few = made(painted_grid(["abbb", "bbbb", "bbab"]), "kmeans", count=2)
    assert few.counts.tolist() == [10, 2]
    assert_allclose(few.boxes.xyxy[1], [0, 0, 3 / 4, 1], atol=1e-6)


def test_patches_under_padding_keep_their_boxes_within_the_frame() -> None:
    grid = PatchGrid(random_grid(rows=2, cols=4).vectors, (0.0, 0.0, 2.0, 1.0))  # the right half is padding
    assert_allclose(made(grid, "all").boxes.xyxy[:4, 2], [0.5, 1, 1, 1])


def test_more_clusters_than_different_vectors_are_not_invented() -> None:
    assert made(painted_grid(["aab"] * 3, noise=0), "kmeans", count=5).counts.tolist() == [6, 3]


def test_a_higher_threshold_leaves_fewer() -> None:
    grid = random_grid(rows=8, cols=8, dimension=4)
    counts = [len(made(grid, "agglomerative-threshold", threshold=t)) for t in (0.0, 0.1, 0.3, 0.6, 2.0)]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (64, 1)


@pytest.mark.parametrize("method", CLUSTERING)
def test_the_same_grid_gives_the_same_bits(method: RepresentativesMethod) -> None:
    grid = random_grid(rows=14, cols=19, dimension=32)
    first, second = made(grid, method, count=10), made(grid, method, count=10)
    assert_array_equal(first.vectors, second.vectors)
    assert_array_equal(first.boxes.xyxy, second.boxes.xyxy)


def test_regions_are_the_means_under_their_boxes() -> None:
    grid = random_grid(rows=4, cols=8)
    boxes = Boxes(np.array([[0, 0, 1, 1], [1 / 8, 0, 2.5 / 8, 1 / 4], [0.5, 0.5, 0.5, 0.5]], np.float32))
    few = build_representatives(RepresentativesConfig(method="regions", count=50))(grid, boxes)
    assert_allclose(few.vectors, normalise(pool_boxes(FeatureMap((grid.vectors,)), boxes)), atol=1e-6)
    assert few.counts.tolist() == [32, 2, 1]
    assert_array_equal(few.boxes.xyxy, boxes.xyxy)


def test_regions_stop_at_the_count_and_may_be_none() -> None:
    regions = build_representatives(RepresentativesConfig(method="regions", count=2))
    grid = random_grid(rows=4, cols=8)
    assert len(regions(grid, Boxes(np.tile(np.array([[0, 0, 1, 1]], np.float32), (5, 1))))) == 2
    assert regions(grid, Boxes.empty()).vectors.shape == (0, 16)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="count must be at least 1, got 0"):
        RepresentativesConfig(count=0)
    with pytest.raises(InvalidValueError, match="threshold"):
        RepresentativesConfig(threshold=-0.1)
    with pytest.raises(PlanError, match='"none"'):
        build_representatives(RepresentativesConfig())
    with pytest.raises(InvalidValueError, match="vectors must be float32"):
        PatchGrid(np.zeros((2, 3), np.float32))
