"""A region of interest at several sizes, so that its subject is found where it is seen smaller or larger.

RIS names this as its weakness: a subject that covers fewer patches in the target cannot be matched patch by patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from operators.encoders.encoder import Encoder
from operators.encoders.patch_grids import patch_grids
from operators.patch_matching.roi import roi_patches
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.patches import PatchGrid

SCALES = (1.0, 0.71, 0.5, 0.35)
LEAST_PATCHES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The patches of the ROI as the model sees them where the subject has `scale` times its size in the query."""

    scale: float
    patches: PatchGrid


def roi_pyramid(
    encoder: Encoder,
    picture: ImageArray,
    roi: Boxes,
    *,
    scales: Sequence[float] = SCALES,
    least_patches: int = LEAST_PATCHES,
) -> list[Level]:
    """One level a scale, by scale as given. picture: uint8 (H, W, 3) RGB. roi: one box in it.

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
    views = [(scale, *_view(picture, roi, scale)) for scale in scales if scale * side <= 1 or scale == must]
    grids = patch_grids(encoder, [view for _, view, _ in views])
    levels = [Level(scale, roi_patches(grid, box)) for (scale, _, box), grid in zip(views, grids, strict=True)]
    return [level for level in levels if level.scale == must or len(level.patches) >= least_patches]


def _view(picture: ImageArray, roi: Boxes, scale: float) -> tuple[ImageArray, Boxes]:
    """The picture drawn at a scale on a canvas of its own size and mean colour, and the ROI there.

    A smaller one stands in the middle; of a larger one the part around the ROI is seen.
    """
    if scale == 1:
        return picture, roi
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
    corners = (np.tile(at, 2) + roi.xyxy * np.tile(drawn, 2)) / np.tile(size, 2)
    return canvas, Boxes.clipped(corners)
