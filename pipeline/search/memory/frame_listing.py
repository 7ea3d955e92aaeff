"""The keyframes that a search can find, and the number of their regions, as they were at a moment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.ranking.fusion import IdArray
from pipeline.search.memory.lake_cache import LakeCache


@dataclass(frozen=True, slots=True, eq=False)
class FrameListing:
    """N visible keyframes, by source and then by time.

    frame_id: bytes (N,). source: int64 (N,) into `source_ids` and `uris`. pts: int64 (N,). pts_s: float64 (N,).
    time: int64 (N,), µs of UTC, NO_TIME where unknown. regions: int64 (N,), number of regions.
    generation: that of the cache: it grows with every change of the lake.
    """

    frame_id: IdArray
    source: NDArray[np.int64]
    pts: NDArray[np.int64]
    pts_s: NDArray[np.float64]
    time: NDArray[np.int64]
    regions: NDArray[np.int64]
    source_ids: tuple[str, ...]
    uris: tuple[str, ...]
    generation: int

    @classmethod
    def of(cls, columns: LakeCache) -> "FrameListing":
        rows = np.flatnonzero(columns.visible)
        rows = rows[np.lexsort((columns.pts[rows], columns.source[rows]))]
        known = columns.frame[columns.region_alive & (columns.frame >= 0)]
        regions = np.bincount(known, minlength=len(columns.visible))
        return cls(
            columns.frame_id[rows],
            columns.source[rows],
            columns.pts[rows],
            columns.pts_s[rows],
            columns.time[rows],
            regions[rows],
            tuple(columns.source_ids),
            tuple(columns.uris),
            columns.generation,
        )

    def __len__(self) -> int:
        return len(self.frame_id)
