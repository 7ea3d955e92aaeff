"""How far every frame is by one method of ranking, and by several together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from operators.ranking.fusion import normalised
from schemas.boxes import FloatArray
from schemas.query import WHOLE, Fusion, Place


@dataclass(frozen=True, slots=True, eq=False)
class FrameScores:
    """distance: float32 (F,), lower for better; inf for frames that are not found.

    place: row of a frame that is found → where in it.
    candidates: how many places were looked at. exact: whether no frame was passed over that should have been found.
    """

    distance: FloatArray
    place: Callable[[int], Place]
    candidates: int
    exact: bool = True


def fused(scores: Sequence[tuple[float, FrameScores]], *, fusion: Fusion) -> FrameScores:
    """Several methods as one, each with its weight; a single one stays as it is. Distances lie in [0, 1].

    "rrf": `1 − Σ w (R + 1) / (R + rank) / Σ w` with R = 60 (Cormack et al., SIGIR 2009); "weighted": the mean of the
    distances, each scaled over the frames that it finds, from 0 for the nearest to 1. What a method does not
    find is as far as can be for it. A frame's place is that of the first method that tells more than the whole frame.
    """
    if len(scores) == 1:
        return scores[0][1]
    total = sum(weight for weight, _ in scores)
    distance = np.ones(len(scores[0][1].distance))
    found_by_any = np.zeros(len(distance), np.bool_)
    for weight, each in scores:
        found = np.isfinite(each.distance)
        found_by_any |= found
        own = each.distance[found]
        near = normalised(own, "rrf") if fusion == "rrf" else 1.0 - normalised(own, "minmax")
        distance[found] -= weight / total * near
    distance[~found_by_any] = np.inf

    def place(row: int) -> Place:
        places = [each.place(row) for _, each in scores if np.isfinite(each.distance[row])]
        return next((p for p in places if p.box != WHOLE or p.mask is not None), places[0])

    return FrameScores(
        distance.astype(np.float32),
        place,
        candidates=max(each.candidates for _, each in scores),
        exact=all(each.exact for _, each in scores),
    )
