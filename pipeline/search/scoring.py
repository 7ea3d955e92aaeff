"""Computes the products of a query vector with the stored float16 vectors, with a known error."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from operators.runtime.blas_threads import one_blas_thread
from pipeline.search.known_distances import KnownDistances
from pipeline.search.memory.rounded_vectors import RoundedVectors
from schemas.boxes import FloatArray
from schemas.vectors import VectorArray

# numbers widened at a time: their float32 and float64 copies stay in a core's own cache
_CHUNK = 2**16
# rows a thread takes at a time: few, so that a thread that lost its core does not delay the others for long
_TASK = 2**14
# more candidates than this share of the rows: scoring all in order costs less than gathering
GATHER_SHARE = 0.5
# The bits of a float16, moved to the places that they have in a float32, read as 2^-112 of its value, because the
# exponents are biased by 15 and by 127.
_UNSCALE = 2.0**112
_SIGN_EXPONENT_FRACTION = np.uint32(0b1000_1111_1111_1111_1110_0000_0000_0000).astype(np.int32)


class Scorer:
    """Computes the semantic distances of a query to many stored vectors, on `threads` threads (None: one a core).

    Each thread takes whole tasks. The threads of a BLAS library share every single operation instead, and wait for
    each other after each: on two busy cores that took 1.5 s for 500 k × 512, where one thread alone took 0.1 s.

    known: distances of the last queries, not exact ones, to vectors that keep their rows.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        self.known = KnownDistances()
        self._pool = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)), thread_name_prefix="score")

    def distances(
        self,
        vectors: NDArray[np.float16],
        query: VectorArray,
        rows: NDArray[np.intp] | None = None,
        *,
        exact: bool = True,
    ) -> FloatArray:
        """float32 (N,): `1 − v · query` for the stored vectors at `rows` (all when None).

        vectors: float16 (R, D), finite. query: float32 (D,), both of unit length.
        exact: products and sums in float64, rounded once at the end: equal vectors get equal distances
            in whatever row. Otherwise float32, off by no more than `float32_error(D)`.
        """
        if rows is not None and len(rows) > GATHER_SHARE * len(vectors):
            return self.distances(vectors, query, exact=exact)[rows]
        dtype = np.dtype(np.float64 if exact else np.float32)
        target = query.astype(dtype) * dtype.type(_UNSCALE)  # exact: a power of two
        out = np.empty(len(vectors) if rows is None else len(rows), dtype)

        chunk = _rows_at_once(vectors.shape[1])

        def score(start: int) -> None:
            stop = min(start + _TASK, len(out))
            bits = np.empty((min(chunk, stop - start), vectors.shape[1]), np.int32)
            wide = bits.view(np.float32)
            widest = np.empty(bits.shape, np.float64) if exact else wide
            for a in range(start, stop, chunk):
                b = min(a + chunk, stop)
                _widen(vectors[a:b] if rows is None else vectors[rows[a:b]], bits[: b - a])
                if exact:
                    np.copyto(widest[: b - a], wide[: b - a])
                np.dot(widest[: b - a], target, out=out[a:b])

        self._shared(score, len(out))
        distances: FloatArray = (1.0 - out).astype(np.float32)
        return distances

    def rounded_distances(
        self, vectors: RoundedVectors, query: VectorArray, rows: NDArray[np.intp] | None = None
    ) -> FloatArray:
        """float32 (N,): `1 − v · query` for rounded vectors at `rows` (all when None).

        query: float32 (D,). Off the distance of a stored vector by at most the row's `error` times the length of the
        query, and `float32_error(D)`.
        """
        if rows is not None and len(rows) > GATHER_SHARE * len(vectors):
            return self.rounded_distances(vectors, query)[rows]
        out = np.empty(len(vectors) if rows is None else len(rows), np.float32)

        chunk = _rows_at_once(vectors.steps.shape[1])

        def score(start: int) -> None:
            stop = min(start + _TASK, len(out))
            wide = np.empty((min(chunk, stop - start), vectors.steps.shape[1]), np.float32)
            for a in range(start, stop, chunk):
                b = min(a + chunk, stop)
                np.copyto(wide[: b - a], vectors.steps[a:b] if rows is None else vectors.steps[rows[a:b]])
                np.dot(wide[: b - a], query, out=out[a:b])

        self._shared(score, len(out))
        out *= vectors.step if rows is None else vectors.step[rows]
        distances: FloatArray = np.float32(1) - out
        return distances

    def distances_of_many(self, vectors: NDArray[np.float16] | RoundedVectors, queries: VectorArray) -> FloatArray:
        """float32 (Q, N): the distances of several queries to all vectors, in one pass over these.

        queries: float32 (Q, D). Off by as much as `distances` without `exact`, or as `rounded_distances`.
        """
        halves = None if isinstance(vectors, RoundedVectors) else vectors
        dimension = queries.shape[1]
        targets = np.ascontiguousarray(queries.T, np.float32) * np.float32(1.0 if halves is None else _UNSCALE)
        out = np.empty((len(queries), len(vectors)), np.float32)
        chunk = _rows_at_once(dimension)

        def score(start: int) -> None:
            stop = min(start + _TASK, len(vectors))
            bits = np.empty((min(chunk, stop - start), dimension), np.int32)
            wide = bits.view(np.float32)
            products = np.empty((len(wide), len(queries)), np.float32)
            for a in range(start, stop, chunk):
                b = min(a + chunk, stop)
                if halves is not None:
                    _widen(halves[a:b], bits[: b - a])
                else:
                    np.copyto(wide[: b - a], vectors.steps[a:b])  # type: ignore[union-attr]
                np.dot(wide[: b - a], targets, out=products[: b - a])
                out[:, a:b] = products[: b - a].T

        self._shared(score, len(vectors))
        if isinstance(vectors, RoundedVectors):
            out *= vectors.step
        np.subtract(np.float32(1), out, out=out)
        return out

    def _shared(self, score: Callable[[int], None], count: int) -> None:
        """Calls `score` with the start of each task of `count` rows."""
        with one_blas_thread():
            if count <= _TASK:  # waking threads would cost more
                score(0)
            else:
                list(self._pool.map(score, range(0, count, _TASK)))

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()


def _rows_at_once(dimension: int) -> int:
    return min(_TASK, max(1, _CHUNK // max(1, dimension)))


def _widen(halves: NDArray[np.float16], bits: NDArray[np.int32]) -> None:
    """Writes into `bits` the float32 numbers that are exactly 1 / _UNSCALE of these finite float16 numbers.

    NumPy's own conversion takes five times as long; torch's is as fast, but torch takes two seconds to import.
    """
    np.copyto(bits, halves.view(np.int16))  # the sign is repeated in all the upper bits
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _SIGN_EXPONENT_FRACTION, out=bits)


def float32_error(dimension: int) -> float:
    """How far a float32 product of two unit vectors can be from the true one, whatever the order of its sum.

    Higham, Accuracy and Stability of Numerical Algorithms, eq. 3.5: at most γ = Du / (1 − Du) times the product of
    the absolute values, which is at most 1 (1.001 for vectors of unit length in float16); then one more
    rounding each of `1 − x` and of the exact distance.
    """
    u = 2.0**-24
    return 1.01 * dimension * u / (1 - dimension * u) + 4 * u
