"""Catches masks that are shifted against their cells, or that extend into padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from operators.masks.rle import decode_mask
from operators.patch_matching.cell_mask import cell_mask


def test_cells_of_whole_pixels_are_those_pixels() -> None:
    cells = np.array([[1, 0, 0], [0, 1, 1]], np.bool_)
    mask = cell_mask(cells, extent=(0, 0, 1, 1), width_px=12, height_px=6)
    assert_array_equal(decode_mask(mask), cells.repeat(3, axis=0).repeat(4, axis=1))
    assert mask.area == pytest.approx(0.5)


def test_cells_in_padding_are_not_in_the_frame() -> None:
    cells = np.array([[1, 0, 1, 1]], np.bool_)
    mask = cell_mask(cells, extent=(0.0, 0.0, 2.0, 1.0), width_px=8, height_px=2)  # the right half is padding
    assert_array_equal(decode_mask(mask), np.array([[1, 1, 1, 1, 0, 0, 0, 0]] * 2, np.bool_))


@given(rows=st.integers(1, 5), cols=st.integers(1, 5), width=st.integers(1, 40), height=st.integers(1, 40))
def test_all_cells_are_all_pixels(rows: int, cols: int, width: int, height: int) -> None:
    mask = cell_mask(np.ones((rows, cols), np.bool_), extent=(0, 0, 1, 1), width_px=width, height_px=height)
    assert mask.area_px == width * height
