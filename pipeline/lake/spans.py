"""Spans of many sources: collected from rows, and looked up by PTS."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.clock import Span

Int64Array = NDArray[np.int64]


def spans_by_source(rows: pa.Table) -> defaultdict[str, list[Span]]:
    """Spans by source id, in the order of the rows; empty for a source without rows.

    rows: with the columns `source_id`, `start` and `stop`, like `shots` and `segments`.
    """
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for row in rows.select(["source_id", "start", "stop"]).to_pylist():
        found[row["source_id"]].append(Span(row["start"], row["stop"]))
    return found


class SpanIndex:
    """Finds PTS in disjoint spans `[start, stop)` of many sources.

    source: int64 (S,), number of each span's source. start, stop: int64 (S,), PTS.
    """

    def __init__(self, *, source: Int64Array, start: Int64Array, stop: Int64Array) -> None:
        self.order = np.lexsort((start, source))
        self._source, self._stop = source[self.order], stop[self.order]
        # (source, PTS) as one number, with the PTS replaced by the rank of its start among all starts
        self._starts, rank = np.unique(start, return_inverse=True)
        self._keys = self._source * len(self._starts) + rank[self.order]

    def find(self, *, source: Int64Array, pts: Int64Array) -> Int64Array:
        """int64 (N,): index of the span that contains each PTS in its source, −1 where there is none."""
        if not len(self._keys):
            return np.full(len(pts), -1, np.int64)
        rank = np.searchsorted(self._starts, pts, side="right") - 1
        place = np.searchsorted(self._keys, source * len(self._starts) + rank, side="right") - 1
        held = (place >= 0) & (rank >= 0)
        held &= (self._source[place] == source) & (pts < self._stop[place])
        return np.where(held, self.order[place], -1)
