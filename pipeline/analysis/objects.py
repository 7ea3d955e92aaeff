"""Objects: one row for each thing that was followed, from the tracks of a lake."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from operators.tracking.same_thing import SameThingConfig, Sightings, continued, doubles
from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.likely_class import ClassOdds, FindOdds, LikelyClass, class_odds, likely_class
from pipeline.lake.region_rows import corners_of
from pipeline.lake.stored_once import count_sightings, each_sighting, stores_once
from pipeline.search.memory.decoding import numbers_of, vectors_of
from schemas.boxes import Boxes

LEAST_CONFIDENCE = 0.5
PATH_POINTS = 9

_TIME = pa.timestamp("us")  # UTC
OBJECTS = pa.schema(
    [
        ("object", pa.string()),  # id of its first region
        ("source_id", pa.string()),
        ("source", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("first_s", pa.float64()),
        ("last_s", pa.float64()),
        ("first", _TIME),
        ("last", _TIME),
        ("keyframes", pa.int32()),
        ("tracks", pa.list_(pa.string())),
        ("path", pa.string()),  # "x,y x,y …", centres, at most nine, evenly in time
        ("travel", pa.float32()),  # length of that path, in widths and heights of the frame
        *((name, pa.float32()) for name in ("x0", "y0", "x1", "y1")),  # of the best still
        ("frame", pa.string()),
        ("region", pa.string()),
    ]
)
MEMBERS = pa.schema([("region", pa.string()), ("object", pa.string())])


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """objects: rows of OBJECTS, in order of their source and first sighting. members: rows of MEMBERS, one for each
    region of an object; regions without a track, and those of doubles, are in no object."""

    objects: pa.Table
    members: pa.Table


def find_objects(rows: LakeRows, *, config: SameThingConfig | None = None, find_odds: FindOdds = class_odds) -> Objects:
    """Follows things through the tracks of the lake's sources; a thing is in one source.

    config: None for the default. Raises ModelError where the lake's model cannot be loaded.
    """
    config = config or SameThingConfig()
    names = ["id", "frame", "source_id", "source", "pts", "pts_s", "time", "x0", "y0", "x1", "y1", "score", "label"]
    tracked = rows.read("regions", [*names, "track", "vector", "until"], where="track IS NOT NULL")
    tracked = tracked.sort_by([("source_id", "ascending"), ("pts", "ascending"), ("id", "ascending")])
    tracked = _each_sighting(rows, tracked)
    if not tracked.num_rows:
        return Objects(OBJECTS.empty_table(), MEMBERS.empty_table())
    unlabelled = tracked["label"].null_count > 0
    odds = find_odds(rows.lake) if unlabelled else None
    source = np.array(tracked["source_id"].to_pylist(), object)
    edges = [0, *(np.flatnonzero(source[1:] != source[:-1]) + 1).tolist(), len(source)]
    parts = [_of_source(tracked.slice(a, b - a), odds, config) for a, b in pairwise(edges)]
    objects = pa.concat_tables([each.objects for each in parts])
    return Objects(
        objects.sort_by([("source", "ascending"), ("first_s", "ascending"), ("object", "ascending")]),
        pa.concat_tables([each.members for each in parts]),
    )


def count_followed(rows: LakeRows) -> int | None:
    """How many rows `find_objects` follows, without their vectors; None where each stored region is one of them."""
    if not stores_once(rows.lake):
        return None
    tracked = rows.read("regions", ["source_id", "pts", "until"], where="track IS NOT NULL")
    return count_sightings(tracked, rows.read("frames", ["source_id", "pts"]))


def _each_sighting(rows: LakeRows, tracked: pa.Table) -> pa.Table:
    """The regions, in order of source, time and id, each in every keyframe in which it is valid.

    Where what stands is stored once, a region is valid in several, and its times are then those of each of them.
    """
    if not stores_once(rows.lake):
        return tracked
    frames = rows.read("frames", ["id", "source_id", "pts", "pts_s", "time"])
    seen = each_sighting(tracked, frames)
    return seen.sort_by([("source_id", "ascending"), ("pts", "ascending"), ("id", "ascending")])


def _of_source(rows: pa.Table, odds: ClassOdds | None, config: SameThingConfig) -> Objects:
    ids = np.array(rows["id"].to_pylist(), object)
    tracks: list[str] = []
    track, frame = numbers_of(rows["track"], tracks, {}), numbers_of(rows["frame"], [], {})
    corners = corners_of(rows)
    vectors = vectors_of(rows["vector"])["vector"]
    score = np.asarray(rows["score"].to_numpy(), np.float64)
    seen = Sightings(track, frame, np.asarray(rows["pts_s"].to_numpy()), Boxes(corners), score, vectors)
    of_region = None if odds is None else odds(vectors)
    known = () if odds is None else odds.names
    labels = rows["label"].to_pylist()
    members = _rows_of(track, len(tracks))
    classes = [_class_of(each, labels, score, of_region, known) for each in members]
    group = _groups(classes)
    double = doubles(seen, group, config=config)
    first = continued(seen, np.where(double, -1, group), config=config)
    made = []
    region, owner = [], []
    for number in np.unique(first[~double]).tolist():
        own = np.flatnonzero((first == number) & ~double)
        at = np.sort(np.concatenate([members[each] for each in own]))
        found = _class_of(at, labels, score, of_region, known)
        made.append(_object(rows, at, ids, corners, score, of_region, known, found, [tracks[each] for each in own]))
        own_ids = list(dict.fromkeys(ids[at].tolist()))
        region += own_ids
        owner += [made[-1]["object"]] * len(own_ids)
    return Objects(
        pa.Table.from_pylist(made, schema=OBJECTS), pa.table({"region": region, "object": owner}, schema=MEMBERS)
    )


def _object(
    rows: pa.Table,
    at: NDArray[np.intp],
    ids: NDArray[np.object_],
    corners: NDArray[np.float32],
    score: NDArray[np.float64],
    odds: NDArray[np.float32] | None,
    names: Sequence[str],
    found: LikelyClass,
    tracks: list[str],
) -> dict[str, object]:
    """at: rows of the object's regions, in order of time."""
    clarity = np.log(np.maximum(score[at], 1e-6))
    if odds is not None and found.label is not None and found.label in names:
        clarity = clarity + np.minimum(odds[at][:, list(names).index(found.label)], 4.0)
    area = (corners[at, 2] - corners[at, 0]) * (corners[at, 3] - corners[at, 1])
    best = int(at[np.argmax(clarity + 0.5 * np.log(np.maximum(area, 1e-9)))])  # of two as sure, the larger
    centres = (corners[at, :2] + corners[at, 2:]) / 2
    path = centres[np.unique(np.linspace(0, len(at) - 1, PATH_POINTS).round().astype(int))]
    first, last = int(at[0]), int(at[-1])
    steps = np.diff(path.astype(np.float64), axis=0)
    return {
        "object": ids[first],
        "source_id": rows["source_id"][first].as_py(),
        "source": rows["source"][first].as_py(),
        "label": found.label,
        "confidence": found.confidence,
        "first_s": rows["pts_s"][first].as_py(),
        "last_s": rows["pts_s"][last].as_py(),
        "first": rows["time"][first].as_py(),
        "last": rows["time"][last].as_py(),
        "keyframes": len(at),
        "tracks": tracks,
        "path": " ".join(f"{x:.3f},{y:.3f}" for x, y in path.tolist()),
        "travel": float(np.hypot(steps[:, 0], steps[:, 1]).sum()),
        **dict(zip(("x0", "y0", "x1", "y1"), corners[best].tolist(), strict=True)),
        "frame": rows["frame"][best].as_py(),
        "region": ids[best],
    }


def _class_of(
    at: NDArray[np.intp],
    labels: Sequence[str | None],
    score: NDArray[np.float64],
    odds: NDArray[np.float32] | None,
    names: Sequence[str],
) -> LikelyClass:
    return likely_class([labels[row] for row in at.tolist()], score[at], None if odds is None else odds[at], names)


def _groups(classes: Sequence[LikelyClass]) -> NDArray[np.intp]:
    """int (T,): tracks that may be the same thing have one number: those of a class, sure ones apart from others."""
    numbers: dict[tuple[str | None, bool], int] = {}
    kinds = [(each.label, each.confidence is None or each.confidence >= LEAST_CONFIDENCE) for each in classes]
    return np.array([numbers.setdefault(kind, len(numbers)) for kind in kinds], np.intp)


def _rows_of(track: NDArray[np.intp], tracks: int) -> list[NDArray[np.intp]]:
    """Rows of each track, ascending."""
    order = np.argsort(track, kind="stable")
    return np.split(order, np.cumsum(np.bincount(track, minlength=tracks))[:-1])
