"""Crops of the boxes of a frame, with some of their surroundings."""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.frames import ImageArray, require_image


def cropped(image: ImageArray, boxes: Boxes, *, context: float) -> tuple[list[ImageArray], Boxes]:
    """One view of `image` per box, the box grown by `context` to whole pixels, and each box in its view."""
    corners, inner = crop_corners(image, boxes, context=context)
    return [image[y0:y1, x0:x1] for x0, y0, x1, y1 in corners.tolist()], inner


def crop_corners(image: ImageArray, boxes: Boxes, *, context: float) -> tuple[NDArray[np.int32], Boxes]:
    """Like `cropped`, with corners in place of views: int32 (N, 4) in pixels, half-open."""
    require_image(image)
    height, width, _ = image.shape
    corners = grown(boxes, context).to_pixels(width_px=width, height_px=height)
    origin, size = corners[:, :2], corners[:, 2:] - corners[:, :2]
    inner = (boxes.xyxy.reshape(-1, 2, 2) * [width, height] - origin[:, None]) / size[:, None]
    return corners, Boxes.clipped(inner.reshape(-1, 4))


def grown(boxes: Boxes, factor: float) -> Boxes:
    """Boxes whose sides are multiplied by `factor` about their centre, clipped to the frame."""
    centre = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
    half = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]) / 2 * np.float32(factor)
    return Boxes.clipped(np.concatenate([centre - half, centre + half], axis=1))
