"""Six distances between a box and the query box, each in [0, 1], and 0 for equal boxes.

Source: methods of sub-region search, methods.md §1.3; GIoU: Rezatofighi et al., CVPR 2019.
"""

import math

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes, FloatArray, box_area, box_iou, intersection_and_union
from schemas.errors import InvalidValueError
from schemas.query import Geometry

DoubleArray = NDArray[np.float64]


def geometric_distance(boxes: Boxes, query: Boxes, *, geometry: Geometry) -> FloatArray:
    """float32 (N,), in [0, 1]: the distance of each of `boxes` from the query box.

    iou: 1 − IoU. giou: (1 − GIoU) / 2. centroid: distance of the centres ÷ √2.
    shape: 1 − min/max of the aspect ratios. area: 1 − min/max of the areas.
    inside: 1 − the share of the box that lies in the query box, whatever its size; see `share_inside` for polygons.

    Example: the distances of the left half of the frame from the whole frame are 0.5, 0.25, 0.25 / √2, 0.5, 0.5, 0.

    All distances but inside are symmetric. A box without area has distance 1 in iou, shape, area and inside (0 in shape
    and area if both boxes have no area); its giou and centroid depend on its position.

    Raises InvalidValueError unless `query` is one box.
    """
    if len(query) != 1:
        raise InvalidValueError(f"the query must be one box, got {len(query)}; pass Boxes([box])")
    # computed in float64: the result is then correct to the last bit of float32, whatever the order of the sums
    a, b = boxes.xyxy.astype(np.float64), query.xyxy.astype(np.float64)
    match geometry:
        case "iou":
            distance = 1.0 - box_iou(a, b)
        case "giou":
            distance = _giou_distance(a, b)
        case "centroid":
            gap = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
            distance = np.hypot(gap[:, 0], gap[:, 1]) / math.sqrt(2)
        case "shape":
            # both ratios are multiplied by both heights, which avoids a division by zero
            distance = _relative_gap(_width(a) * _height(b), _width(b) * _height(a))
        case "area":
            distance = _relative_gap(box_area(a), box_area(b))
        case "inside":
            area = box_area(a)
            shared = intersection_and_union(a, b)[0]
            # rounded before the subtraction, as in a zone: a box that lies inside is at distance 0
            share = np.divide(shared, area, out=np.zeros_like(area), where=area > 0).astype(np.float32)
            distance = 1.0 - share.astype(np.float64)
    return np.clip(distance, 0.0, 1.0).astype(np.float32)


def _width(x: DoubleArray) -> DoubleArray:
    width: DoubleArray = x[:, 2] - x[:, 0]
    return width


def _height(x: DoubleArray) -> DoubleArray:
    height: DoubleArray = x[:, 3] - x[:, 1]
    return height


def _giou_distance(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    union = intersection_and_union(a, b)[1]
    size = np.maximum(a[:, 2:], b[:, 2:]) - np.minimum(a[:, :2], b[:, :2])
    hull = size[:, 0] * size[:, 1]
    # a hull without area contains only the two boxes, so no part of it is empty
    empty = np.divide(hull - union, hull, out=np.zeros_like(hull), where=hull > 0)
    distance: DoubleArray = (1.0 - box_iou(a, b) + empty) / 2
    return distance


def _relative_gap(x: DoubleArray, y: DoubleArray) -> DoubleArray:
    """1 − min/max of two non-negative sizes; 0 where both are zero."""
    large = np.maximum(x, y)
    share = np.divide(np.minimum(x, y), large, out=np.ones_like(large), where=large > 0)
    gap: DoubleArray = 1.0 - share
    return gap
