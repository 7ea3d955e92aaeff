"""Fused ranking: one distance for each candidate from its semantic and geometric distances, and the ranked frames.

Source: methods.md §1.3 and §1.4; reciprocal-rank fusion: Cormack et al., SIGIR 2009.
"""

import numpy as np
from numpy.typing import NDArray

from operators.ranking.spread import Spread
from schemas.boxes import FloatArray
from schemas.errors import InvalidValueError
from schemas.query import Normalisation, Ranking

TYPICAL_SCORE = 0.3  # medians of regions by the default plan: 0.25 on COCO128, 0.34 on PETS09-S2L1, 0.39 on TUD
RRF_OFFSET = 60  # the value of Cormack et al., who found that it has little effect
IdArray = NDArray[np.bytes_]
IndexArray = NDArray[np.intp]


Spreads = tuple[Spread, Spread]  # of the semantic and of the geometric distances


def fuse(
    semantic: FloatArray | None, geometric: FloatArray | None, *, ranking: Ranking, spreads: Spreads | None = None
) -> FloatArray:
    """float32 (N,), lower is better: `w * semantic + (1 - w) * geometric` after the ranking's normalisation.

    semantic, geometric: float32 (N,) over all candidates of the query. If one is None (a query without text or
        without a box), the other is returned unchanged, as normalisation does not change the order of one distance.
    spreads: of all candidates, where these are a part of them; None where these are all.

    "rrf" is `1 − (R + 1) (w / (R + rank) + (1 − w) / (R + rank'))` with R = 60. It is 0 for a candidate that is first
    in both; equal distances share the better rank, so that the order of the candidates does not matter.

    Raises InvalidValueError if both are None or their lengths differ.
    """
    if semantic is None or geometric is None:
        only = geometric if semantic is None else semantic
        if only is None:
            raise InvalidValueError("a ranking needs semantic distances, geometric distances, or both; got neither")
        return only.astype(np.float32)
    if semantic.shape != geometric.shape or semantic.ndim != 1:
        raise InvalidValueError(f"both distances must be (N,), got {semantic.shape} and {geometric.shape}")
    w, how = ranking.semantic_weight, ranking.normalisation
    of_meaning, of_place = (None, None) if spreads is None else spreads
    fused = w * normalised(semantic, how, spread=of_meaning) + (1 - w) * normalised(geometric, how, spread=of_place)
    if ranking.normalisation == "rrf":
        fused = 1.0 - fused
    return fused.astype(np.float32)


def with_prior(distance: FloatArray, score: FloatArray, *, prior: float) -> FloatArray:
    """float32 (N,): `distance + prior * (TYPICAL_SCORE - score)`, so that of regions that are equally near, what is
    surely one thing comes before a part or a group of things.

    distance: float32 (N,), of `fuse`. score: float32 (N,), the expected IoU of a region with one thing; NaN where it is
        not known, which leaves the distance as it is. Results may be slightly negative.
    """
    gain = np.nan_to_num(np.float32(prior) * (np.float32(TYPICAL_SCORE) - score), copy=False)
    return np.asarray(distance + gain, np.float32)


def fuse_with_prior(
    semantic: FloatArray | None, geometric: FloatArray | None, score: FloatArray, *, ranking: Ranking
) -> FloatArray:
    """float32 (N,): `fuse`, and `with_prior` where the ranking has a prior. score: float32 (N,)."""
    distance = fuse(semantic, geometric, ranking=ranking)
    return with_prior(distance, score, prior=ranking.prior) if ranking.prior else distance


def normalised(
    distance: FloatArray, normalisation: Normalisation, *, spread: Spread | None = None
) -> NDArray[np.float64]:
    """float64 (N,): normalised distances, 0 if all are equal; for "rrf" reciprocal ranks, scaled to 1 for the first.

    spread: of all candidates, where these are a part of them; None where these are all.
    """
    x = distance.astype(np.float64)
    if normalisation == "raw" or not x.size:
        return x
    spread = Spread.of(distance, normalisation) if spread is None else spread
    if normalisation == "rrf":
        rank = np.searchsorted(spread.ordered, distance.astype(np.float32, copy=False))
        reciprocal: NDArray[np.float64] = (RRF_OFFSET + 1) / (RRF_OFFSET + 1 + rank)
        return reciprocal
    if spread.low == spread.high:
        return np.zeros_like(x)
    if normalisation == "minmax":
        return (x - spread.low) / (spread.high - spread.low)
    scaled: NDArray[np.float64] = (x - spread.mean) / spread.deviation
    return scaled


def contenders(distance: FloatArray, frame: IndexArray, *, k: int, slack: float = 0.0) -> IndexArray:
    """Indices, ascending, of all candidates that can be in the top k frames or tie with the last of them.

    Ranking only these gives the same top k as ranking all, and the ids of the others need not be fetched.

    distance: float32 (N,). frame: (N,), the number of each candidate's frame.
    slack: largest error of a distance; candidates within twice the slack of the limit are kept, too.
    """
    if distance.size == 0:
        return np.zeros(0, np.intp)
    best = np.full(int(frame.max()) + 1, np.inf, np.float32)
    np.minimum.at(best, frame, distance)
    best = best[np.isfinite(best)]
    limit = np.float64(best.max()) if k >= best.size else np.float64(np.partition(best, k - 1)[k - 1])
    if k >= best.size:
        # every frame is a hit, and each needs its own best candidate: no limit applies to all of them
        return np.arange(distance.size)
    return np.flatnonzero(distance <= limit + 2 * slack)


def rank_frames(distance: FloatArray, *, frame_id: IdArray, candidate_id: IdArray, k: int) -> IndexArray:
    """Indices of the best candidate of each of the k best frames, best first.

    The distance of a frame is that of its nearest candidate. Ties are broken by frame id, and within a frame
    by candidate id, so that the result does not depend on the order of the candidates.

    distance: float32 (N,). frame_id, candidate_id: bytes (N,); candidate ids are unique within a frame.
    """
    order = np.lexsort((candidate_id, frame_id, distance))
    _, first = np.unique(frame_id[order], return_index=True)
    best: IndexArray = order[np.sort(first)[:k]]
    return best
