"""Methods that re-rank frames by matching a part of a picture patch by patch (RIS, methods.md §5).

Frames in which nothing matches keep the order of the first ranking, after all others, at distances above 1.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from operators.masks.rle import decode_mask
from operators.patch_matching.cell_mask import cell_mask
from operators.patch_matching.config import VoteKind
from operators.patch_matching.correlation import correlate
from operators.patch_matching.pyramid import SCALES, Level, roi_pyramid
from operators.patch_matching.region_match import RegionMatch, match_region
from operators.patch_matching.voting import votes
from pipeline.lake import sql
from pipeline.search.frame_scores import FrameScores
from pipeline.search.methods.boxed import WholeFrames
from pipeline.search.methods.method import RankingRequest, SearchState
from pipeline.search.methods.stored_grids import no_patches, read_grids, require_space
from schemas.boxes import Boxes, FloatArray
from schemas.errors import QueryError
from schemas.patches import PatchGrid
from schemas.query import WHOLE, Place


class Votes:
    """Ranks frames by votes: every patch of the ROI votes for the frames that have its nearest patches. The distance is
    the share of the votes that a frame did not get."""

    reranks = True

    def __init__(self, state: SearchState, *, kind: VoteKind) -> None:
        self._state = state
        self._kind: VoteKind = kind

    def __call__(self, request: RankingRequest) -> FrameScores:
        (level,) = _levels(request, self._state, scales=(1.0,))
        rows, grids = _grids(request, self._state)
        cast = votes(level.vectors, grids, kind=self._kind)
        distance = _unmatched(request, rows)
        for row, own in zip(rows, cast.tolist(), strict=True):
            if own > 0:
                distance[row] = 1 - own / cast.sum()
        return FrameScores(distance, lambda _: Place(), candidates=len(rows))


class Growing:
    """Ranks frames by the largest region that matches the ROI patch by patch, over a pyramid of the ROI's sizes. The
    distance is 1 minus the score. A hit has the box and the mask of its region."""

    reranks = True

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._places = _Places(state, proposer="growing")

    def __call__(self, request: RankingRequest) -> FrameScores:
        levels = _levels(request, self._state, scales=SCALES)
        rows, grids = _grids(request, self._state)
        distance = _unmatched(request, rows)
        found: dict[int, tuple[RegionMatch, PatchGrid]] = {}
        for row, grid, match in zip(rows, grids, match_region(levels, grids), strict=True):
            if match is not None:
                distance[row] = 1 - match.score
                found[row] = (match, grid)
        return FrameScores(distance, self._places(found), candidates=len(rows))


class Correlation:
    """Ranks frames by the place where the ROI fits best, over a pyramid of its sizes, and by the whole frame.

    The distance is the mean of two: 1 minus the score of that place, and the frame's own distance, which knows the
    surroundings. A hit has the box and the mask of its place.
    """

    reranks = True

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._whole = WholeFrames(state)
        self._places = _Places(state, proposer="correlation")

    def __call__(self, request: RankingRequest) -> FrameScores:
        levels = _levels(request, self._state, scales=SCALES)
        rows, grids = _grids(request, self._state)
        matches = correlate(levels, grids)
        distance = np.full(len(request.frames), np.inf, np.float32)
        here = 1 - np.array([match.score for match in matches], np.float32)
        whole = self._whole(request).distance[rows]
        distance[rows] = (here + whole) / 2
        found = dict(zip(rows, zip(matches, grids, strict=True), strict=True))
        return FrameScores(distance, self._places(found), candidates=len(rows))


class _Places:
    """The boxes and masks of matches in their frames."""

    def __init__(self, state: SearchState, *, proposer: str) -> None:
        self._state = state
        self._proposer = proposer

    def __call__(self, found: Mapping[int, tuple[RegionMatch, PatchGrid]]) -> Callable[[int], Place]:
        """found: row of a frame → its match, and its patches. Rows that are not there have the whole frame."""
        sizes = self._sizes(list(found))

        def place(row: int) -> Place:
            return self._place(*found[row], size=sizes[row]) if row in found else Place()

        return place

    def _sizes(self, rows: list[int]) -> dict[int, tuple[int, int]]:
        """Width and height in pixels of some frames, by row; one read of the table for all of them."""
        if not rows:
            return {}
        names = {self._state.columns.frame_id[row].decode(): row for row in rows}
        columns = ["id", "width_px", "height_px"]
        stored = self._state.lake.read("frames", columns=columns, where=sql.is_in("id", list(names)))
        return {names[row["id"]]: (row["width_px"], row["height_px"]) for row in stored.to_pylist()}

    def _place(self, match: RegionMatch, grid: PatchGrid, *, size: tuple[int, int]) -> Place:
        width_px, height_px = size
        x0, y0, x1, y1 = match.box.xyxy[0].tolist()
        return Place(
            box=(x0, y0, x1, y1),
            proposer=self._proposer,
            mask=cell_mask(match.mask, extent=grid.extent, width_px=width_px, height_px=height_px),
        )


def _unmatched(request: RankingRequest, rows: Sequence[int]) -> FloatArray:
    """float32 (F,): above 1 in the order of `rows`; inf for frames that are not among them."""
    distance = np.full(len(request.frames), np.inf, np.float32)
    distance[list(rows)] = 1 + np.arange(1, len(rows) + 1, dtype=np.float32) / max(1, len(rows))
    return distance


def _levels(request: RankingRequest, state: SearchState, *, scales: Sequence[float]) -> list[Level]:
    """The patches of the query's part of its picture, for each size."""
    if request.target.picture is None or state.encoder is None:
        raise QueryError(
            "the methods votes and growing match the patches of a picture; give one (`image`), best with `roi`"
        )
    require_space(state)
    target = request.target
    mask = None if target.mask is None else decode_mask(target.mask)
    if mask is not None and mask.shape != request.target.picture.shape[:2]:
        raise QueryError(f"a mask of {mask.shape} px does not fit a picture of {request.target.picture.shape[:2]} px")
    roi = Boxes(np.array([target.roi or WHOLE], np.float32))
    return roi_pyramid(state.encoder, request.target.picture, roi, mask=mask, scales=scales)


def _grids(request: RankingRequest, state: SearchState) -> tuple[list[int], Sequence[PatchGrid]]:
    """The rows and the grids of those of the nearest frames that have a grid."""
    names = {state.columns.frame_id[row].decode(): row for row in request.nearest.tolist()}
    if not names:
        return [], []
    stored = read_grids(state.lake, list(names))
    if not stored and not state.lake.count("patches"):
        raise no_patches()
    here = [name for name in names if name in stored]
    return [names[name] for name in here], [stored[name] for name in here]
