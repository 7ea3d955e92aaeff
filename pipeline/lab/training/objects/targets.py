"""Which cells of a pass shall find which box."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from operators.proposals.objects.head import STRIDES, cell_centres
from pipeline.lab.training.objects.passes import View

# the longer sides, in pixels, of the boxes that each level finds; those in two ranges are found at both
LONGER_PX = ((0.0, 64.0), (32.0, 160.0), (96.0, np.inf))
_MIDDLE = 0.35  # of each side, on both sides of the centre
_MIDDLE_STRIDES = 1.5
_LEAST_PX = 4.0


def targets(view: View) -> NDArray[np.intp]:
    """intp (cells,): the index of the box that each cell shall find, −1 for none.

    A cell finds the smallest box in whose middle part its centre lies (35 % of the side to either side of the centre,
    at most 1.5 strides and at least 4 px), if the box is of a size for its level.
    """
    centres = cell_centres(view.height_px, view.width_px)
    stride, least, most = _levels(view.height_px, view.width_px)
    sides = view.boxes[:, 2:] - view.boxes[:, :2]
    middle = (view.boxes[:, 2:] + view.boxes[:, :2]) / 2
    reach = np.maximum(np.minimum(_MIDDLE * sides[None], _MIDDLE_STRIDES * stride[:, None, None]), _LEAST_PX)
    longer = sides.max(axis=1)[None]
    found = (np.abs(centres[:, None] - middle[None]) <= reach).all(axis=2)
    found &= (longer >= least[:, None]) & (longer < most[:, None])
    area = np.where(found, sides.prod(axis=1)[None], np.inf)
    if not area.shape[1]:
        return np.full(len(centres), -1, np.intp)
    smallest = area.argmin(axis=1)
    return np.where(np.isfinite(area[np.arange(len(area)), smallest]), smallest, -1)


@cache
def _levels(height_px: int, width_px: int) -> tuple[NDArray[np.float32], ...]:
    """float32 (cells,) each: the stride, and the least and most longer side, of every cell's level."""
    counts = [(height_px // stride) * (width_px // stride) for stride in STRIDES]
    columns = (STRIDES, [least for least, _ in LONGER_PX], [most for _, most in LONGER_PX])
    return tuple(np.repeat(np.array(column, np.float32), counts) for column in columns)
