"""Measures of a ranking and of a returned box, and the confidence interval of a mean over queries.

A ranking is given as `found`: bool (N,), whether each returned item is relevant, best first; and `relevant`, the total
number of relevant items, returned or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and its 95 % confidence interval.

    low, high: None for a single query, which has no interval. count: number of queries.
    """

    value: float
    low: float | None
    high: float | None
    count: int

    def __str__(self) -> str:
        """`.512 [.447, .580]`"""
        interval = "" if self.low is None or self.high is None else f" [{short(self.low)}, {short(self.high)}]"
        return short(self.value) + interval


def bootstrapped(values: Sequence[float] | NDArray[np.floating], *, seed: int = 0, resamples: int = 2000) -> Estimate:
    """The mean of one value per query, with its bias-corrected and accelerated bootstrap interval over the queries.

    Source: Efron, "Better Bootstrap Confidence Intervals", 1987, as in `scipy.stats.bootstrap`. For differences between
    two methods of search, query by query, one method is better if the interval excludes 0.
    Raises InvalidValueError for no values, or for a value that is not finite.
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise InvalidValueError(f"an estimate needs finite values, one per query, got shape {x.shape}")
    mean = float(x.mean())
    if len(x) == 1:
        return Estimate(mean, None, None, 1)
    if np.ptp(x) == 0:  # all resamples are equal, and the correction would divide by zero
        return Estimate(mean, mean, mean, len(x))
    found = stats.bootstrap(
        (x,), np.mean, n_resamples=resamples, batch=500, confidence_level=0.95, rng=np.random.default_rng(seed)
    )
    return Estimate(mean, float(found.confidence_interval.low), float(found.confidence_interval.high), len(x))


def recall_at(found: BoolArray, *, relevant: int, k: int) -> float:
    """The number of relevant items among the first k, divided by min(k, relevant).

    Relevant, not, relevant, with 4 relevant in total: recall@1 is 1/1, recall@3 is 2/3, recall@5 is 2/4.
    """
    _check(found, relevant)
    return float(found[:k].sum()) / min(k, relevant)


def precision_at(found: BoolArray, *, k: int) -> float:
    """The share of relevant items among the first k, or among all where fewer were returned; 0 if none was."""
    return float(found[:k].mean()) if len(found) else 0.0


def multiple_recall_at(found: BoolArray, *, relevant: int, k: int) -> float:
    """DetailCLIP's Recall@k: the share of relevant items that are among the first k × relevant.

    Source: Zhang et al., DetailCLIP, §4.3. With 2 relevant, the second and the fifth: Recall@1 is 1/2, Recall@3 is 1.
    """
    _check(found, relevant)
    return float(found[: k * relevant].sum()) / relevant


def average_precision_at(found: BoolArray, *, relevant: int, k: int | None = None) -> float:
    """The sum of precisions at relevant items among the first k (None: all), divided by min(k, relevant).

    Items that were not returned have precision 0. mAP@50 is the mean over classes with k = 50.
    Relevant, not, relevant, with 4 relevant in total: (1/1 + 2/3) / 4; at k = 3 it is (1/1 + 2/3) / 3.
    """
    _check(found, relevant)
    ranks = np.flatnonzero(found[:k]) + 1
    return float(np.sum(np.arange(1, len(ranks) + 1) / ranks)) / min(relevant if k is None else k, relevant)


def reciprocal_rank(found: BoolArray) -> float:
    """1 / rank of the first relevant item; 0 if none was returned. The mean over queries is the MRR."""
    ranks = np.flatnonzero(found)
    return 1.0 / (1 + int(ranks[0])) if len(ranks) else 0.0


def localisation(box: Boxes, truth: Boxes) -> float:
    """IoU of a returned box with the true box that fits it best, in [0, 1]; 0 if there is no true box."""
    if len(box) != 1:
        raise InvalidValueError(f"localisation takes one returned box, got {len(box)}")
    return float(box.iou(truth).max(initial=0.0))


def average_precision(scores: NDArray[np.floating], relevant: BoolArray) -> float:
    """Mean of the precision at every relevant item, best score first; equal scores keep their order.

    Scores 3, 2, 1 with the first and last relevant: (1/1 + 2/3) / 2 = 5/6. Raises InvalidValueError if nothing is
    relevant.
    """
    if scores.shape != relevant.shape or scores.ndim != 1:
        raise InvalidValueError(f"scores and relevant must be (N,), got {scores.shape} and {relevant.shape}")
    return average_precision_at(relevant[np.argsort(-scores, kind="stable")], relevant=int(relevant.sum()))


def mean_average_precision(scores: NDArray[np.floating], relevant: BoolArray) -> float:
    """The mean over all classes with a relevant item. scores, relevant: (N, classes)."""
    columns = np.flatnonzero(relevant.any(axis=0))
    return float(np.mean([average_precision(scores[:, c], relevant[:, c]) for c in columns]))


def ranks_of_truth(scores: NDArray[np.floating], truth: NDArray[np.intp]) -> NDArray[np.intp]:
    """The number of choices that score above the true one, 0 if it is first. scores: (N, choices); truth: (N,)."""
    own = scores[np.arange(len(scores)), truth]
    ranks: NDArray[np.intp] = (scores > own[:, None]).sum(axis=1)
    return ranks


def _check(found: BoolArray, relevant: int) -> None:
    if found.dtype != np.bool_ or found.ndim != 1:
        raise InvalidValueError(f"found must be bool (N,), got {found.dtype} {found.shape}")
    if relevant < max(1, int(found.sum())):
        raise InvalidValueError(f"a ranking needs at least one relevant item, and all that were found; got {relevant}")


def short(value: float) -> str:
    """Three decimals without the leading zero, as in tables: `.512`, `-.250`, `1.000`."""
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
