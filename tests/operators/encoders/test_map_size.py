"""Catches maps that distort a frame, and thin pictures that need gigabytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.encoders.map_size import LONGEST, map_size_px


@pytest.mark.parametrize(
    ("shape", "size"),
    [((480, 640), (448, 608)), ((1080, 1920), (448, 800)), ((640, 480), (608, 448)), ((1, 1), (448, 448))],
)
def test_a_frame_keeps_its_shape_in_whole_cells(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert map_size_px(np.zeros((*shape, 3), np.uint8), short_side_px=448, cell_px=32) == size


def test_a_strip_is_squeezed() -> None:
    assert map_size_px(np.zeros((1, 3000, 3), np.uint8), short_side_px=448, cell_px=32) == (448, 1792)


@given(height=st.integers(1, 4000), width=st.integers(1, 4000))
def test_a_map_has_whole_cells_and_the_frames_shape(height: int, width: int) -> None:
    image = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    rows_px, cols_px = map_size_px(image, short_side_px=448, cell_px=32)
    assert rows_px % 32 == 0
    assert cols_px % 32 == 0
    assert min(rows_px, cols_px) == 448
    # half a cell of rounding at most, but for strips
    longer_px = 448 * min(LONGEST, max(height, width) / min(height, width))
    assert abs(max(rows_px, cols_px) - longer_px) <= 16 + 1e-6
