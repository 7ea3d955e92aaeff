"""Columns of one table in memory, which grow fragment by fragment as the table does."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

Columns = Mapping[str, NDArray[Any]]
FragmentKey = tuple[int, str, str]


class ColumnStore:
    """Columns of one table; rows of fragments that are already in memory are not read again.

    A fragment is identified by its number, its data files and its deletions; when it changes, its rows die
    and it is read again. Rows keep their place until more than half are dead; then all are read again.

    shapes: name → (dtype, trailing shape) of every column. decode: Arrow rows → those columns.
    """

    def __init__(
        self,
        *,
        shapes: Mapping[str, tuple[DTypeLike, tuple[int, ...]]],
        decode: Callable[[pa.Table], Columns],
        read: list[str],
    ) -> None:
        self._shapes = shapes
        self._decode = decode
        self._read = read
        self._clear()

    def _clear(self) -> None:
        self._size = 0
        self._dead = 0
        self._slices: dict[FragmentKey, slice] = {}
        self._buffers = {name: np.zeros((0, *tail), dtype) for name, (dtype, tail) in self._shapes.items()}
        self._alive = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column, dead rows included; see `alive`."""
        return self._buffers[name][: self._size]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """bool (N,): rows that the table still has."""
        return self._alive[: self._size]

    def refresh(self, dataset: Any) -> bool:
        """Updates the columns to the version of a Lance dataset. Returns whether rows moved or died, or only came."""
        fragments = {fragment_key(f): f for f in dataset.get_fragments()}
        gone = [key for key in self._slices if key not in fragments]
        for key in gone:
            place = self._slices.pop(key)
            self._alive[place] = False
            self._dead += place.stop - place.start
        if self._dead * 2 > self._size:
            self._clear()
        new = {key: f for key, f in fragments.items() if key not in self._slices}
        counts = [f.count_rows() for f in new.values()]
        self._reserve(self._size + sum(counts))
        at = self._size
        for batch in self._rows(dataset, list(new.values())):
            count = len(next(iter(batch.values())))
            for name, values in batch.items():
                self._buffers[name][at : at + count] = values
            at += count
        # marked alive only now: after a read that failed half-way, the next refresh reads the fragments again
        self._alive[self._size : at] = True
        for key, count in zip(new, counts, strict=True):
            self._slices[key] = slice(self._size, self._size + count)
            self._size += count
        return bool(gone)

    def _rows(self, dataset: Any, fragments: list[Any]) -> Iterator[Columns]:
        if not fragments:
            return
        columns = [name for name in self._read if name in dataset.schema.names]  # older lakes lack some
        scanner = dataset.scanner(columns=columns, fragments=fragments, scan_in_order=True)
        for batch in scanner.to_reader():
            if batch.num_rows:
                yield self._decode(pa.Table.from_batches([batch]))

    def _reserve(self, size: int) -> None:
        if size <= len(self._alive):
            return
        # twice what is needed: the system gives pages only when they are first written, so spare room costs nothing,
        # and a feed that grows does not copy everything at each refresh
        room = 2 * size
        for name, old in self._buffers.items():
            new = np.empty((room, *old.shape[1:]), old.dtype)
            new[: self._size] = old[: self._size]
            self._buffers[name] = new
        alive = np.zeros(room, np.bool_)
        alive[: self._size] = self._alive[: self._size]
        self._alive = alive


def fragment_key(fragment: Any) -> FragmentKey:
    metadata = fragment.metadata
    return (fragment.fragment_id, ",".join(f.path for f in metadata.files), repr(metadata.deletion_file))
