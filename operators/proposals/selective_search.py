"""Selective search: regions of still pictures that look like one thing, by merging what is alike."""

from dataclasses import dataclass

import cv2
import numpy as np

from schemas.boxes import Boxes
from schemas.errors import PlanError
from schemas.frames import Keyframe
from schemas.regions import Proposals


@dataclass(frozen=True, slots=True)
class SelectiveSearchConfig:
    """long_side_px: the picture is scaled down to this before the search; the cost grows with its square.
    limit: most boxes a picture.
    """

    long_side_px: int = 200
    limit: int = 48

    def __post_init__(self) -> None:
        if self.long_side_px < 32 or self.limit < 1:
            raise PlanError(f"selective search needs long_side_px >= 32 and limit >= 1, got {self}")


class SelectiveSearch:
    """Boxes of merged segments (Uijlings et al., IJCV 2013; OpenCV's fast mode); proposer "selective".

    Only where there is no motion map, so pictures and clips too short for a background: it costs
    about 0.2 s a picture.
    """

    def __init__(self, config: SelectiveSearchConfig) -> None:
        self.config = config

    def __call__(self, keyframe: Keyframe) -> Proposals:
        if keyframe.motion is not None:
            return Proposals.concat([])
        height, width, _ = keyframe.image.shape
        scale = min(1.0, self.config.long_side_px / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(keyframe.image, size, interpolation=cv2.INTER_AREA)
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(np.ascontiguousarray(small[:, :, ::-1]))
        search.switchToSelectiveSearchFast()
        rects = np.unique(np.asarray(search.process(), np.int32).reshape(-1, 4), axis=0)
        x, y, w, h = rects.T
        boxes = np.stack([x, y, x + w, y + h], axis=1)
        # OpenCV's own order is partly random, so the largest regions come first
        order = np.argsort(-(w * h), kind="stable")[: self.config.limit]
        score = (w * h / (size[0] * size[1])).astype(np.float32)[order]
        found = Boxes.from_pixels(boxes[order], width_px=size[0], height_px=size[1])
        return Proposals.of(found, score=score, proposer="selective")
