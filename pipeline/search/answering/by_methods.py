"""Answers queries by several methods, by others than `regions`, or by what follows."""

from dataclasses import replace

import numpy as np

from operators.ranking.fusion import contenders, rank_frames
from pipeline.lake.stored_once import require_each_sighting
from pipeline.search.answering.answer import Answer
from pipeline.search.answering.request import request_of
from pipeline.search.frame_scores import FrameScores, fused
from pipeline.search.methods.boxed import nearest_frames
from pipeline.search.methods.method import Method, RankingRequest, SearchState
from pipeline.search.sequences import followed
from pipeline.search.target import Target
from schemas.query import Geometry, MethodName


class ByMethods:
    """Scores all frames by each method of a query, fuses the scores, and ranks the frames.

    Methods are made when they are first needed. The searcher calls it under its lock.
    """

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._columns = state.columns
        self._methods: dict[MethodName, Method] = {}

    def ranked(self, request: RankingRequest) -> Answer:
        """The best frames by the fused scores. Raises QueryError where the lake lacks what a method needs."""
        return self._of(self._scores(request), request.query.k)

    def sequence(self, request: RankingRequest, then: Target) -> Answer:
        """Ranks pairs of frames: one that matches the query, then one that matches `then`; the hit is the first.

        Raises QueryError as `ranked` does, and where what stands is stored once.
        """
        query = request.query
        if self._columns.stores_once:  # what stands may be followed later than `within_s` after its keyframe
            require_each_sighting(self._state.lake, "a query of what follows")
        first = self._scores(request)
        geometry: Geometry = "iou" if query.zones else query.geometry  # zones have their own
        of_then = replace(query, text=query.then, box=query.then_box, zones=(), geometry=geometry)
        second = self._scores(request_of(self._columns, of_then, then))
        columns = self._columns
        distance, follower = followed(
            first.distance, second.distance, source=columns.source, pts_s=columns.pts_s, within_s=query.within_s
        )
        both = replace(first, distance=distance, exact=first.exact and second.exact)
        answer = self._of(both, request.query.k)
        follows = {row: int(follower[row]) for row, _, _ in answer.found}
        return replace(
            answer, then={row: (b, float(second.distance[b]), second.place(b)) for row, b in follows.items()}
        )

    def _scores(self, request: RankingRequest) -> FrameScores:
        """The fused scores of all methods; those that re-rank get the nearest frames of the others."""
        made = [(each.weight, self._method(each.name)) for each in request.query.weighted_methods]
        scores = [(weight, method(request)) for weight, method in made if not method.reranks]
        if any(method.reranks for _, method in made):
            first = fused(scores, fusion=request.query.fuse) if scores else self._method("global")(request)
            near = replace(request, nearest=nearest_frames(first, count=request.query.candidates))
            compared = request.frames.copy()
            compared[self._columns.frame[request.standing]] = True
            all_seen = len(near.nearest) >= int(compared.sum())
            scores += [(weight, replace(method(near), exact=all_seen)) for weight, method in made if method.reranks]
        return fused(scores, fusion=request.query.fuse)

    def _of(self, scores: FrameScores, k: int) -> Answer:
        rows = np.flatnonzero(np.isfinite(scores.distance))
        kept = rows[contenders(scores.distance[rows], rows, k=k)]
        ids = self._columns.frame_id[kept]
        best = kept[rank_frames(scores.distance[kept], frame_id=ids, candidate_id=ids, k=k)]
        found = [(row, float(scores.distance[row]), scores.place(row)) for row in best.tolist()]
        return Answer(found, scores.candidates, exact=scores.exact)

    def _method(self, name: MethodName) -> Method:
        if name not in self._methods:
            from pipeline.search.methods.catalogue import METHODS  # a second of imports, for few queries

            self._methods[name] = METHODS[name](self._state)
        return self._methods[name]
