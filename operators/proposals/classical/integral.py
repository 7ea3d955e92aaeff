"""Computes sums over many boxes of a picture at once, from its integral image."""

import cv2
import numpy as np
from numpy.typing import NDArray

PixelBoxes = NDArray[np.int32]


class IntegralImage:
    """values: float32 (h, w) or (h, w, C), 0 outside the picture. Boxes: int32 (N, 4), half-open, in pixels."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.height, self.width = values.shape[:2]
        self.total = np.asarray(cv2.integral(values), np.float64)  # (h + 1, w + 1) or (h + 1, w + 1, C)

    def sums(self, boxes: PixelBoxes) -> NDArray[np.float64]:
        """Sums over the boxes: float64 (N,) or (N, C)."""
        x0, y0, x1, y1 = self.clipped(boxes).T
        total = self.total
        inside: NDArray[np.float64] = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
        return inside

    def clipped(self, boxes: PixelBoxes) -> PixelBoxes:
        return np.clip(boxes, 0, np.array([self.width, self.height] * 2, np.int32))


class BoxSums:
    """Sums over the same boxes of many pictures of one size, in a third of the time: where to read is computed once.

    boxes: int32 (N, 4), half-open, in pixels. area_px: int32 (N,), at least 1.
    """

    def __init__(self, boxes: PixelBoxes, *, width: int, height: int) -> None:
        self.boxes = boxes
        self.area_px = area_px(boxes)
        x0, y0, x1, y1 = np.clip(boxes, 0, np.array([width, height] * 2, np.int32)).astype(np.intp).T
        row = width + 1
        self._corners = [y1 * row + x1, y0 * row + x1, y1 * row + x0, y0 * row + x0]

    def __call__(self, image: IntegralImage) -> NDArray[np.float64]:
        """image: of this size, with one channel. Returns float64 (N,), what `image.sums(boxes)` returns."""
        first, second, third, fourth = (image.total.take(corner) for corner in self._corners)
        inside: NDArray[np.float64] = first - second - third + fourth
        return inside


def area_px(boxes: PixelBoxes) -> PixelBoxes:
    """int32 (N,), at least 1, so that sums can be divided by it."""
    return np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1)
