"""Vectors with a box in a frame: regions, whole frames, and everything else that is ranked like them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.encoders.calibration import VectorKind
from operators.ranking.fusion import IdArray
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.rounded_vectors import RoundedVectors
from schemas.query import Place
from schemas.regions import is_static


@dataclass(frozen=True, slots=True, eq=False)
class BoxedVectors:
    """N vectors with their boxes.

    vectors: float16 (N, D), contiguous, or rounded. frame: int (N,), row of each vector's frame in LakeCache, −1 where
        the frame was removed.
    boxes: x0, y0, x1, y1, float32 (N,) each. alive: bool (N,).
    ids: rows → bytes, unique within a frame; they break ties. place: row → what a hit shows, except for the distances
        and the confidence.
    kind: what a model's calibration calls these vectors; None where it knows nothing of them.
    whole: whether these are whole frames, which a query with a place does not compare.
    lasting: whether the vectors keep their rows until the lake changes, so that distances to them can be kept.
    static: bool (N,), windows that are the same in every frame; None where there are none.
    score: rows → float32, the expected IoU of each with one thing, NaN where its proposer scores otherwise; None where
        there are no such scores.
    """

    vectors: NDArray[np.float16] | RoundedVectors
    frame: NDArray[np.int64]
    boxes: tuple[NDArray[np.float32], ...]
    alive: NDArray[np.bool_]
    ids: Callable[[NDArray[np.intp]], IdArray]
    place: Callable[[int], Place]
    kind: VectorKind | None = None
    whole: bool = False
    lasting: bool = False
    static: NDArray[np.bool_] | None = None
    score: Callable[[NDArray[np.intp]], NDArray[np.float32]] | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def stored(self, rows: NDArray[np.intp]) -> NDArray[np.float16]:
        """float16 (N, D): the vectors at these rows as the lake stores them; rounded ones are read from there."""
        if not isinstance(self.vectors, RoundedVectors):
            return self.vectors[rows]
        order = np.argsort(rows, kind="stable")
        found = np.empty((len(rows), self.vectors.steps.shape[1]), np.float16)
        found[order] = self.vectors.read(rows[order])
        return found

    @classmethod
    def none(cls, columns: LakeCache) -> "BoxedVectors":
        """No vectors, of the columns' dimension."""
        nothing = np.zeros(0, np.float32)
        return cls(
            vectors=columns.frame_vectors[:0],
            frame=np.zeros(0, np.int64),
            boxes=(nothing, nothing, nothing, nothing),
            alive=np.zeros(0, np.bool_),
            ids=lambda rows: np.zeros(len(rows), "S32"),
            place=lambda _: Place(),
        )

    @classmethod
    def of_regions(cls, columns: LakeCache, *, proposers: frozenset[str] | None = None) -> "BoxedVectors":
        """All regions of the lake. proposers: only the regions of these; None for all."""
        alive = columns.region_alive
        if proposers is not None:
            alive = alive & np.array([name in proposers for name in columns.proposers] + [False])[columns.proposer]
        return cls(
            vectors=columns.region_vectors,
            frame=columns.frame,
            boxes=columns.boxes,
            alive=alive,
            ids=lambda rows: columns.region_id[rows],
            place=columns.place,
            kind="region",
            lasting=True,
            static=np.array([*map(is_static, columns.proposers), False])[columns.proposer],
            score=columns.one_scale_score,
        )

    @classmethod
    def of_some_regions(
        cls, columns: LakeCache, rows: NDArray[np.intp], *, codes: RoundedVectors | None = None
    ) -> "BoxedVectors":
        """The regions at these rows alone, all of which are alive; the others are not looked at.

        codes: their rounded vectors, which find the nearest, so that only those are read as they are stored.
        """
        stored = columns.region_vectors
        assert isinstance(stored, np.ndarray)
        return cls(
            vectors=stored[rows] if codes is None else replace(codes, read=lambda some: stored[rows[some]]),
            frame=columns.frame[rows],
            boxes=tuple(side[rows] for side in columns.boxes),
            alive=np.ones(len(rows), np.bool_),
            ids=lambda some: columns.region_id[rows[some]],
            place=lambda row: columns.place(int(rows[row])),
            kind="region",
            score=lambda some: columns.one_scale_score(rows[some]),
        )

    @classmethod
    def of_frames(cls, vectors: NDArray[np.float16], *, alive: NDArray[np.bool_]) -> "BoxedVectors":
        """Whole frames, one vector a row of frames. vectors: float16 (F, D). alive: bool (F,)."""
        sides = np.array([0, 0, 1, 1], np.float32)
        return cls(
            vectors=vectors,
            frame=np.arange(len(vectors)),
            boxes=tuple(np.broadcast_to(side, len(vectors)) for side in sides),
            alive=alive,
            # after regions at the same distance: "~" sorts behind every hexadecimal digit
            ids=lambda rows: np.full(len(rows), b"~", "S32"),
            place=lambda _: Place(),
            kind="frame",
            whole=True,
        )
