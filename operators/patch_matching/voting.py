"""Query patches vote for the pictures that contain their nearest patches. Source: RIS, table 1; methods.md §5.5."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.patch_matching.config import VoteKind
from schemas.patches import PatchGrid
from schemas.vectors import VectorArray

NEIGHBOURS = 5
_EPSILON = 1e-6  # the vote of a patch for an equal patch is a million, not infinite


def votes(
    query: VectorArray, targets: Sequence[PatchGrid], *, kind: VoteKind, neighbours: int = NEIGHBOURS
) -> NDArray[np.float64]:
    """float64 (targets,): the votes for every picture; more is better.

    query: float32 (n, D), L2-normalised. Each query patch votes through its nearest `neighbours` among the patches of
        all targets; d is the distance `1 − cos` to a neighbour.
    kind: "majority": each neighbour gives its picture one vote. "unique": a query patch has at most one vote for each
        picture. "weighted": each neighbour gives `1 / (d + ε)`. "weighted-unique": only the nearest neighbour of a
        query patch in each picture gives `1 / (d + ε)`.
    """
    if not targets:
        return np.zeros(0)
    picture = np.repeat(np.arange(len(targets)), [len(t) for t in targets])
    similarity = query @ np.concatenate([t.flat() for t in targets]).T
    nearest = _nearest(similarity, min(neighbours, len(picture)))
    distance = np.clip(1 - np.take_along_axis(similarity, nearest, axis=1).astype(np.float64), 0, None)
    weight = 1 / (distance + _EPSILON) if kind.startswith("weighted") else np.ones_like(distance)
    cast = np.zeros((len(query), len(targets)))
    voter, for_picture = np.arange(len(query))[:, None], picture[nearest]
    if kind.endswith("unique"):
        np.maximum.at(cast, (voter, for_picture), weight)
    else:
        np.add.at(cast, (voter, for_picture), weight)
    total: NDArray[np.float64] = cast.sum(axis=0)
    return total


def _nearest(similarity: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """intp (n, count): the columns of the largest values of each row, unordered."""
    return np.argpartition(-similarity, count - 1, axis=1)[:, :count]
