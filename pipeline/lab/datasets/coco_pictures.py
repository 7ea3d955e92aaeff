"""Reads pictures with objects of COCO's 80 classes, on which the head of the embedded model is trained and measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.proposals.models.coco_classes import COCO_CLASSES
from pipeline.lab.datasets.coco import has_instances, read_coco
from pipeline.lab.datasets.dataset import ClassName, Dataset, LabelledFrame
from pipeline.lab.datasets.yolo import is_yolo, read_yolo
from schemas.errors import SourceError


def coco_folders(folder: Path) -> list[Path]:
    """Subfolders that hold `images/` and either `instances_*.json` or `labels/`, by name, else the folder itself."""
    found = sorted(
        inner
        for inner in folder.iterdir()
        if (inner / "images").is_dir() and (has_instances(inner) or (inner / "labels").is_dir())
    )
    return found or [folder]


def read_coco_pictures(folder: Path, *, split: str | None = None) -> Dataset:
    """The pictures of a COCO or YOLO folder by path, with objects without flags, labelled by index into COCO_CLASSES.

    split: as for `read_coco` and `read_yolo`. A YOLO folder without a list of names has COCO's classes in their order.
    Raises SourceError, with the file and entry, for anything broken or missing, and for a class that is not COCO's.
    """
    if has_instances(folder):
        dataset = read_coco(folder, split=split)
    elif is_yolo(folder):
        dataset = read_yolo(folder, split=split, unlisted=COCO_CLASSES)
    else:
        raise SourceError(f"{folder} is not a COCO folder: it holds neither instances_*.json nor images/ and labels/")
    number = {name: index for index, name in enumerate(COCO_CLASSES)}
    if unknown := [each.name for each in dataset.classes if each.name not in number]:
        raise SourceError(f"{folder} has classes that are none of COCO's {len(number)}: {', '.join(unknown)}")
    labels = np.array([number[each.name] for each in dataset.classes], np.intp)
    return replace(
        dataset,
        classes=tuple(map(ClassName, COCO_CLASSES)),
        frames=tuple(_relabelled(frame, labels) for frame in dataset.frames),
    )


def _relabelled(frame: LabelledFrame, labels: NDArray[np.intp]) -> LabelledFrame:
    objects = frame.objects.where(frame.objects.counted)
    return replace(frame, objects=replace(objects, labels=labels[objects.labels]))
