"""Means of cells under boxes. Catches boxes that take the wrong cells, or a wrong share of those at their border."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.encoders.pooling import pool_boxes
from schemas.boxes import Boxes
from schemas.vectors import FeatureMap

# cell (row, col) holds [row, col]
GRID = FeatureMap(np.stack(np.meshgrid(np.arange(4), np.arange(8), indexing="ij"), axis=-1).astype(np.float32))
UNIT = st.floats(0, 1, width=32)
BOX = st.tuples(UNIT, UNIT, UNIT, UNIT).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def pooled(box: tuple[float, float, float, float], grid: FeatureMap = GRID) -> list[float]:
    row, col = pool_boxes(grid, Boxes(np.array([box], np.float32)))[0].tolist()
    return [row, col]


def test_a_whole_frame_is_the_mean_of_all_cells() -> None:
    assert pooled((0, 0, 1, 1)) == [1.5, 3.5]


def test_a_cell_is_its_own_mean() -> None:
    assert pooled((5 / 8, 2 / 4, 6 / 8, 3 / 4)) == [2, 5]


def test_cells_count_by_the_share_that_is_covered() -> None:
    # columns 1 to 2.5: cell 1 whole, half of cell 2: (1 + 0.5 * 2) / 1.5
    np.testing.assert_allclose(pooled((1 / 8, 0, 2.5 / 8, 1 / 4)), [0, 4 / 3], rtol=1e-6)


def test_an_extent_beyond_the_frame_moves_the_cells() -> None:
    padded = FeatureMap(GRID.features, extent=(0.0, 0.0, 2.0, 1.0))  # the right half of the grid is padding
    assert pooled((0, 0, 1, 1), padded) == [1.5, 1.5]


@given(BOX)
def test_a_mean_lies_at_the_boxs_place(box: tuple[float, float, float, float]) -> None:
    x0, y0, x1, y1 = box
    row, col = pooled(box)
    # a cell at most from the centre of the box: cells are counted by their index, borders by their share
    assert abs(row + 0.5 - (y0 + y1) / 2 * 4) <= 0.51
    assert abs(col + 0.5 - (x0 + x1) / 2 * 8) <= 0.51


@given(st.lists(BOX, min_size=1, max_size=5))
def test_every_box_is_pooled_alone(boxes: list[tuple[float, float, float, float]]) -> None:
    together = pool_boxes(GRID, Boxes(np.array(boxes, np.float32)))
    alone = [pool_boxes(GRID, Boxes(np.array([b], np.float32)))[0] for b in boxes]
    np.testing.assert_array_equal(together, alone)
