"""Pictures at the size a model takes, every source pixel weighed (no aliasing)."""

import numpy as np

from schemas.frames import ImageArray, require_image


def resize(image: ImageArray, *, width_px: int, height_px: int) -> ImageArray:
    """image: uint8 (H, W, 3). Returns uint8 (height_px, width_px, 3), bicubic, low-passed when it shrinks."""
    require_image(image)
    if image.shape == (height_px, width_px, 3):
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width_px, height_px), Image.Resampling.BICUBIC))
