"""Converts cells of a patch grid to a mask of the frame."""

import numpy as np
from numpy.typing import NDArray

from operators.masks.rle import encode_masks
from schemas.masks import Mask
from schemas.patches import Extent


def cell_mask(cells: NDArray[np.bool_], *, extent: Extent, width_px: int, height_px: int) -> Mask:
    """A mask of the pixels whose centres lie in `cells`.

    cells: bool (rows, cols). extent: the part of the frame that the grid covers.
    """
    rows, cols = cells.shape
    x0, y0, x1, y1 = extent
    col = np.floor(((np.arange(width_px) + 0.5) / width_px - x0) / (x1 - x0) * cols).astype(np.intp)
    row = np.floor(((np.arange(height_px) + 0.5) / height_px - y0) / (y1 - y0) * rows).astype(np.intp)
    inside = ((row >= 0) & (row < rows))[:, None] & ((col >= 0) & (col < cols))
    plane = cells[np.clip(row, 0, rows - 1)[:, None], np.clip(col, 0, cols - 1)] & inside
    (mask,) = encode_masks(plane[None])
    return mask
