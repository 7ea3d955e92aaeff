"""Measures of a ranking: average precision, and recall of the first k."""

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidValueError


def average_precision(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """Mean of the precision at every relevant item, best score first; equal scores keep their order.

    Scores 3, 2, 1 with the first and last relevant: (1/1 + 2/3) / 2 = 5/6. Raises InvalidValueError where
    nothing is relevant.
    """
    if scores.shape != relevant.shape or scores.ndim != 1:
        raise InvalidValueError(f"scores and relevant must be (N,), got {scores.shape} and {relevant.shape}")
    if not relevant.any():
        raise InvalidValueError("average precision needs at least one relevant item")
    found = relevant[np.argsort(-scores, kind="stable")]
    ranks = np.flatnonzero(found) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def mean_average_precision(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """scores, relevant: (N, classes). Mean over the classes of which something is relevant."""
    columns = np.flatnonzero(relevant.any(axis=0))
    return float(np.mean([average_precision(scores[:, c], relevant[:, c]) for c in columns]))


def ranks_of_truth(scores: NDArray[np.floating], truth: NDArray[np.intp]) -> NDArray[np.intp]:
    """scores: (N, choices); truth: (N,). How many choices score above the true one: 0 where it is first."""
    own = scores[np.arange(len(scores)), truth]
    ranks: NDArray[np.intp] = (scores > own[:, None]).sum(axis=1)
    return ranks
