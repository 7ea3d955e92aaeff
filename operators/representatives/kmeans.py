"""K.M.: k-means over the patch vectors of a frame."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from operators.representatives.representatives import Representatives, of_clusters
from schemas.patches import PatchGrid


class KMeansAggregator:
    """At most `count` clusters by Euclidean distance, which orders unit vectors as the cosine does."""

    def __init__(self, *, count: int) -> None:
        self._count = count
        self._threads = ThreadpoolController()

    def __call__(self, grid: PatchGrid) -> Representatives:
        """Fewer than `count` where fewer vectors differ. The same for the same grid, on any number of cores."""
        if self._count >= len(grid):
            return of_clusters(grid, np.arange(len(grid)))
        # one thread: several add up their centres in any order; and a frame's patches are too few to share
        with self._threads.limit(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # says that vectors are equal to each other
            labels: NDArray[np.int32] = KMeans(self._count, n_init=1, random_state=0).fit_predict(grid.flat())
        return of_clusters(grid, labels)
