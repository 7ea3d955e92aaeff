"""Catches boxes of patches that do not match their cells."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid, cell_boxes


def test_cells_tile_the_frame_row_by_row() -> None:
    boxes = cell_boxes(rows=2, cols=4)
    assert boxes.area().sum() == pytest.approx(1)
    assert_allclose(boxes.xyxy[5], [0.25, 0.5, 0.5, 1])
    assert (boxes.intersection(boxes)[~np.eye(8, dtype=bool)] < 1e-7).all()


def test_cells_beyond_the_frame_have_no_area_in_it() -> None:
    assert_allclose(cell_boxes(rows=1, cols=2, extent=(0, 0, 2, 1)).area(), [1, 0])


def test_a_part_of_a_part_is_a_part() -> None:
    grid = PatchGrid(np.arange(6 * 8 * 2, dtype=np.float32).reshape(6, 8, 2), (-0.5, 0, 1.5, 1))
    part = grid.part(slice(1, 5), slice(2, 8)).part(slice(1, 3), slice(0, 2))
    expected = grid.part(slice(2, 4), slice(2, 4))
    assert_array_equal(part.vectors, expected.vectors)
    assert_allclose(part.extent, expected.extent)
    assert_allclose(part.extent, (0.0, 1 / 3, 0.5, 2 / 3))


def test_wrong_grids_are_refused() -> None:
    for vectors in (np.zeros((2, 2), np.float32), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.float32)):
        with pytest.raises(InvalidValueError, match="rows, cols, D"):
            PatchGrid(vectors)
    with pytest.raises(InvalidValueError, match="extent"):
        PatchGrid(np.zeros((1, 1, 2), np.float32), (0, 0, 0, 1))
    with pytest.raises(InvalidValueError, match="neighbouring"):
        PatchGrid(np.zeros((4, 4, 2), np.float32)).part(slice(0, 4, 2), slice(0, 1))
