"""The boxed vectors that pass a query's filters, ranked by meaning and geometry (methods.md §1)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from operators.ranking.fusion import IdArray, contenders, fuse, rank_frames
from operators.ranking.geometry import geometric_distance
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.filters import overlapping
from pipeline.search.frame_scores import FrameScores
from pipeline.search.scoring import Scorer, float32_error
from schemas.boxes import Boxes, FloatArray
from schemas.query import BoxTuple, Place, Ranking
from schemas.vectors import VectorArray

IndexArray = NDArray[np.intp]


class Candidates:
    """Candidates from several sets of boxed vectors.

    rows: for each set, the rows that are candidates, ascending; candidates are numbered set by set.
    """

    def __init__(self, sets: Sequence[BoxedVectors], rows: Sequence[IndexArray]) -> None:
        self._sets = tuple(sets)
        self._rows = tuple(rows)
        self._starts = np.cumsum([0, *map(len, rows)])

    @classmethod
    def of(cls, sets: Sequence[BoxedVectors], *, frames: NDArray[np.bool_], box: BoxTuple | None) -> "Candidates":
        """The vectors that overlap the box, in the frames that pass the filters (frames: bool (F,))."""
        passes_frame = np.append(frames, False)  # row −1 is that of a vector whose frame was removed
        rows = []
        for each in sets:
            passes = each.alive & passes_frame[each.frame]
            if box is not None:
                passes &= overlapping(each.boxes, box)
            rows.append(np.flatnonzero(passes))
        return cls(sets, rows)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rank(
        self,
        vector: VectorArray | None,
        box: BoxTuple | None,
        *,
        ranking: Ranking,
        k: int,
        ids: IdArray,
        scorer: Scorer,
        within: float = np.inf,
    ) -> list[tuple[int, float, Place]]:
        """Row, distance and place of the k best frames.

        All candidates are scored in float32; those that may be among the best are then scored exactly.
        ids: bytes (F,), the ids of all frames. within: the largest distance of a frame that is returned.
        """
        if not len(self):
            return []
        geometric = None if box is None else self._geometric(box, ranking)
        # normalisations look at all candidates, so all must be exact; a raw sum needs only the best to be
        only_best = vector is not None and (geometric is None or ranking.normalisation == "raw")
        semantic = None if vector is None else self._semantic(vector, scorer, exact=not only_best)
        distance = fuse(semantic, geometric, ranking=ranking)
        slack = 0.0
        if only_best and vector is not None:
            weight = 1.0 if geometric is None else ranking.semantic_weight
            length = max(1.0, float(np.linalg.norm(vector)))
            slack = weight * length * float32_error(len(vector)) + 2.0**-23
        kept = contenders(distance, self._frame, k=k, slack=slack)
        kept = kept[distance[kept] <= np.float64(within) + 2 * slack]
        best = self._take(kept)
        distance = distance[kept]
        semantic = None if semantic is None else semantic[kept]
        geometric = None if geometric is None else geometric[kept]
        if only_best and vector is not None:
            semantic = best._semantic(vector, scorer, exact=True)
            distance = fuse(semantic, geometric, ranking=ranking)
        frame = best._frame
        order = rank_frames(distance, frame_id=ids[frame], candidate_id=best._ids, k=k)
        return [
            (int(frame[i]), float(distance[i]), best._place(int(i), semantic, geometric))
            for i in order[distance[order] <= np.float64(within)].tolist()
        ]

    def frame_scores(
        self, vector: VectorArray | None, box: BoxTuple | None, *, ranking: Ranking, frames: int, scorer: Scorer
    ) -> FrameScores:
        """The distance of each frame, which is that of its nearest candidate. frames: how many are in memory."""
        geometric = None if box is None else self._geometric(box, ranking)
        semantic = None if vector is None else self._semantic(vector, scorer, exact=True)
        distances = np.full(frames, np.inf, np.float32)
        nearest = np.full(frames, -1, np.intp)
        if len(self):
            distance = fuse(semantic, geometric, ranking=ranking)
            frame = self._frame
            order = np.lexsort((self._ids, distance))[::-1]  # the last one written is the nearest
            nearest[frame[order]] = order
            found = nearest >= 0
            distances[found] = distance[nearest[found]]
        return FrameScores(
            distances, lambda row: self._place(int(nearest[row]), semantic, geometric), candidates=len(self)
        )

    @property
    def _frame(self) -> IndexArray:
        """intp (N,): row of each candidate's frame."""
        return np.concatenate([each.frame[rows] for each, rows in self._each()])

    @property
    def _ids(self) -> IdArray:
        return np.concatenate([each.ids(rows) for each, rows in self._each()])

    def _take(self, index: IndexArray) -> "Candidates":
        """The candidates of these numbers, which are ascending."""
        cuts = np.searchsorted(index, self._starts)
        rows = [self._rows[i][index[cuts[i] : cuts[i + 1]] - self._starts[i]] for i in range(len(self._sets))]
        return Candidates(self._sets, rows)

    def _semantic(self, vector: VectorArray, scorer: Scorer, *, exact: bool) -> FloatArray:
        return np.concatenate([scorer.distances(s.vectors, vector, rows, exact=exact) for s, rows in self._each()])

    def _geometric(self, box: BoxTuple, ranking: Ranking) -> FloatArray:
        boxes = np.concatenate([np.stack([side[rows] for side in s.boxes], axis=1) for s, rows in self._each()])
        return geometric_distance(Boxes(boxes), Boxes(np.array([box])), geometry=ranking.geometry)

    def _place(self, index: int, semantic: FloatArray | None, geometric: FloatArray | None) -> Place:
        number = int(np.searchsorted(self._starts, index, "right")) - 1
        each, row = self._sets[number], int(self._rows[number][index - self._starts[number]])
        return replace(
            each.place(row),
            semantic=None if semantic is None else float(semantic[index]),
            geometric=None if geometric is None else float(geometric[index]),
        )

    def _each(self) -> list[tuple[BoxedVectors, IndexArray]]:
        return list(zip(self._sets, self._rows, strict=True))
