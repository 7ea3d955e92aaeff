"""Covers pixels of a frame so that nothing of them is left: no covered pixel has any part in the result.

A picture that was only blurred or pixelated can be restored in part, above all from the many frames of a video. Here
the pixels under a cover are replaced by blurred ones of its surroundings, or by black.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.redaction.carry import Plane
from operators.redaction.config import CoverStyle
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, require_image

_DIM = 0.6  # brightness of a blurred cover, so that nobody takes it for the scene


def covered(image: ImageArray, plane: Plane, *, style: CoverStyle) -> ImageArray:
    """A copy of the frame in which the pixels of the plane are covered.

    image: uint8 (H, W, 3), RGB. plane: bool (H, W). The result depends on the uncovered pixels and the plane alone.
    """
    require_image(image, name="frame")
    if plane.shape != image.shape[:2]:
        raise InvalidValueError(f"the plane must be {image.shape[:2]}, as the frame, got {plane.shape}")
    result = image.copy()
    if not plane.any():
        return result
    if style == "black" or plane.all():
        result[plane] = 0
        return result
    fill = _from_surroundings(image, plane)
    result[plane] = np.clip(np.rint(fill[plane] * _DIM), 0, 255).astype(np.uint8)
    return result


def _from_surroundings(image: ImageArray, plane: Plane) -> NDArray[np.float32]:
    """float32 (H, W, 3): the frame with covered pixels replaced by averages of uncovered ones (push-pull).

    Gortler et al., "The Lumigraph", SIGGRAPH 1996, §3.4: averages over growing cells, then from the largest cells back
    to the pixels. Covered pixels have weight 0 in every average.
    """
    weight = (~plane).astype(np.float32)
    colour = image.astype(np.float32) * weight[..., None]
    levels = [(colour, weight)]
    while min(levels[-1][1].shape) > 1 and not levels[-1][1].all():
        levels.append(tuple(_halved(each) for each in levels[-1]))  # type: ignore[arg-type]
    filled = _average(*levels[-1])
    for colour, weight in reversed(levels[:-1]):
        height, width = weight.shape
        coarse = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
        filled = np.where(weight[..., None] > 0, _average(colour, weight), coarse).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(filled, (0, 0), max(2.0, min(plane.shape) / 100)), np.float32)


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = values.shape[:2]
    size = ((width + 1) // 2, (height + 1) // 2)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _average(colour: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(colour / np.maximum(weight, 1e-6)[..., None], np.float32)
