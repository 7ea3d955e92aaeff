"""Reads the JSON format that COCO and LVIS share: pictures, categories, and annotations with box, outline and flags."""

import json
import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

from pipeline.lab.datasets.dataset import Flag, LabelledFrame, Objects
from pipeline.lab.datasets.picture_files import shown_size
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.masks import Mask


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a JSON list, with its place, so that errors name the file and the index."""

    values: Mapping[str, object]
    place: str

    def error(self, what: str) -> SourceError:
        return SourceError(f"{self.place}: {what}")

    def integer(self, key: str, *, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"{key} must be a whole number, got {value!r}")
        return value

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{key} must be text, got {value!r}")
        return value.strip()

    def integers(self, key: str) -> list[int]:
        value = self.values.get(key)
        if not isinstance(value, list) or not all(type(n) is int for n in value):
            raise self.error(f"{key} must be a list of whole numbers, got {value!r}")
        return value

    def box(self) -> tuple[float, float, float, float]:
        """The box in pixels, `(x, y, width, height)`."""
        value = self.values.get("bbox")
        good = isinstance(value, list) and len(value) == 4 and all(_is_number(n) for n in value)
        if not good or not isinstance(value, list) or min(value[2:]) < 0:
            raise self.error(f"bbox must be [x, y, width, height] with sizes >= 0, got {value!r}")
        x, y, width, height = map(float, value)
        return x, y, width, height


@dataclass(frozen=True, slots=True)
class CocoJson:
    """One file: its entries by kind, which are checked when they are used.

    licences: the address of each licence, by the id in a picture's `license`.
    """

    path: Path
    images: tuple[Entry, ...]
    annotations: tuple[Entry, ...]
    categories: tuple[Entry, ...] = ()
    licences: Mapping[object, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, *, categories: bool = True) -> "CocoJson":
        """categories: whether the file must have them; captions have none. Raises SourceError for a broken file."""
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise SourceError(f"{path} cannot be read: {error}") from None
        if not isinstance(document, dict):
            raise SourceError(f"{path} must hold one JSON object, got {type(document).__name__}")
        licences = _entries(path, {"licenses": document.get("licenses") or []}, "licenses")
        return cls(
            path,
            _entries(path, document, "images"),
            _entries(path, document, "annotations"),
            _entries(path, document, "categories") if categories else (),
            {entry.integer("id"): entry.text("url") for entry in licences},
        )

    def classes(self) -> dict[int, int]:
        """Category id → index in the order of ids, as in every COCO tool. Raises SourceError for a duplicate id."""
        by_id = _unique(self.categories)
        return {category: index for index, category in enumerate(sorted(by_id))}

    def annotations_by_image(self) -> dict[int, list[Entry]]:
        """Image id → its annotations, for every image. Raises SourceError for an annotation of an unknown image."""
        found: dict[int, list[Entry]] = {image: [] for image in _unique(self.images)}
        for entry in self.annotations:
            of = found.get(entry.integer("image_id"))
            if of is None:
                raise entry.error(f"image_id {entry.values['image_id']} is none of the {len(found)} images")
            of.append(entry)
        return found


def labelled_picture(
    image: Entry, path: Path, annotations: list[Entry], classes: Mapping[int, int], *, masks: bool
) -> LabelledFrame:
    """One picture with its annotated objects.

    image: the entry that names the picture. path: where the picture is. masks: whether to read outlines too.
    Raises SourceError if the picture has another size than its entry says, and as `objects_of` does.
    """
    said = image.integer("width"), image.integer("height")
    width_px, height_px = shown_size(path, said=said, place=image.place)
    objects = objects_of(annotations, classes, width_px=width_px, height_px=height_px, masks=masks)
    return LabelledFrame(path, None, width_px, height_px, objects)


def objects_of(
    annotations: list[Entry], classes: Mapping[int, int], *, width_px: int, height_px: int, masks: bool
) -> Objects:
    """The annotated objects of one picture, with boxes clipped to the picture.

    masks: whether to read outlines too. Raises SourceError, with the entry's place, for an unknown category, and for an
    invalid box or outline.
    """
    boxes_px, labels, flags, areas, outlines = [], [], [], [], []
    for entry in annotations:
        x, y, width, height = entry.box()
        if x >= width_px or y >= height_px or x + width < 0 or y + height < 0:
            raise entry.error(f"bbox {[x, y, width, height]} lies outside the picture of {width_px}x{height_px} px")
        category = entry.integer("category_id")
        if category not in classes:
            raise entry.error(f"category_id {category} is none of the {len(classes)} categories")
        boxes_px.append((x, y, width, height))
        labels.append(classes[category])
        flags.append(
            Flag.CROWD * bool(entry.integer("iscrowd", default=0))
            | Flag.IGNORE * bool(entry.integer("ignore", default=0))
        )
        area = entry.values.get("area", width * height)
        if not _is_number(area) or not isinstance(area, int | float):
            raise entry.error(f"area must be a number, got {area!r}")
        areas.append(float(area))
        outlines.append(mask_of(entry, width_px=width_px, height_px=height_px) if masks else None)
    corners_px = np.array(boxes_px, np.float32).reshape(-1, 4)
    corners_px[:, 2:] += corners_px[:, :2]
    return Objects.of(
        Boxes.from_pixels(corners_px, width_px=width_px, height_px=height_px),
        labels=labels,
        width_px=width_px,
        height_px=height_px,
        flags=flags,
        area_px=areas,
        masks=outlines,
    )


def mask_of(entry: Entry, *, width_px: int, height_px: int) -> Mask | None:
    """The mask of polygons or of run lengths, compressed or not; None if the annotation has no outline.

    Raises SourceError, with the entry's place, for any other outline, and for one of another size.
    """
    outline = entry.values.get("segmentation")
    if not outline:
        return None
    try:
        if isinstance(outline, list):
            coded = coco.merge(coco.frPyObjects(outline, height_px, width_px))
        elif isinstance(outline, dict) and isinstance(outline["counts"], list):
            coded = coco.frPyObjects(outline, height_px, width_px)
        elif isinstance(outline, dict):
            counts = outline["counts"]
            coded = {"size": outline["size"], "counts": counts.encode() if isinstance(counts, str) else counts}
        else:
            raise TypeError(f"it is {type(outline).__name__}")
        size, area = list(coded["size"]), int(coco.area(coded))
    except Exception as error:  # pycocotools raises a bare Exception for bad input
        raise entry.error(f"segmentation is neither polygons nor run lengths: {error}") from None
    if size != [height_px, width_px]:
        raise entry.error(f"segmentation is of {size[1]}x{size[0]} px, the picture has {width_px}x{height_px} px")
    return Mask(height_px, width_px, coded["counts"], area)


def _entries(path: Path, document: dict[str, object], key: str) -> tuple[Entry, ...]:
    values = document.get(key)
    if not isinstance(values, list):
        raise SourceError(f"{path} needs a list of {key}, it has {', '.join(document) or 'nothing'}")
    for index, value in enumerate(values):
        if not isinstance(value, dict):
            raise SourceError(f"{path}: {key}[{index}] must be an object, got {value!r}")
    return tuple(Entry(value, f"{path}: {key}[{index}]") for index, value in enumerate(values))


def _unique(entries: tuple[Entry, ...]) -> dict[int, Entry]:
    by_id: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_id[entry.integer("id")].append(entry)
    for number, same in by_id.items():
        if len(same) > 1:
            raise same[1].error(f"id {number} is that of {same[0].place} too")
    return {number: same[0] for number, same in by_id.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def chosen_split(folder: Path, found: Collection[str], split: str | None) -> str:
    """The named split, or the only one. Raises SourceError if there is no such split."""
    if split is None and len(found) == 1:
        (split,) = found
    if split is None or split not in found:
        raise SourceError(f"{folder} holds the splits {', '.join(sorted(found))}; name one of them, got {split!r}")
    return split
