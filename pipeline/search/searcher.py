"""Search: from a query to the exact top k frames of a lake."""

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.ranking.feedback import Move
from operators.ranking.fusion import contenders, rank_frames
from pipeline.lake.lake import Lake
from pipeline.runtime.time_source import REAL_TIME
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.filters import frames_in_filter, zone_is_for
from pipeline.search.frame_scores import FrameScores, fused
from pipeline.search.hits import make_hit
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS, Choice, IndexedRegions, Nearest
from pipeline.search.index.region_index import IndexFilesError
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.resident import Resident
from pipeline.search.methods.boxed import Regions, nearest_frames
from pipeline.search.methods.method import Method, RankingRequest, SearchState
from pipeline.search.scoring import Scorer
from pipeline.search.sequences import followed
from pipeline.search.steps import Steps
from pipeline.search.target import Target, TargetMaker
from pipeline.search.where import where_of
from schemas.errors import LakeError, QueryError
from schemas.query import Explanation, Geometry, Hit, MethodName, Place, Query, SearchResult

Found = tuple[int, float, Place]  # row of a frame, its distance, and the place in it that was found


@dataclass(frozen=True, slots=True)
class _Answer:
    """found: best first. then: row of a frame → the frame that follows it, for a query with `then`."""

    found: list[Found]
    candidates: int
    exact: bool = True
    then: Mapping[int, Found] = field(default_factory=dict)
    access_path: str = ""
    recall_target: float | None = None
    explanation: Explanation | None = None


class Searcher:
    """Answers queries over one lake from memory; follows the lake as it grows.

    encoder: makes the query's vector, and determines the column of vectors that it is compared with; None if all
        queries are by boxes alone.
    regions: how a part of a picture becomes a vector; None for the way in which the lake's regions became theirs.
    proposers: only candidates of these ("frame" is the whole frame); None for all.
    threads: number of threads that score; None for one a core.
    max_age_s: how old the columns in memory may be before the lake is checked for changes: a check costs four
        listings, which take 2 ms on a disk, and much more in a bucket. 0 finds what was committed the instant before.
    resident: how vectors of regions are held in memory: as they are stored, or rounded to bytes.
    move: how the vector of a query is moved by `like` and `unlike`; None for that of `operators.ranking.feedback`.
    exact_within_ms: where the columns are on disk and have a tuned index, queries whose exact answer is expected to
        take longer are answered from it, and the result says so; infinite for exact answers alone.

    The ranking is exact: semantic distances are float64 products of the query with the stored float16
    vectors, rounded to float32; ties are broken by id. With `resident="int8"` the nearest are found by rounded vectors
    within the error of rounding, and ranked by their stored vectors, which are read from the lake; only where a
    normalisation or the fusion of methods needs the distances of all, and these are many, they are those of rounded
    vectors, and the result says that it is not exact.
    Raises ModelError when the encoder's vectors cannot be compared with any of the lake's.
    """

    def __init__(
        self,
        lake: Lake,
        encoder: Encoder | None = None,
        *,
        regions: RegionVectorsConfig | None = None,
        proposers: frozenset[str] | None = None,
        threads: int | None = None,
        max_age_s: float = 0.0,
        resident: Resident | None = None,
        move: Move | None = None,
        exact_within_ms: float = EXACT_WITHIN_MS,
    ) -> None:
        column = "vector" if encoder is None else lake.column_of(encoder.space)
        self._columns = LakeCache(lake, column=column, resident=resident)
        self._scorer = Scorer(threads=threads)
        self._targets = TargetMaker(encoder, lake=lake, regions=regions, move=move)
        self._state = SearchState(lake, self._columns, self._scorer, encoder, proposers)
        self._methods: dict[MethodName, Method] = {}
        self._indexed = IndexedRegions(self._columns, self._scorer, exact_within_ms=exact_within_ms)
        self._lock = threading.Lock()
        self._max_age_s = max_age_s
        self._looked_at = -math.inf
        self._listing: FrameListing | None = None

    def refresh(self) -> bool:
        """Loads what is new in the lake; returns whether there was anything. `search` does it too."""
        with self._lock:
            return self._refresh()

    def search(self, query: Query) -> SearchResult:
        """Finds the top k frames for a query, each with its best place; no hits where there are no candidates.

        Raises QueryError when the query needs an encoder and there is none, or a method whose data the lake
        lacks; DecodeError when its picture cannot be read.
        """
        start = time.perf_counter()
        steps = Steps()
        target = self._targets(query)
        then = None if query.then is None else self._targets.of_what_follows(query)
        steps.end("encode")
        with self._lock:
            if REAL_TIME.monotonic_s() - self._looked_at >= self._max_age_s:
                self._refresh()
            steps.end("follow the lake")
            request = self._request(query, target)
            steps.end("filter frames")
            if then is not None:
                answer = self._sequence(request, then)
            elif [method.name for method in query.weighted_methods] == ["regions"]:
                answer = self._by_regions(request, steps)
            else:
                answer = self._of(self._scores(request), query.k)
            steps.end("rank")
            hits = self._hits(answer)
            steps.end("show")
            others = self._without_zone(request)
        took_ms = (time.perf_counter() - start) * 1000
        region = None if query.prompts is None else target.roi
        found = SearchResult(query, took_ms, answer.exact, answer.candidates, hits, region)
        found = replace(
            found,
            access_path=answer.access_path or self._columns.resident,
            recall_target=answer.recall_target,
            explanation=self._explained(answer, steps),
        )
        return replace(found, by_meaning_alone=others) if query.by_meaning else replace(found, omitted=others)

    def listing(self) -> FrameListing:
        """The keyframes that a search can find; the same object until the lake changes."""
        with self._lock:
            if REAL_TIME.monotonic_s() - self._looked_at >= self._max_age_s:
                self._refresh()
            if self._listing is None or self._listing.generation != self._columns.generation:
                self._listing = FrameListing.of(self._columns)
            return self._listing

    @property
    def without_vector(self) -> int:
        """Number of keyframes that the last search could not find, because they have no vector of this model yet."""
        return self._columns.without_vector

    def close(self) -> None:
        """Ends the threads that score; the encoder is left to its owner."""
        self._scorer.close()

    def _refresh(self) -> bool:
        changed = self._columns.refresh()
        if changed:
            self._targets.forget()
        self._looked_at = REAL_TIME.monotonic_s()
        return changed

    def probe_index(self, query: Query, *, share: float) -> SearchResult:
        """Answers from the index by reading this share of it, whatever an exact answer would cost; for tuning.

        Raises LakeError where there is no index, IndexFilesError where it is damaged.
        """
        start = time.perf_counter()
        target = self._targets(query)
        with self._lock:
            self._refresh()
            request = self._request(query, target)
            choice = self._indexed.choose(request, proposers=self._state.proposers)
            if self._indexed.look() is None:
                raise LakeError(f"{self._state.lake.uri} has no index: {choice.why}")
            answer = self._ranked_of(self._indexed.nearest(request, share=share), choice, request)
            hits = self._hits(answer)
        took_ms = (time.perf_counter() - start) * 1000
        return SearchResult(query, took_ms, False, answer.candidates, hits, access_path="index")

    def _request(self, query: Query, target: Target) -> RankingRequest:
        columns = self._columns
        known = list(zip(columns.uris, columns.source_ids, strict=True))
        for zone in query.areas:
            # an answer without any zone would look like one with it
            if known and not any(zone_is_for(zone, uri, id) for uri, id in known):
                raise QueryError(
                    f"no source of the lake matches {zone.source or zone.source_ids[0]!r}, for which a zone was drawn: "
                    "write it as in `source`"
                )
        where = where_of(query, uris=columns.uris, ids=columns.source_ids, source=columns.source)
        return RankingRequest(query, target, frames_in_filter(columns, query), np.zeros(0, np.intp), where)

    def _without_zone(self, request: RankingRequest) -> tuple[str, ...]:
        """The URIs of the searched sources for which the query has no zone, though it has one for others."""
        if request.where is None:
            return ()
        others = np.unique(self._columns.source[request.frames & (request.where.area < 0)])
        return tuple(self._columns.uris[number] for number in others.tolist())

    def _by_regions(self, request: RankingRequest, steps: Steps) -> "_Answer":
        """Ranks by the method `regions` alone: exact without an exact distance for every candidate, or by the index."""
        choice = self._indexed.choose(request, proposers=self._state.proposers)
        why = choice.why
        if choice.share is not None:
            try:
                nearest = self._indexed.nearest(request, share=choice.share)
            except IndexFilesError as error:
                why = str(error)
            else:
                steps.end("read the index")
                return self._ranked_of(nearest, choice, request)
        candidates = Regions(self._state).candidates(request)
        exact = candidates.is_exact(request.target.vector, request.where, ranking=request.query.ranking)
        steps.end("filter regions")
        columns, seen = self._columns, len(candidates)
        read = 16 * len(columns.frame) * (request.where is not None)
        read += (
            seen * columns.dimension * (1 if columns.resident == "int8" else 2) * (request.target.vector is not None)
        )
        explanation = Explanation(why, choice.passing, seen, columns.fragments, read, {})
        return _Answer(self._ranked(candidates, request), seen, exact=exact, explanation=explanation)

    def _ranked_of(self, nearest: Nearest, choice: Choice, request: RankingRequest) -> "_Answer":
        """The exact ranking of what the index found, of regions that it does not have yet, and of whole frames."""
        columns = self._columns
        sets, frames = [nearest.regions], np.zeros(0, np.intp)
        if request.where is None:
            sets.append(BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible))
            frames = np.flatnonzero(request.frames)
        candidates = Candidates(sets, [np.arange(len(nearest.regions)), *([frames] if len(sets) > 1 else [])])
        compared = nearest.compared + len(frames)
        read = nearest.bytes + 2 * columns.dimension * len(frames)
        why = f"{choice.why}, and {nearest.fresh:,} that it does not have yet" if nearest.fresh else choice.why
        return _Answer(
            self._ranked(candidates, request),
            compared,
            exact=False,
            access_path="index",
            recall_target=choice.recall_target,
            explanation=Explanation(why, choice.passing, compared, nearest.blocks, read, {}),
        )

    def _ranked(self, candidates: Candidates, request: RankingRequest) -> list[Found]:
        query = request.query
        return candidates.rank(
            request.target.vector,
            request.where,
            ranking=query.ranking,
            k=query.k,
            ids=self._columns.frame_id,
            scorer=self._scorer,
            confidence=request.target.confidence,
            least=query.min_confidence,
        )

    def _explained(self, answer: "_Answer", steps: Steps) -> Explanation:
        if answer.explanation is not None:
            return replace(answer.explanation, steps_ms=steps.ms)
        why = "this method compares all that pass the filters" if answer.exact else "this method compares some frames"
        return Explanation(why, answer.candidates, answer.candidates, self._columns.fragments, 0, steps.ms)

    def _scores(self, request: RankingRequest) -> FrameScores:
        """The fused scores of all methods; those that re-rank get the nearest frames of the others."""
        made = [(each.weight, self._method(each.name)) for each in request.query.weighted_methods]
        scores = [(weight, method(request)) for weight, method in made if not method.reranks]
        if any(method.reranks for _, method in made):
            first = fused(scores, fusion=request.query.fuse) if scores else self._method("global")(request)
            near = replace(request, nearest=nearest_frames(first, count=request.query.candidates))
            all_seen = len(near.nearest) >= int(request.frames.sum())
            scores += [(weight, replace(method(near), exact=all_seen)) for weight, method in made if method.reranks]
        return fused(scores, fusion=request.query.fuse)

    def _sequence(self, request: RankingRequest, then: Target) -> "_Answer":
        """Ranks pairs of frames: one that matches the query, then one that matches `then`; the hit is the first."""
        query = request.query
        first = self._scores(request)
        geometry: Geometry = "iou" if query.zones else query.geometry  # zones have their own
        of_then = replace(query, text=query.then, box=query.then_box, zones=(), geometry=geometry)
        second = self._scores(self._request(of_then, then))
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

    def _of(self, scores: FrameScores, k: int) -> "_Answer":
        rows = np.flatnonzero(np.isfinite(scores.distance))
        kept = rows[contenders(scores.distance[rows], rows, k=k)]
        ids = self._columns.frame_id[kept]
        best = kept[rank_frames(scores.distance[kept], frame_id=ids, candidate_id=ids, k=k)]
        found = [(row, float(scores.distance[row]), scores.place(row)) for row in best.tolist()]
        return _Answer(found, scores.candidates, exact=scores.exact)

    def _method(self, name: MethodName) -> Method:
        if name not in self._methods:
            from pipeline.search.methods.catalogue import METHODS  # a second of imports, for few queries

            self._methods[name] = METHODS[name](self._state)
        return self._methods[name]

    def _hits(self, answer: _Answer) -> tuple[Hit, ...]:
        shown = [row for row, _, _ in (*answer.found, *answer.then.values())]
        shots = dict(zip(shown, self._columns.shots_s(np.array(shown, np.intp)), strict=True))

        def hit(rank: int, found: Found, then: Hit | None = None) -> Hit:
            row, distance, place = found
            return make_hit(self._columns, row, place, distance=distance, rank=rank, shot_s=shots[row], then=then)

        return tuple(
            hit(rank, found, hit(rank, answer.then[found[0]]) if found[0] in answer.then else None)
            for rank, found in enumerate(answer.found, start=1)
        )
