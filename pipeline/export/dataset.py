"""What is exported: pictures of keyframes, and the labelled regions of each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.masks import Mask
from schemas.query import BoxTuple


@dataclass(frozen=True, slots=True)
class Annotation:
    """A labelled region.

    box: in fractions of the frame. score: of the proposer. confidence: the chance that it shows its label; None where
    that is not known. distance: of a hit, from the query. verdict: "right" where a person says that it shows its label.
    """

    region: str
    label: str
    box: BoxTuple
    proposer: str = ""
    score: float | None = None
    confidence: float | None = None
    distance: float | None = None
    track: str | None = None
    mask: Mask | None = None
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class ExportedFrame:
    """A keyframe and its annotations.

    width_px, height_px: of the frame in its source. pts, at_s: its place there; time: UTC, None where unknown.
    """

    id: str
    source_id: str
    source: str
    kind: str
    pts: int
    at_s: float
    time: datetime | None
    width_px: int
    height_px: int
    annotations: tuple[Annotation, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]{1,64}", self.id, re.ASCII):  # it names a file, and the lake may be somebody else's
            raise InvalidValueError(f"{self.id[:64]!r} is no id of a frame")
        Boxes.clipped([each.box for each in self.annotations])  # raises for a box that is none
        if self.width_px < 1 or self.height_px < 1:
            raise InvalidValueError(f"a frame has a size, got {self.width_px}x{self.height_px} px")


@dataclass(frozen=True, slots=True)
class ExportedPicture:
    """The picture of a frame as it was written. path: relative to the export's folder, with slashes. original: whether
    it has the frame's own size, and is no thumbnail."""

    path: str
    width_px: int
    height_px: int
    original: bool


Pictures = Mapping[str, ExportedPicture]  # by id of the frame


def label_names(frames: Sequence[ExportedFrame]) -> list[str]:
    """The labels that occur, sorted; formats number them in this order."""
    return sorted({each.label for frame in frames for each in frame.annotations})


def pixel_box(box: BoxTuple, picture: ExportedPicture) -> tuple[float, float, float, float]:
    """x, y, width and height in pixels of the picture, rounded to a hundredth."""
    x0, y0, x1, y1 = box
    left, top = x0 * picture.width_px, y0 * picture.height_px
    size = (x1 - x0) * picture.width_px, (y1 - y0) * picture.height_px
    return round(left, 2), round(top, 2), round(size[0], 2), round(size[1], 2)
