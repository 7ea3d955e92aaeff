"""Clusters of vectors and cells of boxes, by which an index orders regions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.runtime.blas_threads import one_blas_thread
from schemas.boxes import FloatArray
from schemas.vectors import VectorArray

_ROUNDS = 8
_AT_ONCE = 2**13  # vectors: their products with 2,000 centres take 64 MB
Features = NDArray[np.float32]


def k_means(sample: VectorArray, *, clusters: int, seed: int) -> VectorArray:
    """float32 (clusters, D): centres of clusters of a sample, by Lloyd's rounds from drawn vectors of the sample.

    sample: float32 (N, D), N ≥ clusters. A cluster that loses all its vectors begins again at a drawn one.
    """
    rng = np.random.default_rng(seed)
    centres = sample[rng.choice(len(sample), clusters, replace=False)].copy()
    for _ in range(_ROUNDS):
        nearest = nearest_centre(sample, centres)
        counts = np.bincount(nearest, minlength=clusters)
        order = np.argsort(nearest, kind="stable")
        starts = np.cumsum(counts) - counts
        filled = counts > 0
        sums = np.add.reduceat(sample[order], starts[filled], axis=0)
        centres[filled] = sums / counts[filled, None]
        empty = np.flatnonzero(~filled)
        centres[empty] = sample[rng.choice(len(sample), len(empty))]
    return centres


def nearest_centre(vectors: VectorArray, centres: VectorArray) -> NDArray[np.int32]:
    """int32 (N,): the centre with the least Euclidean distance from each vector. vectors: float32 (N, D)."""
    half = (centres**2).sum(axis=1) / 2
    found = np.empty(len(vectors), np.int32)
    with one_blas_thread():
        for at in range(0, len(vectors), _AT_ONCE):
            products = vectors[at : at + _AT_ONCE] @ centres.T
            products -= half
            found[at : at + _AT_ONCE] = products.argmax(axis=1)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A balanced tree of thresholds that divides boxes with their scores into 2^depth cells of about equal numbers.

    axis: int64 (2^depth − 1,), of x0, y0, x1, y1 and the score. threshold: float32 of the same shape. Children of node
    i are 2i + 1, for values below the threshold, and 2i + 2.
    """

    axis: NDArray[np.int64]
    threshold: FloatArray

    @classmethod
    def of(cls, sample: Features, *, depth: int) -> "Cells":
        """Halves the sample at the median of the axis with the largest spread, again and again."""
        axis, threshold = np.zeros(2**depth - 1, np.int64), np.zeros(2**depth - 1, np.float32)
        parts = {0: sample}
        for node in range(len(axis)):
            part = parts.pop(node)
            if len(part):
                axis[node] = part.std(axis=0).argmax()
                threshold[node] = np.median(part[:, axis[node]])
            below = part[:, axis[node]] < threshold[node]
            parts[2 * node + 1], parts[2 * node + 2] = part[below], part[~below]
        return cls(axis, threshold)

    def __len__(self) -> int:
        return len(self.axis) + 1

    def assign(self, features: Features) -> NDArray[np.int32]:
        """int32 (N,): the cell of each. features: float32 (N, 5)."""
        node = np.zeros(len(features), np.int64)
        every = np.arange(len(features))
        for _ in range(len(self).bit_length() - 1):
            node = 2 * node + 1 + (features[every, self.axis[node]] >= self.threshold[node])
        return (node - len(self.axis)).astype(np.int32)
