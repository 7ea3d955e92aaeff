"""Reads labels in other text: CSV, CVAT's XML, and YOLO's folders."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as Xml

from pipeline.labels.label_table import VERDICTS, Verdict
from pipeline.labels.returned import LabelledBox, Returned, box_of, frame_of, text_of, time_of
from schemas.errors import InvalidValueError
from schemas.query import BoxTuple

_PICTURES = (".jpg", ".jpeg", ".png", ".webp")
_LARGEST_YAML, _LARGEST_TXT = 2**20, 2**24  # bytes: names of classes, and the boxes of one picture


def read_csv(text: str) -> Returned:
    """A row for each region: `region` (or `region_id`), `label`, and perhaps `verdict`, `by`, `at`; or `frame` and `x0
    y0 x1 y1` in place of the region.

    Where there is a column `verdict`, rows without one were not looked at; else every row's label is right.
    """
    reader = csv.DictReader(io.StringIO(text))
    columns = set(reader.fieldnames or ())
    if not columns & {"region", "region_id", "frame"} or "label" not in columns:
        raise InvalidValueError("a CSV of labels has the columns region (or region_id) and label, and perhaps verdict")
    boxes, unjudged = [], 0
    for row in reader:
        where = f"line {reader.line_num}"
        said = text_of(row, "verdict")
        if "verdict" in columns and said is None:
            unjudged += 1
            continue
        label = text_of(row, "label")
        if label is None:
            raise InvalidValueError(f"{where} has no label: a verdict says whether a region shows its label")
        boxes.append(
            LabelledBox(
                where,
                label,
                text_of(row, "region", "region_id"),
                text_of(row, "frame"),
                _corners(row),
                _verdict(said, where),
                text_of(row, "by", "labelled_by"),
                time_of(text_of(row, "at", "labelled_at")),
            )
        )
    return Returned("csv", tuple(boxes), skipped=(f"rows without a verdict: {unjudged}",) if unjudged else ())


def read_cvat(content: str) -> Returned:
    """CVAT for images 1.1. Ids of regions are the attribute `region`."""
    if "<!ENTITY" in content:  # of which a short file can make a long text
        raise InvalidValueError("it defines entities, which CVAT never writes")
    root = Xml.fromstring(content)
    if root.tag != "annotations" or root.find("image") is None:
        raise InvalidValueError("it is no `annotations` with an `image`: export from CVAT as CVAT for images 1.1")
    boxes, frames, skipped = [], set(), []
    for image in root.iterfind("image"):
        name = image.attrib["name"]
        frame = frame_of(name)
        frames.add((frame, None))
        width, height = float(image.attrib["width"]), float(image.attrib["height"])
        for number, each in enumerate(image):
            if each.tag != "box":
                skipped.append(f"{name}: a {each.tag} is no box")
                continue
            if abs(float(each.attrib.get("rotation", 0))) > 0.5:
                skipped.append(f"{name}: a box that is turned by {each.attrib['rotation']} degrees")
                continue
            left, top, right, bottom = (float(each.attrib[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
            attributes = {own.attrib["name"]: own.text for own in each.iterfind("attribute")}
            box = box_of((left, top, right - left, bottom - top), width=width, height=height)
            region = text_of(attributes, "region")
            boxes.append(LabelledBox(f"{name}, box {number + 1}", each.attrib["label"], region, frame, box))
    looked_at = frozenset((frame, by) for frame, by in frames if frame)
    return Returned("cvat", tuple(boxes), looked_at, skipped=tuple(skipped))


def read_yolo(folder: Path) -> Returned:
    """`data.yaml` and `labels/…/*.txt`, in which boxes have no ids. A picture without a file of labels shows nothing.

    Raises InvalidValueError and OSError.
    """
    names = _class_names(_small_text(folder / "data.yaml", _LARGEST_YAML))
    boxes = []
    frames = {(frame_of(path.name), None) for path in folder.rglob("*") if path.suffix.lower() in _PICTURES}
    for path in sorted((folder / "labels").rglob("*.txt")):
        frame = frame_of(path.name)
        frames.add((frame, None))
        for number, line in enumerate(_small_text(path, _LARGEST_TXT).splitlines(), start=1):
            where = f"{path.name}, line {number}"
            try:
                kind, *values = line.split()
                x, y, width, height = map(float, values[:4])
                label = names[int(kind)]
            except (ValueError, KeyError):
                raise InvalidValueError(f"{where} is no `class x y width height` of a class of data.yaml") from None
            box = box_of((x - width / 2, y - height / 2, width, height))
            boxes.append(LabelledBox(where, str(label), None, frame, box))
    return Returned("yolo", tuple(boxes), frozenset((frame, by) for frame, by in frames if frame))


def _class_names(content: str) -> dict[object, object]:
    """The names of classes in data.yaml, by number. Raises InvalidValueError."""
    import yaml  # type: ignore[import-untyped]

    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content)):  # a few make a long text
            raise InvalidValueError("data.yaml has an alias: write names of classes out")
        named = (yaml.safe_load(content) or {}).get("names")
    except yaml.YAMLError as error:
        raise InvalidValueError(f"data.yaml is no YAML: {' '.join(str(error).split())}") from None
    names: dict[object, object] = named if isinstance(named, dict) else dict(enumerate(named or ()))
    if wrong := [each for each in names.values() if not isinstance(each, str | int | float)]:
        raise InvalidValueError(f"data.yaml names a class by a {type(wrong[0]).__name__}, not by a text")
    return names


def _small_text(path: Path, most_bytes: int) -> str:
    if path.stat().st_size > most_bytes:
        raise InvalidValueError(f"{path.name} has more than {most_bytes // 2**20} MiB")
    return path.read_text(encoding="utf-8")


def _corners(row: Mapping[str, str]) -> BoxTuple | None:
    sides = [text_of(row, side) for side in ("x0", "y0", "x1", "y1")]
    if None in sides:
        return None
    x0, y0, x1, y1 = (float(side or 0) for side in sides)
    return box_of((x0, y0, x1 - x0, y1 - y0))


def _verdict(said: str | None, where: str) -> Verdict:
    if said is None:
        return "right"
    for verdict in VERDICTS:
        if said.lower() == verdict:
            return verdict
    raise InvalidValueError(f"{where} has the verdict {said!r}: it is one of {', '.join(VERDICTS)}, or empty")
