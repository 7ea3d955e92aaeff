"""The vectors that represent a frame in search in addition to its global vector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid
from schemas.vectors import VectorArray, normalise


@dataclass(frozen=True, slots=True, eq=False)
class Representatives:
    """n vectors of one frame, as a struct of arrays.

    vectors: float32 (n, D), L2-normalised. boxes: n boxes, the extent of the patches that each vector represents.
    counts: int32 (n,), the number of these patches.
    """

    vectors: VectorArray
    boxes: Boxes
    counts: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.vectors.dtype != np.float32 or self.vectors.ndim != 2:
            raise InvalidValueError(f"vectors must be float32 (n, D), got {self.vectors.dtype} {self.vectors.shape}")
        if self.counts.dtype != np.int32 or self.counts.shape != (len(self.vectors),):
            raise InvalidValueError(
                f"counts must be int32 ({len(self.vectors)},), got {self.counts.dtype} {self.counts.shape}"
            )
        if len(self.boxes) != len(self.vectors):
            raise InvalidValueError(
                f"each vector needs one box: got {len(self.boxes)} boxes and {len(self.vectors)} vectors"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"Representatives(n={len(self)}, patches={self.counts.sum()})"


def of_clusters(grid: PatchGrid, labels: NDArray[np.integer]) -> Representatives:
    """The mean vector of each cluster, scaled to unit length; the largest cluster comes first.

    Clusters of equal size are in the order of their first patches, so that the numbers in `labels` do not matter.

    labels: (rows * cols,), the number of each patch's cluster, row by row; any numbers.
    """
    if labels.shape != (len(grid),):
        raise InvalidValueError(f"labels must be ({len(grid)},), one for each patch, got {labels.shape}")
    _, first, cluster, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    cluster = np.argsort(order)[cluster]  # numbers in the new order
    members = np.zeros((len(counts), len(grid)))
    members[cluster, np.arange(len(grid))] = 1
    sums = members @ grid.flat().astype(np.float64)
    row, col = np.divmod(np.arange(len(grid)), grid.cols)
    low = np.full((len(counts), 2), len(grid), np.intp)
    high = np.zeros((len(counts), 2), np.intp)
    cells = np.stack([row, col], axis=1)
    np.minimum.at(low, cluster, cells)
    np.maximum.at(high, cluster, cells)
    return Representatives(normalise(sums.astype(np.float32)), grid.boxes_of(low, high), counts[order].astype(np.int32))
