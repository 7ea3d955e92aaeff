"""Ranks frames by their fused vectors, into which each frame's windows are fused (DetailCLIP, methods.md §3)."""

import numpy as np
import pyarrow as pa

from pipeline.lake.lake import lake_errors
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.frame_scores import FrameScores
from pipeline.search.memory.buffers import Columns, MemoryBuffers
from pipeline.search.memory.columns import ColumnStore
from pipeline.search.memory.decoding import ids_of, positions, vectors_of
from pipeline.search.methods.boxed import require_meaning, scores_of
from pipeline.search.methods.method import RankingRequest, SearchState
from schemas.errors import QueryError
from schemas.query import Place


class Detail:
    """Ranks whole frames by their fused vectors, which are loaded on first use."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._generation = -1
        self._frame = np.zeros(0, np.int64)  # row of each vector's frame in the columns, −1 where it was removed
        self._store = ColumnStore(
            buffers=MemoryBuffers(
                {
                    "id": ("S32", ()),
                    "vector": (np.float16, (state.lake.space.dimension,)),
                    "embedded": (np.bool_, ()),
                }
            ),
            decode=_decode,
            read=["id", "detail"],
        )

    def __call__(self, request: RankingRequest) -> FrameScores:
        require_meaning(request, "detail")
        encoder, lake = self._state.encoder, self._state.lake
        if encoder is not None and not lake.space.comparable(encoder.space):
            raise QueryError(f"the fused vectors of {lake.uri} are of {lake.space.model}: search with that model")
        found = self._vectors()
        if not found.alive.any():
            raise QueryError(
                "this lake holds no fused vectors; make one that does: regionlake lab train detail, then "
                "regionlake ingest … --set detail.model=FILE"
            )
        candidates = Candidates.of([found], frames=request.frames, where=None)
        return scores_of(candidates, request, self._state, where=None)

    def _vectors(self) -> BoxedVectors:
        store, columns = self._store, self._state.columns
        if self._generation != columns.generation:
            with lake_errors(
                f"loading the fused vectors of {self._state.lake.uri} into memory", lake=self._state.lake.uri
            ):
                store.refresh(self._state.lake.dataset("frames"))
            self._frame = positions(store["id"], columns.frame_id, columns.visible)
            self._generation = columns.generation
        sides = np.array([0, 0, 1, 1], np.float32)
        return BoxedVectors(
            vectors=store["vector"],
            frame=self._frame,
            boxes=tuple(np.broadcast_to(side, len(store)) for side in sides),
            alive=store.alive & store["embedded"] & (self._frame >= 0),
            ids=lambda rows: np.full(len(rows), b"~", "S32"),
            place=lambda _: Place(),
        )


def _decode(rows: pa.Table) -> Columns:
    return {"id": ids_of(rows["id"]), **vectors_of(rows["detail"])}
