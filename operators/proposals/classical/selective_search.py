"""Proposes boxes by selective search, which merges similar segments of a picture."""

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.motion.background import background_known
from operators.proposals.classical.integral import IntegralImage, PixelBoxes, area_px
from operators.proposals.proposer import Proposer, one_by_one
from operators.proposals.refine import nms
from schemas import require
from schemas.boxes import Boxes
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals

_RING = 0.2  # width of the ring around a box, as a share of its width and height
_EDGE_PX = 2  # half the width of the strip in which edges along a box's border count
_AREA_POWER = 0.25
_BORDER_FACTOR = 0.85  # for each side on the picture's border, where no edge is visible
_LEAST_SIDE_PX = 4


@dataclass(frozen=True, slots=True)
class SelectiveSearchConfig:
    """long_side_px: the picture is scaled down to this before the search; the cost grows with its square.
    max_iou: of two boxes with a higher IoU, only the better is kept.
    limit: maximum number of boxes per picture.
    """

    name: ClassVar[str] = "selective-search"
    makes_masks: ClassVar[bool] = False

    long_side_px: int = 200
    max_iou: float = 0.5
    limit: int = 48

    def __post_init__(self) -> None:
        require.within("[0, 1]", max_iou=self.max_iou)
        require.at_least(32, long_side_px=self.long_side_px)
        require.at_least(1, limit=self.limit)

    def build(self) -> Proposer:
        return one_by_one(SelectiveSearch(self))


class SelectiveSearch:
    """Boxes of merged segments (Uijlings et al., IJCV 2013; OpenCV's fast mode); proposer "selective".

    It runs only if no background is known (pictures, short clips, moving cameras), as it takes 0.1 to 0.2 s.

    score: (geometric mean of the box's contrast with a ring around it and of the strength of the edges along its
        border, as shares of their maxima) · (share of the picture)^¼, a little less for each side on the picture's
        border.
    """

    def __init__(self, config: SelectiveSearchConfig) -> None:
        self.config = config

    def __call__(self, keyframe: Keyframe) -> Proposals:
        if keyframe.motion is not None and background_known(keyframe.motion):
            return Proposals.concat([])
        height, width, _ = keyframe.image.shape
        scale = min(1.0, self.config.long_side_px / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(keyframe.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        rects = _search(small)
        if not len(rects):
            return Proposals.concat([])
        score = _score(small, rects)
        # OpenCV's own order is random; this one is by falling score, and ties are ordered by the box
        order = np.lexsort((*rects.T, -score))
        boxes = Boxes.from_pixels(rects[order], width_px=size[0], height_px=size[1])
        kept = nms(boxes, max_iou=self.config.max_iou, limit=self.config.limit)
        return Proposals.of(boxes[kept], score=score[order][kept], proposer="selective")


def _search(small: ImageArray) -> PixelBoxes:
    """int32 (N, 4): half-open pixel boxes without duplicates, in lexicographic order."""
    if min(small.shape[:2]) < _LEAST_SIDE_PX:
        return np.zeros((0, 4), np.int32)
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(small[:, :, ::-1]))
    search.switchToSelectiveSearchFast()
    rects = np.asarray(search.process(), np.int32).reshape(-1, 4)
    rects = np.unique(rects[(rects[:, 2:] >= _LEAST_SIDE_PX).all(axis=1)], axis=0)
    rects[:, 2:] += rects[:, :2]
    return rects


def _score(small: ImageArray, rects: PixelBoxes) -> NDArray[np.float32]:
    """float32 (N,), in [0, 1]: the score of each box."""
    height, width, _ = small.shape
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32)
    # maxima: 255 levels of colour, and four times that from the Sobel operator
    strength = np.sqrt(_contrast(lab, rects) / 255 * _border(lab, rects) / 1020)
    on_border = (rects[:, :2] <= 1).sum(axis=1) + (rects[:, 2:] >= np.array([width, height]) - 1).sum(axis=1)
    score = strength * (area_px(rects) / (width * height)) ** _AREA_POWER * _BORDER_FACTOR**on_border
    return np.asarray(np.clip(score, 0.0, 1.0), np.float32)


def _contrast(lab: NDArray[np.float32], rects: PixelBoxes) -> NDArray[np.float64]:
    """float64 (N,): distance between the mean colours of each box and of the ring around it."""
    colour = IntegralImage(lab)
    margin = np.maximum(2, ((rects[:, 2:] - rects[:, :2]) * _RING).astype(np.int32))
    outer = colour.clipped(np.concatenate([rects[:, :2] - margin, rects[:, 2:] + margin], axis=1))
    inside = colour.sums(rects)
    area = area_px(rects)[:, None]
    ring_area = np.maximum(area_px(outer)[:, None] - area, 1)
    ring = (colour.sums(outer) - inside) / ring_area
    distance: NDArray[np.float64] = np.linalg.norm(inside / area - ring, axis=1)
    return distance


def _border(lab: NDArray[np.float32], rects: PixelBoxes) -> NDArray[np.float64]:
    """float64 (N,): mean strength of the edges along the four sides of each box."""
    smooth = cv2.GaussianBlur(lab, (0, 0), 1)
    upright = IntegralImage(np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)).max(axis=2))
    lying = IntegralImage(np.abs(cv2.Sobel(smooth, cv2.CV_32F, 0, 1)).max(axis=2))
    x0, y0, x1, y1 = rects.T
    e = _EDGE_PX
    sides = (
        (upright, [x0 - e, y0, x0 + e, y1]),
        (upright, [x1 - e, y0, x1 + e, y1]),
        (lying, [x0, y0 - e, x1, y0 + e]),
        (lying, [x0, y1 - e, x1, y1 + e]),
    )
    total = np.zeros(len(rects))
    for edges, side in sides:
        strip = edges.clipped(np.stack(side, axis=1))
        total += edges.sums(strip) / area_px(strip)
    return total / len(sides)
