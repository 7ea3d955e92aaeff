"""Columns of one table, which grow fragment by fragment as the table does."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.search.memory.buffers import Buffers, Columns
from pipeline.search.memory.part import Part

FragmentKey = tuple[int, str, str]


class ColumnStore:
    """Columns of one table; rows of fragments that are already held are not read again.

    A fragment is identified by its number, its data files and its deletions; when it changes, its rows die
    and it is read again. Rows keep their place until more than half are dead; then all are read again.

    buffers: where the columns are. decode: Arrow rows → those columns. read: columns of the table that `decode` needs.
    row_ids: whether the rows that are decoded have Lance's row ids, `_rowid`, by which `dataset` finds them again.
    part: the rows that are held, of those that were read; None for all.
    """

    def __init__(
        self,
        *,
        buffers: Buffers,
        decode: Callable[[pa.Table], Columns],
        read: list[str],
        row_ids: bool = False,
        part: Part | None = None,
    ) -> None:
        self._buffers = buffers
        self._part = part
        self._decode = decode
        self._read = read if part is None else [*dict.fromkeys((*read, "source_id", "pts_s"))]
        self._row_ids = row_ids
        self.dataset: Any = None  # the version that is in memory
        self._begin()

    def _begin(self) -> None:
        self._size = 0
        self._dead = 0
        self._slices: dict[FragmentKey, slice] = {}
        self._alive = np.zeros(0, np.bool_)

    def clear(self) -> None:
        """Forgets all rows."""
        self._begin()
        self._buffers.clear()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column, dead rows included; see `alive`."""
        return self._buffers.column(name, self._size)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """bool (N,): rows that the table still has."""
        return self._alive[: self._size]

    def refresh(self, dataset: Any) -> bool:
        """Updates the columns to the version of a Lance dataset. Returns whether rows moved or died, or only came."""
        self.dataset = dataset
        fragments = {fragment_key(f): f for f in dataset.get_fragments()}
        gone = [key for key in self._slices if key not in fragments]
        for key in gone:
            place = self._slices.pop(key)
            self._alive[place] = False
            self._dead += place.stop - place.start
        if self._dead * 2 > self._size:
            self.clear()
        new = {key: f for key, f in fragments.items() if key not in self._slices}
        counts = [f.count_rows() for f in new.values()]
        room = self._size + sum(counts)
        at = self._size
        if self._part is None:
            for batch in self._rows(dataset, list(new.values())):
                at = self._write(at, batch, room=room)
        else:  # how many of a fragment's rows are held is known once they were read
            for number, fragment in enumerate(new.values()):
                start = at
                for batch in self._rows(dataset, [fragment]):
                    at = self._write(at, batch)
                counts[number] = at - start
        # counted only now: after a read that failed half-way, the next refresh reads the fragments again
        self._buffers.hold(at)
        self._alive = np.concatenate([self._alive, np.ones(at - self._size, np.bool_)])
        for key, count in zip(new, counts, strict=True):
            self._slices[key] = slice(self._size, self._size + count)
            self._size += count
        return bool(gone)

    def slices(self) -> list[tuple[FragmentKey, int, int]]:
        """The fragments that are held, each with its first row and the row behind its last."""
        return [(key, place.start, place.stop) for key, place in self._slices.items()]

    def adopt(self, slices: Iterable[tuple[FragmentKey, int, int]], *, size: int) -> None:
        """Takes over rows that are in the buffers already: `size` of them, of which those of the slices are alive."""
        self._size = size
        self._slices = {key: slice(start, stop) for key, start, stop in slices}
        self._alive = np.zeros(size, np.bool_)
        for place in self._slices.values():
            self._alive[place] = True
        self._dead = size - int(self._alive.sum())

    def _write(self, at: int, batch: Columns, *, room: int = 0) -> int:
        """Writes rows from the row `at`; returns the row behind them."""
        stop = at + len(next(iter(batch.values())))
        self._buffers.write(at, batch, room=max(room, stop))
        return stop

    def _rows(self, dataset: Any, fragments: list[Any]) -> Iterator[Columns]:
        if not fragments:
            return
        columns = [name for name in self._read if name in dataset.schema.names]  # older lakes lack some
        scanner = dataset.scanner(columns=columns, fragments=fragments, scan_in_order=True, with_row_id=self._row_ids)
        for batch in scanner.to_reader():
            rows = pa.Table.from_batches([batch])
            if self._part is not None:
                rows = self._part.rows(rows)
            if rows.num_rows:
                yield self._decode(rows)


def fragment_key(fragment: Any) -> FragmentKey:
    metadata = fragment.metadata
    return (fragment.fragment_id, ",".join(f.path for f in metadata.files), repr(metadata.deletion_file))
