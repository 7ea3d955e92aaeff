"""Search: from a query to the exact top k frames of a lake."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np

from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.ranking.feedback import Move
from operators.ranking.fusion import Spreads, contenders, rank_frames
from pipeline.labels.known_labels import KnownLabels
from pipeline.lake.lake import Lake
from pipeline.lake.stored_once import require_each_sighting
from pipeline.runtime.time_source import REAL_TIME
from pipeline.search.asked import Asked
from pipeline.search.batches import Batches
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.filters import frames_in_filter, standing_regions, zone_is_for
from pipeline.search.frame_scores import FrameScores, fused
from pipeline.search.hits import make_hit
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS, MOST_HITS, Choice, IndexedRegions
from pipeline.search.index.region_index import IndexFilesError
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.part import Part
from pipeline.search.memory.resident import Resident
from pipeline.search.methods.boxed import Regions, nearest_frames
from pipeline.search.methods.method import Method, RankingRequest, SearchState
from pipeline.search.score_together import score_together
from pipeline.search.scoring import Scorer
from pipeline.search.sequences import followed
from pipeline.search.steps import Steps
from pipeline.search.target import Target, TargetMaker
from pipeline.search.where import where_of
from schemas.boxes import FloatArray
from schemas.errors import LakeError, QueryError
from schemas.query import Explanation, Geometry, Hit, MethodName, Place, Query, SearchResult

T = TypeVar("T")
MOST_TOGETHER = 16  # queries
BYTES_TOGETHER = 2**29  # of the rows and distances of their candidates: those of 16 queries to two million regions
_CANDIDATE_BYTES = 16
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


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A query that is being answered.

    candidates: None for other methods than `regions` alone. answer: what is known before they are ranked.
    shares: whether the candidates are of the columns themselves, which all queries share.
    choice: how the index answers it. Its candidates are read when its turn comes: they have vectors of their own.
    """

    asked: Asked
    request: RankingRequest
    candidates: Candidates | None = None
    answer: _Answer | None = None
    shares: bool = False
    choice: Choice | None = None


class Searcher:
    """Answers queries over one lake from memory; follows the lake as it grows. Any thread may call it: queries that
    wait while one is answered are answered together, in one pass over the vectors.

    encoder: makes the query's vector, and determines the column of vectors that it is compared with; None if all
        queries are by boxes alone.
    regions: how a part of a picture becomes a vector; None for the way in which the lake's regions became theirs.
    proposers: only candidates of these ("frame" is the whole frame); None for all.
    threads: number of threads that score; None for one a core.
    max_age_s: how old the columns in memory may be before the lake is checked for changes: a check costs five
        listings, which take 2 ms on a disk, and much more in a bucket. 0 finds what was committed the instant before.
    resident: how vectors of regions are held in memory: as they are stored, or rounded to bytes.
    move: how the vector of a query is moved by `like` and `unlike`; None for that of `operators.ranking.feedback`.
    column: the column of vectors, for a searcher without an encoder whose queries have their vectors already.
    part: the part of the lake that is searched; None for all of it.
    most_together: number of waiting queries that are answered in one pass over the vectors.
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
        column: str | None = None,
        part: Part | None = None,
        most_together: int = MOST_TOGETHER,
    ) -> None:
        column = column or column_of(lake, encoder)
        self._columns = LakeCache(lake, column=column, resident=resident, part=part)
        self._scorer = Scorer(threads=threads)
        self._targets = TargetMaker(encoder, lake=lake, regions=regions, move=move)
        self._state = SearchState(lake, self._columns, self._scorer, encoder, proposers)
        self._labels = KnownLabels(lake)
        self._methods: dict[MethodName, Method] = {}
        self._indexed = IndexedRegions(self._columns, self._scorer, exact_within_ms=exact_within_ms)
        self._lock = threading.Lock()
        self._batches: Batches[Asked, SearchResult] = Batches(self.answer, most=most_together)
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
        asked = self.asked(query)
        return self._batches(asked)

    def asked(self, query: Query) -> Asked:
        """The query with its vectors. Raises as `search` does."""
        steps = Steps()
        target = self._targets(query)
        then = None if query.then is None else self._targets.of_what_follows(query)
        steps.end("encode")
        return Asked(query, target, then, steps=steps)

    def answer(self, asked: Sequence[Asked], *, follow: bool = True) -> list[SearchResult | Exception]:
        """Answers queries that have their vectors: for each the result, or the error that `search` raises.

        follow: whether the lake is looked at first, where that is due.
        """
        with self._lock:
            self._follow(follow)
            return [answer for group in self._that_fit(asked) for answer in self._answered(group)]

    def spreads(self, asked: Sequence[Asked], *, follow: bool = True) -> list[Spreads | Exception | None]:
        """How the candidates of queries that have their vectors are spread, where their rankings normalise."""

        def of(job: _Job) -> Spreads | None:
            target, where, ranking = job.request.target, job.request.where, job.request.query.ranking
            candidates = self._read(job).candidates
            if candidates is None:
                return None
            return candidates.spreads(target.vector, where, ranking=ranking, scorer=self._scorer)

        with self._lock:
            self._follow(follow)
            jobs = (job for group in self._that_fit(asked) for job in self._jobs(group))
            return [job if isinstance(job, Exception) else _caught(partial(of, job)) for job in jobs]

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

    @property
    def generation(self) -> int:
        """Changes with every change of the lake that was seen."""
        return self._columns.generation

    def close(self) -> None:
        """Ends the threads that score; the encoder is left to its owner."""
        self._scorer.close()

    def _refresh(self) -> bool:
        self._looked_at = -math.inf  # after an error half-way, the columns do not fit together: look again
        changed = self._columns.refresh()
        if changed:
            self._targets.forget()
            self._scorer.known.forget()
        self._labels.refresh()
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
            job = self._by_index(replace(choice, by="share", share=share), Asked(query, target), request)
            assert job.answer is not None
            answer = replace(job.answer, found=self._nearest(job))
            hits = self._hits(answer)
        took_ms = (time.perf_counter() - start) * 1000
        return SearchResult(query, took_ms, False, answer.candidates, hits, access_path="index")

    def is_answered_near(self, query: Query) -> bool:
        """Whether the index answers a query with a place by comparing all regions there, once it is tuned."""
        target = self._targets(query)
        with self._lock:
            self._refresh()
            where = self._request(query, target).where
            return where is not None and self._indexed.is_near(where)

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
        frames = frames_in_filter(columns, query)
        standing = standing_regions(columns, query, frames=frames)
        return RankingRequest(query, target, frames, np.zeros(0, np.intp), where, standing)

    def _without_zone(self, request: RankingRequest) -> tuple[str, ...]:
        """The URIs of the searched sources for which the query has no zone, though it has one for others."""
        if request.where is None:
            return ()
        others = np.unique(self._columns.source[request.frames & (request.where.area < 0)])
        return tuple(sorted({self._columns.uris[number] for number in others.tolist()}))

    def _follow(self, follow: bool) -> None:
        if follow and REAL_TIME.monotonic_s() - self._looked_at >= self._max_age_s:
            self._refresh()

    def _that_fit(self, asked: Sequence[Asked]) -> Iterator[Sequence[Asked]]:
        """The queries in groups, whose candidates are in memory together."""
        most = max(1, BYTES_TOGETHER // (_CANDIDATE_BYTES * max(1, len(self._columns.frame))))
        return (asked[at : at + most] for at in range(0, len(asked), most))

    def _answered(self, asked: Sequence[Asked]) -> list[SearchResult | Exception]:
        jobs = self._jobs(asked)
        return [
            job if isinstance(job, Exception) else _caught(partial(self._finished, job, distances))
            for job, distances in zip(jobs, self._near(jobs), strict=True)
        ]

    def _jobs(self, asked: Sequence[Asked]) -> list["_Job | Exception"]:
        """Finds the candidates of each query, without their distances."""
        sets: list[BoxedVectors] = []

        def job(each: Asked) -> _Job:
            each.steps.end("follow the lake")
            request = self._request(each.query, each.target)
            each.steps.end("filter frames")
            if each.then is not None or [method.name for method in each.query.weighted_methods] != ["regions"]:
                return _Job(each, request)
            return self._by_regions(each, request, sets)

        return [_caught(partial(job, each)) for each in asked]

    def _near(self, jobs: Sequence["_Job | Exception"]) -> list[FloatArray | None]:
        """The semantic distances of the candidates of those jobs for which one pass over the vectors finds them."""
        near: list[FloatArray | None] = [None] * len(jobs)
        together = [
            (number, job.candidates, vector)
            for number, job in enumerate(jobs)
            if not isinstance(job, Exception) and job.candidates is not None and job.shares
            if (vector := job.request.target.vector) is not None
            if job.candidates.only_best(vector, job.request.where, ranking=job.request.query.ranking)
        ]
        found = score_together([(candidates, vector) for _, candidates, vector in together], scorer=self._scorer)
        for (number, _, _), distances in zip(together, found, strict=True):
            near[number] = distances
        return near

    def _finished(self, job: _Job, near: FloatArray | None) -> SearchResult:
        job = self._read(job)
        asked, request = job.asked, job.request
        query, target, steps = asked.query, asked.target, asked.steps
        if job.candidates is not None:
            answer = self._ranked(job, near)
        elif asked.then is not None:
            answer = self._sequence(request, asked.then)
        else:
            answer = self._of(self._scores(request), query.k)
        steps.end("rank")
        hits = self._hits(answer)
        steps.end("show")
        others = self._without_zone(request)
        return SearchResult(
            query,
            steps.total_ms,
            answer.exact,
            answer.candidates,
            hits,
            None if query.prompts is None else target.roi,
            by_meaning_alone=others if query.by_meaning else (),
            omitted=() if query.by_meaning else others,
            access_path=answer.access_path or self._columns.resident,
            recall_target=answer.recall_target,
            explanation=self._explained(answer, steps),
        )

    def _by_regions(self, asked: Asked, request: RankingRequest, sets: list[BoxedVectors]) -> _Job:
        """Ranks by the method `regions` alone: exact without an exact distance for every candidate, or by the index.

        sets: of all regions and frames, once a query needs them.
        """
        choice = self._indexed.choose(request, proposers=self._state.proposers)
        if choice.by == "all":
            return self._by_scan(choice, asked, request, sets)
        return _Job(asked, request, choice=choice)

    def _read(self, job: _Job) -> _Job:
        """The job with the candidates that the index finds, if it is to be answered from there."""
        if job.choice is None:
            return job
        try:
            return self._by_index(job.choice, job.asked, job.request)
        except IndexFilesError as error:
            return self._by_scan(replace(job.choice, why=str(error)), job.asked, job.request, [])

    def _by_scan(self, choice: Choice, asked: Asked, request: RankingRequest, sets: list[BoxedVectors]) -> _Job:
        sets[:] = sets or Regions(self._state).sets()
        candidates = Regions(self._state).candidates(request, sets)
        exact = candidates.is_exact(request.target.vector, request.where, ranking=request.query.ranking)
        asked.steps.end("filter regions")
        columns, seen = self._columns, len(candidates)
        read = 16 * len(columns.frame) * (request.where is not None)
        read += (
            seen * columns.dimension * (1 if columns.resident == "int8" else 2) * (request.target.vector is not None)
        )
        explanation = Explanation(choice.why, choice.passing, seen, columns.fragments, read, {})
        answer = _Answer([], seen, exact=exact, explanation=explanation)
        return _Job(asked, request, candidates, answer, shares=True)

    def _by_index(self, choice: Choice, asked: Asked, request: RankingRequest) -> _Job:
        """The exact ranking of what the index finds, of regions that it does not have yet, and of whole frames.

        Raises IndexFilesError where the index is damaged.
        """
        columns, exact = self._columns, choice.by == "near"
        nearest = self._indexed.near(request) if exact else self._indexed.nearest(request, share=choice.share)
        asked.steps.end("read the index")
        sets = [nearest.regions]
        if request.where is None:
            sets.append(BoxedVectors.of_frames(columns.frame_vectors, alive=columns.visible))
        candidates = Candidates.of(sets, frames=request.frames, where=request.where)
        frames = 0 if request.where is not None else len(candidates) - len(nearest.regions)
        compared = len(candidates) + nearest.too_far if exact else nearest.compared + frames
        read = nearest.bytes + 2 * columns.dimension * frames
        why = f"{choice.why}, and {nearest.fresh:,} that it does not have yet" if nearest.fresh else choice.why
        answer = _Answer(
            [],
            compared,
            exact=exact,
            access_path="index",
            recall_target=None if exact else choice.recall_target,
            explanation=Explanation(why, choice.passing, compared, nearest.blocks, read, {}),
        )
        return _Job(asked, request, candidates, answer)

    def _ranked(self, job: _Job, near: FloatArray | None = None) -> _Answer:
        assert job.answer is not None
        found = self._nearest(job, near)
        if job.answer.access_path == "index" and not job.answer.exact and self._lies_deeper(job, found):
            explained = job.answer.explanation
            assert explained is not None
            choice = Choice("all", "hits lie deeper than the recall of the index was measured", explained.passing)
            return self._ranked(self._by_scan(choice, job.asked, job.request, []))
        return replace(job.answer, found=found)

    def _lies_deeper(self, job: _Job, found: list[Found]) -> bool:
        """Whether there are fewer hits than wanted, or, with a least confidence, some that are farther than the nearest
        `MOST_HITS` frames."""
        query = job.request.query
        if len(found) < query.k or query.min_confidence is None:
            return len(found) < query.k
        anything = replace(query, k=MOST_HITS, min_confidence=None)
        return found[-1][1] > self._nearest(replace(job, request=replace(job.request, query=anything)))[-1][1]

    def _nearest(self, job: _Job, near: FloatArray | None = None) -> list[Found]:
        request, query = job.request, job.request.query
        assert job.candidates is not None
        return job.candidates.rank(
            request.target.vector,
            request.where,
            ranking=query.ranking,
            k=query.k,
            ids=self._columns.frame_id,
            scorer=self._scorer,
            confidence=request.target.confidence,
            least=query.min_confidence,
            spreads=job.asked.spreads,
            near=near,
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
            compared = request.frames.copy()
            compared[self._columns.frame[request.standing]] = True
            all_seen = len(near.nearest) >= int(compared.sum())
            scores += [(weight, replace(method(near), exact=all_seen)) for weight, method in made if method.reranks]
        return fused(scores, fusion=request.query.fuse)

    def _sequence(self, request: RankingRequest, then: Target) -> "_Answer":
        """Ranks pairs of frames: one that matches the query, then one that matches `then`; the hit is the first."""
        query = request.query
        if self._columns.stores_once:  # what stands may be followed later than `within_s` after its keyframe
            require_each_sighting(self._state.lake, "a query of what follows")
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
            place = self._labels.shown(place)
            return make_hit(self._columns, row, place, distance=distance, rank=rank, shot_s=shots[row], then=then)

        return tuple(
            hit(rank, found, hit(rank, answer.then[found[0]]) if found[0] in answer.then else None)
            for rank, found in enumerate(answer.found, start=1)
        )


def column_of(lake: Lake, encoder: Encoder | None) -> str:
    """The column of vectors that an encoder's are compared with; the lake's own without one."""
    return "vector" if encoder is None else lake.column_of(encoder.space)


def _caught(work: Callable[[], T]) -> T | Exception:
    """An error of one query of several is returned, and the others are answered."""
    try:
        return work()
    except Exception as error:
        return error
