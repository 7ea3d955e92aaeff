"""Labelled pictures from COCO folders: the JSON of the COCO site, or the text files that YOLO tools write."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from operators.proposals.models.coco_classes import COCO_CLASSES, COCO_IDS
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.frames import ImageArray

_PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """A picture and what people said of it.

    width_px, height_px: of the file. boxes: of objects, crowds left out. labels: intp (N,), index into
    COCO_CLASSES. captions: sentences, none in most folders. folder: the data set it came from.
    """

    path: Path
    folder: str
    width_px: int
    height_px: int
    boxes: Boxes
    labels: NDArray[np.intp]
    captions: tuple[str, ...]

    def read(self) -> ImageArray:
        """uint8 (H, W, 3), RGB, upright."""
        with Image.open(self.path) as file:
            return np.asarray(ImageOps.exif_transpose(file).convert("RGB"))

    def sides_px(self) -> NDArray[np.float32]:
        """float32 (N, 2): width and height of every box."""
        xyxy = self.boxes.xyxy
        sides: NDArray[np.float32] = (xyxy[:, 2:] - xyxy[:, :2]) * np.array([self.width_px, self.height_px], np.float32)
        return sides


def read_folder(folder: Path) -> list[LabelledPicture]:
    """Labelled pictures of one COCO folder, by file name.

    Either `instances_*.json` (and `captions_*.json`) in the folder or its `annotations/`, or YOLO's `labels/*.txt`;
    pictures under `images/`. Raises SourceError where neither is found or a labelled picture is missing.
    """
    instances = sorted([*folder.glob("instances_*.json"), *folder.glob("annotations/instances_*.json")])
    if instances:
        return sorted((p for path in instances for p in _read_json(folder, path)), key=lambda p: p.path.name)
    if (folder / "labels").is_dir():
        return _read_yolo(folder)
    raise SourceError(f"{folder} is no COCO folder: it holds neither instances_*.json nor labels/")


def coco_folders(data: Path) -> list[Path]:
    """Folders directly under `data` that `read_folder` can read, by name."""
    return sorted(
        folder
        for folder in data.iterdir()
        if folder.is_dir()
        and (folder / "images").is_dir()
        and (any(folder.glob("**/instances_*.json")) or (folder / "labels").is_dir())
    )


def _read_json(folder: Path, path: Path) -> list[LabelledPicture]:
    document = json.loads(path.read_text())
    objects: dict[int, list[tuple[list[float], int]]] = defaultdict(list)
    for entry in document["annotations"]:
        if not entry.get("iscrowd"):
            objects[entry["image_id"]].append((entry["bbox"], COCO_IDS.index(entry["category_id"])))
    captions: dict[int, list[str]] = defaultdict(list)
    for caption_path in path.parent.glob(path.name.replace("instances_", "captions_")):
        for entry in json.loads(caption_path.read_text())["annotations"]:
            captions[entry["image_id"]].append(entry["caption"].strip())
    pictures = []
    for image in document["images"]:
        boxes_px = np.array([box for box, _ in objects[image["id"]]], np.float32).reshape(-1, 4)
        boxes_px[:, 2:] += boxes_px[:, :2]  # COCO writes x, y, width, height
        pictures.append(
            LabelledPicture(
                path=_existing(folder / "images" / Path(image["file_name"]).name),
                folder=folder.name,
                width_px=image["width"],
                height_px=image["height"],
                boxes=Boxes.from_pixels(boxes_px, width_px=image["width"], height_px=image["height"]),
                labels=np.array([label for _, label in objects[image["id"]]], np.intp),
                captions=tuple(captions[image["id"]]),
            )
        )
    return pictures


def _read_yolo(folder: Path) -> list[LabelledPicture]:
    pictures = []
    for path in sorted(p for p in (folder / "images").rglob("*") if p.suffix.lower() in _PICTURES):
        labels_path = folder / "labels" / path.relative_to(folder / "images").with_suffix(".txt")
        text = labels_path.read_text() if labels_path.exists() else ""  # YOLO writes no file where nothing is seen
        rows = np.array([line.split()[:5] for line in text.splitlines() if line.strip()], np.float32).reshape(-1, 5)
        centre, half = rows[:, 1:3], rows[:, 3:5] / 2
        with Image.open(path) as file:
            width_px, height_px = file.size
        pictures.append(
            LabelledPicture(
                path=path,
                folder=folder.name,
                width_px=width_px,
                height_px=height_px,
                boxes=Boxes.clipped(np.concatenate([centre - half, centre + half], axis=1)),
                labels=rows[:, 0].astype(np.intp),
                captions=(),
            )
        )
    for picture in pictures:
        if (picture.labels >= len(COCO_CLASSES)).any():
            raise SourceError(f"{picture.path}: a label is beyond the {len(COCO_CLASSES)} COCO classes")
    return pictures


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise SourceError(f"{path} is named by the annotations and missing")
    return path
