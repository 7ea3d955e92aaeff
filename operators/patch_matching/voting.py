"""Votes of query patches for the pictures in which their nearest patches lie. Source: RIS, table 1; methods.md §5.5."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.patch_matching.config import VoteKind
from schemas.patches import PatchGrid
from schemas.vectors import VectorArray

NEIGHBOURS = 5
_EPSILON = 1e-6  # a patch that is found again votes a million, not infinity


def votes(
    query: VectorArray, targets: Sequence[PatchGrid], *, kind: VoteKind, neighbours: int = NEIGHBOURS
) -> NDArray[np.float64]:
    """float64 (targets,): votes for every picture, more is better.

    query: float32 (n, D), L2-normalised. Each of its patches votes with its nearest `neighbours` among the patches of
    all targets; d is the distance `1 − cos` to a neighbour.
    kind: "majority", each neighbour has one vote; "unique", one vote a query patch and picture; "weighted", each
    neighbour has `1 / (d + ε)`; "weighted-unique", the nearest neighbour of a query patch in a picture has as much.
    """
    if not targets:
        return np.zeros(0)
    picture = np.repeat(np.arange(len(targets)), [len(t) for t in targets])
    likeness = query @ np.concatenate([t.flat() for t in targets]).T
    nearest = _nearest(likeness, min(neighbours, len(picture)))
    distance = np.clip(1 - np.take_along_axis(likeness, nearest, axis=1).astype(np.float64), 0, None)
    weight = 1 / (distance + _EPSILON) if kind.startswith("weighted") else np.ones_like(distance)
    cast = np.zeros((len(query), len(targets)))
    voter, for_picture = np.arange(len(query))[:, None], picture[nearest]
    if kind.endswith("unique"):
        np.maximum.at(cast, (voter, for_picture), weight)
    else:
        np.add.at(cast, (voter, for_picture), weight)
    total: NDArray[np.float64] = cast.sum(axis=0)
    return total


def _nearest(likeness: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """intp (n, count): columns of the largest values of each row, in no order."""
    return np.argpartition(-likeness, count - 1, axis=1)[:, :count]
