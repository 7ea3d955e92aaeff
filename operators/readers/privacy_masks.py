"""Privacy masks: areas of a camera's picture that are black before anything looks at it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.frames import ImageArray
from schemas.zones import Zone

# pixels around an area that are black, too: where a picture is scaled, or its colours are (4:2:0), a pixel is made of
# several of its neighbours
EDGE_PX = 3
_SHIFT = 8  # bits of a fraction of a pixel


class PrivacyMasks:
    """Blackens areas of pictures of any size.

    masks: in fractions of the picture as it is shown.
    """

    def __init__(self, masks: Sequence[Zone]) -> None:
        self._corners = [np.array(mask.corners, np.float64) for mask in masks]
        self._planes: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def __call__(self, image: ImageArray) -> ImageArray:
        """A copy of the picture, uint8 (H, W, 3), with the areas black; the picture itself if there are none."""
        if not self._corners:
            return image
        masked = image.copy()
        masked[self.plane(*image.shape[:2])] = 0
        return masked

    def plane(self, height_px: int, width_px: int) -> NDArray[np.bool_]:
        """bool (H, W): every pixel that an area touches, and EDGE_PX around it."""
        plane = self._planes.get((height_px, width_px))
        if plane is None:
            drawn = np.zeros((height_px, width_px), np.uint8)
            for corners in self._corners:
                # the centre of the first pixel is at half a pixel from the edge of the picture, and at 0 for OpenCV
                pixels = (corners * [width_px, height_px] - 0.5) * 2**_SHIFT
                cv2.fillPoly(drawn, [np.rint(pixels).astype(np.int32)], 1, shift=_SHIFT)
            around = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
            plane = self._planes[height_px, width_px] = cv2.dilate(drawn, around).astype(bool)
        return plane
