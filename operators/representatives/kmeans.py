"""K.M.: k-means over the patch vectors of a frame."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from operators.representatives.representatives import Representatives, of_clusters
from schemas.patches import PatchGrid


class KMeansRepresentatives:
    """Makes at most `count` clusters by Euclidean distance, which orders unit vectors as the cosine does."""

    def __init__(self, *, count: int) -> None:
        self._count = count
        self._threads = ThreadpoolController()

    def __call__(self, grid: PatchGrid) -> Representatives:
        """Fewer than `count` if fewer vectors are distinct. The result does not depend on the number of cores."""
        if self._count >= len(grid):
            return of_clusters(grid, np.arange(len(grid)))
        # one thread: several would sum the centres in any order, and a frame has too few patches to share
        with self._threads.limit(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # warns that some vectors are equal
            labels: NDArray[np.int32] = KMeans(self._count, n_init=1, random_state=0).fit_predict(grid.flat())
        return of_clusters(grid, labels)
