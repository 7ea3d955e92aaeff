"""What every method of ranking frames takes and gives."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.frame_scores import FrameScores
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.scoring import Scorer
from pipeline.search.target import Target
from schemas.query import Query


@dataclass(frozen=True, slots=True, eq=False)
class SearchState:
    """What a searcher has, for the methods of ranking, which are made once and asked under its lock.

    columns: follow the lake; when their `generation` changes, rows may have moved.
    encoder: None where only boxes are asked for. proposers: which candidates take part; None for all.
    """

    lake: Lake
    columns: LakeCache
    scorer: Scorer
    encoder: Encoder | None
    proposers: frozenset[str] | None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A query to one method.

    frames: bool (F,), those that pass its filters.
    nearest: intp (N,), rows of the frames that a method with `reranks` may look at, nearest first; else empty.
    """

    query: Query
    target: Target
    frames: NDArray[np.bool_]
    nearest: NDArray[np.intp]


class Method(Protocol):
    """Ranks frames. reranks: it costs too much for all frames, and looks at the nearest by other methods only."""

    @property
    def reranks(self) -> bool: ...

    def __call__(self, asked: Asked) -> FrameScores:
        """Raises QueryError where it cannot answer such a query, or the lake lacks what it needs: with the fix."""
        ...
