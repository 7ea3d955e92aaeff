"""Whether a part of a fixed camera's picture is the same in two keyframes, but for noise."""

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray
from schemas.frames import ImageArray

SIDE_PX = 160  # of a thumbnail of 640 px, a pixel is the mean of 16, and of 144 once it is blurred
# luma levels, as between frames: strong noise and the coding of a thumbnail reach 3; people of PETS differ by 95 (p99)
NOISE = 6
_MARGIN_PX = 2  # around a box: what comes near it is seen before it covers it

Luma = NDArray[np.uint8]


def small_luma(image: ImageArray) -> Luma:
    """uint8 (H, W, 3), RGB → uint8 (h, w): slightly blurred luma, at most 160 px on the longer side."""
    height, width, _ = image.shape
    scale = min(1.0, SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(small, (3, 3)), np.uint8)


class Unchanged:
    """Finds where two pictures of one size are the same: everywhere under a box, and two pixels around it.

    A pixel has changed if its luma differs by more than 6 of 255 levels. A change of light is a change.
    """

    def __init__(self, before: Luma, after: Luma) -> None:
        height, width = len(after), after.shape[1]
        changed: NDArray[np.int32] = np.ones((height, width), np.int32)
        if before.shape == after.shape:
            changed = (np.asarray(cv2.absdiff(before, after)) > NOISE).astype(np.int32)
        self._size = np.array([width, height, width, height], np.float64)
        self._sums = np.zeros((height + 1, width + 1), np.int32)  # of the changed pixels above and left of each corner
        np.cumsum(np.cumsum(changed, axis=0), axis=1, out=self._sums[1:, 1:])

    def __call__(self, boxes: FloatArray) -> NDArray[np.bool_]:
        """bool (N,): whether nothing has changed under each box. boxes: float (N, 4), x0, y0, x1, y1 in [0, 1]."""
        corners = boxes.astype(np.float64) * self._size
        low = np.floor(corners[:, :2]).astype(np.int64) - _MARGIN_PX
        high = np.ceil(corners[:, 2:]).astype(np.int64) + _MARGIN_PX
        limit = self._size[:2].astype(np.int64)
        low, high = np.clip(low, 0, limit), np.clip(high, 0, limit)
        x0, y0, x1, y1 = low[:, 0], low[:, 1], high[:, 0], high[:, 1]
        count = self._sums[y1, x1] - self._sums[y0, x1] - self._sums[y1, x0] + self._sums[y0, x0]
        return np.asarray(count == 0, np.bool_)
