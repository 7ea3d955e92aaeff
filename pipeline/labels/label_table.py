"""The labels of people, in a table of their own in the lake: who said of which region that it shows what, and when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa

from pipeline.forget.places import Place
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.side_table import SideTable
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, LakeError
from schemas.ids import digest
from schemas.query import BoxTuple

Verdict = Literal["right", "wrong"]
VERDICTS: tuple[Verdict, ...] = ("right", "wrong")
UNMOVED_IOU = 0.999  # of a box that nobody moved, with the region's: formats round coordinates
_TIME = pa.timestamp("us", tz="UTC")
_TEXT = ("id", "region", "frame", "source_id", "source", "label", "verdict", "labelled_by", "format")
_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in _TEXT),
        pa.field("pts", pa.int64(), nullable=False),
        pa.field("pts_s", pa.float64(), nullable=False),
        # the box as the person left it, in fractions of the frame, and its IoU with the region's
        *(pa.field(name, pa.float32(), nullable=False) for name in ("x0", "y0", "x1", "y1", "iou")),
        pa.field("labelled_at", _TIME, nullable=False),
        pa.field("imported_at", _TIME, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class HumanLabel:
    """Somebody's statement that a region shows its label ("right"), or does not ("wrong").

    box: as the person left it, in fractions of the frame; iou: of it and the region's. pts, pts_s: of the keyframe.
    format: of the file that it came in.
    """

    region: str
    frame: str
    source_id: str
    source: str
    pts: int
    pts_s: float
    label: str
    verdict: Verdict
    box: BoxTuple
    iou: float
    labelled_by: str
    labelled_at: datetime
    imported_at: datetime
    format: str

    def __post_init__(self) -> None:
        if not self.label.strip():
            raise InvalidValueError(f"a label has a name, got {self.label!r}")
        if self.verdict not in VERDICTS:
            raise InvalidValueError(f"a verdict is one of {', '.join(VERDICTS)}, got {self.verdict!r}")
        Boxes.clipped([self.box])  # raises for a box that is none

    @property
    def id(self) -> str:
        """Of one person, region and label there is one statement: the last."""
        return digest("label", self.region, self.label, self.labelled_by)[:12]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of a region by the newest statement about each of its labels.

    label: that it shows, None where it is only known what it does not show. box: as people left it; iou: of it and the
    region's. wrong: labels that it does not show.
    """

    label: str | None
    box: BoxTuple
    iou: float
    wrong: frozenset[str]

    @property
    def verdict(self) -> Verdict:
        return "wrong" if self.label is None else "right"


class Labels:
    """The labels of a lake. They need no lease: they can be imported while another process writes the lake."""

    def __init__(self, lake: Lake) -> None:
        self._table = SideTable(lake, "labels", _SCHEMA)

    def read(self, *, frame: str | None = None) -> tuple[HumanLabel, ...]:
        """All of them, or those of a frame, oldest first. Raises LakeError where a row is damaged."""
        labels, damaged = self.read_each(frame=frame)
        if damaged:
            raise damaged[0]
        return labels

    def read_each(self, *, frame: str | None = None) -> tuple[tuple[HumanLabel, ...], tuple[LakeError, ...]]:
        """Those that are sound, oldest first, and what is wrong with each of the others."""
        where = None if frame is None else sql.equals("frame", frame)
        rows = sorted(self._table.read(where=where).to_pylist(), key=lambda row: (row["imported_at"], row["id"]))
        newest = {row["id"]: row for row in rows}  # what two processes imported at once is there twice
        labels: list[HumanLabel] = []
        damaged: list[LakeError] = []
        for row in newest.values():
            try:
                labels.append(_label(row))
            except LakeError as error:
                damaged.append(error)
        return tuple(sorted(labels, key=lambda each: (each.labelled_at, each.imported_at))), tuple(damaged)

    def stored_ids(self) -> frozenset[str]:
        """The ids of all rows, damaged ones too."""
        return frozenset(self._table.read()["id"].to_pylist())

    def add(self, labels: Sequence[HumanLabel]) -> None:
        """Stores labels, in place of what the same people said of the same regions and labels before."""
        rows = {label.id: _row(label) for label in labels}
        if rows:
            self._table.replace(list(rows.values()))

    def remove(self, ids: Iterable[str]) -> int:
        """Removes these labels, damaged ones too; returns how many of them existed."""
        held = self.stored_ids() & set(ids)
        if held:
            self._table.delete(sorted(held))
        return len(held)

    def forget(self, places: Sequence[Place]) -> int:
        """Removes the labels in these places; returns how many there were."""
        by_source: dict[str, list[Place]] = {}
        for place in places:
            by_source.setdefault(place.source_id, []).append(place)
        gone = [
            label.id
            for label in self.read()
            for place in by_source.get(label.source_id, ())
            if place.span is None or place.span.start <= label.pts < place.span.stop
        ]
        return self.remove(gone)


def label_rows(labels: Sequence[HumanLabel]) -> pa.Table:
    """As a table for SQL: times in UTC without a zone, `at_s` in place of `pts` and `pts_s`."""
    rows = pa.Table.from_pylist(list(map(_row, labels)), schema=_SCHEMA).rename_columns({"pts_s": "at_s"})
    for name in ("labelled_at", "imported_at"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.timestamp("us")))
    columns = ["id", "region", "frame", "source_id", "source", "at_s", "label", "verdict", "x0", "y0", "x1", "y1"]
    return rows.select([*columns, "iou", "labelled_by", "labelled_at", "imported_at", "format"])


def judged(labels: Iterable[HumanLabel]) -> dict[str, Judged]:
    """What is known of each region, by its id. labels: oldest first, as `Labels.read` returns them."""
    of_region: dict[str, dict[str, HumanLabel]] = {}
    for each in labels:
        said = of_region.setdefault(each.region, {})
        said.pop(each.label, None)  # the newest is the last
        said[each.label] = each
    return {region: _judged(list(said.values())) for region, said in of_region.items()}


def _judged(newest: Sequence[HumanLabel]) -> Judged:
    right = [each for each in newest if each.verdict == "right"]
    last = (right or newest)[-1]
    wrong = frozenset(each.label for each in newest if each.verdict == "wrong")
    return Judged(right[-1].label if right else None, last.box, last.iou, wrong)


def _row(label: HumanLabel) -> dict[str, object]:
    x0, y0, x1, y1 = label.box
    same = {name: getattr(label, name) for name in _SCHEMA.names if name not in ("x0", "y0", "x1", "y1")}
    return same | {"x0": x0, "y0": y0, "x1": x1, "y1": y1}


def _label(row: Mapping[str, object]) -> HumanLabel:
    same = {name: value for name, value in row.items() if name not in ("id", "x0", "y0", "x1", "y1")}
    try:
        found = HumanLabel(**same, box=(row["x0"], row["y0"], row["x1"], row["y1"]))  # type: ignore[arg-type]
        if found.id != row["id"]:
            raise InvalidValueError(f"its content has the id {found.id}")
    except InvalidValueError as error:
        raise LakeError(
            f"the label {row['id']} is damaged ({error}); remove it with: regionlake labels remove {row['id']}"
        ) from error
    return found
