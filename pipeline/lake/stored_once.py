"""Whether what stands is stored once in a lake, for code that must know: a region is then valid in later keyframes."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from schemas.errors import QueryError

SETTING = "validity.store_once"
IndexArray = NDArray[np.intp]


def stores_once(lake: Lake) -> bool:
    """Whether a plan of the lake stores once what stands."""
    forms = lake.read("plans", columns=["settings"])["settings"].to_pylist()
    return any(SETTING in form and json.loads(form).get("settings", {}).get(SETTING) is True for form in forms)


def require_each_sighting(lake: Lake, what: str) -> None:
    """Raises QueryError where the lake stores once what stands. what: needs the regions of every keyframe."""
    if stores_once(lake):
        raise QueryError(
            f"{what} needs the regions of every keyframe, and {lake.uri} has sources that were ingested with "
            f"{SETTING}, of which what stands is stored once; ingest them without it"
        )


def each_sighting(regions: pa.Table, frames: pa.Table) -> pa.Table:
    """The regions, each in every keyframe in which it is valid, whose id and times it then has.

    regions: source_id, pts, until and, of the keyframe, `frame`, pts_s and time, as far as they were read. frames: id,
    source_id and the same times. The rows are in the order of source, PTS and row.
    """
    row, frame = sightings(regions, frames)
    seen, at = regions.take(pa.array(row)), frames.take(pa.array(frame))
    for name, of_frame in (("frame", "id"), ("pts", "pts"), ("pts_s", "pts_s"), ("time", "time")):
        if name in seen.schema.names:
            seen = seen.set_column(seen.schema.get_field_index(name), name, at[of_frame])
    return seen


def seconds_of_ticks(lake: Lake, source_ids: Sequence[str]) -> NDArray[np.float64]:
    """float64 (N,): seconds of a tick of each source's PTS; 0 where the lake does not have it."""
    names = ["id", "time_base_num", "time_base_den"]
    rows = lake.read("sources", columns=names, where="time_base_den IS NOT NULL").to_pylist()
    ticks = {row["id"]: row["time_base_num"] / row["time_base_den"] for row in rows}
    return np.array([ticks.get(name, 0.0) for name in source_ids], np.float64)


def sightings(regions: pa.Table, frames: pa.Table) -> tuple[IndexArray, IndexArray]:
    """The keyframes in which regions are valid, their own first: int (N,) rows of `regions`, int (N,) rows of `frames`.

    They are in the order of source, PTS and row. regions: source_id, pts, until. frames: source_id, pts; a
    region whose frame is missing has no sighting.
    """
    first, count, order = _in_frames(regions, frames)
    row = np.repeat(np.arange(len(first)), count)
    at = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    arranged = np.lexsort((row, at))
    return row[arranged], order[at[arranged]]


def count_sightings(regions: pa.Table, frames: pa.Table) -> int:
    """How many sightings there are, without making them: one region may have hundreds. Arguments as of `sightings`."""
    _, count, _ = _in_frames(regions, frames)
    return int(count.sum())


def _in_frames(regions: pa.Table, frames: pa.Table) -> tuple[IndexArray, IndexArray, IndexArray]:
    """int (N,) each: the first keyframe in which a region is valid, in the order of source and PTS, and how many there
    are. int (F,): the rows of `frames` in that order."""
    frame_source, names = _codes(frames["source_id"])
    source = pc.index_in(regions["source_id"], value_set=names)
    region_source = np.asarray(pc.fill_null(source, -1).to_numpy(), np.int64)
    frame_pts, pts = (np.asarray(rows["pts"].to_numpy(), np.int64) for rows in (frames, regions))
    until = np.maximum(np.asarray(pc.fill_null(regions["until"], 0).to_numpy(), np.int64), pts + 1)
    order = np.lexsort((frame_pts, frame_source))
    moments, rank = np.unique(frame_pts[order], return_inverse=True)
    keys = frame_source[order] * (len(moments) + 1) + rank
    first, stop = (
        np.searchsorted(keys, region_source * (len(moments) + 1) + np.searchsorted(moments, at)) for at in (pts, until)
    )
    return first, np.where(region_source < 0, 0, stop - first), order


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], pa.Array]:
    names = pc.unique(column)
    return np.asarray(pc.index_in(column, value_set=names).to_numpy(), np.int64), names
