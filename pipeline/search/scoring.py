"""Products of a query vector with the stored float16 vectors, with a known error."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from operators.runtime.torch_threads import one_torch_thread
from schemas.boxes import FloatArray
from schemas.vectors import VectorArray

# rows widened at a time: the float32 or float64 copy stays in the cache
_CHUNK = 1024
# rows a thread takes at a time: few enough that a thread that lost its core holds nobody up for long
_TASK = 16 * _CHUNK
# more candidates than this share of the rows: scoring all in order costs less than gathering
_GATHER_SHARE = 0.5


class Scorer:
    """Semantic distances of one query to many stored vectors, on `threads` threads (None: one a core).

    Each thread takes whole tasks. Torch's own threads share every single operation instead, and meet after
    each: on two busy cores that took 1.5 s for 500 k × 512, where one thread alone took 0.1 s.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)), thread_name_prefix="score")

    def distances(
        self, vectors: torch.Tensor, query: VectorArray, rows: NDArray[np.intp] | None = None, *, exact: bool = True
    ) -> FloatArray:
        """float32 (N,): `1 − v · query` for the stored vectors at `rows` (all when None).

        vectors: float16 (R, D), contiguous. query: float32 (D,), both of unit length.
        exact: products and sums in float64, rounded once at the end: equal vectors get equal distances
            wherever they stand. Otherwise float32, off by no more than `float32_error(D)`.
        """
        if rows is not None and len(rows) > _GATHER_SHARE * len(vectors):
            return self.distances(vectors, query, exact=exact)[rows]
        dtype = torch.float64 if exact else torch.float32
        target = torch.from_numpy(query).to(dtype)
        index = None if rows is None else torch.from_numpy(rows)
        out = torch.empty(len(vectors) if rows is None else len(rows), dtype=dtype)

        def score(start: int) -> None:
            stop = min(start + _TASK, len(out))
            shape = (min(_CHUNK, stop - start), vectors.shape[1])
            wide = torch.empty(shape, dtype=torch.float32)
            widest = torch.empty(shape, dtype=dtype) if exact else wide
            for a in range(start, stop, _CHUNK):
                b = min(a + _CHUNK, stop)
                part = vectors[a:b] if index is None else vectors.index_select(0, index[a:b])
                wide[: b - a].copy_(part)
                if exact:  # by way of float32: a third of the time that torch takes from float16 to float64
                    widest[: b - a].copy_(wide[: b - a])
                torch.mv(widest[: b - a], target, out=out[a:b])

        with one_torch_thread():
            if len(out) <= _TASK:  # waking threads would cost more
                score(0)
            else:
                list(self._pool.map(score, range(0, len(out), _TASK)))
        distances: FloatArray = (1.0 - out.numpy()).astype(np.float32)
        return distances

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()


def float32_error(dimension: int) -> float:
    """How far a float32 product of two unit vectors can be from the true one, whatever the order of its sum.

    Higham, Accuracy and Stability of Numerical Algorithms, eq. 3.5: at most γ = Du / (1 − Du) times the product of
    the absolute values, which is at most 1 (1.001 for vectors of unit length in float16); then one more
    rounding each of `1 − x` and of the exact distance.
    """
    u = 2.0**-24
    return 1.01 * dimension * u / (1 - dimension * u) + 4 * u
