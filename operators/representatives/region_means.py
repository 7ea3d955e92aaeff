"""R.P.: the mean of the patch vectors under each proposed box."""

import numpy as np

from operators.encoders.pooling import cell_weights
from operators.representatives.representatives import Representatives
from schemas.boxes import Boxes
from schemas.patches import PatchGrid
from schemas.vectors import normalise


class RegionMeans:
    """One representative a box, for the first `count` boxes: they overlap, and patches under none have none."""

    def __init__(self, *, count: int) -> None:
        self._count = count

    def __call__(self, grid: PatchGrid, boxes: Boxes) -> Representatives:
        """Each patch counts by how much of it the box covers. Its box is the given one, its count that of the
        patches that it touches: at least one, for a box without area takes the patch at its place."""
        boxes = boxes[: self._count]
        weights = cell_weights(boxes, rows=grid.rows, cols=grid.cols, extent=grid.extent)
        means = (weights @ grid.flat().astype(np.float64)).astype(np.float32)
        return Representatives(normalise(means), boxes, (weights > 0).sum(axis=1).astype(np.int32))
