"""Converts light to the bytes of a picture, and the bytes of a colour to light."""

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.frames import ImageArray

_REACH_PX, _SIGMA_PX = 13, 3.5  # of the filter: wide enough for nine light paths per pixel
_ALIKE = 0.12  # scale of differences of the guide beyond which neighbours do not count


def linear_rgb(srgb: tuple[int, int, int]) -> NDArray[np.float64]:
    """Converts bytes of sRGB (IEC 61966-2-1) to linear light in [0, 1], float64 (3,)."""
    v = np.array(srgb) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def developed(light: NDArray[np.float32], *, guide: NDArray[np.float32]) -> ImageArray:
    """Smooths the noise of linear light within each surface, and converts it to sRGB bytes, uint8 (H, W, 3).

    light: float32 (H, W, 3). guide: float32 (H, W, 3), free of noise, equal at pixels of the same surface.
    """
    light = light.clip(0, 1)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
    smooth = cv2.ximgproc.jointBilateralFilter(guide, srgb, _REACH_PX, _ALIKE, _SIGMA_PX)
    image: ImageArray = np.rint(smooth * 255).clip(0, 255).astype(np.uint8)
    return image
