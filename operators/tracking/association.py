"""Which tracks go on in which regions: what a pair costs, and the cheapest one-to-one choice of pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from operators.tracking.motion import StateArray, boxes_of
from schemas.boxes import box_iou

CostArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """How T predicted tracks and N regions lie to each other; float64 (T, N) each.

    iou: in [0, 1]. distance: of the centres, in sides of the track's region (square root of its area).
    shape: the greater of |log| of the ratio of widths and of that of heights; 0 for equal sizes.
    """

    iou: CostArray
    distance: CostArray
    shape: CostArray


def geometry(tracks: StateArray, regions: StateArray) -> Geometry:
    """tracks, regions: float64 (T, 4) and (N, 4), as operators/tracking/motion.py makes them."""
    a, b = boxes_of(tracks)[:, None], boxes_of(regions)[None]
    apart = tracks[:, None] - regions[None]
    side = np.exp(tracks[:, 2:].mean(axis=1))[:, None]
    return Geometry(box_iou(a, b), np.hypot(apart[..., 0], apart[..., 1]) / side, np.abs(apart[..., 2:]).max(axis=-1))


def cheapest_pairs(cost: CostArray, *, most: float) -> list[tuple[int, int]]:
    """(track, region), each at most once, so that the sum of `cost - most` is least; in the order of tracks.

    cost: float64 (T, N); a pair that costs `most` or more, or inf, is never chosen. So a good pair is not given up for
    two poor ones unless these are cheaper in sum than one good pair and two ends.
    """
    gain = np.minimum(cost - most, 0.0)
    rows = np.flatnonzero(gain.min(axis=1, initial=0.0) < 0)  # the rest cannot be chosen, and are most
    columns = np.flatnonzero(gain.min(axis=0, initial=0.0) < 0)
    chosen = zip(*linear_sum_assignment(gain[np.ix_(rows, columns)]), strict=True)
    pairs = [(int(rows[i]), int(columns[j])) for i, j in chosen]
    return [(i, j) for i, j in pairs if gain[i, j] < 0]
