"""Means of cells under boxes and masks. Catches wrong cells, and wrong weights of the cells at a border."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.encoders.pooling import pool_boxes, pool_masks
from schemas.boxes import Boxes
from schemas.vectors import FeatureMap

# cell (row, col) holds [row, col]
GRID = FeatureMap((np.stack(np.meshgrid(np.arange(4), np.arange(8), indexing="ij"), axis=-1).astype(np.float32),))
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
    padded = FeatureMap(GRID.levels, extent=(0.0, 0.0, 2.0, 1.0))  # the right half of the grid is padding
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


@given(st.integers(1, 6), st.integers(1, 7), st.data())
def test_the_mask_of_a_box_is_pooled_as_the_box_is(rows: int, cols: int, data: st.DataObject) -> None:
    height, width = 24, 30
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    features = np.random.default_rng(0).normal(size=(rows, cols, 5)).astype(np.float32)
    feature_map = FeatureMap((features,), extent=(-0.1, 0.0, 1.1, 1.0))
    boxes = Boxes.from_pixels([[x0, y0, x1, y1]], width_px=width, height_px=height)
    np.testing.assert_allclose(pool_masks(feature_map, [mask]), pool_boxes(feature_map, boxes), atol=1e-4)


def test_a_mask_takes_the_mean_of_the_cells_under_its_pixels() -> None:
    features = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = mask[3, 3] = mask[2, 3] = True  # one pixel in cell 0, two in cell 3
    np.testing.assert_allclose(pool_masks(FeatureMap((features,)), [mask]), [[2.0]], atol=1e-6)
