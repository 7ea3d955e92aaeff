"""The distances of all frames by one method of ranking, and their fusion over several methods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from operators.ranking.fusion import normalised
from schemas.boxes import FloatArray
from schemas.query import WHOLE, Fusion, Place


@dataclass(frozen=True, slots=True, eq=False)
class FrameScores:
    """The distance of every frame by a method.

    distance: float32 (F,), lower is better; inf for frames that are not found.
    place: row of a frame that is found → the place in it that was found.
    candidates: how many places were compared. exact: whether every frame that should be found was compared.
    """

    distance: FloatArray
    place: Callable[[int], Place]
    candidates: int
    exact: bool = True


def fused(scores: Sequence[tuple[float, FrameScores]], *, fusion: Fusion) -> FrameScores:
    """Fuses several methods, each with its weight, to distances in [0, 1]; a single method keeps its own distances.

    "rrf": `1 − Σ w (R + 1) / (R + rank) / Σ w` with R = 60 (Cormack et al., SIGIR 2009); "weighted": the mean of the
    distances, each scaled over the frames that the method finds, from 0 for the nearest to 1. A frame that a method
    does not find has the largest distance by it. A frame's place is that of the first method that finds more than the
    whole frame in it.
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
