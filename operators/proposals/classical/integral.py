"""Computes sums over many boxes of a picture at once, from its integral image."""

import cv2
import numpy as np
from numpy.typing import NDArray

PixelBoxes = NDArray[np.int32]


class IntegralImage:
    """values: float32 (h, w) or (h, w, C), 0 outside the picture. Boxes: int32 (N, 4), half-open, in pixels."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.height, self.width = values.shape[:2]
        self._total = np.asarray(cv2.integral(values), np.float64)

    def sums(self, boxes: PixelBoxes) -> NDArray[np.float64]:
        """Sums over the boxes: float64 (N,) or (N, C)."""
        x0, y0, x1, y1 = self.clipped(boxes).T
        total = self._total
        inside: NDArray[np.float64] = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
        return inside

    def clipped(self, boxes: PixelBoxes) -> PixelBoxes:
        return np.clip(boxes, 0, np.array([self.width, self.height] * 2, np.int32))


def area_px(boxes: PixelBoxes) -> PixelBoxes:
    """int32 (N,), at least 1, so that sums can be divided by it."""
    return np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1)
