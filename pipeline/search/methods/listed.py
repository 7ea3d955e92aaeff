"""Methods that rank frames by the nearest of a frame's representatives or patches (Cluster-CLIP, methods.md §4.3)."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.frame_scores import FrameScores
from pipeline.search.memory.listed_vectors import ListColumn, ListedVectors
from pipeline.search.methods.boxed import require_meaning, scores_of
from pipeline.search.methods.method import RankingRequest, SearchState
from pipeline.search.methods.stored_grids import no_patches, require_space
from schemas.boxes import FloatArray
from schemas.errors import QueryError
from schemas.patches import cell_boxes


def _representative_boxes(rows: pa.Table) -> FloatArray:
    flat = rows["part_boxes"].combine_chunks().flatten().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(-1, 4)


def _patch_boxes(rows: pa.Table) -> FloatArray:
    places = rows.select(["rows", "cols", "extent"]).to_pylist()
    boxes = [cell_boxes(rows=p["rows"], cols=p["cols"], extent=tuple(p["extent"])).xyxy for p in places]
    return np.concatenate([np.zeros((0, 4), np.float32), *boxes])


REPRESENTATIVES = ListColumn("representative", "frames", "id", "parts", ("part_boxes",), _representative_boxes)
PATCHES = ListColumn("patch", "patches", "frame", "vectors", ("rows", "cols", "extent"), _patch_boxes)


class FrameRepresentatives:
    """Ranks the representatives of frames, a few vectors each, by meaning and geometry.

    with_frames: whether each frame's own vector is ranked with them.
    """

    reranks = False

    def __init__(self, state: SearchState, *, with_frames: bool = False) -> None:
        self._state = state
        self._with_frames = with_frames
        self._stored = ListedVectors(state.lake, state.columns, REPRESENTATIVES)

    def __call__(self, request: RankingRequest) -> FrameScores:
        require_meaning(request, "representatives")
        require_space(self._state)
        found = self._stored()
        if not len(found):
            raise QueryError(
                "this lake holds no representatives; make one that does: regionlake ingest … --set "
                "representatives.method=kmeans"
            )
        sets = [found]
        if self._with_frames:
            columns = self._state.columns
            frames = BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible)
            sets.append(replace(frames, whole=False))  # the query names them, so they are compared with its box too
        candidates = Candidates.of(sets, frames=request.frames, where=request.where)
        return scores_of(candidates, request, self._state, where=request.where)


class Patches:
    """Ranks every patch of every frame by meaning and geometry: the baseline of representatives."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._stored = ListedVectors(state.lake, state.columns, PATCHES)

    def __call__(self, request: RankingRequest) -> FrameScores:
        require_meaning(request, "patches")
        require_space(self._state)
        found = self._stored()
        if not len(found):
            raise no_patches()
        candidates = Candidates.of([found], frames=request.frames, where=request.where)
        return scores_of(candidates, request, self._state, where=request.where)
