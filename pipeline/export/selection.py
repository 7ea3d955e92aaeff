"""Chooses what is exported: the regions of a query's hits, or all that are likely something in some sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from operators.encoders.calibration import chance
from operators.ranking.diverse import diverse
from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.likely_class import FindOdds, class_odds
from pipeline.export.dataset import Annotation, ExportedFrame
from pipeline.export.human import corrected
from pipeline.labels.label_table import Judged
from pipeline.lake.region_rows import corners_of, masks_of
from pipeline.lake.stored_once import require_each_sighting
from pipeline.search.memory.decoding import vectors_of
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.query import BoxTuple, Moment, SearchResult

LEAST_CONFIDENCE = 0.5
_SAME_IOU = 0.5  # of two boxes of one label in a frame, the less likely one is the same thing


@dataclass(frozen=True, slots=True)
class Everything:
    """All regions of some sources, instead of those of a query.

    source: as in a search; source_ids: ids of sources. since, until: UTC, or seconds within each source; half-open.
    least_confidence: of the likeliest class of a region that has no label of its own.
    """

    source: str | None = None
    source_ids: tuple[str, ...] = ()
    since: Moment | None = None
    until: Moment | None = None
    least_confidence: float = LEAST_CONFIDENCE


def of_hits(rows: LakeRows, result: SearchResult, *, label: str | None = None) -> list[ExportedFrame]:
    """The frames of a query's hits, best first, each with the region that was found in it.

    label: of every region; by default what people say, else its own, else the words of the query, else "region".
    Regions that by people's word do not show their label are omitted.
    """
    hits = {hit.place.region_id: hit for hit in result.hits if hit.place.region_id is not None}
    names = ["id", "proposer", "score", "label", "track", "mask", "mask_area", "pts"]
    found = rows.read_ids("regions", names, list(hits)) if hits else None
    regions = {} if found is None else {row["id"]: row for row in found.drop_columns(["mask"]).to_pylist()}
    masks = {} if found is None else masks_of(found)
    words = label or result.query.text
    known = rows.judged()
    frames = _frames(rows, [hit.frame_id for hit in result.hits])
    made = []
    for hit in result.hits:
        row = regions.get(hit.place.region_id or "", {})
        mask = hit.place.mask or masks.get(hit.place.region_id or "")
        annotation = Annotation(
            region=hit.place.region_id or hit.frame_id,
            label=label or row.get("label") or words or "region",
            box=hit.place.box,
            proposer=hit.place.proposer,
            score=row.get("score"),
            confidence=hit.confidence,
            distance=hit.distance,
            track=hit.place.track,
            mask=mask,
        )
        said = corrected(annotation, known, label=label)
        if said is not None and hit.frame_id in frames:  # not where it was removed meanwhile
            made.append(replace(frames[hit.frame_id], annotations=(said,)))
    return made


def of_everything(
    rows: LakeRows, chosen: Everything, *, label: str | None = None, find_odds: FindOdds = class_odds
) -> list[ExportedFrame]:
    """The frames of some sources, in order, each with the regions that have a label or a likely class.

    What people say comes before the label of a proposer. Of regions of one label that cover each other (IoU of 0.5) the
    likelier one is kept. Frames without any are omitted.
    Raises QueryError where no source matches, nothing has a label and the lake's model is not calibrated, or the lake
    stores once what stands, so that keyframes lack regions.
    """
    require_each_sighting(rows.lake, "an export of whole sources")
    within = LakeRows(rows.lake, chosen.source, _allowed(rows, chosen))
    names = ["id", "frame", "pts", "pts_s", "time", "x0", "y0", "x1", "y1", "proposer", "score", "label", "track"]
    found = within.read("regions", [*names, "mask", "mask_area", "vector"])
    found = found.filter(pa.array(_in_time(found, chosen.since, chosen.until)))
    if not found.num_rows:
        return []
    known = within.judged()
    labels, confidence = _labels(within, found, label, chosen.least_confidence, find_odds, known)
    kept = np.array([each is not None for each in labels])
    numbers = np.flatnonzero(kept)
    masks = masks_of(found)
    listed = found.select(["id", "frame", "proposer", "score", "track"]).to_pylist()
    corners = corners_of(found)
    scores = [row["score"] for row in listed]
    of_frame: dict[str, list[int]] = {}
    for number in numbers.tolist():
        of_frame.setdefault(listed[number]["frame"], []).append(number)
    frames = _frames(within, list(of_frame))
    made = []
    for frame in sorted(frames.values(), key=lambda each: (each.source, each.pts)):
        own = _without_doubles(of_frame[frame.id], corners, labels, confidence, scores)
        as_found = (
            Annotation(
                region=listed[i]["id"],
                label=labels[i] or "",
                box=_box(corners[i]),
                proposer=listed[i]["proposer"],
                score=listed[i]["score"],
                confidence=None if np.isnan(confidence[i]) else float(confidence[i]),
                track=listed[i]["track"],
                mask=masks.get(listed[i]["id"]),
            )
            for i in own
        )
        said = (corrected(each, known, label=label) for each in as_found)
        made.append(replace(frame, annotations=tuple(each for each in said if each is not None)))
    return [frame for frame in made if frame.annotations]


def most_different(
    rows: LakeRows, frames: Sequence[ExportedFrame], *, count: int, least_distance: float = 0.05
) -> list[ExportedFrame]:
    """At most `count` of the annotations, without near duplicates and as different as possible by their vectors.

    Frames keep their order, and those that lose all annotations are omitted. least_distance: 1 − cosine, below which
    two regions are near duplicates.
    """
    wanted = [each.region for frame in frames for each in frame.annotations]
    found = rows.read_ids("regions", ["id", "pts", "vector"], wanted) if wanted else None
    if found is None or not found.num_rows:
        return list(frames)
    place = {id: number for number, id in enumerate(found["id"].to_pylist())}
    order = [place[id] for id in wanted if id in place]
    vectors = vectors_of(found["vector"])["vector"][order].astype(np.float32)
    ids = [id for id in wanted if id in place]
    kept = {ids[number] for number in diverse(vectors, count=count, least_distance=least_distance).tolist()}
    fewer = [
        replace(frame, annotations=tuple(each for each in frame.annotations if each.region in kept)) for frame in frames
    ]
    return [frame for frame in fewer if frame.annotations]


def _allowed(rows: LakeRows, chosen: Everything) -> frozenset[str] | None:
    if not chosen.source_ids:
        return rows.allowed
    known = frozenset(rows.sources()["id"].to_pylist())
    if unknown := [id for id in chosen.source_ids if id not in known]:
        raise QueryError(f"no source of {rows.lake.uri} has the id {unknown[0]!r}")
    return frozenset(chosen.source_ids)


def _in_time(found: pa.Table, since: Moment | None, until: Moment | None) -> NDArray[np.bool_]:
    """bool (N,): rows within the bounds; a row without a time is not within a bound in UTC."""
    kept = np.ones(found.num_rows, np.bool_)
    for bound, later in ((since, True), (until, False)):
        if bound is None:
            continue
        if isinstance(bound, datetime):
            at = bound if bound.tzinfo is None else bound.astimezone(UTC).replace(tzinfo=None)
            values = found["time"].to_numpy().astype("datetime64[us]")
            limit: Any = np.datetime64(at, "us")
        else:
            values, limit = found["pts_s"].to_numpy(), bound
        kept &= values >= limit if later else values < limit
    return kept


def _labels(
    rows: LakeRows,
    found: pa.Table,
    label: str | None,
    least: float,
    find_odds: FindOdds,
    known: Mapping[str, Judged],
) -> tuple[list[str | None], NDArray[np.float64]]:
    """The label of each row, None for one that is nothing likely; and its confidence, NaN where that is unknown."""
    confidence = np.full(found.num_rows, np.nan)
    if label is not None:
        return [label] * found.num_rows, confidence
    own: list[str | None] = found["label"].to_pylist()
    for row, id in enumerate(found["id"].to_pylist() if known else ()):
        if id in known and known[id].label is not None:
            own[row] = known[id].label
    unknown = np.array([each is None for each in own])
    if not unknown.any():
        return own, confidence
    odds = find_odds(rows.lake)
    if odds is None:
        if unknown.all():
            raise QueryError(
                "no region has a label, and the lake's model has no calibration with which to find classes: "
                "give a query, or one label for all"
            )
        return own, confidence
    of_class = odds(vectors_of(found["vector"])["vector"][unknown])
    best = of_class.argmax(axis=1)
    confidence[unknown] = chance(of_class.max(axis=1).astype(np.float64))
    names = iter(odds.names[number] for number in best.tolist())
    labels = [next(names) if missing else each for missing, each in zip(unknown.tolist(), own, strict=True)]
    sure = ~unknown | (confidence >= least)
    return [each if keep else None for keep, each in zip(sure.tolist(), labels, strict=True)], confidence


def _without_doubles(
    rows: Sequence[int],
    corners: NDArray[np.float32],
    labels: Sequence[str | None],
    confidence: NDArray[np.float64],
    scores: Sequence[float],
) -> list[int]:
    """The rows of one frame without those on a likelier one of the same label, in their order."""
    turn = sorted(rows, key=lambda row: (-np.nan_to_num(confidence[row], nan=1.0), -scores[row], row))
    iou = Boxes(corners[turn]).iou(Boxes(corners[turn]))
    kept: list[int] = []
    for place, row in enumerate(turn):
        if not any(labels[turn[other]] == labels[row] and iou[place, other] >= _SAME_IOU for other in kept):
            kept.append(place)
    return sorted(turn[place] for place in kept)


def _frames(rows: LakeRows, ids: Sequence[str]) -> dict[str, ExportedFrame]:
    """These frames without annotations, by id."""
    if not ids:
        return {}
    sources = rows.sources().select(["id", "kind"]).to_pylist()
    kinds: Mapping[str, str | None] = {row["id"]: row["kind"] for row in sources}
    names = ["id", "source_id", "source", "pts", "pts_s", "time", "width_px", "height_px"]
    found = rows.read_ids("frames", names, ids).to_pylist()
    return {
        row["id"]: ExportedFrame(
            id=row["id"],
            source_id=row["source_id"],
            source=row["source"],
            kind=kinds.get(row["source_id"]) or "video",
            pts=row["pts"],
            at_s=row["pts_s"],
            time=row["time"],
            width_px=row["width_px"],
            height_px=row["height_px"],
            annotations=(),
        )
        for row in found
    }


def _box(corners: NDArray[np.float32]) -> BoxTuple:
    x0, y0, x1, y1 = corners.tolist()
    return x0, y0, x1, y1
