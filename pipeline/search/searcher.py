"""Search: from a query to the exact top k frames of a lake."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.ranking.feedback import Move
from operators.ranking.fusion import Spreads
from pipeline.labels.known_labels import KnownLabels
from pipeline.lake.lake import Lake
from pipeline.runtime.time_source import REAL_TIME
from pipeline.search.answering.answer import Answer, Found, Job
from pipeline.search.answering.asked import Asked
from pipeline.search.answering.batches import Batches
from pipeline.search.answering.by_methods import ByMethods
from pipeline.search.answering.by_regions import ByRegions
from pipeline.search.answering.request import request_of, without_zone
from pipeline.search.answering.steps import Steps
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.hits import make_hit
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS, IndexedRegions
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.part import Part
from pipeline.search.memory.resident import Resident
from pipeline.search.methods.method import SearchState
from pipeline.search.scoring import Scorer
from pipeline.search.target import TargetMaker
from schemas.boxes import FloatArray
from schemas.errors import LakeError
from schemas.query import Explanation, Hit, Query, SearchResult

T = TypeVar("T")
MOST_TOGETHER = 16  # queries
BYTES_TOGETHER = 2**29  # of the rows and distances of their candidates: those of 16 queries to two million regions
_CANDIDATE_BYTES = 16


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
        self._indexed = IndexedRegions(self._columns, self._scorer, exact_within_ms=exact_within_ms)
        self._by_regions = ByRegions(self._state, self._indexed)
        self._by_methods = ByMethods(self._state)
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
        return self._batches(self.asked(query))

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
        """How the candidates of queries that have their vectors are spread; None where their rankings do not normalise.

        An error is that of its query alone. follow: see `answer`.
        """

        def of(job: Job) -> Spreads | None:
            target, where, ranking = job.request.target, job.request.where, job.request.query.ranking
            candidates = self._by_regions.read(job).candidates
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
            self._follow(True)
            if self._listing is None or self._listing.generation != self._columns.generation:
                self._listing = FrameListing.of(self._columns)
            return self._listing

    def probe_index(self, query: Query, *, share: float) -> SearchResult:
        """Answers from the index by reading this share of it, whatever an exact answer would cost; for tuning.

        Raises LakeError where there is no index, IndexFilesError where it is damaged.
        """
        start = time.perf_counter()
        target = self._targets(query)
        with self._lock:
            self._refresh()
            request = request_of(self._columns, query, target)
            choice = self._indexed.choose(request, proposers=self._state.proposers)
            if self._indexed.look() is None:
                raise LakeError(f"{self._state.lake.uri} has no index: {choice.why}")
            job = self._by_regions.by_index(replace(choice, by="share", share=share), Asked(query, target), request)
            assert job.answer is not None
            answer = replace(job.answer, found=self._by_regions.nearest(job))
            hits = self._hits(answer)
        took_ms = (time.perf_counter() - start) * 1000
        return SearchResult(query, took_ms, False, answer.candidates, hits, access_path="index")

    def is_answered_near(self, query: Query) -> bool:
        """Whether the index answers a query with a place by comparing all regions there, once it is tuned."""
        target = self._targets(query)
        with self._lock:
            self._refresh()
            where = request_of(self._columns, query, target).where
            return where is not None and self._indexed.is_near(where)

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
            for job, distances in zip(jobs, self._by_regions.near(jobs), strict=True)
        ]

    def _jobs(self, asked: Sequence[Asked]) -> list[Job | Exception]:
        """Finds the candidates of each query, without their distances."""
        sets: list[BoxedVectors] = []

        def job(each: Asked) -> Job:
            each.steps.end("follow the lake")
            request = request_of(self._columns, each.query, each.target)
            each.steps.end("filter frames")
            if each.then is not None or [method.name for method in each.query.weighted_methods] != ["regions"]:
                return Job(each, request)
            return self._by_regions.job(each, request, sets)

        return [_caught(partial(job, each)) for each in asked]

    def _finished(self, job: Job, near: FloatArray | None) -> SearchResult:
        job = self._by_regions.read(job)
        asked, request = job.asked, job.request
        query, target, steps = asked.query, asked.target, asked.steps
        if job.candidates is not None:
            answer = self._by_regions.ranked(job, near)
        elif asked.then is not None:
            answer = self._by_methods.sequence(request, asked.then)
        else:
            answer = self._by_methods.ranked(request)
        steps.end("rank")
        hits = self._hits(answer)
        steps.end("show")
        others = without_zone(self._columns, request)
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

    def _explained(self, answer: Answer, steps: Steps) -> Explanation:
        if answer.explanation is not None:
            return replace(answer.explanation, steps_ms=steps.ms)
        why = "this method compares all that pass the filters" if answer.exact else "this method compares some frames"
        return Explanation(why, answer.candidates, answer.candidates, self._columns.fragments, 0, steps.ms)

    def _hits(self, answer: Answer) -> tuple[Hit, ...]:
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
