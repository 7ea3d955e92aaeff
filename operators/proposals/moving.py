"""Moving regions: boxes around what differs from the background of a fixed camera."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.proposals.refine import nms
from schemas.boxes import Boxes
from schemas.errors import PlanError
from schemas.frames import Keyframe
from schemas.regions import Proposals


@dataclass(frozen=True, slots=True)
class MovingConfig:
    """thresholds: of the motion map, each gives its own regions.
    closing_px: sizes of the closing that joins parts, in pixels of the motion map.
    limit: most boxes a frame.
    """

    thresholds: tuple[int, ...] = (16, 28, 48)
    closing_px: tuple[int, ...] = (1, 5, 11)
    limit: int = 48

    def __post_init__(self) -> None:
        if not self.thresholds or not all(1 <= t <= 255 for t in self.thresholds):
            raise PlanError(f"thresholds must lie in 1…255, got {self.thresholds}")
        if not self.closing_px or min(self.closing_px) < 1 or self.limit < 1:
            raise PlanError(f"moving regions need closing_px >= 1 and limit >= 1, got {self}")


class MovingRegions:
    """Connected components of the motion map at several thresholds and scales; proposer "moving".

    Nothing for pictures and where there is no background.
    """

    def __init__(self, config: MovingConfig) -> None:
        self.config = config

    def __call__(self, keyframe: Keyframe) -> Proposals:
        if keyframe.motion is None:
            return Proposals.concat([])
        motion = keyframe.motion
        height, width = motion.shape
        boxes = np.concatenate(
            [
                _components((motion >= threshold).view(np.uint8), closing_px=size)
                for threshold in self.config.thresholds
                for size in self.config.closing_px
            ]
        )
        if not len(boxes):
            return Proposals.concat([])
        total = cv2.integral(motion)
        x0, y0, x1, y1 = boxes.T
        area = (x1 - x0) * (y1 - y0)
        inside = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
        score = np.minimum(inside / area / 64.0, 1.0).astype(np.float32)
        order = np.lexsort((x1, y1, x0, y0, -score))
        found = Proposals.of(
            Boxes.from_pixels(boxes[order], width_px=width, height_px=height), score=score[order], proposer="moving"
        )
        return found.take(nms(found.boxes, max_iou=0.7, limit=self.config.limit))


def _components(mask: NDArray[np.uint8], *, closing_px: int) -> NDArray[np.int32]:
    """int32 (N, 4): pixel boxes of the connected parts of a closed mask."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (closing_px, closing_px))
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    x, y, w, h = stats[1:, :4].T
    boxes: NDArray[np.int32] = np.stack([x, y, x + w, y + h], axis=1).astype(np.int32)
    return boxes
