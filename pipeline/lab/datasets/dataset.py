"""What people marked in pictures and in frames of a video, in one type whatever layout the folder has."""

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

Layout = Literal["coco", "lvis", "voc", "yolo", "mot"]
Frequency = Literal["rare", "common", "frequent"]


class Flag(IntFlag):
    """Why an object is neither asked for nor a mistake when it is found.

    CROWD: many things under one box (COCO). IGNORE: not to be judged (COCO's `ignore`, confidence 0 of MOT Challenge, a
    box without area). DIFFICULT: hard to recognise (PASCAL VOC).
    """

    NONE = 0
    CROWD = 1
    IGNORE = 2
    DIFFICULT = 4


@dataclass(frozen=True, slots=True)
class ClassName:
    """name: in words, as it is asked for. frequency: how often it is shown, where the data set says so (LVIS)."""

    name: str
    frequency: Frequency | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """N marked things of one picture.

    labels: intp (N,), index into the data set's classes. flags: uint8 (N,), sums of `Flag`.
    area_px: float32 (N,), pixels; of the outline where the data set gives it, else of the box.
    masks: one each, None where there is none or none were asked for.
    identities: int64 (N,), who it is, from frame to frame; −1 where nobody says.
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
        """What is not given: no flag, the box's area, no mask, nobody. A box without area gets the flag IGNORE."""
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
        """keep: bool (N,)."""
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
        """bool (N,): which have no flag."""
        counted: NDArray[np.bool_] = self.flags == 0
        return counted


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """One picture, or one frame of a video, and what is marked in it.

    path: of the picture or the video. pts: of the frame; None for a picture. width_px, height_px: as it is shown.
    absent: classes that somebody looked for and did not find. None: every class without an object is absent.
        Elsewhere nobody looked for the others (LVIS), so that nothing is known of them.
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
    """Labelled frames, by path and PTS. video: the source that all frames are of, None for pictures.

    Raises InvalidValueError where a label is beyond the classes or a frame is there twice.
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
        """Every picture or video once, in order."""
        return tuple(dict.fromkeys(frame.path for frame in self.frames))

    @property
    def objects(self) -> int:
        """How many things are marked, flagged ones too."""
        return sum(len(frame.objects) for frame in self.frames)

    def __repr__(self) -> str:
        return f"Dataset({self.name}: {len(self.frames)} frames, {self.objects} objects, {len(self.classes)} classes)"
