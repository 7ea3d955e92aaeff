"""Fused ranking: one distance a candidate from its semantic and its geometric one, and the frames in its order.

Source: methods.md §1.3 and §1.4; reciprocal-rank fusion: Cormack et al., SIGIR 2009.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray
from schemas.errors import InvalidValueError
from schemas.query import Normalisation, Ranking

RRF_OFFSET = 60  # Cormack et al.: of little effect, and never tuned since
IdArray = NDArray[np.bytes_]
IndexArray = NDArray[np.intp]


def fuse(semantic: FloatArray | None, geometric: FloatArray | None, *, ranking: Ranking) -> FloatArray:
    """float32 (N,), lower is better: `w * semantic + (1 - w) * geometric` after the ranking's normalisation.

    semantic, geometric: float32 (N,) over all candidates of the query; where one is None (no text or
    no box), the other is the distance as it is: no normalisation changes the order of one distance.
    "rrf": `1 − (R + 1) (w / (R + rank) + (1 − w) / (R + rank'))` with R = 60; 0 is first in both, and
    equal distances share the better rank, so that the order of the candidates does not matter.
    Raises InvalidValueError when both are None or their lengths differ.
    """
    if semantic is None or geometric is None:
        only = geometric if semantic is None else semantic
        if only is None:
            raise InvalidValueError("a ranking needs semantic distances, geometric distances, or both; got neither")
        return only.astype(np.float32)
    if semantic.shape != geometric.shape or semantic.ndim != 1:
        raise InvalidValueError(f"distances must be (N,) alike, got {semantic.shape} and {geometric.shape}")
    w = ranking.semantic_weight
    fused = w * normalised(semantic, ranking.normalisation) + (1 - w) * normalised(geometric, ranking.normalisation)
    if ranking.normalisation == "rrf":
        fused = 1.0 - fused
    return fused.astype(np.float32)


def normalised(distance: FloatArray, normalisation: Normalisation) -> NDArray[np.float64]:
    """Comparable distances, float64 (N,); for "rrf" reciprocal ranks, scaled so that the first has 1. No spread: 0."""
    x = distance.astype(np.float64)
    match normalisation:
        case "raw":
            return x
        case "minmax":
            low = x.min(initial=np.inf)
            spread = x.max(initial=-np.inf) - low
            return (x - low) / spread if spread > 0 else np.zeros_like(x)
        case "zscore":
            if x.size == 0 or x.min() == x.max():
                return np.zeros_like(x)
            # sums over sorted values: to the last bit the same for any order of the candidates
            ordered = np.sort(x)
            scaled: NDArray[np.float64] = (x - ordered.mean()) / ordered.std()
            return scaled
        case "rrf":
            ordered = np.sort(x)
            reciprocal: NDArray[np.float64] = (RRF_OFFSET + 1) / (RRF_OFFSET + 1 + np.searchsorted(ordered, x))
            return reciprocal


def contenders(distance: FloatArray, frame: IndexArray, *, k: int, slack: float = 0.0) -> IndexArray:
    """Indices, ascending, of all candidates that can stand in the top k frames or tie with the last of them.

    distance: float32 (N,). frame: (N,), number of each candidate's frame.
    slack: how far a distance may be from the true one; candidates within twice of it are kept too.
    Ranking only these gives the same top k as ranking all, and spares their ids from being fetched.
    """
    if distance.size == 0:
        return np.zeros(0, np.intp)
    best = np.full(int(frame.max()) + 1, np.inf, np.float32)
    np.minimum.at(best, frame, distance)
    best = best[np.isfinite(best)]
    limit = np.float64(best.max()) if k >= best.size else np.float64(np.partition(best, k - 1)[k - 1])
    if k >= best.size:
        # every frame is a hit: each keeps its own best only, which the limit of the worst does not bound
        return np.arange(distance.size)
    return np.flatnonzero(distance <= limit + 2 * slack)


def rank_frames(distance: FloatArray, *, frame_id: IdArray, candidate_id: IdArray, k: int) -> IndexArray:
    """Indices of the best candidate of each of the k best frames, best first.

    distance: float32 (N,). frame_id, candidate_id: bytes (N,); candidate ids are unique within a frame.
    A frame is as far as its nearest candidate. Ties: frames by frame id, candidates of a frame by
    candidate id; so the answer does not depend on the order of the candidates.
    """
    order = np.lexsort((candidate_id, frame_id, distance))
    _, first = np.unique(frame_id[order], return_index=True)
    best: IndexArray = order[np.sort(first)[:k]]
    return best
