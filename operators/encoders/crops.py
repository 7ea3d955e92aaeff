"""Boxes of a frame as crops, with some of what lies around them."""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.frames import ImageArray, require_image


def cropped(image: ImageArray, boxes: Boxes, *, context: float) -> tuple[list[ImageArray], Boxes]:
    """Views of `image`, one a box, each grown by `context` in whole pixels; and where the box lies in its view."""
    corners, inner = crop_corners(image, boxes, context=context)
    return [image[y0:y1, x0:x1] for x0, y0, x1, y1 in corners.tolist()], inner


def crop_corners(image: ImageArray, boxes: Boxes, *, context: float) -> tuple[NDArray[np.int32], Boxes]:
    """The same as corners of the crops, int32 (N, 4) in pixels, half-open, in place of views."""
    require_image(image)
    height, width, _ = image.shape
    corners = grown(boxes, context).to_pixels(width_px=width, height_px=height)
    origin, size = corners[:, :2], corners[:, 2:] - corners[:, :2]
    inner = (boxes.xyxy.reshape(-1, 2, 2) * [width, height] - origin[:, None]) / size[:, None]
    return corners, Boxes.clipped(inner.reshape(-1, 4))


def grown(boxes: Boxes, factor: float) -> Boxes:
    """Boxes grown about their centre by `factor` a side, cut to the frame."""
    centre = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
    half = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]) / 2 * np.float32(factor)
    return Boxes.clipped(np.concatenate([centre - half, centre + half], axis=1))
