"""Keeps the semantic distances of the last queries: while one drags a box, the words stay, and few regions are new."""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray
from schemas.vectors import VectorArray

_QUERIES = 4  # whose distances are kept: 4 bytes for each region and query, beside 256 for its vector
MOST_BYTES = 2**28  # of them: columns on disk may be of more regions than fit into memory


class KnownDistances:
    """Distances of a query to the vectors of a lake, by row. They hold until the lake changes: `forget` them then.

    It is used by one search at a time.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, FloatArray] = OrderedDict()

    def __call__(
        self,
        query: VectorArray,
        rows: NDArray[np.intp],
        *,
        count: int,
        compute: Callable[[NDArray[np.intp]], FloatArray],
    ) -> FloatArray:
        """float32 (N,): the distances of the query to the vectors at `rows`, of `count` that there are.

        query: float32 (D,). compute: rows → their distances, finite; called for those that are not known.
        """
        most = min(_QUERIES, MOST_BYTES // (4 * max(1, count)))
        if not most:
            return compute(rows)
        key = query.tobytes()
        known = self._known.pop(key, None)
        if known is None:
            known = np.full(count, np.nan, np.float32)
        self._known[key] = known
        if len(self._known) > most:
            self._known.popitem(last=False)
        found = known[rows]
        new = np.flatnonzero(np.isnan(found))
        if len(new):
            found[new] = known[rows[new]] = compute(rows[new])
        return found

    def forget(self) -> None:
        """Forgets all: rows are no longer those of the same vectors."""
        self._known.clear()
