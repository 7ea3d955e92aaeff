"""The patches of a region of interest (ROI), and one vector for all of them. Source: RIS; methods.md §5.1 and §5.2."""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid
from schemas.vectors import VectorArray, normalise


def roi_patches(grid: PatchGrid, roi: Boxes) -> PatchGrid:
    """The patches whose centres lie inside a box, half-open: a grid itself.

    roi: one box. A box that is narrower or lower than a cell may hold no centre: then the row or column of cells in
    which its own centre lies is taken.
    """
    if len(roi) != 1:
        raise InvalidValueError(f"one region of interest, got {len(roi)} boxes")
    x, y = grid.edges()
    x0, y0, x1, y1 = roi.xyxy[0].astype(np.float64)
    return grid.part(_inside(y, y0, y1), _inside(x, x0, x1))


def mean_vector(grid: PatchGrid) -> VectorArray:
    """float32 (D,): mean of the patches, L2-normalised."""
    return normalise(grid.flat().mean(axis=0))


def salient_vector(grid: PatchGrid) -> VectorArray:
    """float32 (D,): the same with each patch weighed by its saliency, as the model weighs whole frames that have no
    global token: the length of the Laplacian over the grid, which goes on beyond its border as it ends there."""
    padded = np.pad(grid.vectors, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    weight = np.linalg.norm(4 * grid.vectors - around, axis=2) + 1e-12  # patches that are all alike weigh the same
    return normalise(np.einsum("rc,rcd->d", weight / weight.sum(), grid.vectors).astype(np.float32))


def _inside(edges: NDArray[np.float64], low: float, high: float) -> slice:
    centres = (edges[:-1] + edges[1:]) / 2
    first, stop = np.searchsorted(centres, [low, high])
    if first == stop:
        cell = int(np.clip(np.searchsorted(edges, (low + high) / 2, side="right") - 1, 0, len(centres) - 1))
        return slice(cell, cell + 1)
    return slice(int(first), int(stop))
