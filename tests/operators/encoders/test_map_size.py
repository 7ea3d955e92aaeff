"""Catches maps that distort a frame, and thin pictures that ask for gigabytes."""

import numpy as np
import pytest

from operators.encoders.map_size import map_size_px


@pytest.mark.parametrize(
    ("shape", "size"),
    [((480, 640), (448, 608)), ((1080, 1920), (448, 800)), ((640, 480), (608, 448)), ((1, 1), (448, 448))],
)
def test_a_frame_keeps_its_shape_in_whole_cells(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert map_size_px(np.zeros((*shape, 3), np.uint8), short_side_px=448, cell_px=32) == size


def test_a_strip_is_squeezed() -> None:
    assert map_size_px(np.zeros((1, 3000, 3), np.uint8), short_side_px=448, cell_px=32) == (448, 1792)
