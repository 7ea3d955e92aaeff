"""Stills of keyframes and close-ups of boxes in them, as JPEG: from the original where that shows more."""

import io
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from deploy.server.media.originals import Originals
from deploy.server.showing.frames import FoundFrame
from pipeline.reading.picture_process import confined_pictures
from schemas.errors import RegionLakeError
from schemas.frames import ImageArray
from schemas.query import WHOLE, BoxTuple

Origin = Literal["auto", "original", "thumbnail"]
Size = tuple[int | None, int | None]  # width and height at most
CLOSE_UP_PX = (320, 240)
_QUALITY = 88
_PATIENCE_S = 1.0  # for an original, where the thumbnail answers as well


@dataclass(frozen=True, slots=True)
class Still:
    """jpeg: the picture. cut: the part of the frame that it shows. origin: which picture it was made from.

    final: whether a later request would get the same.
    """

    jpeg: bytes
    cut: BoxTuple
    origin: Literal["original", "thumbnail"]
    final: bool


class Stills:
    """Makes stills. Any thread may call it."""

    def __init__(self, originals: Originals) -> None:
        self._originals = originals

    def __call__(
        self,
        frame: FoundFrame,
        *,
        size: Size,
        box: BoxTuple | None,
        fill: float,
        origin: Origin,
    ) -> Still:
        """size: width and height at most; for a box, the shape of the cut.

        Raises SourceError or DecodeError where `origin` is "original", and that cannot be read.
        """
        wanted = (size[0] or CLOSE_UP_PX[0], size[1] or CLOSE_UP_PX[1]) if box is not None else size
        cut = WHOLE
        if box is not None:
            aspect = (wanted[0] or 1) / (wanted[1] or 1) * frame.height_px / frame.width_px
            cut = close_up(box, aspect=aspect, fill=fill)
        thumbnail = confined_pictures().thumbnail(frame.thumbnail)
        image, final = thumbnail, True
        used: Literal["original", "thumbnail"] = "thumbnail"
        if origin == "original":
            image, used = self._originals.frame(frame).result(), "original"
        elif origin == "auto" and _shows_less(thumbnail, frame, cut, wanted):
            try:
                if self._originals.busy:
                    raise NotYet
                image, used = self._originals.frame(frame).result(timeout=_PATIENCE_S), "original"
            except NotYet:  # it is decoded nevertheless, for a later request
                final = False
            except RegionLakeError:  # gone, changed, or never kept
                final = False
        if box is None and used == "thumbnail" and _fits(image, wanted) and frame.thumbnail[:3] == b"\xff\xd8\xff":
            return Still(frame.thumbnail, cut, "thumbnail", final)
        return Still(jpeg_of(_pixels(image, cut), wanted), cut, used, final)


def close_up(box: BoxTuple, *, aspect: float, fill: float) -> BoxTuple:
    """The part of the frame around a box in which it fills the share `fill` of the height, or of the width.

    aspect: width of the cut by its height, both as fractions of the frame. The cut lies within the frame, and keeps its
    shape unless the frame is too small for it.
    """
    x0, y0, x1, y1 = box
    height = max((y1 - y0) / fill, (x1 - x0) / fill / aspect, 1e-3)
    width = height * aspect
    shrink = max(width, height, 1.0)
    if shrink > 1.0:  # as large as fits, but never less than the box
        width, height = max(width / shrink, x1 - x0), max(height / shrink, y1 - y0)
    left = min(max((x0 + x1 - width) / 2, 0.0), 1.0 - width)
    top = min(max((y0 + y1 - height) / 2, 0.0), 1.0 - height)
    return left, top, left + width, top + height


def jpeg_of(image: ImageArray, size: Size) -> bytes:
    """The picture scaled down to this width and height at most. image: uint8 (H, W, 3), RGB."""
    picture = Image.fromarray(image)
    most = (size[0] or picture.width, size[1] or picture.height)
    if picture.width > most[0] or picture.height > most[1]:
        picture.thumbnail(most, Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _pixels(image: ImageArray, cut: BoxTuple) -> ImageArray:
    height, width, _ = image.shape
    x0, y0 = min(int(cut[0] * width), width - 1), min(int(cut[1] * height), height - 1)
    x1, y1 = max(x0 + 1, round(cut[2] * width)), max(y0 + 1, round(cut[3] * height))
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def _fits(image: ImageArray, size: Size) -> bool:
    height, width, _ = image.shape
    return bool(width <= (size[0] or width) and height <= (size[1] or height))


def _shows_less(thumbnail: ImageArray, frame: FoundFrame, cut: BoxTuple, size: Size) -> bool:
    """Whether the original has pixels that the answer could show and the thumbnail lacks."""
    width = thumbnail.shape[1]
    if width >= frame.width_px:
        return False
    has_px = (cut[2] - cut[0]) * width
    original_px = (cut[2] - cut[0]) * frame.width_px
    wanted_px = min(size[0] or original_px, original_px)
    if size[0] is None and size[1] is not None:
        wanted_px = min(size[1] * original_px / max(1.0, (cut[3] - cut[1]) * frame.height_px), original_px)
    return bool(wanted_px > has_px * 1.05)
