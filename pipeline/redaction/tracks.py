"""Reads the regions of a source around a span, as tracks that can be carried through it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from operators.redaction.carry import Sightings
from operators.redaction.config import CarryConfig
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.region_rows import masks_of
from pipeline.lake.stored_once import each_sighting, stores_once
from pipeline.search.memory.decoding import vectors_of
from schemas.masks import Mask
from schemas.regions import is_static

_AROUND_S = 600.0  # how far keyframes before and after are looked for: a scene that rests has one in a minute
_AROUND = 5  # keyframes before and after whose regions are read: a track may miss four
_PLACED = ("id", "frame", "source_id", "pts", "until", "pts_s", "x0", "y0", "x1", "y1")
_COLUMNS = (*_PLACED, "proposer", "label", "mask", "mask_area", "track")


@dataclass(frozen=True, slots=True, eq=False)
class SpanRegions:
    """The N regions of the keyframes of a span and around it, ordered by time, and the times of those keyframes.

    rows: with the columns of `regions`, but for vectors. vectors: float16 (N, D). embedded: bool (N,), whether a region
    has a vector. keyframes_s: float64 (K,), ascending.
    """

    rows: pa.Table
    vectors: NDArray[np.float16]
    embedded: NDArray[np.bool_]
    keyframes_s: NDArray[np.float64]

    def column(self, name: str) -> list[str | None]:
        """A column of texts."""
        found: list[str | None] = self.rows[name].to_pylist()
        return found

    def shown_s(self, first_s: float, last_s: float, config: CarryConfig) -> tuple[float, float]:
        """The span in which a thing may be there that was seen first and last at these times."""
        before = self.keyframes_s[self.keyframes_s < first_s]
        after = self.keyframes_s[self.keyframes_s > last_s]
        return (
            min(float(before[-1]), first_s - config.hold_s) if len(before) else -math.inf,
            max(float(after[0]), last_s + config.hold_s) if len(after) else math.inf,
        )

    def tracks(self, chosen: Iterable[int], config: CarryConfig) -> list[Sightings]:
        """The tracks of the regions with these indices; a region without a track is one of its own."""
        taken = sorted(set(chosen))
        rows = self.rows.take(pa.array(taken, pa.int64()))
        masks = masks_of(rows)
        groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
        seen: dict[tuple[str, int], int] = {}
        for row in rows.drop_columns(["mask", "mask_area"]).to_pylist():
            track = row["track"] or row["id"]
            # a stale writer may have left a second row of the moment: it is carried by itself
            again = seen.get((track, row["pts"]), 0)
            seen[track, row["pts"]] = again + 1
            groups.setdefault((track, again), []).append(row)
        return [self._sightings(group, masks, config) for group in groups.values()]

    def _sightings(self, rows: list[dict[str, Any]], masks: dict[str, Mask], config: CarryConfig) -> Sightings:
        at_s = np.array([row["pts_s"] for row in rows], np.float64)
        boxes = np.array([[row[name] for name in ("x0", "y0", "x1", "y1")] for row in rows], np.float64)
        found = [masks.get(str(row["id"])) for row in rows]
        return Sightings(at_s, boxes, found, self.shown_s(at_s[0], at_s[-1], config))


def regions_around(lake: Lake, source_id: str, *, start_s: float, stop_s: float, column: str) -> SpanRegions:
    """Reads the regions. column: of the vectors. Static windows are omitted where a keyframe has other regions."""
    of_source = sql.equals("source_id", source_id)
    near = sql.all_of(of_source, *_between(start_s - _AROUND_S, stop_s + _AROUND_S))
    found = lake.read("frames", columns=["pts_s"], where=near)["pts_s"].to_pylist()
    keyframes_s = np.unique(np.array(found, np.float64))
    first, last = np.searchsorted(keyframes_s, [start_s, stop_s])
    first, last = max(0, int(first) - _AROUND), min(len(keyframes_s) - 1, int(last) + _AROUND)
    where = "FALSE"
    if len(keyframes_s):
        where = sql.all_of(of_source, *_between(float(keyframes_s[first]), float(keyframes_s[last])))
    rows = lake.read("regions", columns=[*_COLUMNS, column], where=where)
    if stores_once(lake):
        rows = _standing(lake, source_id, rows, keyframes_s[first : last + 1], column)
    rows = rows.sort_by([("pts", "ascending"), ("id", "ascending")])
    static = np.array([is_static(name) for name in rows["proposer"].to_pylist()], bool)
    frames = np.array(rows["frame"].to_pylist(), object)
    rows = rows.filter(pa.array(~static | ~np.isin(frames, frames[~static])))
    held = vectors_of(rows[column])
    return SpanRegions(rows.drop_columns([column]), held["vector"], held["embedded"], keyframes_s)


def _standing(lake: Lake, source_id: str, rows: pa.Table, keyframes_s: NDArray[np.float64], column: str) -> pa.Table:
    """The regions, and those of earlier keyframes that are still valid, in each of these keyframes that they are in.

    What stands is stored once: a region that is read once would be covered for a moment only.
    """
    if not len(keyframes_s):
        return rows
    of_source = sql.equals("source_id", source_id)
    near = sql.all_of(of_source, *_between(float(keyframes_s[0]), float(keyframes_s[-1])))
    frames = lake.read("frames", columns=["id", "source_id", "pts", "pts_s"], where=near)
    first = min(frames["pts"].to_pylist())
    earlier = sql.all_of(of_source, f"pts < {first}", f"until > {first}")
    rows = pa.concat_tables([rows, lake.read("regions", columns=[*_COLUMNS, column], where=earlier)])
    return each_sighting(rows, frames)


def _between(start_s: float, stop_s: float) -> tuple[str, str]:
    return f"pts_s >= {start_s!r}", f"pts_s <= {stop_s!r}"
