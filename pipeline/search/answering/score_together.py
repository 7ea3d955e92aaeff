"""Scores the candidates of several queries in one pass over the vectors that they share."""

from collections.abc import Sequence

import numpy as np

from pipeline.search.candidates import Candidates
from pipeline.search.scoring import GATHER_SHARE, Scorer
from schemas.boxes import FloatArray
from schemas.vectors import VectorArray


def score_together(asked: Sequence[tuple[Candidates, VectorArray]], *, scorer: Scorer) -> list[FloatArray] | list[None]:
    """float32 (N,) for each query: the semantic distances of its N candidates, for `Candidates.rank` as `near`; None
    for each where one by one costs less, because they are few.

    asked: candidates of equal sets, each with the vector of its query, float32 (D,).
    """
    each = [candidates.each() for candidates, _ in asked]
    sets = [vectors for vectors, _ in each[0]] if each else []
    compared = sum(len(candidates) for candidates, _ in asked)
    if len(asked) < 2 or compared <= GATHER_SHARE * sum(map(len, sets)):
        return [None] * len(asked)
    queries = np.stack([vector for _, vector in asked])
    parts: list[list[FloatArray]] = [[] for _ in asked]
    for number, vectors in enumerate(sets):
        distances = scorer.distances_of_many(vectors.vectors, queries)
        for query, of_query in enumerate(each):
            parts[query].append(distances[query, of_query[number][1]])
    return [np.concatenate(of_query) for of_query in parts]
