"""Finds the region of the lake that each labelled box is of: by the id that an export wrote, else by its place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from pipeline.analysis.lake_rows import LakeRows
from pipeline.labels.label_table import UNMOVED_IOU, HumanLabel, Verdict
from pipeline.labels.returned import LabelledBox, Returned
from schemas.boxes import Boxes
from schemas.query import BoxTuple

LEAST_IOU = 0.5
_COLUMNS = ["id", "frame", "source_id", "source", "pts", "pts_s", "x0", "y0", "x1", "y1"]


@dataclass(frozen=True, slots=True)
class Matched:
    """What matching found.

    labels: to be stored. by_id, by_place: how many boxes were found so. moved: of the former, those whose box somebody
    changed. deleted: labels of what somebody deleted, or gave another name, which say "wrong". unmatched: what is of no
    region, a sentence each.
    """

    labels: tuple[HumanLabel, ...]
    by_id: int
    by_place: int
    moved: int
    deleted: int
    unmatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A box with the row of its region. iou: of the two."""

    box: LabelledBox
    row: Mapping[str, Any]
    iou: float
    how: Literal["id", "place"]


def match(
    rows: LakeRows,
    returned: Returned,
    *,
    shown: Iterable[LabelledBox] = (),
    least_iou: float = LEAST_IOU,
    by: str,
    now: datetime,
) -> Matched:
    """Matches what was returned to the regions of a lake.

    A box is of the region whose id it has, while their IoU is at least `least_iou`: tools copy ids with boxes. Without
    one it is of the region of its picture that it covers best, each region being taken once by each person.
    shown: besides those in the file, what the labellers began with. What of it is missing in a picture that they looked
    at is wrong. by, now: who said it and when, where the file does not say.
    """
    of_id = _regions(rows, "id", {each.region for each in (*returned.boxes, *returned.shown, *shown) if each.region})
    found: list[_Found] = []
    left: list[LabelledBox] = []
    unmatched: list[str] = []
    for each in returned.boxes:
        row = of_id.get(each.region or "")
        iou = 1.0 if each.box is None or row is None else _iou(each.box, _box(row))
        if row is not None and iou >= least_iou:
            found.append(_Found(each, row, iou, "id"))
        elif each.box is None:
            unmatched.append(f"{each.where}: the lake has no region {each.region}")
        elif each.frame is None and row is None:
            unmatched.append(f"{each.where}: neither a region of the lake nor the id of a frame is named")
        else:
            left.append(each if row is None else replace(each, frame=row["frame"]))
    by_place, without = _by_place(rows, left, taken={(each.box.by, each.row["id"]) for each in found}, least=least_iou)
    unmatched += without
    found += by_place
    labels = [_label(each, each.box.label, each.box.verdict, returned.format, by, now) for each in found]
    kept = {(each.box.by, each.row["id"], each.box.label) for each in found}
    people: dict[str, set[str | None]] = {}  # who looked at each frame
    for frame, whose in returned.frames:
        people.setdefault(frame, set()).add(whose)
    gone = []
    for each in (*returned.shown, *shown):
        row = of_id.get(each.region or "")
        for person in people.get(row["frame"], ()) if row is not None else ():
            asked = each.by in (None, person)
            if asked and row is not None and (person, row["id"], each.label) not in kept:
                lost = _Found(replace(each, by=person, box=None), row, 1.0, "id")
                gone.append(_label(lost, each.label, "wrong", returned.format, by, now))
    return Matched(
        labels=(*labels, *gone),
        by_id=sum(each.how == "id" for each in found),
        by_place=len(by_place),
        moved=sum(each.how == "id" and each.iou < UNMOVED_IOU for each in found),
        deleted=len(gone),
        unmatched=tuple(unmatched),
    )


def _by_place(
    rows: LakeRows, boxes: Sequence[LabelledBox], *, taken: set[tuple[str | None, str]], least: float
) -> tuple[list[_Found], list[str]]:
    of_frame: dict[str, list[Mapping[str, Any]]] = {}
    for row in _regions(rows, "frame", {each.frame for each in boxes if each.frame}).values():
        of_frame.setdefault(row["frame"], []).append(row)
    pairs, best = [], {}
    for number, each in enumerate(boxes):
        there = of_frame.get(each.frame or "", [])
        if not there or each.box is None:
            continue
        ious = Boxes.clipped([each.box]).iou(Boxes.clipped([_box(row) for row in there]))[0]
        best[number] = float(ious.max())
        pairs += [(-float(ious[at]), number, there[at]) for at in np.flatnonzero(ious >= least).tolist()]
    done: dict[int, _Found] = {}
    for lost, number, row in sorted(pairs, key=lambda pair: (pair[0], pair[1], pair[2]["id"])):
        owner = (boxes[number].by, row["id"])
        if number not in done and owner not in taken:
            taken.add(owner)
            done[number] = _Found(boxes[number], row, -lost, "place")
    without = []
    for number, each in enumerate(boxes):
        if number in done:
            continue
        if number not in best:
            without.append(f"{each.where}: the lake has no region in the frame {each.frame}")
        elif best[number] < least:
            without.append(f"{each.where}: no region covers it; the best has an IoU of {best[number]:.2f}")
        else:
            without.append(f"{each.where}: its region is that of another box")
    return [done[number] for number in sorted(done)], without


def _label(found: _Found, label: str, verdict: Verdict, format: str, by: str, now: datetime) -> HumanLabel:
    row = found.row
    return HumanLabel(
        region=row["id"],
        frame=row["frame"],
        source_id=row["source_id"],
        source=row["source"],
        pts=row["pts"],
        pts_s=row["pts_s"],
        label=label,
        verdict=verdict,
        box=_box(row) if found.box.box is None or found.iou >= UNMOVED_IOU else found.box.box,
        iou=found.iou,
        labelled_by=found.box.by or by,
        labelled_at=found.box.at or now,
        imported_at=now,
        format=format,
    )


def _regions(rows: LakeRows, column: Literal["id", "frame"], ids: set[str]) -> dict[str, Mapping[str, Any]]:
    """The committed regions with these ids, or of these frames, by id; and whole frames, which a query may find too."""
    if not ids:
        return {}
    found: pa.Table = rows.read_where("regions", _COLUMNS, column, sorted(ids))
    whole = rows.read_where("frames", ["id", "source_id", "source", "pts", "pts_s"], "id", sorted(ids))
    all_of_it = {"x0": 0.0, "y0": 0.0, "x1": 1.0, "y1": 1.0}
    frames = {row["id"]: {**row, "frame": row["id"], **all_of_it} for row in whole.to_pylist()}
    return frames | {row["id"]: row for row in found.to_pylist()}


def _box(row: Mapping[str, Any]) -> BoxTuple:
    return row["x0"], row["y0"], row["x1"], row["y1"]


def _iou(one: BoxTuple, other: BoxTuple) -> float:
    return float(Boxes.clipped([one]).iou(Boxes.clipped([other]))[0, 0])
