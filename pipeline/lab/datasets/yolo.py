"""Reads YOLO folders: `images/` and `labels/` side by side, and the classes in a YAML file or a list of names.

A line of a label file is `class x y width height`, the centre and size as shares of the picture, or `class x y x y …`,
an outline of at least three points. Source: https://docs.ultralytics.com/datasets/detect/ and …/segment/.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pycocotools import mask as coco

from operators.readers.picture import PICTURE_SUFFIXES
from pipeline.lab.datasets.dataset import ClassName, Dataset, LabelledFrame, Objects
from pipeline.lab.datasets.picture_files import shown_size
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.masks import Mask

LOOKED_FOR = "YOLO: images/ and labels/, here or in folders of splits, with *.yaml, *.names or classes.txt"
FloatArray = NDArray[np.float64]
_SLACK = 1e-3  # numbers have three to six digits, so an edge can be slightly outside


def is_yolo(folder: Path) -> bool:
    return bool(_pairs(folder))


def read_yolo(folder: Path, *, split: str | None = None, masks: bool = False, unlisted: Sequence[str] = ()) -> Dataset:
    """Pictures with boxes by path; a picture without a label file shows nothing.

    split: a folder below `images/` and `labels/`, or one that holds both; None reads all pictures.
    masks: whether to read outlines too; a line with only a box has none.
    unlisted: names of the classes, for a folder without a list.
    Raises SourceError, with the file and line, for anything broken, and if no label file belongs to a picture. Label
    files without a picture are ignored: `coco128` itself has two.
    """
    classes = _classes(folder, unlisted)
    frames: list[LabelledFrame] = []
    for images, labels in _pairs(folder):
        inner = images.parent.name if images.parent != folder else ""
        known: set[Path] = set()
        for path in sorted(p for p in images.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES):
            below = path.relative_to(images)
            known.add(below.with_suffix(".txt"))
            if split is None or split in (inner, *below.parts[:-1]):
                frames.append(_read(path.absolute(), labels / below.with_suffix(".txt"), len(classes), masks=masks))
        written = sorted({p.relative_to(labels) for p in labels.rglob("*.txt")} - {Path("classes.txt")})
        if written and known.isdisjoint(written):
            raise SourceError(f"none of {len(written)} label files is of a picture in {images}: {labels / written[0]}")
    if not frames:
        raise SourceError(f"{folder} holds no picture" + ("" if split is None else f" of a split {split!r}"))
    return Dataset(folder.name, "yolo", classes, tuple(sorted(frames, key=lambda frame: frame.path)))


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """(images, labels) of the folder itself, else of each folder in it."""
    for parents in ([folder], sorted(p for p in folder.iterdir() if p.is_dir())):
        pairs = [(p / "images", p / "labels") for p in parents]
        if found := [(i, b) for i, b in pairs if i.is_dir() and b.is_dir()]:
            return found
    return []


def _classes(folder: Path, unlisted: Sequence[str]) -> tuple[ClassName, ...]:
    """Names from `names:` in the only YAML file with it, from lines of `*.names` or `classes.txt`, or `unlisted`."""
    found: dict[Path, list[str]] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            document = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read: {error}") from None
        if isinstance(document, dict) and "names" in document:
            found[path] = _names(document["names"], path)
    if not found:
        listed = [*sorted(folder.glob("*.names")), folder / "classes.txt", folder / "labels" / "classes.txt"]
        found = {p: [n.strip() for n in p.read_text().splitlines() if n.strip()] for p in listed if p.is_file()}
    if not found and unlisted:
        return tuple(map(ClassName, unlisted))
    if len({tuple(names) for names in found.values()}) != 1:
        came = ", ".join(path.name for path in found) or "none"
        raise SourceError(f"{folder} needs one list of class names (names: in a YAML file, or classes.txt), got {came}")
    return tuple(ClassName(name.replace("_", " ")) for name in next(iter(found.values())))


def _names(names: object, path: Path) -> list[str]:
    """Names from a list, or from a mapping of 0, 1, 2, …"""
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise SourceError(f"{path}: names must be a list of texts, or one from 0 on, got {names!r}")
    return names


def _read(picture: Path, labels: Path, classes: int, *, masks: bool) -> LabelledFrame:
    width_px, height_px = shown_size(picture)
    lines = labels.read_text().splitlines() if labels.is_file() else []
    numbers: list[int] = []
    boxes: list[list[float]] = []  # centre and size
    outlines: list[Mask | None] = []
    for index, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        label, values = _parse(line, f"{labels}:{index}", classes)
        numbers.append(label)
        if len(values) == 4:
            boxes.append(values)
            outlines.append(None)
        else:
            points = np.array(values).reshape(-1, 2)
            low, high = points.min(axis=0), points.max(axis=0)
            boxes.append([*(low + high) / 2, *high - low])
            outlines.append(_filled(points, width_px, height_px) if masks else None)
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    centre, half = rows[:, :2], rows[:, 2:] / 2
    objects = Objects.of(
        Boxes.clipped(np.concatenate([centre - half, centre + half], axis=1)),
        labels=numbers,
        width_px=width_px,
        height_px=height_px,
        masks=outlines,
    )
    return LabelledFrame(picture, None, width_px, height_px, objects)


def _parse(line: str, place: str, classes: int) -> tuple[int, list[float]]:
    try:
        label, *rest = line.split()
        number, values = int(label), list(map(float, rest))
    except ValueError:
        raise SourceError(f"{place}: a line is a class number and shares of the picture, got {line!r}") from None
    if not 0 <= number < classes:
        raise SourceError(f"{place}: class {number} is none of the {classes} that are named")
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise SourceError(f"{place}: needs x y width height, or three points or more, got {len(values)} values")
    if not all(-_SLACK <= value <= 1 + _SLACK for value in values):  # NaN fails too
        raise SourceError(f"{place}: values are shares of the picture, in [0, 1], got {line!r}")
    return number, values


def _filled(points: FloatArray, width_px: int, height_px: int) -> Mask:
    """The pixels inside an outline, filled as COCO's polygons. points: (N, 2), shares of the picture."""
    polygon = (points * [width_px, height_px]).reshape(-1).tolist()
    coded = coco.merge(coco.frPyObjects([polygon], height_px, width_px))
    return Mask(height_px, width_px, coded["counts"], int(coco.area(coded)))
