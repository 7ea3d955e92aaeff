"""A region of interest at several sizes, so that its subject is found where it is seen smaller or larger.

RIS names this as its weakness: a subject that covers fewer patches in the target cannot be matched patch by patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from operators.encoders.patch_grids import patch_grids
from operators.patch_matching.roi import roi_patches
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.patches import PatchGrid
from schemas.vectors import VectorArray

SCALES = (1.0, 0.71, 0.5, 0.35)
LEAST_PATCHES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The patches of the ROI as the model sees them where the subject has `scale` times its size in the query.

    inside: bool (rows, cols), which of them are of the subject; None for all.
    """

    scale: float
    patches: PatchGrid
    inside: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.inside is not None and self.inside.shape != (self.patches.rows, self.patches.cols):
            raise InvalidValueError(f"inside must have the shape of {self.patches}, got {self.inside.shape}")

    @property
    def vectors(self) -> VectorArray:
        """float32 (n, D), of the patches that are of the subject."""
        flat = self.patches.flat()
        return flat if self.inside is None else flat[self.inside.ravel()]


def roi_pyramid(
    encoder: Encoder,
    picture: ImageArray,
    roi: Boxes,
    *,
    mask: NDArray[np.bool_] | None = None,
    scales: Sequence[float] = SCALES,
    least_patches: int = LEAST_PATCHES,
) -> list[Level]:
    """One level a scale, by scale as given. picture: uint8 (H, W, 3) RGB. roi: one box in it.
    mask: bool (H, W), the subject's pixels; patches whose centres lie in it are of the subject, but all are where none
    does.

    The picture itself is made smaller or larger and encoded again, for a model sees small things differently: means
    of the patches of the full size, which cost nothing, found a subject of half its size with an IoU of .16 where
    this found it with .77, and took things of full size for small ones.

    Left out: scales of fewer than `least_patches` patches, among which some match in any picture, and those at which
    the ROI is larger than the frame; but the scale of 1, or where it is not asked for the first, is always there.
    """
    if not scales or min(scales) <= 0:
        raise InvalidValueError(f"scales must be positive, at least one, got {tuple(scales)}")
    must = 1.0 if 1.0 in scales else scales[0]
    side = float((roi.xyxy[:, 2:] - roi.xyxy[:, :2]).max(initial=0))
    views = [_View.of(picture, roi, scale) for scale in scales if scale * side <= 1 or scale == must]
    grids = patch_grids(encoder, [view.image for view in views])
    levels = []
    for view, grid in zip(views, grids, strict=True):
        patches = roi_patches(grid, view.of_picture(roi))
        levels.append(Level(view.scale, patches, None if mask is None else view.centres_in(mask, patches)))
    return [level for level in levels if level.scale == must or len(level.vectors) >= least_patches]


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A picture drawn at a scale on a canvas of its own size.

    at, drawn: float64 (2,), x and y, where the picture begins and how large it is, in sizes of the canvas.
    """

    scale: float
    image: ImageArray
    at: NDArray[np.float64]
    drawn: NDArray[np.float64]

    @classmethod
    def of(cls, picture: ImageArray, roi: Boxes, scale: float) -> "_View":
        """On its mean colour. A smaller one stands in the middle; of a larger one the part around the ROI is seen."""
        if scale == 1:
            return cls(scale, picture, np.zeros(2), np.ones(2))
        image, at, drawn = _drawn(picture, roi, scale)
        size = np.array([picture.shape[1], picture.shape[0]])
        return cls(scale, image, at / size, drawn / size)

    def of_picture(self, boxes: Boxes) -> Boxes:
        """Boxes of the picture, in the view."""
        return Boxes.clipped(np.tile(self.at, 2) + boxes.xyxy * np.tile(self.drawn, 2))

    def centres_in(self, mask: NDArray[np.bool_], patches: PatchGrid) -> NDArray[np.bool_] | None:
        """bool (rows, cols), the patches whose centres lie in a mask of the picture; None where none does."""
        height, width = mask.shape
        x, y = ((edges[:-1] + edges[1:]) / 2 for edges in patches.edges())
        col = np.clip((x - self.at[0]) / self.drawn[0] * width, 0, width - 1).astype(np.intp)
        row = np.clip((y - self.at[1]) / self.drawn[1] * height, 0, height - 1).astype(np.intp)
        inside = mask[np.ix_(row, col)]
        return inside if inside.any() else None


def _drawn(picture: ImageArray, roi: Boxes, scale: float) -> tuple[ImageArray, NDArray[np.int64], NDArray[np.int64]]:
    """The canvas, and where the picture begins on it and how large it is, x and y in px."""
    height, width, _ = picture.shape
    size = np.array([width, height])
    drawn = np.maximum(1, np.rint(size * scale).astype(np.int64))
    resized = cv2.resize(
        picture, (int(drawn[0]), int(drawn[1])), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    if scale < 1:
        at = (size - drawn) // 2
    else:
        centre = (roi.xyxy[0, :2] + roi.xyxy[0, 2:]) / 2
        at = np.clip(np.rint(size / 2 - centre * drawn), size - drawn, 0).astype(np.int64)
    canvas = np.empty_like(picture)
    canvas[:] = np.rint(picture.reshape(-1, 3).mean(axis=0))
    low, high = np.maximum(at, 0), np.minimum(at + drawn, size)
    part = resized[low[1] - at[1] : high[1] - at[1], low[0] - at[0] : high[0] - at[0]]
    canvas[low[1] : high[1], low[0] : high[0]] = part
    return canvas, at, drawn
