"""Checksums of rows over the columns that are written once: independent of the order of rows, files and compaction.

A row's checksum is BLAKE2b of its values, in 64 bits. Many rows have the sum of theirs modulo 2⁶⁴: rows may be joined,
divided and rewritten in any order. What is filled or changed after a commit is omitted: tracks, vectors of further
models, validity, leases and states.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.tables import TableName

_PLACE = ("source_id", "source", "pts", "pts_s", "time")
_REGION = ("x0", "y0", "x1", "y1", "area", "proposer", "score", "label", "mask", "mask_area", "stability")
_OPTIONAL = ("detail", "detail_model", "parts", "part_boxes", "part_counts")
# The order counts. Columns that are added later need another form, as rows of this one do not have them.
WRITTEN_ONCE: dict[TableName, tuple[str, ...]] = {
    "frames": ("id", *_PLACE, "width_px", "height_px", "reason", "thumbnail", "vector", *_OPTIONAL),
    "regions": ("id", "frame", *_PLACE, *_REGION, "vector", "code"),
    "patches": ("frame", *_PLACE, "rows", "cols", "extent", "vectors"),
}
_CHANGED = frozenset({"state", "checksum", "lease"})  # of the tables whose rows have a checksum of their own
_FORM = "1"
_MASK = 2**64 - 1
UInt8Array = NDArray[np.uint8]
UInt64Array = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class SegmentChecksum:
    """Sums of the checksums of a segment's rows in each table, each from 0 to 2⁶⁴ − 1."""

    frames: int = 0
    regions: int = 0
    patches: int = 0

    def __add__(self, other: Self) -> "SegmentChecksum":
        return SegmentChecksum(*((a + b) & _MASK for a, b in zip(self.sums, other.sums, strict=True)))

    def __sub__(self, other: Self) -> "SegmentChecksum":
        return SegmentChecksum(*((a - b) & _MASK for a, b in zip(self.sums, other.sums, strict=True)))

    @property
    def sums(self) -> tuple[int, int, int]:
        return self.frames, self.regions, self.patches

    def __str__(self) -> str:
        return "-".join((_FORM, *(f"{each:016x}" for each in self.sums)))

    @staticmethod
    def parse(text: str) -> "SegmentChecksum":
        """The checksum of a `segments.checksum`. Raises ValueError for text that no release of this form wrote."""
        form, *sums = text.split("-")
        if form != _FORM or len(sums) < 3:
            raise ValueError(f"{text!r} is no checksum of form {_FORM}")
        return SegmentChecksum(*(int(each, 16) for each in sums[:3]))


def of_rows(frames: pa.Table, regions: pa.Table, patches: pa.Table | None) -> SegmentChecksum:
    """The checksum of a segment with these rows."""
    rows: dict[TableName, pa.Table | None] = {"frames": frames, "regions": regions, "patches": patches}
    sums = (0 if table is None else int(row_checksums(table, name).sum()) for name, table in rows.items())
    return SegmentChecksum(*sums)


def row_checksums(rows: pa.Table | pa.RecordBatch, table: TableName) -> UInt64Array:
    """uint64 (N,): the checksum of each row of frames, regions or patches."""
    return _checksums(rows, WRITTEN_ONCE[table])


def own_checksums(rows: pa.Table) -> list[str]:
    """The checksum of each row of sources, shots or plans, over all of its columns except its state and lease."""
    return [f"{_FORM}-{each:016x}" for each in _own(rows)]


def with_own_checksums(rows: pa.Table) -> pa.Table:
    """Rows of sources, shots or plans with their checksums."""
    return _replaced(rows, own_checksums(rows))


def renewed_checksums(rows: pa.Table, before: pa.Table) -> pa.Table:
    """Rows of `sources` or of the ledger with the checksums of their new values; those that were damaged stay so.

    before: the same rows, in the same order, with the old values.
    """
    if "checksum" not in rows.schema.names:
        return rows
    old, new = _own(before), _own(rows)
    made = [
        text if text is None or not text.endswith(f"-{was:016x}") else text[: -len(f"{was:016x}")] + f"{now:016x}"
        for text, was, now in zip(before["checksum"].to_pylist(), old, new, strict=True)
    ]
    return _replaced(rows, made)


def ledger_checksums(rows: pa.Table) -> list[str | None]:
    """The checksums of rows of the ledger: those of their segments, followed by that of the row itself.

    rows: with the checksums of their segments in the column `checksum`; null where these are not known.
    """
    return [
        None if held is None else f"{SegmentChecksum.parse(held)}-{own:016x}"
        for held, own in zip(rows["checksum"].to_pylist(), _own(rows), strict=True)
    ]


def with_ledger_checksums(rows: pa.Table) -> pa.Table:
    """Rows of the ledger with their checksums."""
    return _replaced(rows, ledger_checksums(rows))


def _own(rows: pa.Table) -> list[int]:
    return list(map(int, _checksums(rows, sorted({*rows.schema.names} - _CHANGED))))


def _replaced(rows: pa.Table, checksums: Sequence[str | None]) -> pa.Table:
    at = rows.schema.get_field_index("checksum")
    return rows.set_column(at, rows.schema.field(at), pa.array(checksums, pa.string()))


def _checksums(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> UInt64Array:
    if not rows.num_rows:
        return np.zeros(0, np.uint64)
    parts: list[UInt8Array] = []
    for name in columns:
        column = rows[name]
        parts += _parts(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    matrix = np.concatenate(parts, axis=1)
    width, flat = matrix.shape[1], memoryview(matrix.tobytes())
    starts = range(0, len(flat), width)
    return np.frombuffer(b"".join(blake2b(flat[at : at + width], digest_size=8).digest() for at in starts), "<u8")


def _parts(array: Any) -> Iterator[UInt8Array]:
    """The values of a column as bytes: uint8 (N, width) each."""
    valid = np.asarray(array.is_valid().to_numpy(zero_copy_only=False), bool)
    yield valid[:, None].view(np.uint8)
    kind = array.type
    if pa.types.is_fixed_size_list(kind) and _is_plain(kind.value_type):
        found = np.zeros((len(array), kind.list_size * _bytes_of(kind.value_type)), np.uint8)
        found[valid] = _plain(array.flatten()).reshape(-1, found.shape[1])  # without what nulls hide
        yield found
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        yield _digests(value or b"" for value in array.cast(pa.binary()).to_pylist())
    elif pa.types.is_struct(kind):
        for each in range(kind.num_fields):
            yield from _parts(pc.struct_field(array, each))
    elif _is_plain(kind):
        yield _plain(array.fill_null(0)).reshape(len(array), -1)
    elif pa.types.is_list(kind) and (inner := _inner(kind.value_type)) is not None:
        width = _bytes_of(inner) * (kind.value_type.list_size if pa.types.is_fixed_size_list(kind.value_type) else 1)
        values = array.flatten()
        data = memoryview(_plain(values if inner == kind.value_type else values.flatten()).tobytes())
        ends = (np.cumsum(np.asarray(array.value_lengths().fill_null(0).to_numpy(), np.int64)) * width).tolist()
        yield _digests(bytes(data[start:stop]) for start, stop in pairwise([0, *ends]))
    else:  # the cut events of the ledger
        yield _digests(json.dumps(value, sort_keys=True).encode() for value in array.to_pylist())


def _digests(values: Iterable[bytes]) -> UInt8Array:
    """BLAKE2b of each value: uint8 (N, 16). Values of rows that follow each other are often the same."""
    known: dict[bytes, bytes] = {}
    found: list[bytes] = []
    for value in values:
        digest = known.get(value)
        if digest is None:
            digest = known[value] = blake2b(value, digest_size=16).digest()
        found.append(digest)
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 16)


def _inner(kind: pa.DataType) -> pa.DataType | None:
    """The type of the numbers in a list of numbers, or in a list of vectors; None for other lists."""
    inner = kind.value_type if pa.types.is_fixed_size_list(kind) else kind
    return inner if _is_plain(inner) else None


def _is_plain(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_timestamp(kind))


def _bytes_of(kind: pa.DataType) -> int:
    return int(kind.bit_width // 8)


def _plain(array: Any) -> UInt8Array:
    """The bytes of numbers, in one dimension."""
    numbers = array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array
    return np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False)).view(np.uint8)
