"""Checks rows before they are written to the lake."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from schemas.errors import RefusedError
from schemas.tables import TableName, with_added_columns


def of_today(item: SegmentRows, *, lake: Lake) -> SegmentRows:
    """Rows that an older release left for the lake, in the schemas of this one."""
    return replace(
        item,
        frames=with_added_columns(item.frames, "frames", lake.space),
        regions=with_added_columns(item.regions, "regions", lake.space),
        patches=None if item.patches is None else with_added_columns(item.patches, "patches", lake.space),
    )


def validate_rows(item: SegmentRows, *, lake: Lake) -> None:
    """Raises RefusedError unless the rows fit their tables, their segment, and each other."""
    segment, span = item.segment, item.segment.span
    where = f"rows of [{span.start}, {span.stop}) of {segment.source.uri}"
    parts: dict[TableName, pa.Table | None] = {
        "frames": item.frames,
        "regions": item.regions,
        "patches": item.patches,
    }
    for name, table in parts.items():
        if table is None:
            continue
        if not table.schema.equals(lake.schema(name)):
            raise RefusedError(f"{where}: {name} has schema {table.schema}, the lake has {lake.schema(name)}")
        if table.num_rows == 0:
            continue
        pts = pc.min_max(table["pts"]).as_py()
        if pts["min"] not in span or pts["max"] not in span:
            raise RefusedError(f"{where}: {name} has PTS {pts['min']} to {pts['max']}, outside the segment")
        if pc.unique(table["source_id"]).to_pylist() != [segment.source.id]:
            raise RefusedError(f"{where}: {name} has rows of other sources")
        key = "frame" if name == "patches" else "id"
        if pc.count_distinct(table[key]).as_py() != table.num_rows:
            raise RefusedError(f"{where}: {name} has the same {key} twice")
        if name != "frames" and not pc.all(pc.is_in(table["frame"], value_set=item.frames["id"])).as_py():
            raise RefusedError(f"{where}: {name} has rows of frames that are not among the segment's")
