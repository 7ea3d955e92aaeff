"""The boxed vectors that pass a query's filters, ranked by meaning and geometry (methods.md §1)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from operators.ranking.fusion import IdArray, Spreads, contenders, fuse, rank_frames, with_prior
from operators.ranking.spread import Spread
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.confidence import Confidence
from pipeline.search.frame_scores import FrameScores
from pipeline.search.memory.rounded_vectors import RoundedVectors
from pipeline.search.scoring import Scorer, float32_error
from pipeline.search.where import Where
from schemas.boxes import FloatArray
from schemas.query import Place, Ranking
from schemas.vectors import VectorArray

IndexArray = NDArray[np.intp]
MOST_READ = 4096  # stored vectors that a query reads from the lake where all that it compares must be exact
_FIRST_CHUNK = 1024  # candidates whose confidence is computed first; each further chunk is twice as long


class Candidates:
    """Candidates from several sets of boxed vectors.

    rows: for each set, the rows that are candidates, ascending; candidates are numbered set by set.
    """

    def __init__(self, sets: Sequence[BoxedVectors], rows: Sequence[IndexArray]) -> None:
        self._sets = tuple(sets)
        self._rows = tuple(rows)
        self._starts = np.cumsum([0, *map(len, rows)])

    @classmethod
    def of(
        cls,
        sets: Sequence[BoxedVectors],
        *,
        frames: NDArray[np.bool_],
        where: Where | None,
        standing: IndexArray | None = None,
    ) -> "Candidates":
        """The vectors that are where the query looks, in the frames that pass the filters (frames: bool (F,)).

        standing: rows of the first set that count in whatever frame they are.
        """
        passes_frame = np.append(frames, False)  # row −1 is that of a vector whose frame was removed
        rows = []
        for number, each in enumerate(sets):
            passes = passes_frame[each.frame]
            if standing is not None and number == 0:
                passes[standing] = True
            passes &= each.alive
            if where is not None:
                passes &= where.passing(each)
            rows.append(np.flatnonzero(passes))
        return cls(sets, rows)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rank(
        self,
        vector: VectorArray | None,
        where: Where | None,
        *,
        ranking: Ranking,
        k: int,
        ids: IdArray,
        scorer: Scorer,
        within: float = np.inf,
        confidence: Confidence | None = None,
        least: float | None = None,
        spreads: Spreads | None = None,
        near: FloatArray | None = None,
    ) -> list[tuple[int, float, Place]]:
        """Row, distance and place of the k best frames.

        All candidates are scored in float32; those that may be among the best are then scored exactly. See `is_exact`.
        ids: bytes (F,), the ids of all frames. within: the largest distance of a frame that is returned.
        confidence: computes the confidence of places; None where they have none. least: the least confidence of a place
            that is returned. It changes no distance: normalisations look at all candidates.
        spreads: of all candidates, where these are those of a part of the lake.
        near: float32 (N,), the semantic distances within `float32_error` and the error of rounding, if they are known.
        """
        if not len(self):
            return []
        geometric = None if where is None else self._geometric(where)
        only_best = self.only_best(vector, where, ranking=ranking)
        semantic = near if only_best else None
        if semantic is None and vector is not None:
            semantic = self._semantic(vector, scorer, exact=not only_best and self._all_read)
        distance = self._fused(semantic, geometric, ranking, spreads)
        slack = 0.0
        if only_best and vector is not None:
            weight = 1.0 if geometric is None else ranking.semantic_weight
            length = max(1.0, float(np.linalg.norm(vector)))
            slack = weight * length * (float32_error(len(vector)) + self._rounding(len(vector))) + 2.0**-22
        if confidence is None or least is None:
            kept = contenders(distance, self._frame, k=k, slack=slack)
            kept = kept[distance[kept] <= np.float64(within) + 2 * slack]
        else:
            reached = np.flatnonzero(distance <= np.float64(within) + 2 * slack)
            kept = self._confident(reached, distance, confidence, least=least, k=k, slack=slack, scorer=scorer)
        best = self._take(kept)
        distance = distance[kept]
        semantic = None if semantic is None else semantic[kept]
        geometric = None if geometric is None else geometric[kept]
        if only_best and vector is not None:
            semantic = best._semantic(vector, scorer, exact=True)
            distance = best._fused(semantic, geometric, ranking)
        frame = best._frame
        order = rank_frames(distance, frame_id=ids[frame], candidate_id=best._ids, k=k)
        order = order[distance[order] <= np.float64(within)]
        chances = best._chances(order, confidence)
        return [
            (int(frame[i]), float(distance[i]), best._place(int(i), semantic, geometric, shown, where))
            for i, shown in zip(order.tolist(), chances, strict=True)
        ]

    def only_best(self, vector: VectorArray | None, where: Where | None, *, ranking: Ranking) -> bool:
        """Whether `rank` computes the exact distances of the best alone. Normalisations look at all candidates, so all
        must be exact; a raw sum needs only the best to be."""
        return vector is not None and (where is None or ranking.normalisation == "raw")

    def spreads(
        self, vector: VectorArray | None, where: Where | None, *, ranking: Ranking, scorer: Scorer
    ) -> Spreads | None:
        """What the normalisation of the ranking needs of these candidates; None where it needs nothing.

        Joined with those of the other parts of a lake, it is that of all candidates."""
        if vector is None or where is None or ranking.normalisation == "raw":
            return None
        nothing = np.zeros(0, np.float32)
        semantic = self._semantic(vector, scorer, exact=self._all_read) if len(self) else nothing
        geometric = self._geometric(where) if len(self) else nothing
        return Spread.of(semantic, ranking.normalisation), Spread.of(geometric, ranking.normalisation)

    def each(self) -> list[tuple[BoxedVectors, IndexArray]]:
        """Each set, and the rows of it that are candidates, in the order of the candidates."""
        return list(zip(self._sets, self._rows, strict=True))

    def frame_scores(
        self,
        vector: VectorArray | None,
        where: Where | None,
        *,
        ranking: Ranking,
        frames: int,
        scorer: Scorer,
        confidence: Confidence | None = None,
        least: float | None = None,
    ) -> FrameScores:
        """The distance of each frame, which is that of its nearest candidate. frames: how many are in memory.

        confidence, least: as for `rank`.
        """
        geometric = None if where is None else self._geometric(where)
        semantic = None if vector is None else self._semantic(vector, scorer, exact=self._all_read)
        distances = np.full(frames, np.inf, np.float32)
        nearest = np.full(frames, -1, np.intp)
        if len(self):
            distance = self._fused(semantic, geometric, ranking)
            frame = self._frame
            order = np.lexsort((self._ids, distance))[::-1]  # the last one written is the nearest
            if confidence is not None and least is not None:
                order = order[self._passing(order, confidence, least=least, scorer=scorer)]
            nearest[frame[order]] = order
            found = nearest >= 0
            distances[found] = distance[nearest[found]]

        def place(row: int) -> Place:
            number = int(nearest[row])
            (shown,) = self._chances(np.array([number]), confidence)
            return self._place(number, semantic, geometric, shown, where)

        exact = vector is None or self._all_read
        return FrameScores(distances, place, candidates=len(self), exact=exact)

    def _confident(
        self,
        index: IndexArray,
        distance: FloatArray,
        confidence: Confidence,
        *,
        least: float,
        k: int,
        slack: float,
        scorer: Scorer,
    ) -> IndexArray:
        """Those of the candidates with enough confidence, ascending, that can be in the top k frames.

        It goes from the nearest to the farthest, in chunks, until k frames are found that no later one can displace.
        """
        order = index[np.argsort(distance[index], kind="stable")]
        frame = self._frame
        best: dict[int, float] = {}  # frame → its least distance
        passing: list[IndexArray] = []
        start, size = 0, _FIRST_CHUNK
        while start < len(order):
            if len(best) >= k and distance[order[start]] > sorted(best.values())[k - 1] + 2 * slack:
                break
            chunk = order[start : start + size]
            found = chunk[self._passing(chunk, confidence, least=least, scorer=scorer)]
            for row, near in zip(frame[found].tolist(), distance[found].tolist(), strict=True):
                best.setdefault(row, near)  # a chunk is in the order of its distances
            passing.append(found)
            start, size = start + size, 2 * size
        return np.sort(np.concatenate([np.zeros(0, np.intp), *passing]))

    def _passing(self, index: IndexArray, confidence: Confidence, *, least: float, scorer: Scorer) -> NDArray[np.bool_]:
        """bool (N,): whether each of these candidates has at least this confidence."""
        passes = np.zeros(len(index), np.bool_)
        for numbers, each, rows in self._split(index):
            if each.kind is not None:
                can = confidence.possible(each.vectors, rows, kind=each.kind, least=least, scorer=scorer)
                passes[numbers[can]] = confidence(each.stored(rows[can]), kind=each.kind) >= least
        return passes

    def _chances(self, index: IndexArray, confidence: Confidence | None) -> list[float | None]:
        """The confidence of each of these candidates; None where it has none."""
        chances: list[float | None] = [None] * len(index)
        if confidence is not None:
            for numbers, each, rows in self._split(index):
                if each.kind is not None:
                    found = confidence(each.stored(rows), kind=each.kind)
                    for number, shown in zip(numbers.tolist(), found.tolist(), strict=True):
                        chances[number] = shown
        return chances

    def _split(self, index: IndexArray) -> list[tuple[IndexArray, BoxedVectors, IndexArray]]:
        """For each set: which of these candidates are in it, the set, and their rows in it."""
        number = np.searchsorted(self._starts, index, "right") - 1
        return [
            (here, each, rows[index[here] - self._starts[i]])
            for i, (each, rows) in enumerate(self.each())
            if len(here := np.flatnonzero(number == i))
        ]

    def is_exact(self, vector: VectorArray | None, where: Where | None, *, ranking: Ranking) -> bool:
        """Whether `rank` compares such a query with stored vectors alone.

        It always does, unless vectors are rounded and a normalisation needs the distances of more than `MOST_READ`.
        """
        return vector is None or where is None or ranking.normalisation == "raw" or self._all_read

    @property
    def _frame(self) -> IndexArray:
        """intp (N,): row of each candidate's frame."""
        return np.concatenate([each.frame[rows] for each, rows in self.each()])

    @property
    def _ids(self) -> IdArray:
        return np.concatenate([each.ids(rows) for each, rows in self.each()])

    def _take(self, index: IndexArray) -> "Candidates":
        """The candidates of these numbers, which are ascending."""
        cuts = np.searchsorted(index, self._starts)
        rows = [self._rows[i][index[cuts[i] : cuts[i + 1]] - self._starts[i]] for i in range(len(self._sets))]
        return Candidates(self._sets, rows)

    @property
    def _all_read(self) -> bool:
        """Whether the stored vectors of all candidates may be read for one query."""
        return sum(len(rows) for each, rows in self.each() if isinstance(each.vectors, RoundedVectors)) <= MOST_READ

    def _rounding(self, dimension: int) -> float:
        """How much further off a product with a query of unit length can be because vectors are rounded."""
        errors = [
            float(each.vectors.error[rows].max())
            for each, rows in self.each()
            if isinstance(each.vectors, RoundedVectors) and len(rows)
        ]
        # a rounded vector is longer than one by at most its error, so its product in float32 is off by more as well
        return max((error * (1 + float32_error(dimension)) for error in errors), default=0.0)

    def _semantic(self, vector: VectorArray, scorer: Scorer, *, exact: bool) -> FloatArray:
        """exact: whether stored vectors are read where those in memory are rounded, and products are in float64."""

        def of(vectors: NDArray[np.float16] | RoundedVectors, rows: IndexArray) -> FloatArray:
            if not isinstance(vectors, RoundedVectors):
                return scorer.distances(vectors, vector, rows, exact=exact)
            if exact:
                return scorer.distances(vectors.read(rows), vector)
            return scorer.rounded_distances(vectors, vector, rows)

        def kept(each: BoxedVectors, rows: IndexArray) -> FloatArray:
            if exact or not each.lasting:
                return of(each.vectors, rows)
            return scorer.known(vector, rows, count=len(each), compute=lambda new: of(each.vectors, new))

        return np.concatenate([kept(each, rows) for each, rows in self.each()])

    def _fused(
        self,
        semantic: FloatArray | None,
        geometric: FloatArray | None,
        ranking: Ranking,
        spreads: Spreads | None = None,
    ) -> FloatArray:
        distance = fuse(semantic, geometric, ranking=ranking, spreads=spreads)
        if semantic is None or geometric is None or not ranking.prior:
            return distance
        unknown = np.float32(np.nan)
        score = [np.full(len(rows), unknown) if s.score is None else s.score(rows) for s, rows in self.each()]
        return with_prior(distance, np.concatenate(score), prior=ranking.prior)

    def _geometric(self, where: Where) -> FloatArray:
        boxes = np.concatenate([np.stack([side[rows] for side in s.boxes], axis=1) for s, rows in self.each()])
        return where.distance(boxes, self._frame)

    def _place(
        self,
        index: int,
        semantic: FloatArray | None,
        geometric: FloatArray | None,
        confidence: float | None,
        where: Where | None,
    ) -> Place:
        number = int(np.searchsorted(self._starts, index, "right")) - 1
        each, row = self._sets[number], int(self._rows[number][index - self._starts[number]])
        compared = where is not None and where.compares(int(each.frame[row]))
        return replace(
            each.place(row),
            semantic=None if semantic is None else float(semantic[index]),
            geometric=float(geometric[index]) if geometric is not None and compared else None,
            confidence=confidence,
        )
