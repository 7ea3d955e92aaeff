"""Resizes pictures to the size of a model's input, without aliasing."""

import numpy as np

from schemas.frames import ImageArray, require_image


def resize(image: ImageArray, *, width_px: int, height_px: int) -> ImageArray:
    """image: uint8 (H, W, 3). Returns uint8 (height_px, width_px, 3): bicubic, with a low-pass filter if it shrinks."""
    require_image(image)
    if image.shape == (height_px, width_px, 3):
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width_px, height_px), Image.Resampling.BICUBIC))
