"""The confidence of a hit: the chance that its region shows what the query asks for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.encoders.calibration import Calibration, Evidence, VectorKind, chance
from operators.runtime.blas_threads import one_blas_thread
from pipeline.search.memory.rounded_vectors import RoundedVectors
from pipeline.search.scoring import Scorer, float32_error
from schemas.boxes import FloatArray

_BLOCK = 4096  # rows whose chances are found together
_ROUNDING = 1e-6  # relative; a chance is rounded to float32


class Confidence:
    """Computes the confidence of vectors for one query. It keeps no model.

    wanted: the parts of the query, each with its weight; together they are 1. Log-odds are averaged, as the ranking
        averages distances: at weight 1 words alone count, or the picture alone.
    unwanted: what hits should not show. The chance that a region shows none of these is multiplied, as if they were
        independent.
    """

    def __init__(
        self, calibration: Calibration, wanted: Sequence[tuple[float, Evidence]], unwanted: Sequence[Evidence] = ()
    ) -> None:
        self._calibration = calibration
        self._wanted = tuple((weight, evidence) for weight, evidence in wanted if weight > 0)
        self._unwanted = tuple(unwanted)

    def __call__(self, vectors: NDArray[np.float16], *, kind: VectorKind) -> FloatArray:
        """float32 (N,), in [0, 1]: the chance for each of the stored vectors of a kind, float16 (N, D)."""
        found = np.empty(len(vectors), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            rows = slice(start, start + _BLOCK)
            found[rows] = self._of(vectors[rows].astype(np.float64), kind)
        return found

    def possible(
        self,
        vectors: NDArray[np.float16] | RoundedVectors,
        rows: NDArray[np.intp],
        *,
        kind: VectorKind,
        least: float,
        scorer: Scorer,
    ) -> NDArray[np.bool_]:
        """bool (N,): whether the chance for the vectors at `rows` can be at least `least`; never false where it is.

        It takes one product for each vector and part of the query, instead of one for each noun.
        """
        bound = self._calibration.least_log_partition
        most = np.zeros(len(rows))
        for weight, evidence in self._wanted:
            query = evidence.vector.astype(np.float32)
            slack: FloatArray | float = 2 * float32_error(len(query))
            if isinstance(vectors, RoundedVectors):
                distance = scorer.rounded_distances(vectors, query, rows)
                slack = slack + 1.01 * vectors.error[rows]  # a query's length is 1 but for its rounding
            else:
                distance = scorer.distances(vectors, query, rows, exact=False)
            most += weight * evidence.log_odds(1.0 - distance.astype(np.float64) + slack, bound, kind=kind)
        can: NDArray[np.bool_] = chance(most) >= least * (1 - _ROUNDING)
        return can

    @one_blas_thread()
    def _of(self, vectors: NDArray[np.float64], kind: VectorKind) -> NDArray[np.float64]:
        partition = self._calibration.log_partition(vectors)

        def log_odds(evidence: Evidence) -> NDArray[np.float64]:
            return evidence.log_odds(vectors @ evidence.vector, partition, kind=kind)

        shows = chance(np.sum([weight * log_odds(evidence) for weight, evidence in self._wanted], axis=0))
        for evidence in self._unwanted:
            shows = shows * (1.0 - chance(log_odds(evidence)))
        return shows
