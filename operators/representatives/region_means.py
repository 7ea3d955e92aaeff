"""R.P.: the mean of the patch vectors under each proposed box."""

import numpy as np

from operators.encoders.pooling import cell_weights
from operators.representatives.representatives import Representatives
from schemas.boxes import Boxes
from schemas.patches import PatchGrid
from schemas.vectors import normalise


class RegionMeans:
    """Makes one representative for each of the first `count` boxes.

    Boxes may overlap. Patches outside all boxes are not represented.
    """

    def __init__(self, *, count: int) -> None:
        self._count = count

    def __call__(self, grid: PatchGrid, boxes: Boxes) -> Representatives:
        """The mean of each box, in which a patch is weighted by how much of it the box covers.

        The count of a representative is the number of patches that its box touches. It is at least one, as a box
        without area uses the patch at its place.
        """
        boxes = boxes[: self._count]
        weights = cell_weights(boxes, rows=grid.rows, cols=grid.cols, extent=grid.extent)
        means = (weights @ grid.flat().astype(np.float64)).astype(np.float32)
        return Representatives(normalise(means), boxes, (weights > 0).sum(axis=1).astype(np.int32))
