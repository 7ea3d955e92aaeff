"""Cuts shots where a part of their source is removed, and gives tracks that lost their first region another name."""

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake import sql
from pipeline.lake.checksums import with_own_checksums
from pipeline.lake.lake import Lake
from pipeline.lake.writing.table_writer import TableWriter
from schemas.clock import Clock, Span
from schemas.ids import shot_id
from schemas.tables import shots_schema


def cut_shots(lake: Lake, tables: TableWriter, going: Sequence[tuple[str, str, Span]]) -> None:
    """Removes the parts of shots that are in these stretches: (source id, id of a row of the ledger, span).

    What is left of a shot on either side is a shot. Repeated after a kill, the result is the same.
    """
    removed: defaultdict[str, list[Span]] = defaultdict(list)
    for source_id, _, span in going:
        removed[source_id].append(span)
    clocks = _clocks(lake, sorted(removed))
    old: list[str] = []
    new: list[dict[str, Any]] = []
    for row in lake.read("shots", where=sql.is_in("source_id", sorted(removed))).to_pylist():
        span = Span(row["start"], row["stop"])
        parts = span.minus(removed[row["source_id"]])
        if parts != [span]:
            old.append(row["id"])
            new += [_part(row, part, clocks[row["source_id"]]) for part in parts]
    if new:
        rows = with_own_checksums(pa.Table.from_pylist(new, schema=shots_schema()))
        tables.replace("shots", rows, sql.is_in("id", old))
    else:
        tables.delete("shots", "id", old)


def continue_tracks(lake: Lake, tables: TableWriter, source_ids: Sequence[str]) -> None:
    """Names each track whose first region was removed after the first that is left."""
    where = sql.is_in("source_id", source_ids)
    regions = lake.read("regions", columns=["id", "pts", "track"], where=where)
    lost = pc.and_(pc.is_valid(regions["track"]), pc.invert(pc.is_in(regions["track"], value_set=regions["id"])))
    headless = regions.filter(lost).sort_by([("pts", "ascending"), ("id", "ascending")])
    names: dict[str, str] = {}
    for row in headless.to_pylist():
        names.setdefault(row["track"], row["id"])
    for track, name in names.items():  # whole rows are rewritten: a new column would leave the old name in its file
        tables.set_text("regions", sql.equals("track", track), column="track", value=name)


def _part(row: dict[str, Any], part: Span, clock: Clock) -> dict[str, Any]:
    return {
        **row,
        "id": shot_id(row["source_id"], part.start),
        "start": part.start,
        "stop": part.stop,
        "start_s": clock.seconds(part.start),
        "stop_s": clock.seconds(part.stop),
    }


def _clocks(lake: Lake, source_ids: Sequence[str]) -> dict[str, Clock]:
    columns = ["id", "time_base_num", "time_base_den", "start_time"]
    rows = lake.read("sources", columns=columns, where=sql.is_in("id", source_ids)).to_pylist()
    return {row["id"]: Clock(Fraction(row["time_base_num"], row["time_base_den"]), row["start_time"]) for row in rows}
