"""The PTS up to which a region is valid: that of the next keyframe, at the latest the next border of a grid.

The grid is absolute, with borders at multiples of its step from PTS 0, so that neither the borders of segments nor the
order of commits counts. A segment does not know the keyframe after its last one: until its source is complete, regions
of that keyframe are valid to the segment's end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.writing.table_writer import RowIds, write_column
from schemas.sources import Source

GRID_S = 60.0


def valid_until(pts: Sequence[int], *, stop: int, source: Source, grid_s: float) -> NDArray[np.int64]:
    """int64 (N,): the PTS, exclusive, up to which the regions of each keyframe are valid.

    pts: of the keyframes, ascending. stop: where what is known of the source ends. grid_s: step of the grid.
    """
    step = Fraction(grid_s) / source.clock.time_base
    following = [*pts[1:], stop][: len(pts)]  # a segment may have no keyframe
    found = [min(after, border_after(before, step)) for before, after in zip(pts, following, strict=True)]
    return np.array(found, np.int64)


def with_validity(item: SegmentRows, *, grid_s: float) -> SegmentRows:
    """A segment's rows with the validity of its regions, as far as the segment knows it."""
    segment, regions = item.segment, item.regions
    pts = sorted(item.frames["pts"].to_pylist())
    until = valid_until(pts, stop=segment.span.stop, source=segment.source, grid_s=grid_s)
    at = regions.schema.get_field_index("until")
    values = until[np.searchsorted(pts, regions["pts"].to_numpy())] if regions.num_rows else np.zeros(0, np.int64)
    return replace(item, regions=regions.set_column(at, regions.schema.field(at), pa.array(values, pa.int64())))


def write_validity(lake: Lake, sources: Mapping[str, Source], *, grid_s: float) -> None:
    """Corrects the validity of the regions of covered sources, by source id; repeated after a kill, it is the same.

    Call it with the writer's lease. Only regions of the last keyframes of segments, and those without a value, change.
    """
    rows: list[RowIds] = []
    values: list[NDArray[np.int64]] = []
    for row_ids, until in _corrections(lake, sources, grid_s=grid_s):
        rows.append(row_ids)
        values.append(until)
    if rows:
        with lake_errors(f"writing how long the regions of {len(sources)} sources are valid", lake=lake.uri):
            write_column(lake, "until", np.concatenate(rows), pa.array(np.concatenate(values)))


def end_validity(lake: Lake, cuts: Mapping[str, int]) -> None:
    """Ends the validity of earlier regions at a PTS of each of these sources, by source id, to forget what comes then.

    Where what stands is stored once, a region could otherwise say what was there afterwards.
    """
    where = sql.any_of(
        sql.all_of(sql.equals("source_id", name), f"pts < {pts}", f"until > {pts}") for name, pts in cuts.items()
    )
    with lake_errors(f"ending how long regions of {lake.uri} are valid", lake=lake.uri):
        rows = lake.dataset("regions").to_table(columns=["source_id"], filter=where, with_row_id=True)
        values = [cuts[name] for name in rows["source_id"].to_pylist()]
        write_column(lake, "until", rows["_rowid"].to_numpy(), pa.array(values, pa.int64()))


def _corrections(
    lake: Lake, sources: Mapping[str, Source], *, grid_s: float
) -> Iterator[tuple[RowIds, NDArray[np.int64]]]:
    """Row ids of the regions of each source whose validity is another, and the validity."""
    if not sources:
        return
    where = sql.is_in("source_id", sources)
    with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
        frames = lake.read("frames", columns=["source_id", "pts"], where=where)
        columns = ["source_id", "pts", "until"]
        regions = lake.dataset("regions").to_table(columns=columns, filter=where, with_row_id=True)
    for name, source in sources.items():
        pts = np.unique(frames.filter(pc.equal(frames["source_id"], name))["pts"].to_numpy())
        own = regions.filter(pc.equal(regions["source_id"], name))
        if not own.num_rows or not len(pts):
            continue
        until = valid_until(pts.tolist(), stop=source.span.stop, source=source, grid_s=grid_s)
        place = np.minimum(np.searchsorted(pts, own["pts"].to_numpy()), len(pts) - 1)
        expected = until[place]
        wrong = pc.fill_null(own["until"], -(2**63)).to_numpy() != expected
        if wrong.any():
            yield own["_rowid"].to_numpy()[wrong], expected[wrong]


def border_after(pts: int, step: Fraction) -> int:
    """The first border of a grid after a PTS. step: of the grid, in ticks."""
    number = pts * step.denominator // step.numerator + 1
    return -(-number * step.numerator // step.denominator)
