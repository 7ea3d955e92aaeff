"""The interface of the methods that rank frames."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.frame_scores import FrameScores
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.scoring import Scorer
from pipeline.search.target import Target
from pipeline.search.where import Where
from schemas.query import Query


@dataclass(frozen=True, slots=True, eq=False)
class SearchState:
    """What the methods share with their searcher, which makes each of them once and calls it under its lock.

    columns: they follow the lake; when their `generation` changes, rows may have moved.
    encoder: None if all queries are by boxes alone. proposers: only candidates of these; None for all.
    """

    lake: Lake
    columns: LakeCache
    scorer: Scorer
    encoder: Encoder | None
    proposers: frozenset[str] | None


@dataclass(frozen=True, slots=True, eq=False)
class RankingRequest:
    """A query as a method receives it.

    frames: bool (F,), the frames that pass the query's filters. where: where in them it looks; None for anywhere.
    standing: intp (N,), rows of the regions of other frames that are valid at the time of the query.
    nearest: intp (N,), rows of the frames that a method with `reranks` may compare, nearest first; otherwise empty.
    """

    query: Query
    target: Target
    frames: NDArray[np.bool_]
    nearest: NDArray[np.intp]
    where: Where | None = None
    standing: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))


class Method(Protocol):
    """Ranks frames. reranks: it is too costly for all frames, and compares only the nearest by other methods."""

    @property
    def reranks(self) -> bool: ...

    def __call__(self, request: RankingRequest) -> FrameScores:
        """Scores the frames.

        Raises QueryError, with what to do, where it cannot answer such a query or the lake lacks what it needs.
        """
        ...
