"""The type of all data sets: pictures or frames of a video, with the objects that people annotated in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas import require
from schemas.boxes import Boxes, FloatArray
from schemas.errors import InvalidValueError
from schemas.masks import Mask
from schemas.sources import Source

Layout = Literal["coco", "lvis", "voc", "yolo", "mot", "captions"]
Frequency = Literal["rare", "common", "frequent"]


class Flag(IntFlag):
    """Why an object is excluded from judgement: it is not part of a query, and finding it is not a mistake.

    CROWD: many objects in one box (COCO). IGNORE: marked to be ignored (COCO's `ignore`, confidence 0 of MOT Challenge,
    a box without area). DIFFICULT: hard to recognise (PASCAL VOC).
    """

    NONE = 0
    CROWD = 1
    IGNORE = 2
    DIFFICULT = 4


@dataclass(frozen=True, slots=True)
class ClassName:
    """name: the words of a query for the class. frequency: how often it is shown, if the data set says so (LVIS)."""

    name: str
    frequency: Frequency | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """N annotated objects of one picture.

    labels: intp (N,), index into the data set's classes. flags: uint8 (N,), sums of `Flag`.
    area_px: float32 (N,), pixels; area of the outline if the data set has one, else of the box.
    masks: one per object, None if it has none or masks were not read.
    identities: int64 (N,), the same number for the same individual in all frames; −1 if unknown.
    """

    boxes: Boxes
    labels: NDArray[np.intp]
    flags: NDArray[np.uint8]
    area_px: NDArray[np.float32]
    masks: tuple[Mask | None, ...]
    identities: NDArray[np.int64]

    def __post_init__(self) -> None:
        require.same_length(
            boxes=self.boxes,
            labels=self.labels,
            flags=self.flags,
            area_px=self.area_px,
            masks=self.masks,
            identities=self.identities,
        )

    @classmethod
    def of(
        cls,
        boxes: Boxes,
        *,
        labels: Sequence[int] | NDArray[np.intp],
        width_px: int,
        height_px: int,
        flags: Sequence[int] | NDArray[np.uint8] | None = None,
        area_px: Sequence[float] | None = None,
        masks: Sequence[Mask | None] | None = None,
        identities: NDArray[np.int64] | None = None,
    ) -> "Objects":
        """Defaults: no flag, the area of the box, no mask, unknown identity. Boxes without area get the flag IGNORE."""
        n = len(boxes)
        of_boxes = boxes.area() * np.float32(width_px * height_px)
        flagged = np.zeros(n, np.uint8) if flags is None else np.array(flags, np.uint8).reshape(n)
        return cls(
            boxes=boxes,
            labels=np.asarray(labels, np.intp).reshape(-1),
            flags=np.where(of_boxes > 0, flagged, flagged | Flag.IGNORE).astype(np.uint8),
            area_px=of_boxes if area_px is None else np.asarray(area_px, np.float32).reshape(-1),
            masks=(None,) * n if masks is None else tuple(masks),
            identities=np.full(n, -1, np.int64) if identities is None else identities,
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def where(self, keep: NDArray[np.bool_]) -> "Objects":
        """The objects for which `keep`, bool (N,), is true."""
        return Objects(
            self.boxes[keep],
            self.labels[keep],
            self.flags[keep],
            self.area_px[keep],
            tuple(compress(self.masks, keep)),
            self.identities[keep],
        )

    @property
    def counted(self) -> NDArray[np.bool_]:
        """bool (N,): true for objects without flags."""
        counted: NDArray[np.bool_] = self.flags == 0
        return counted


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """One picture, or one frame of a video, and its annotated objects.

    path: file of the picture or the video. pts: PTS of the frame; None for a picture. width_px, height_px: size as it
        is shown.
    absent: classes that annotators looked for and did not find; nothing is known of other classes without an object
        (LVIS). None: every class without an object is absent.
    """

    path: Path
    pts: int | None
    width_px: int
    height_px: int
    objects: Objects
    captions: tuple[str, ...] = ()
    absent: frozenset[int] | None = None

    def sides_px(self) -> FloatArray:
        """float32 (N, 2): width and height of the box of every object."""
        xyxy = self.objects.boxes.xyxy
        sides: FloatArray = (xyxy[:, 2:] - xyxy[:, :2]) * np.array([self.width_px, self.height_px], np.float32)
        return sides


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled frames, by path and PTS. video: the source of all frames, None for pictures.

    Raises InvalidValueError if a label is not an index of a class, or a frame occurs twice.
    """

    name: str
    layout: Layout
    classes: tuple[ClassName, ...]
    frames: tuple[LabelledFrame, ...]
    video: Source | None = field(default=None)

    def __post_init__(self) -> None:
        seen: set[tuple[Path, int | None]] = set()
        for frame in self.frames:
            labels = frame.objects.labels
            if len(labels) and not (labels.min() >= 0 and labels.max() < len(self.classes)):
                raise InvalidValueError(f"{frame.path}: a label is beyond the {len(self.classes)} classes")
            if (frame.path, frame.pts) in seen:
                raise InvalidValueError(f"{self.name} holds {frame.path} (PTS {frame.pts}) twice")
            seen.add((frame.path, frame.pts))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all pictures or of the video, without duplicates, in order."""
        return tuple(dict.fromkeys(frame.path for frame in self.frames))

    @property
    def objects(self) -> int:
        """The number of annotated objects, including flagged ones."""
        return sum(len(frame.objects) for frame in self.frames)

    def __repr__(self) -> str:
        return f"Dataset({self.name}: {len(self.frames)} frames, {self.objects} objects, {len(self.classes)} classes)"
