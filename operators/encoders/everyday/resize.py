"""Pictures at the size a model takes, every source pixel weighed (no aliasing)."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.frames import ImageArray, require_image


def resize(image: ImageArray, *, width_px: int, height_px: int) -> ImageArray:
    """image: uint8 (H, W, 3). Returns uint8 (height_px, width_px, 3), bicubic, low-passed when it shrinks."""
    require_image(image)
    if image.shape == (height_px, width_px, 3):
        return image
    return np.asarray(Image.fromarray(image).resize((width_px, height_px), Image.Resampling.BICUBIC))


def resized_crops(
    images: Sequence[ImageArray], corners: Sequence[NDArray[np.int32]], *, side_px: int
) -> Iterator[ImageArray]:
    """Crops of each picture, picture by picture, as `resize` makes squares of them. corners: int32 (N, 4), x0 y0 x1 y1
    in pixels, half-open, one array a picture."""
    for image, boxes in zip(images, corners, strict=True):
        require_image(image)
        if len(boxes) == 0:
            continue
        picture = Image.fromarray(image)  # once: of a view of an array Pillow makes two copies, crop by crop
        for x0, y0, x1, y1 in boxes.tolist():
            crop = picture.crop((x0, y0, x1, y1))
            if crop.size != (side_px, side_px):
                crop = crop.resize((side_px, side_px), Image.Resampling.BICUBIC)
            yield np.asarray(crop)
