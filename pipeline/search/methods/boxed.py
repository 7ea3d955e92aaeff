"""Methods that rank frames by the nearest of a frame's boxed vectors: its regions, or the whole frame."""

from collections.abc import Sequence

import numpy as np

from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.frame_scores import FrameScores
from pipeline.search.methods.method import RankingRequest, SearchState
from pipeline.search.where import Where
from schemas.errors import QueryError
from schemas.regions import WHOLE_FRAME


class Regions:
    """Ranks regions and whole frames by meaning and geometry (sub-region search, methods.md §1)."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state

    def sets(self) -> list[BoxedVectors]:
        """All regions, and whole frames."""
        columns, proposers = self._state.columns, self._state.proposers
        sets = [BoxedVectors.of_regions(columns, proposers=proposers)]
        if proposers is None or WHOLE_FRAME in proposers:
            sets.append(BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible))
        return sets

    def candidates(self, request: RankingRequest, sets: Sequence[BoxedVectors] | None = None) -> Candidates:
        """The regions that are where the query looks; anywhere, the whole frames too. sets: those of `sets`."""
        compared = self.sets() if sets is None else sets
        return Candidates.of(compared, frames=request.frames, where=request.where, standing=request.standing)

    def __call__(self, request: RankingRequest) -> FrameScores:
        return scores_of(self.candidates(request), request, self._state, where=request.where)


class WholeFrames:
    """Ranks whole frames by meaning alone, as a search without regions would."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state

    def __call__(self, request: RankingRequest) -> FrameScores:
        require_meaning(request, "global")
        columns = self._state.columns
        whole = BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible)
        found = Candidates.of([whole], frames=request.frames, where=None)
        return scores_of(found, request, self._state, where=None)


def scores_of(
    candidates: Candidates, request: RankingRequest, state: SearchState, *, where: Where | None
) -> FrameScores:
    """Scores each frame by its nearest candidate. where: None where meaning alone counts."""
    return candidates.frame_scores(
        request.target.vector,
        where,
        ranking=request.query.ranking,
        frames=len(state.columns.pts),
        scorer=state.scorer,
        confidence=request.target.confidence,
        least=request.query.min_confidence,
    )


def require_meaning(request: RankingRequest, method: str) -> None:
    """Raises QueryError for a query by a box alone."""
    if request.target.vector is None:
        raise QueryError(f"the method {method} ranks by meaning; give `text` or `image`, or rank by regions")


def nearest_frames(scores: FrameScores, *, count: int) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """The rows of the `count` nearest frames, nearest first; of equals, the lower row first."""
    order = np.argsort(scores.distance, kind="stable")[:count]
    return order[np.isfinite(scores.distance[order])]
