"""Methods that rank frames by the nearest of a frame's boxed vectors: its regions, or the whole frame."""

import numpy as np

from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.frame_scores import FrameScores
from pipeline.search.methods.method import RankingRequest, SearchState
from schemas.errors import QueryError
from schemas.regions import WHOLE_FRAME


class Regions:
    """Ranks regions and whole frames by meaning and geometry (sub-region search, methods.md §1)."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state

    def candidates(self, request: RankingRequest) -> Candidates:
        """The regions that overlap the query box, and whole frames."""
        columns, proposers = self._state.columns, self._state.proposers
        sets = [BoxedVectors.of_regions(columns, proposers=proposers)]
        if proposers is None or WHOLE_FRAME in proposers:
            sets.append(BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible))
        return Candidates.of(sets, frames=request.frames, box=request.query.box)

    def __call__(self, request: RankingRequest) -> FrameScores:
        return scores_of(self.candidates(request), request, self._state, with_box=True)


class WholeFrames:
    """Ranks whole frames by meaning alone, as a search without regions would."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state

    def __call__(self, request: RankingRequest) -> FrameScores:
        require_meaning(request, "global")
        columns = self._state.columns
        whole = BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible)
        found = Candidates.of([whole], frames=request.frames, box=None)
        return scores_of(found, request, self._state, with_box=False)


def scores_of(candidates: Candidates, request: RankingRequest, state: SearchState, *, with_box: bool) -> FrameScores:
    """Scores each frame by its nearest candidate. with_box: whether the query box counts, or meaning alone."""
    return candidates.frame_scores(
        request.target.vector,
        request.query.box if with_box else None,
        ranking=request.query.ranking,
        frames=len(state.columns.pts),
        scorer=state.scorer,
    )


def require_meaning(request: RankingRequest, method: str) -> None:
    """Raises QueryError for a query by a box alone."""
    if request.target.vector is None:
        raise QueryError(f"the method {method} ranks by meaning; give `text` or `image`, or rank by regions")


def nearest_frames(scores: FrameScores, *, count: int) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """The rows of the `count` nearest frames, nearest first; of equals, the lower row first."""
    order = np.argsort(scores.distance, kind="stable")[:count]
    return order[np.isfinite(scores.distance[order])]
