"""The patches of a region of interest (ROI). Source: RIS; methods.md §5.2."""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid


def roi_patches(grid: PatchGrid, roi: Boxes) -> PatchGrid:
    """The patches whose centres lie inside a half-open box, as a grid.

    roi: one box. If it is narrower or lower than a cell and contains no centre, the column or row of cells that
        contains the box's own centre is used.
    """
    if len(roi) != 1:
        raise InvalidValueError(f"pass one region of interest, got {len(roi)} boxes")
    x, y = grid.edges()
    x0, y0, x1, y1 = roi.xyxy[0].astype(np.float64)
    return grid.part(_inside(y, y0, y1), _inside(x, x0, x1))


def _inside(edges: NDArray[np.float64], low: float, high: float) -> slice:
    centres = (edges[:-1] + edges[1:]) / 2
    first, stop = np.searchsorted(centres, [low, high])
    if first == stop:
        cell = int(np.clip(np.searchsorted(edges, (low + high) / 2, side="right") - 1, 0, len(centres) - 1))
        return slice(cell, cell + 1)
    return slice(int(first), int(stop))
