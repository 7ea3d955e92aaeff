"""Checks that frames, regions and patches exist once, agree with the ledger, and have valid values."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.lake.audit.audited_lake import (
    KEYS,
    REPLACE,
    ROW_TABLES,
    AuditedLake,
    Problem,
    ints,
    pairs,
    source_column,
)
from pipeline.lake.lake import REPEATS_LEFT
from pipeline.lake.lease.row_leases import NO_LEASE, leases_of
from schemas.tables import TableName, vector_spaces

_BATCH = 4096
# float16 has 11 significant bits: each component of a unit vector has a relative error of 2⁻¹¹ at most, and so has
# its length; twice that, for vectors that were not exactly of length 1 before
_LENGTH_TOLERANCE = 2.0**-10


def duplicates(audited: AuditedLake) -> Iterator[Problem]:
    """Every key exists once."""
    for name, key in KEYS.items():
        table = audited.tables[name]
        counts = pc.value_counts(table[key])
        twice = counts.filter(pc.greater(counts.field("counts"), 1))
        where = pc.index_in(twice.field("values"), value_set=table[key])
        sources = table[source_column(table)].take(where).to_pylist()
        for source, one in zip(sources, twice.to_pylist(), strict=True):
            yield (
                source,
                f"{name}: {key} {one['values']} of {audited.named(source)} exists {one['counts']} times, "
                f"expected once; {REPLACE}",
            )


def rows_outside_done_spans(audited: AuditedLake) -> Iterator[Problem]:
    """Every row lies in a done segment."""
    for name, placed in audited.placed.items():
        stray = placed < 0
        if not stray.any():
            continue
        code, pts = audited.codes(audited.tables[name])[stray], ints(audited.tables[name], "pts")[stray]
        for one in np.unique(code):
            some, source = pts[code == one], audited.source_id(one)
            yield (
                source,
                f"{name}: {len(some)} rows of {audited.named(source)} (PTS {some.min()} to {some.max()}) lie in no "
                f"done segment; {REPLACE}",
            )


def stale_leases(audited: AuditedLake) -> Iterator[Problem]:
    """Every row was written under the lease of its segment; others are of a writer that had lost its lease."""
    done = leases_of(audited.done)
    for name, placed in audited.placed.items():
        rows = leases_of(audited.tables[name])
        stale = np.flatnonzero((placed >= 0) & (rows != done[placed])) if len(done) else np.zeros(0, np.int64)
        for i in np.unique(placed[stale]).tolist():
            of_segment = stale[placed[stale] == i]
            row = audited.done.slice(i, 1).to_pylist()[0]
            yield (
                row["source_id"],
                f"{name}: {len(of_segment)} rows of [{row['start']}, {row['stop']}) of {row['source']} have lease "
                f"{_shown(rows[of_segment[0]])}, the segment has {_shown(done[i])}: a writer added them after it "
                f"had lost its lease, and no search finds them; {REPLACE}",
            )


def _shown(lease: int) -> str:
    return "none" if lease == NO_LEASE else str(lease)


def counts(audited: AuditedLake) -> Iterator[Problem]:
    """Every segment has as many keyframes and regions as the ledger says."""
    counted: tuple[tuple[TableName, str], ...] = (("frames", "keyframes"), ("regions", "regions"))
    for name, column in counted:
        placed = audited.placed[name]
        found = np.bincount(placed[placed >= 0], minlength=audited.done.num_rows)
        expected = ints(audited.done, column)
        for i in np.flatnonzero(found != expected).tolist():
            row = audited.done.slice(i, 1).to_pylist()[0]
            if row["error"] == REPEATS_LEFT and name == "regions":
                continue  # `ledger_states` reports it
            yield (
                row["source_id"],
                f"{name}: [{row['start']}, {row['stop']}) of {row['source']} has {found[i]} rows, expected "
                f"{expected[i]}, the value of `segments.{column}`; {REPLACE}",
            )


def lost_frames(audited: AuditedLake) -> Iterator[Problem]:
    """Every region and every patch grid has its frame in `frames`, of the same source and PTS."""
    frames = audited.tables["frames"]
    for name in ("regions", "patches"):
        table = audited.tables[name]
        place = pc.index_in(table["frame"], value_set=frames["id"])
        for source, frame in sorted({*pairs(table.filter(pc.is_null(place)), "source_id", "frame")}):
            yield (
                source,
                f"{name}: rows of frame {frame} of {audited.named(source)}, which is not in `frames`; {REPLACE}",
            )
        held = table.filter(pc.is_valid(place))
        of = frames.take(place.combine_chunks().drop_null())
        moved = pc.or_(pc.not_equal(held["pts"], of["pts"]), pc.not_equal(held["source_id"], of["source_id"]))
        for row in held.filter(moved).select(["frame", "pts", "source_id", "source"]).to_pylist():
            yield (
                row["source_id"],
                f"{name}: a row of frame {row['frame']} has PTS {row['pts']} of {row['source']}, its frame has "
                f"another; {REPLACE}",
            )


def boxes(audited: AuditedLake) -> Iterator[Problem]:
    """Every box lies within the frame, with its corners in order."""
    regions = audited.tables["regions"]
    x0, y0, x1, y1 = (regions[c].to_numpy() for c in ("x0", "y0", "x1", "y1"))
    # written so that NaN fails, too
    sound = (x0 >= 0) & (x0 <= x1) & (x1 <= 1) & (y0 >= 0) & (y0 <= y1) & (y1 <= 1)
    for row in regions.take(np.flatnonzero(~sound)).to_pylist():
        box = [row[c] for c in ("x0", "y0", "x1", "y1")]
        yield (
            row["source_id"],
            f"regions: {row['id']} of {row['source']} has the box {box}, outside the frame or inverted; {REPLACE}",
        )


def tracks(audited: AuditedLake) -> Iterator[Problem]:
    """Every track is the id of a region of the same source, at or before the PTS of its other regions."""
    regions = audited.tables["regions"]
    tracked = regions.filter(pc.is_valid(regions["track"]))
    first = pc.index_in(tracked["track"], value_set=regions["id"])
    lost = tracked.filter(pc.is_null(first))
    for source, track in sorted({*pairs(lost, "source_id", "track")}):
        yield source, f"regions: track {track} of {audited.named(source)} begins with no region; {REPLACE}"
    held = tracked.filter(pc.is_valid(first))
    begins = regions.take(first.combine_chunks().drop_null())
    stray = pc.or_(pc.not_equal(held["source_id"], begins["source_id"]), pc.less(held["pts"], begins["pts"]))
    for source, track in sorted({*pairs(held.filter(stray), "source_id", "track")}):
        yield (
            source,
            f"regions: track {track} of {audited.named(source)} begins in another source, or later than its "
            f"regions; {REPLACE}",
        )


def vectors(audited: AuditedLake) -> Iterator[Problem]:
    """Every stored vector has length 1."""
    columns = [(name, column) for name in ROW_TABLES for column in vector_spaces(audited.datasets[name].schema)]
    for name, column in columns:
        key, size = KEYS[name], 64 if name == "patches" else _BATCH  # a row of patches is a whole grid
        scanner = audited.datasets[name].scanner(columns=[key, "source_id", column], batch_size=size)
        for batch in scanner.to_reader():
            rows, lengths = _lengths(batch.column(column))  # null where no model has filled it
            bad = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))  # NaN fails, too
            for row, first in zip(*np.unique(rows[bad], return_index=True), strict=True):
                source = batch.column("source_id")[row].as_py()
                yield (
                    source,
                    f"{name}: {column} of {batch.column(key)[row]} of {audited.named(source)} has length "
                    f"{lengths[bad[first]]:.3f}, expected 1; {REPLACE}",
                )


def _lengths(vectors: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Row and length of every vector of a column of vectors or of lists of vectors; nulls are skipped."""
    rows = np.flatnonzero(vectors.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_list(vectors.type):
        vectors = vectors.drop_null()
        rows = np.repeat(rows, vectors.value_lengths().to_numpy(zero_copy_only=False))
        vectors = vectors.flatten()
    flat = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    wide = flat.reshape(-1, vectors.type.list_size)
    return rows, np.sqrt(np.einsum("nd,nd->n", wide, wide))
