"""Methods that rank frames by the nearest of a frame's boxed vectors: its regions, or itself as a whole."""

import numpy as np

from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.frame_scores import FrameScores
from pipeline.search.methods.method import Asked, SearchState
from schemas.errors import QueryError
from schemas.regions import WHOLE_FRAME


class Regions:
    """Regions and whole frames, by meaning and by geometry (sub-region search, methods.md §1)."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state

    def candidates(self, asked: Asked) -> Candidates:
        """The regions that overlap the query's box, and whole frames."""
        columns, proposers = self._state.columns, self._state.proposers
        sets = [BoxedVectors.of_regions(columns, proposers=proposers)]
        if proposers is None or WHOLE_FRAME in proposers:
            sets.append(BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible))
        return Candidates.of(sets, frames=asked.frames, box=asked.query.box)

    def __call__(self, asked: Asked) -> FrameScores:
        return scores_of(self.candidates(asked), asked, self._state, with_box=True)


class WholeFrames:
    """Whole frames by meaning alone: what a search without regions would do."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state

    def __call__(self, asked: Asked) -> FrameScores:
        require_meaning(asked, "global")
        columns = self._state.columns
        whole = BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible)
        found = Candidates.of([whole], frames=asked.frames, box=None)
        return scores_of(found, asked, self._state, with_box=False)


def scores_of(candidates: Candidates, asked: Asked, state: SearchState, *, with_box: bool) -> FrameScores:
    """Each frame by its nearest candidate. with_box: whether the query's box counts, or meaning alone."""
    return candidates.frame_scores(
        asked.target.vector,
        asked.query.box if with_box else None,
        ranking=asked.query.ranking,
        frames=len(state.columns.pts),
        scorer=state.scorer,
    )


def require_meaning(asked: Asked, method: str) -> None:
    """Raises QueryError for a query by a box alone."""
    if asked.target.vector is None:
        raise QueryError(f"the method {method} ranks by meaning; give `text` or `image`, or rank by regions")


def nearest_frames(scores: FrameScores, *, count: int) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """Rows of so many frames, nearest first; of equals the first row."""
    order = np.argsort(scores.distance, kind="stable")[:count]
    return order[np.isfinite(scores.distance[order])]
