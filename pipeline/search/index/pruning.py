"""Which of the regions where a query looks may be hits: bounds that hold for every region, from its cluster and box."""

import numpy as np
from numpy.typing import NDArray

from operators.ranking.fusion import fuse_with_prior
from pipeline.search.index.probing import codes_at
from pipeline.search.index.region_index import RegionIndex
from pipeline.search.scoring import Scorer, float32_error
from schemas.boxes import FloatArray
from schemas.query import Ranking
from schemas.vectors import VectorArray

PROBED = 1024  # regions whose codes are read to know how near the hits are at least
_ROUNDING = 1e-5  # of sums of distances in float32


def may_be_hits(
    index: RegionIndex,
    places: NDArray[np.intp],
    vector: VectorArray,
    geometric: FloatArray,
    frame: NDArray[np.int64],
    *,
    ranking: Ranking,
    k: int,
    scorer: Scorer,
) -> NDArray[np.bool_]:
    """bool (N,): regions that can be in the top k frames; never false for one that is.

    By the inequality of Cauchy and Schwarz, the product of the query q with a vector v of the cluster with the centre c
    is at most q·c + |q| |v − c|, so that a region whose box is far from where the query looks cannot be near enough
    whatever its vector. How near is enough follows from the codes of some regions, which are off by a known error at
    most: the k-th of their frames is no nearer than the k-th of all.

    places: of regions that are all candidates. geometric: their distances from where the query looks. frame: the row of
    each one's frame. ranking: without a normalisation.
    """
    if len(places) <= 2 * PROBED:
        return np.ones(len(places), np.bool_)
    query = vector.astype(np.float32)
    length = float(np.linalg.norm(vector)) * (1 + 1e-6)
    product_error = float32_error(len(query)) * max(1.0, length)
    cluster = index.columns["cluster"][places]
    mean = np.float32(1) - (index.coarse.layout.centres @ query)[cluster]
    score = index.columns["score"][places]
    near = mean - np.float32(length) * index.columns["apart"][places] - np.float32(product_error)
    least = fuse_with_prior(near, geometric, score, ranking=ranking)
    some = np.argpartition(fuse_with_prior(mean, geometric, score, ranking=ranking), PROBED - 1)[:PROBED]
    codes = codes_at(index, places[some])
    error = codes.error * np.float32(max(1.0, length)) + np.float32(product_error)
    above = scorer.rounded_distances(codes, query) + error
    farthest = fuse_with_prior(above, geometric[some], score[some], ranking=ranking)
    order = np.argsort(farthest, kind="stable")
    _, first = np.unique(frame[some][order], return_index=True)
    if len(first) < k:
        return np.ones(len(places), np.bool_)
    enough = farthest[order][np.sort(first)[k - 1]]
    found: NDArray[np.bool_] = least <= enough + np.float32(_ROUNDING)
    return found
