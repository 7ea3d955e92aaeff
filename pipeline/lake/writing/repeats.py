"""Stores what stands once: removes the regions of complete sources that show what an earlier region still shows.

A source is stored as it comes, so that it is found at once; its repeats go when it is complete, once its tracks are
known. What goes follows from its rows and thumbnails alone, so it is the same for every segmentation and engine, and
for a feed and its file. A kill at any point is made good, because each step is one change:

1. `until` of all regions; that of a repeat is its own PTS.
2. The ledger's counts and checksums without the repeats, and the mark that these are still there.
3. (The source becomes complete. A writer that finds it open begins again, with all rows.)
4. The deletion of the repeats. 5. The removal of the mark; the next writer does both where they are missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

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
from pipeline.lake.writing.table_writer import RowIds, TableWriter, write_column
from pipeline.lake.writing.validity import border_after
from schemas.boxes import Boxes
from schemas.clock import Span
from schemas.regions import is_static
from schemas.shots import Shot
from schemas.sources import Source
from schemas.tables import segments_schema

_PICTURES_AT_ONCE = 64
_ROWS_AT_ONCE = 4096
_COLUMNS = ["id", "pts", "until", "x0", "y0", "x1", "y1", "proposer", "label", "track"]


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
    rows: list[RowIds] = []
    values: list[NDArray[np.int64]] = []
    repeats: dict[str, RowIds] = {}
    labelled = {each.region for each in Labels(lake).read()}
    for source_id, each in completed.items():
        found = _regions(lake, source_id)
        if not found.num_rows:
            continue
        until, repeated = _validity(lake, each, found, labelled=labelled, grid_s=grid_s)
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
        _uncount(lake, tables, source_id, row_ids)


def delete_repeats(lake: Lake, tables: TableWriter, source_ids: Sequence[str]) -> None:
    """Deletes the repeats of these sources, which are marked in the ledger, and removes the marks (4, 5)."""
    where = sql.all_of(sql.is_in("source_id", source_ids), sql.equals("error", REPEATS_LEFT))
    marked = sorted({*lake.read("segments", columns=["source_id"], where=where)["source_id"].to_pylist()})
    for source_id in marked:
        own = sql.equals("source_id", source_id)
        tables.delete_where("regions", sql.all_of(own, "until = pts"))
        tables.update("segments", sql.all_of(own, sql.equals("error", REPEATS_LEFT)), state="done", error=None)


def _regions(lake: Lake, source_id: str) -> pa.Table:
    """The regions of a source with their row ids, in the order of PTS and id."""
    with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
        found = lake.dataset("regions").to_table(
            columns=_COLUMNS, filter=sql.equals("source_id", source_id), with_row_id=True
        )
    return found.sort_by([("pts", "ascending"), ("id", "ascending")]).combine_chunks()


def _validity(
    lake: Lake, completed: CompletedSource, rows: pa.Table, *, labelled: set[str], grid_s: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """PTS up to which each of these regions is valid, and which of them are repeats."""
    source, standing = completed.source, StandingRegions()
    step = Fraction(grid_s) / source.clock.time_base
    shots = np.array([shot.span.start for shot in completed.shots], np.int64)
    # where a part of the source failed or was removed, nobody knows whether anything changed
    gaps = [b.start for a, b in zip(completed.done, completed.done[1:], strict=False) if a.stop != b.start]
    part_starts = np.sort(np.concatenate([shots, np.array(gaps, np.int64)]))
    pts = rows["pts"].to_numpy()
    corners = np.stack([rows[name].to_numpy() for name in ("x0", "y0", "x1", "y1")], axis=1)
    kind = _kinds(rows)
    fixed = np.array([name in labelled for name in rows["id"].to_pylist()], np.bool_)
    for at, picture in _keyframes(lake, source.id):
        own = slice(*np.searchsorted(pts, (at, at + 1)).tolist())
        standing.add(
            KeyframeRegions(
                pts=at,
                border=border_after(at, step),
                part=int(np.searchsorted(part_starts, at, "right")),
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


def _keyframes(lake: Lake, source_id: str) -> Iterator[tuple[int, _Picture]]:
    """PTS and picture of each keyframe of a source, in order of PTS."""
    with lake_errors(f"reading the frames of {lake.uri}", lake=lake.uri):
        found = lake.dataset("frames").to_table(
            columns=["pts"], filter=sql.equals("source_id", source_id), with_row_id=True
        )
    found = found.sort_by("pts")
    ids = found["_rowid"].to_pylist()
    for at in range(0, len(ids), _PICTURES_AT_ONCE):
        with lake_errors(f"reading the frames of {lake.uri}", lake=lake.uri):
            some = lake.table("frames").take_row_ids(ids[at : at + _PICTURES_AT_ONCE])
            rows = some.select(["pts", "thumbnail"]).to_arrow().sort_by("pts")
        for pts, jpeg in zip(rows["pts"].to_pylist(), rows["thumbnail"].to_pylist(), strict=True):
            yield pts, _Picture(jpeg)


def _uncount(lake: Lake, tables: TableWriter, source_id: str, repeats: RowIds) -> None:
    """Takes the repeats of a source out of the counts and checksums of its segments, which it marks, in one change."""
    ledger = lake.read("segments", where=sql.equals("source_id", source_id)).to_pylist()
    if any(row["error"] == REPEATS_LEFT for row in ledger):
        return  # by a writer that was killed before the source was complete
    done = sorted((row for row in ledger if row["state"] == "done"), key=lambda row: row["start"])
    starts = np.array([row["start"] for row in done], np.int64)
    counts, sums = np.zeros(len(done), np.int64), np.zeros(len(done), np.uint64)
    for at in range(0, len(repeats), _ROWS_AT_ONCE):
        some = repeats[at : at + _ROWS_AT_ONCE].tolist()
        with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
            rows = lake.table("regions").take_row_ids(some).select([*WRITTEN_ONCE["regions"]]).to_arrow()
        place = np.searchsorted(starts, rows["pts"].to_numpy(), "right") - 1
        np.add.at(counts, place, 1)
        np.add.at(sums, place, row_checksums(rows, "regions"))
    changed = []
    for row, count, summed in zip(done, counts.tolist(), sums.tolist(), strict=True):
        if count:
            new = {**row, "regions": row["regions"] - count, "error": REPEATS_LEFT}
            if row["checksum"] is not None:
                left = SegmentChecksum.parse(row["checksum"]) - SegmentChecksum(regions=summed)
                new["checksum"] = str(left)
            changed.append(new)
    table = pa.Table.from_pylist(changed, schema=segments_schema())
    tables.replace("segments", with_ledger_checksums(table))
