"""Answers queries by the method `regions` alone, from all columns or by the index."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.search.answering.answer import Answer, Found, Job
from pipeline.search.answering.asked import Asked
from pipeline.search.answering.score_together import score_together
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.index.indexed_regions import MOST_HITS, Choice, IndexedRegions
from pipeline.search.index.region_index import IndexFilesError
from pipeline.search.methods.boxed import Regions
from pipeline.search.methods.method import RankingRequest, SearchState
from schemas.boxes import FloatArray
from schemas.query import Explanation


class ByRegions:
    """Finds the candidates of a query (`job`), scores those of several queries in one pass over the vectors (`near`),
    reads those that the index finds (`read`), and ranks them (`ranked`): exactly, without an exact distance for each.

    The searcher calls it under its lock.
    """

    def __init__(self, state: SearchState, indexed: IndexedRegions) -> None:
        self._state = state
        self._columns = state.columns
        self._scorer = state.scorer
        self._indexed = indexed

    def job(self, asked: Asked, request: RankingRequest, sets: list[BoxedVectors]) -> Job:
        """The query with its candidates from all columns, or with the choice that the index answers it; see `read`.

        sets: of all regions and frames; it is filled when the first query needs them.
        """
        choice = self._indexed.choose(request, proposers=self._state.proposers)
        if choice.by == "all":
            return self._by_scan(choice, asked, request, sets)
        return Job(asked, request, choice=choice)

    def read(self, job: Job) -> Job:
        """The job with the candidates that the index finds, if it is to be answered from there."""
        if job.choice is None:
            return job
        try:
            return self.by_index(job.choice, job.asked, job.request)
        except IndexFilesError as error:
            return self._by_scan(replace(job.choice, why=str(error)), job.asked, job.request, [])

    def by_index(self, choice: Choice, asked: Asked, request: RankingRequest) -> Job:
        """The query with what the index finds, regions that it does not have yet, and whole frames.

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
        answer = Answer(
            [],
            compared,
            exact=exact,
            access_path="index",
            recall_target=None if exact else choice.recall_target,
            explanation=Explanation(why, choice.passing, compared, nearest.blocks, read, {}),
        )
        return Job(asked, request, candidates, answer)

    def near(self, jobs: Sequence[Job | Exception]) -> list[FloatArray | None]:
        """The semantic distances of the candidates of those jobs for which one pass over the vectors finds them.

        float32 (N,) for N candidates, see `Candidates.rank`; None for the other jobs.
        """
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

    def ranked(self, job: Job, near: FloatArray | None = None) -> Answer:
        """The answer to a query with candidates: from all columns where the index was not enough. near: see `near`."""
        assert job.answer is not None
        found = self.nearest(job, near)
        if job.answer.access_path == "index" and not job.answer.exact and self._lies_deeper(job, found):
            explained = job.answer.explanation
            assert explained is not None
            choice = Choice("all", "hits lie deeper than the recall of the index was measured", explained.passing)
            return self.ranked(self._by_scan(choice, job.asked, job.request, []))
        return replace(job.answer, found=found)

    def nearest(self, job: Job, near: FloatArray | None = None) -> list[Found]:
        """The best k frames of a query's candidates. near: see `near`."""
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

    def _by_scan(self, choice: Choice, asked: Asked, request: RankingRequest, sets: list[BoxedVectors]) -> Job:
        """The query with all that passes its filters."""
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
        answer = Answer([], seen, exact=exact, explanation=explanation)
        return Job(asked, request, candidates, answer, shares=True)

    def _lies_deeper(self, job: Job, found: list[Found]) -> bool:
        """Whether there are fewer hits than wanted, or, with a least confidence, some that are farther than the nearest
        `MOST_HITS` frames."""
        query = job.request.query
        if len(found) < query.k or query.min_confidence is None:
            return len(found) < query.k
        anything = replace(query, k=MOST_HITS, min_confidence=None)
        return found[-1][1] > self.nearest(replace(job, request=replace(job.request, query=anything)))[-1][1]
