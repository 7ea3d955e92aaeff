"""Chooses the vectors that differ most, without near duplicates: farthest-first traversal.

It starts with the first vector, and always takes the one that is farthest from all that were taken. Its largest
distance from a vector to the nearest taken one is at most twice the least that is possible (Gonzalez, "Clustering to
Minimize the Maximum Intercluster Distance", Theoretical Computer Science 38, 1985, section 3). Labelling what it
chooses is core-set selection (Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set
Approach", ICLR 2018).
"""

import numpy as np
from numpy.typing import NDArray

from schemas import require
from schemas.vectors import VectorArray


def diverse(vectors: VectorArray, *, count: int, least_distance: float = 0.0) -> NDArray[np.intp]:
    """int (at most `count`,): rows of the chosen vectors, in the order in which they were chosen.

    vectors: float32 (N, D), L2-normalised; of equally distant ones, and to begin with, the earlier row is taken.
    least_distance: 1 − cosine; it ends where every vector is nearer than this to one that was taken.
    """
    require.at_least(1, count=count)
    require.at_least(0, least_distance=least_distance)
    if not len(vectors):
        return np.zeros(0, np.intp)
    chosen = [0]
    nearest = 1.0 - vectors @ vectors[0]
    nearest[0] = -np.inf
    while len(chosen) < min(count, len(vectors)):
        row = int(nearest.argmax())
        if nearest[row] < least_distance:
            break
        chosen.append(row)
        np.minimum(nearest, 1.0 - vectors @ vectors[row], out=nearest)
        nearest[row] = -np.inf
    return np.array(chosen, np.intp)
