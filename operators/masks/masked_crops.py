"""Crops of regions in which everything outside the region is grey."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.encoders.crops import crop_corners
from operators.encoders.encoder import Encoder
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import VectorArray

BACKGROUND = 127  # value of every channel: a grey that is close to neutral for every model here


def masked_crops(
    image: ImageArray, boxes: Boxes, masks: Sequence[NDArray[np.bool_] | None], *, context: float
) -> tuple[list[ImageArray], Boxes]:
    """A crop of `image` for each box, enlarged by `context` and grey outside the mask; and each box within its crop.

    masks: bool (H, W) of the image's size, one for each box; with None, the crop is an unchanged view of the image.
    """
    if len(boxes) != len(masks):
        raise InvalidValueError(f"each box needs one mask or None: got {len(boxes)} boxes and {len(masks)} masks")
    corners, inner = crop_corners(image, boxes, context=context)
    crops = []
    for (x0, y0, x1, y1), mask in zip(corners.tolist(), masks, strict=True):
        crop = image[y0:y1, x0:x1]
        if mask is not None:
            if mask.shape != image.shape[:2]:
                raise InvalidValueError(f"masks must be of the image's size {image.shape[:2]}, got {mask.shape}")
            crop = np.where(mask[y0:y1, x0:x1, None], crop, np.uint8(BACKGROUND))
        crops.append(crop)
    return crops, inner


def masked_vectors(
    encoder: Encoder,
    image: ImageArray,
    boxes: Boxes,
    masks: Sequence[NDArray[np.bool_] | None],
    *,
    context: float,
    side_px: int,
) -> VectorArray:
    """float32 (boxes, D), L2-normalised: the vector of each masked crop. side_px: as in `Encoder.encode_regions`."""
    crops, inner = masked_crops(image, boxes, masks, context=context)
    each = [inner[np.array([i])] for i in range(len(inner))]
    return encoder.encode_regions(crops, each, context=context, side_px=side_px)
