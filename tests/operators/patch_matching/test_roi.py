"""Catches a region of interest with the wrong patches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from operators.patch_matching.roi import roi_patches
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid
from tests.operators.representatives.grids import random_grid

GRID = random_grid(rows=4, cols=8)
UNIT = st.floats(0, 1, width=32)


def box(*xyxy: float) -> Boxes:
    return Boxes(np.array([xyxy], np.float32))


@given(x=st.tuples(UNIT, UNIT), y=st.tuples(UNIT, UNIT))
def test_patches_whose_centres_lie_inside_are_the_query(x: tuple[float, float], y: tuple[float, float]) -> None:
    roi = box(min(x), min(y), max(x), max(y))
    x0, y0, x1, y1 = roi.xyxy[0].tolist()
    wanted = [
        GRID.vectors[row, col]
        for row in range(4)
        for col in range(8)
        if x0 <= (col + 0.5) / 8 < x1 and y0 <= (row + 0.5) / 4 < y1
    ]
    part = roi_patches(GRID, roi)
    if wanted:
        assert_array_equal(part.flat(), wanted)
    else:
        assert 1 in (part.rows, part.cols)


def test_a_part_knows_its_place() -> None:
    part = roi_patches(GRID, box(0.2, 0.3, 0.6, 0.9))  # centres 0.3125 to 0.5625 and 0.375 to 0.875
    assert_array_equal(part.vectors, GRID.vectors[1:4, 2:5])
    assert part.extent == (0.25, 0.25, 0.625, 1.0)


def test_a_box_within_one_patch_takes_that_patch() -> None:
    assert_array_equal(roi_patches(GRID, box(0.26, 0.01, 0.27, 0.02)).vectors, GRID.vectors[0:1, 2:3])
    assert_array_equal(roi_patches(GRID, box(1, 1, 1, 1)).vectors, GRID.vectors[3:4, 7:8])


def test_a_grid_that_reaches_beyond_the_frame_is_cut_at_its_place() -> None:
    padded = PatchGrid(GRID.vectors, (-0.5, 0.0, 1.5, 1.0))  # cells of 0.25 by 0.25, two columns before the frame
    assert_array_equal(roi_patches(padded, box(0, 0, 0.5, 0.25)).vectors, GRID.vectors[0:1, 2:4])


def test_two_regions_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="one region of interest, got 2 boxes"):
        roi_patches(GRID, Boxes(np.zeros((2, 4), np.float32)))
