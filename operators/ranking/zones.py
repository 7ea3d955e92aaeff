"""The share of a box that lies in a zone."""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes, FloatArray, box_area
from schemas.zones import Zone

_Double = NDArray[np.float64]


def share_inside(boxes: Boxes, zone: Zone) -> FloatArray:
    """float32 (N,), in [0, 1]: the area that each box shares with the zone, divided by its own; 0 for one without area.

    Exact but for rounding in float64, for zones of any shape. By Green's theorem, the area that a polygon shares with
    the box x0 to x1, y0 to y1 is the integral of clip(x, x0, x1) − x0 over y, along the sides of the polygon between y0
    and y1. Corners are rounded to float32 first, as boxes are: a region that ends where the zone does is inside.

    Example: of the left half of the frame, a quarter lies in the triangle with the corners (0, 0), (0.5, 0), (0, 0.5).
    """
    x0, y0, x1, y1 = boxes.xyxy.astype(np.float64).T
    corners = np.array(zone.corners, np.float32).astype(np.float64)
    shared = np.zeros(len(boxes))
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay == by:
            continue
        low, high = min(ay, by), max(ay, by)
        first, last = np.clip(y0, low, high), np.clip(y1, low, high)
        if ax == bx:
            mean = np.clip(ax, x0, x1) - x0
        else:
            start, stop = (ax + (y - ay) / (by - ay) * (bx - ax) for y in (first, last))
            mean = _mean_clipped(start, stop, x0, x1)
        shared += np.copysign(last - first, by - ay) * mean
    area = box_area(boxes.xyxy.astype(np.float64))
    share = np.divide(np.abs(shared), area, out=np.zeros_like(area), where=area > 0)
    return np.clip(share, 0.0, 1.0).astype(np.float32)


def _mean_clipped(start: _Double, stop: _Double, x0: _Double, x1: _Double) -> _Double:
    """The mean of clip(x, x0, x1) − x0 for x from `start` to `stop`: it is linear between x0 and x1, and constant
    elsewhere."""

    def height(part: _Double | float) -> _Double:
        clipped: _Double = np.clip(start + part * (stop - start), x0, x1) - x0
        return clipped

    length = stop - start
    bends = [np.divide(x - start, length, out=np.zeros_like(length), where=length != 0).clip(0, 1) for x in (x0, x1)]
    parts = [np.zeros_like(length), np.minimum(*bends), np.maximum(*bends), np.ones_like(length)]
    heights = [height(part) for part in parts]
    mean = np.zeros_like(length)
    for i in range(3):
        mean += (parts[i + 1] - parts[i]) * (heights[i] + heights[i + 1]) / 2
    return mean
