"""How far every frame is by one way of ranking, and several ways as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from operators.ranking.fusion import normalised
from schemas.boxes import FloatArray
from schemas.masks import Mask
from schemas.query import BoxTuple, Fusion

_WHOLE: BoxTuple = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its frame a way of ranking found it, and what that stands for; see schemas.query.Hit."""

    box: BoxTuple = _WHOLE
    proposer: str = "frame"
    region_id: str | None = None
    semantic: float | None = None
    geometric: float | None = None
    label: str | None = None
    track: str | None = None
    mask: Mask | None = None


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
    """Several ways as one, each with its weight; a single one stays as it is. Distances lie in [0, 1].

    "rrf": `1 − Σ w (R + 1) / (R + rank) / Σ w` with R = 60 (Cormack et al., SIGIR 2009); "weighted": the mean of the
    distances, each scaled over the frames that it finds, from 0 for the nearest to 1. What a way does not find is
    as far as can be for it. A frame's place is that of the first way which says more than the whole frame.
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
        return next((p for p in places if p.box != _WHOLE or p.mask is not None), places[0])

    return FrameScores(
        distance.astype(np.float32),
        place,
        candidates=max(each.candidates for _, each in scores),
        exact=all(each.exact for _, each in scores),
    )
