"""Stores what stands once: removes the regions of complete sources that show what an earlier region still shows.

A source is stored as it comes, so that it is found at once; its repeats go when it is complete, once its tracks are
known. What goes follows from its rows and thumbnails alone, so it is the same for every segmentation and engine, and
for a feed and its file. A kill at any point is made good, because each step is one change:

1. `until` of all regions; that of a repeat is its own PTS.
2. The ledger's counts and checksums without the repeats, and the mark that these are still there.
3. (The source becomes complete. A writer that finds it open counts them again, and begins again with all rows.)
4. The deletion of the repeats. 5. The removal of the mark; the next writer does both where they are missing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from operators.motion.standing import KeyframeRegions, StandingRegions
from operators.motion.unchanged import Luma, small_luma
from operators.readers.picture import decode_thumbnail
from pipeline.labels.label_table import Labels
from pipeline.lake import sql
from pipeline.lake.checksums import WRITTEN_ONCE, SegmentChecksum, row_checksums, with_ledger_checksums
from pipeline.lake.lake import REPEATS_LEFT, Lake, lake_errors
from pipeline.lake.lease.row_leases import has_several, leases_of
from pipeline.lake.region_rows import corners_of
from pipeline.lake.spans import SpanIndex
from pipeline.lake.writing.table_writer import RowIds, TableWriter, write_column
from pipeline.lake.writing.validity import border_after
from schemas.boxes import Boxes
from schemas.clock import Span, union
from schemas.regions import is_static
from schemas.shots import Shot
from schemas.sources import Source
from schemas.tables import segments_schema

_PICTURES_AT_ONCE = 64
_ROWS_AT_ONCE = 4096
_COLUMNS = ["id", "source_id", "pts", "lease", "until", "x0", "y0", "x1", "y1", "proposer", "label", "track"]
_MARKED = sql.equals("error", REPEATS_LEFT)


@dataclass(frozen=True, slots=True)
class CompletedSource:
    """A source whose segments are all settled. done: the spans of its rows, in order."""

    source: Source
    shots: Sequence[Shot]
    done: Sequence[Span]


def mark_repeats(lake: Lake, tables: TableWriter, completed: Mapping[str, CompletedSource], *, grid_s: float) -> None:
    """Writes the validity of the regions of these sources, by source id, and takes repeats out of the ledger (1, 2).

    Call it with the writer's lease, after the tracks were written; repeated after a kill, it is the same.
    """
    if not completed:
        return
    rows: list[RowIds] = []
    values: list[NDArray[np.int64]] = []
    repeats: dict[str, RowIds] = {}
    labelled = {each.region for each in Labels(lake).read()}
    for source_id, each in completed.items():
        keyframes = _keyframes(lake, source_id)
        found = _regions(lake, source_id)
        found = found.filter(pc.is_in(found["pts"], value_set=keyframes["pts"])).combine_chunks()
        if not found.num_rows:
            continue
        until, repeated = _validity(lake, each, found, keyframes, labelled=labelled, grid_s=grid_s)
        row_ids, pts = found["_rowid"].to_numpy(), found["pts"].to_numpy()
        wrong = pc.fill_null(found["until"], -(2**63)).to_numpy() != until
        rows.append(row_ids[wrong])
        values.append(until[wrong])
        if repeated.any():
            repeats[source_id] = row_ids[repeated][np.argsort(pts[repeated], kind="stable")]
    if rows:
        with lake_errors(f"writing how long the regions of {len(completed)} sources are valid", lake=lake.uri):
            write_column(lake, "until", np.concatenate(rows), pa.array(np.concatenate(values)))
    for source_id, row_ids in repeats.items():
        ledger = lake.read("segments", where=sql.all_of(sql.equals("source_id", source_id), "state = 'done'"))
        counted = _counted_by_segment(lake, ledger, row_ids)
        changed = [_less(row, count, summed) for row, count, summed in counted if count]
        _write_ledger(tables, [{**row, "error": REPEATS_LEFT} for row in changed])


def recover_repeats(lake: Lake, tables: TableWriter, *, complete: Collection[str]) -> None:
    """Makes good what a killed writer left. complete: ids of the sources that are complete, whose repeats go.

    Those of other sources are counted again, and their marks go: tracks, and what is a repeat, may then be found again,
    as somebody may have labelled one meanwhile.
    """
    marked = sorted({*lake.read("segments", columns=["source_id"], where=_MARKED)["source_id"].to_pylist()})
    delete_repeats(lake, tables, [name for name in marked if name in complete])
    for source_id in (name for name in marked if name not in complete):
        own = sql.equals("source_id", source_id)
        ledger = lake.read("segments", where=sql.all_of(own, _MARKED))
        with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
            repeats = lake.dataset("regions").to_table(
                columns=["source_id", "pts", "lease"], filter=sql.all_of(own, "until = pts"), with_row_id=True
            )
        counted = _counted_by_segment(lake, ledger, _under_lease(lake, source_id, repeats)["_rowid"].to_numpy())
        _write_ledger(tables, [{**_less(row, -count, -summed), "error": None} for row, count, summed in counted])


def delete_repeats(lake: Lake, tables: TableWriter, source_ids: Sequence[str]) -> None:
    """Deletes the repeats of these sources, which are marked in the ledger, and removes the marks (4, 5)."""
    if not source_ids:
        return
    where = sql.all_of(sql.is_in("source_id", source_ids), _MARKED)
    marked = sorted({*lake.read("segments", columns=["source_id"], where=where)["source_id"].to_pylist()})
    for source_id in marked:
        own = sql.equals("source_id", source_id)
        tables.delete_where("regions", sql.all_of(own, "until = pts"))
        tables.update("segments", sql.all_of(own, _MARKED), state="done", error=None)


def _regions(lake: Lake, source_id: str) -> pa.Table:
    """The regions of a source with their row ids, in the order of PTS and id."""
    with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
        found = lake.dataset("regions").to_table(
            columns=_COLUMNS, filter=sql.equals("source_id", source_id), with_row_id=True
        )
    return _under_lease(lake, source_id, found).sort_by([("pts", "ascending"), ("id", "ascending")])


def _keyframes(lake: Lake, source_id: str) -> pa.Table:
    """PTS and row ids of the keyframes of a source, in order of PTS."""
    with lake_errors(f"reading the frames of {lake.uri}", lake=lake.uri):
        found = lake.dataset("frames").to_table(
            columns=["source_id", "pts", "lease"], filter=sql.equals("source_id", source_id), with_row_id=True
        )
    return _under_lease(lake, source_id, found).sort_by("pts").combine_chunks()


def _under_lease(lake: Lake, source_id: str, rows: pa.Table) -> pa.Table:
    """Those rows of a source that were written under the lease of their segment: others are of a writer that had lost
    its own, and count nowhere."""
    if not has_several(rows):
        return rows
    where = sql.all_of(sql.equals("source_id", source_id), "state = 'done'")
    done = lake.read("segments", columns=["start", "stop", "lease"], where=where)
    index = SpanIndex(
        source=np.zeros(done.num_rows, np.int64), start=done["start"].to_numpy(), stop=done["stop"].to_numpy()
    )
    segment = index.find(source=np.zeros(rows.num_rows, np.int64), pts=rows["pts"].to_numpy())
    counts = segment >= 0
    counts[counts] = leases_of(done)[segment[counts]] == leases_of(rows)[counts]
    return rows.filter(pa.array(counts))


def _validity(
    lake: Lake, completed: CompletedSource, rows: pa.Table, keyframes: pa.Table, *, labelled: set[str], grid_s: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """PTS up to which each of these regions is valid, and which of them are repeats. rows: each of a keyframe."""
    source, standing = completed.source, StandingRegions()
    step = Fraction(grid_s) / source.clock.time_base
    shots = np.sort(np.array([shot.span.start for shot in completed.shots], np.int64))
    # nothing is valid where a part of the source failed or was removed: nobody knows, or may know, what was there
    known = union(completed.done)
    begins, ends = (np.array([getattr(span, end) for span in known], np.int64) for end in ("start", "stop"))
    pts = rows["pts"].to_numpy()
    corners = corners_of(rows)
    kind = _kinds(rows)
    fixed = np.array([name in labelled for name in rows["id"].to_pylist()], np.bool_)
    for at, picture in _pictures(lake, keyframes):
        own = slice(*np.searchsorted(pts, (at, at + 1)).tolist())
        standing.add(
            KeyframeRegions(
                pts=at,
                border=min(border_after(at, step), int(ends[np.searchsorted(begins, at, "right") - 1])),
                part=int(np.searchsorted(shots, at, "right")),
                boxes=Boxes(corners[own]),
                kind=kind[own],
                fixed=fixed[own],
            ),
            picture,
        )
    return standing.finish(source.span.stop)


def _kinds(rows: pa.Table) -> NDArray[np.int64]:
    """int64 (N,): equal for regions of one track, label and sort of proposer; without a track, of those without."""
    static = [is_static(name) for name in rows["proposer"].to_pylist()]
    keys = zip(rows["track"].to_pylist(), rows["label"].to_pylist(), static, strict=True)
    numbers: dict[tuple[str | None, str | None, bool], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


class _Picture:
    """The small picture of a keyframe, decoded when it is needed."""

    def __init__(self, jpeg: bytes) -> None:
        self._jpeg = jpeg

    def __call__(self) -> Luma:
        return small_luma(decode_thumbnail(self._jpeg))


def _pictures(lake: Lake, keyframes: pa.Table) -> Iterator[tuple[int, _Picture]]:
    """PTS and picture of each of these keyframes, in order of PTS."""
    ids = keyframes["_rowid"].to_pylist()
    for at in range(0, len(ids), _PICTURES_AT_ONCE):
        with lake_errors(f"reading the frames of {lake.uri}", lake=lake.uri):
            some = lake.table("frames").take_row_ids(ids[at : at + _PICTURES_AT_ONCE])
            rows = some.select(["pts", "thumbnail"]).to_arrow().sort_by("pts")
        for pts, jpeg in zip(rows["pts"].to_pylist(), rows["thumbnail"].to_pylist(), strict=True):
            yield pts, _Picture(jpeg)


def _counted_by_segment(lake: Lake, ledger: pa.Table, regions: RowIds) -> list[tuple[dict[str, Any], int, int]]:
    """The rows of the ledger, each with the number of these regions in its span, and the sum of their checksums.

    ledger: rows of the segments of one source, with all columns. regions: row ids, in any order.
    """
    rows = sorted(ledger.to_pylist(), key=lambda row: row["start"])
    starts = np.array([row["start"] for row in rows], np.int64)
    counts, sums = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.uint64)
    for at in range(0, len(regions), _ROWS_AT_ONCE):
        some = regions[at : at + _ROWS_AT_ONCE].tolist()
        with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
            found = lake.table("regions").take_row_ids(some).select([*WRITTEN_ONCE["regions"]]).to_arrow()
        place = np.searchsorted(starts, found["pts"].to_numpy(), "right") - 1
        np.add.at(counts, place, 1)
        np.add.at(sums, place, row_checksums(found, "regions"))
    return list(zip(rows, counts.tolist(), sums.tolist(), strict=True))


def _less(row: dict[str, Any], count: int, summed: int) -> dict[str, Any]:
    """A row of the ledger without so many regions with this sum of checksums; negative to add them."""
    checksum = row["checksum"]
    if checksum is not None:
        checksum = str(SegmentChecksum.parse(checksum) - SegmentChecksum(regions=summed))
    return {**row, "regions": row["regions"] - count, "checksum": checksum}


def _write_ledger(tables: TableWriter, rows: Sequence[dict[str, Any]]) -> None:
    """Replaces these rows of the ledger, in one change."""
    if rows:
        tables.replace("segments", with_ledger_checksums(pa.Table.from_pylist([*rows], schema=segments_schema())))
