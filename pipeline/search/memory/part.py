"""Which rows of a lake are in which of its parts, by source and time."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas import require

SPAN_S = 60.0  # long enough for a part to read runs of rows, short enough that one long recording is shared out


@dataclass(frozen=True, slots=True)
class Part:
    """One of `count` parts into which a lake is shared out.

    Each minute of a source is in one part, the next minute in the next part. That depends on the row alone, so rows
    stay where they are when others arrive; a frame and its regions are in the same part.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        require.at_least(1, count=self.count)
        require.within(f"[0, {self.count - 1}]", number=self.number)

    def holds(self, source: NDArray[np.int64], pts_s: NDArray[np.float64], *, ids: list[str]) -> NDArray[np.bool_]:
        """bool (N,). source: int (N,) into `ids`, the ids of sources. pts_s: float64 (N,)."""
        first = np.array([crc32(id.encode()) for id in ids] or [0], np.int64)
        minute = np.floor(pts_s / SPAN_S).astype(np.int64)
        here: NDArray[np.bool_] = (first[source] + minute) % self.count == self.number
        return here

    def rows(self, table: pa.Table) -> pa.Table:
        """Those of the rows that are in this part. table: has `source_id` and `pts_s`."""
        ids = pc.dictionary_encode(table["source_id"].combine_chunks())
        if not table.num_rows:
            return table
        here = self.holds(ids.indices.to_numpy(), table["pts_s"].to_numpy(), ids=ids.dictionary.to_pylist())
        return table.filter(pa.array(here))
