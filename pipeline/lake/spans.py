"""Finding, for many rows at once, the stretch of its source that holds a PTS."""

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]


class SpanIndex:
    """Disjoint spans `[start, stop)` of many sources.

    source: int64 (S,), number of each span's source. start, stop: int64 (S,), PTS.
    """

    def __init__(self, *, source: Int64Array, start: Int64Array, stop: Int64Array) -> None:
        self.order = np.lexsort((start, source))
        self._source, self._stop = source[self.order], stop[self.order]
        # (source, PTS) as one number: the rank of a start among all starts stands for its PTS
        self._starts, rank = np.unique(start, return_inverse=True)
        self._keys = self._source * len(self._starts) + rank[self.order]

    def find(self, *, source: Int64Array, pts: Int64Array) -> Int64Array:
        """int64 (N,): index of the span that holds each PTS in its source, −1 where there is none."""
        if not len(self._keys):
            return np.full(len(pts), -1, np.int64)
        rank = np.searchsorted(self._starts, pts, side="right") - 1
        place = np.searchsorted(self._keys, source * len(self._starts) + rank, side="right") - 1
        held = (place >= 0) & (rank >= 0)
        held &= (self._source[place] == source) & (pts < self._stop[place])
        return np.where(held, self.order[place], -1)
