"""Recall@k as DetailCLIP counts it: of all pictures that show a class, how many stand high enough in its ranking.

Source: DetailCLIP, section 4.3. It is not the usual recall@k: the ranking is cut at k times the number of relevant
pictures, so a class with many pictures is not punished for them.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidValueError

DETAIL_RECALL_AT = (1, 3, 5)


def detail_recalls(scores: NDArray[np.floating], relevant: NDArray[np.bool_], *, k: int) -> NDArray[np.float64]:
    """scores, relevant: (N pictures, C classes), higher scores first; equal scores keep their order.

    Returns float64 (C',), for each class with a relevant picture `t_k / n`: n relevant pictures, of which t_k stand
    among the first n·k. Scores 4, 3, 2, 1 with the second and fourth relevant: 1/2 at k = 1, 1 at k = 2.
    """
    if scores.shape != relevant.shape or scores.ndim != 2:
        raise InvalidValueError(f"scores and relevant must be (N, C), got {scores.shape} and {relevant.shape}")
    if k < 1:
        raise InvalidValueError(f"k must be at least 1, got {k}")
    columns = np.flatnonzero(relevant.any(axis=0))
    ranked = np.take_along_axis(relevant, np.argsort(-scores, axis=0, kind="stable"), axis=0)
    counts = relevant.sum(axis=0)
    return np.array([ranked[: counts[c] * k, c].sum() / counts[c] for c in columns], np.float64)


def detail_recall(scores: NDArray[np.floating], relevant: NDArray[np.bool_], *, k: int) -> float:
    """The mean over classes. Raises InvalidValueError where no class has a relevant picture."""
    recalls = detail_recalls(scores, relevant, k=k)
    if not len(recalls):
        raise InvalidValueError("recall needs at least one class with a relevant picture")
    return float(recalls.mean())
