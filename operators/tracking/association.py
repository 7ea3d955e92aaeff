"""Assigns tracks to regions: the geometry of each pair, and the one-to-one choice of pairs with the least cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.tracking.motion import StateArray, boxes_of
from schemas.boxes import box_iou

CostArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """The geometry of every pair of T predicted tracks and N regions; each array is float64 (T, N).

    iou: IoU of the boxes, in [0, 1].
    distance: distance of the centres, in sides of the track's region (square root of its area).
    shape: the larger of |log(ratio of the widths)| and |log(ratio of the heights)|; 0 for equal sizes.
    """

    iou: CostArray
    distance: CostArray
    shape: CostArray


def geometry(tracks: StateArray, regions: StateArray) -> Geometry:
    """Compares every track with every region.

    tracks, regions: float64 (T, 4) and (N, 4), states as in operators/tracking/motion.py.
    """
    a, b = boxes_of(tracks)[:, None], boxes_of(regions)[None]
    apart = tracks[:, None] - regions[None]
    side = np.exp(tracks[:, 2:].mean(axis=1))[:, None]
    return Geometry(box_iou(a, b), np.hypot(apart[..., 0], apart[..., 1]) / side, np.abs(apart[..., 2:]).max(axis=-1))


def cheapest_pairs(cost: CostArray, *, most: float) -> list[tuple[int, int]]:
    """Chooses pairs (track, region) that minimise the sum of `cost - most`, in the order of the tracks.

    Each track and each region is in at most one pair. A pair with a cost of `most` or more, or inf, is never chosen,
    so a good pair is not replaced by two poor ones unless their sum is less than the cost of the good pair plus `most`.

    cost: float64 (T, N).
    """
    gain = np.minimum(cost - most, 0.0)
    possible = gain < 0
    alone = possible & (possible.sum(axis=1, keepdims=True) == 1) & (possible.sum(axis=0, keepdims=True) == 1)
    pairs = [(int(i), int(j)) for i, j in np.argwhere(alone)]  # neither has another choice
    disputed = possible & ~alone
    if disputed.any():
        from scipy.optimize import linear_sum_assignment  # half a second, for which most short clips need not wait

        rows, columns = np.flatnonzero(disputed.any(axis=1)), np.flatnonzero(disputed.any(axis=0))
        chosen = zip(*linear_sum_assignment(gain[np.ix_(rows, columns)]), strict=True)
        pairs += [(int(rows[i]), int(columns[j])) for i, j in chosen if disputed[rows[i], columns[j]]]
    return sorted(pairs)
