"""The filters of a query over the columns in memory: frames by source and time, and boxes by overlap."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.search.memory.lake_cache import NO_TIME, LakeCache
from schemas.file_names import path_of_uri
from schemas.query import BoxTuple, Moment, Query
from schemas.recorder_names import camera_name
from schemas.sources import feed_name
from schemas.zones import Zone

_EPOCH = datetime.fromtimestamp(0, UTC)


def frames_in_filter(columns: LakeCache, query: Query) -> NDArray[np.bool_]:
    """bool (F,): visible frames that match the query's source and times, without those that it excludes."""
    passes = columns.visible.copy()
    if query.source is not None:
        fits = [source_matches(uri, query.source) for uri in columns.uris]
        passes &= np.array([*fits, False])[columns.source]
    if query.source_ids:
        wanted = set(query.source_ids)  # a feed has a recording an hour: thousands
        passes &= np.array([*(id in wanted for id in columns.source_ids), False])[columns.source]
    for frame in query.not_frames:
        passes &= columns.frame_id != frame.encode()
    if query.since is not None:
        clock, bound = _clock_of(columns, query.since)
        passes &= clock >= bound
    if query.until is not None:
        clock, bound = _clock_of(columns, query.until)
        passes &= (clock < bound) & (clock != NO_TIME)
    return passes


def standing_regions(columns: LakeCache, query: Query, *, frames: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows of the regions of earlier keyframes that are valid at `since` and after it.

    There are some only where what stands is stored once. frames: those that match the query.
    """
    if query.since is None or not columns.stores_once:
        return np.zeros(0, np.intp)
    earlier = frames_in_filter(columns, replace(query, since=None)) & ~frames
    clock, bound = _clock_of(columns, query.since)
    earlier &= clock != NO_TIME
    rows = np.flatnonzero(columns.region_alive & np.append(earlier, False)[columns.frame])
    left = bound - clock[columns.frame[rows]]
    unit_s = 1e-6 if isinstance(query.since, datetime) else 1.0
    return rows[columns.valid_s(rows) > left * unit_s]


def _clock_of(columns: LakeCache, moment: Moment) -> tuple[NDArray[Any], float]:
    """The times of all frames by the clock of a bound (NO_TIME, the lowest, where unknown), and the bound itself."""
    if isinstance(moment, datetime):
        return columns.time, _micros(moment)
    return columns.pts_s, moment


def source_matches(uri: str, pattern: str) -> bool:
    """Whether the pattern is a part of the URI or path, or is a glob that matches the whole of it.

    A glob also matches without the time at which a recording began, or at which a file's name was used again, and the
    camera that a recorder's file is of.
    """
    names = {uri, path_of_uri(uri), path_of_uri(feed_name(uri)), camera_name(uri)}
    return any(pattern in name or fnmatchcase(name, pattern) for name in names)


def zone_is_for(zone: Zone, uri: str, source_id: str) -> bool:
    """Whether the zone was drawn for this source."""
    if zone.source is not None and source_matches(uri, zone.source):
        return True
    return source_id in zone.source_ids or (zone.source is None and not zone.source_ids)


def overlapping(columns: tuple[NDArray[np.float32], ...], box: BoxTuple) -> NDArray[np.bool_]:
    """bool (R,): boxes that share a positive area with `box`; columns: x0, y0, x1, y1, float32 (R,) each, or (C, S)."""
    x0, y0, x1, y1 = columns
    a0, b0, a1, b1 = np.array(box, np.float32)
    wide = np.minimum(x1, a1) > np.maximum(x0, a0)
    high = np.minimum(y1, b1) > np.maximum(y0, b0)
    both: NDArray[np.bool_] = wide & high
    return both


def _micros(moment: datetime) -> int:
    """Whole µs since 1970; a moment without a time zone is UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
