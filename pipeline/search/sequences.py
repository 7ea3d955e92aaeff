"""Finds one thing and then another in the same source: pairs of frames, from the scores of both."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray

IndexArray = NDArray[np.intp]


def followed(
    first: FloatArray, second: FloatArray, *, source: NDArray[np.int64], pts_s: NDArray[np.float64], within_s: float
) -> tuple[FloatArray, IndexArray]:
    """Finds for each frame the best frame that comes after it in its source, no later than `within_s`.

    first, second: float32 (F,), distance of each frame as the first thing and as the second; inf where not found.
    Returns the mean of both distances, float32 (F,), and the row of the frame that follows, intp (F,); inf and −1 where
    none does. A frame follows only one other, the nearest of those that it could follow: an event is found once.
    """
    count = len(first)
    distance = np.full(count, np.inf, np.float32)
    follower = np.full(count, -1, np.intp)
    order = np.lexsort((pts_s, source))
    for start, stop in _runs(source[order]):
        rows = order[start:stop]
        time = pts_s[rows]
        after = np.searchsorted(time, time, "right")
        until = np.searchsorted(time, time + within_s, "right")
        best = _first_least(second[rows].astype(np.float64), after, until)
        has = best >= 0
        mean = (first[rows[has]] + second[rows[best[has]]]) / 2
        distance[rows[has]] = mean
        follower[rows[has]] = rows[best[has]]
    return _once(distance, follower)


def _once(distance: FloatArray, follower: IndexArray) -> tuple[FloatArray, IndexArray]:
    distance = np.where(np.isfinite(distance), distance, np.inf).astype(np.float32)
    order = np.lexsort((np.arange(len(distance)), distance))
    order = order[np.isfinite(distance[order])]
    _, kept = np.unique(follower[order], return_index=True)
    keep = np.zeros(len(distance), np.bool_)
    keep[order[kept]] = True
    return np.where(keep, distance, np.inf).astype(np.float32), np.where(keep, follower, -1)


def _first_least(values: NDArray[np.float64], start: IndexArray, stop: IndexArray) -> IndexArray:
    """Index of the minimum of each `values[start:stop]`, the first of equals; −1 for an empty range.

    Sparse tables hold the minimum of every run of 2ʲ values: two of them cover any range.
    """
    best = [np.arange(len(values))]
    width = 1
    while 2 * width <= len(values):
        left, right = best[-1][:-width], best[-1][width:]
        best.append(np.where(values[right] < values[left], right, left))
        width *= 2
    length = stop - start
    level = np.floor(np.log2(np.maximum(length, 1))).astype(np.intp)
    found = np.full(len(start), -1, np.intp)
    for j, table in enumerate(best):
        here = np.flatnonzero((level == j) & (length > 0))
        left, right = table[start[here]], table[stop[here] - 2**j]
        found[here] = np.where(values[right] < values[left], right, left)
    return found


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [(a, b) for a, b in pairwise(edges) if b > a]
