"""Keeps columns in memory whose rows hold lists of vectors: the representatives of frames, and their patches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from operators.ranking.fusion import IdArray
from pipeline.lake.lake import Lake, lake_errors
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.memory.columns import FragmentKey, fragment_key
from pipeline.search.memory.decoding import ids_of, positions
from pipeline.search.memory.lake_cache import LakeCache
from schemas.boxes import FloatArray
from schemas.query import BoxTuple, Place
from schemas.tables import TableName

_ROWS = 64  # rows of a batch, of which each may hold a whole grid of patches


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """R rows with N vectors in all.

    vectors: float16 (N, D). boxes: float32 (4, N), sides. frame_id: bytes (R,). counts: int (R,), vectors of each row.
    """

    vectors: NDArray[np.float16]
    boxes: FloatArray
    frame_id: IdArray
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column of lists of vectors, in the schema of its table.

    name: shown as the proposer of a hit. boxes: rows → float32 (N, 4), the boxes of all their vectors.
    """

    name: str
    table: TableName
    frame_id: str
    vectors: str
    read: tuple[str, ...]
    boxes: Callable[[pa.Table], FloatArray]


class ListedVectors:
    """Loads a column of lists on first use, then follows the lake. Fragments that are in memory are not read again."""

    def __init__(self, lake: Lake, columns: LakeCache, column: ListColumn) -> None:
        self._lake = lake
        self._columns = columns
        self._column = column
        self._fragments: dict[FragmentKey, Lists] = {}
        self._generation = -1
        self._vectors = BoxedVectors.none(columns)

    def __call__(self) -> BoxedVectors:
        """Returns all vectors of the column whose frames are in memory."""
        if self._generation != self._columns.generation:
            with lake_errors(f"loading {self._column.vectors} of {self._lake.uri} into memory", lake=self._lake.uri):
                self._follow(self._lake.dataset(self._column.table))
            self._generation = self._columns.generation
        return self._vectors

    def _follow(self, dataset: Any) -> None:
        fragments = {}
        for fragment in dataset.get_fragments():
            key = fragment_key(fragment)
            fragments[key] = self._fragments.get(key) or self._read(dataset, fragment)
        together = _joined(list(fragments.values()), dimension=self._columns.dimension)
        self._fragments = _shared(fragments, together)  # views: the vectors are in memory once
        row = positions(together.frame_id, self._columns.frame_id, self._columns.visible)
        frame = np.repeat(row, together.counts)
        first = np.repeat(np.cumsum(together.counts) - together.counts, together.counts)
        number = np.arange(len(frame)) - first
        self._vectors = BoxedVectors(
            vectors=together.vectors,
            frame=frame,
            boxes=tuple(together.boxes),
            alive=frame >= 0,
            ids=lambda rows: np.char.zfill(number[rows].astype("S8"), 8).astype("S32"),
            place=lambda row: Place(box=_corners(together.boxes[:, row]), proposer=self._column.name),
        )

    def _read(self, dataset: Any, fragment: Any) -> Lists:
        column = self._column
        scanner = dataset.scanner(
            columns=[column.frame_id, column.vectors, *column.read],
            fragments=[fragment],
            scan_in_order=True,
            batch_size=_ROWS,
        )
        parts = [self._decode(pa.Table.from_batches([batch])) for batch in scanner.to_reader() if batch.num_rows]
        return _joined(parts, dimension=self._columns.dimension)

    def _decode(self, rows: pa.Table) -> Lists:
        column = self._column
        rows = rows.filter(rows[column.vectors].is_valid())
        lists = rows[column.vectors].combine_chunks()
        flat = lists.flatten().flatten().to_numpy(zero_copy_only=False)
        return Lists(
            np.asarray(flat, np.float16).reshape(-1, self._columns.dimension),
            np.ascontiguousarray(column.boxes(rows).T),
            ids_of(rows[column.frame_id]),
            np.asarray(lists.value_lengths().to_numpy(zero_copy_only=False), np.int64),
        )


def _corners(sides: FloatArray) -> BoxTuple:
    x0, y0, x1, y1 = sides.tolist()
    return x0, y0, x1, y1


def _joined(parts: list[Lists], *, dimension: int) -> Lists:
    return Lists(
        np.concatenate([np.zeros((0, dimension), np.float16), *(p.vectors for p in parts)]),
        np.concatenate([np.zeros((4, 0), np.float32), *(p.boxes for p in parts)], axis=1),
        np.concatenate([np.zeros(0, "S32"), *(p.frame_id for p in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(p.counts for p in parts)]),
    )


def _shared(fragments: dict[FragmentKey, Lists], together: Lists) -> dict[FragmentKey, Lists]:
    """The fragments as views of what they were joined to."""
    at, row, shared = 0, 0, {}
    for key, lists in fragments.items():
        wide, rows = slice(at, at + len(lists.vectors)), slice(row, row + len(lists.counts))
        shared[key] = Lists(
            together.vectors[wide], together.boxes[:, wide], together.frame_id[rows], together.counts[rows]
        )
        at, row = wide.stop, rows.stop
    return shared
