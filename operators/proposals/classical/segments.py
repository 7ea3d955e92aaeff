"""Proposes segments: masks of what looks like one object, from a hierarchy of merged superpixels, without weights."""

from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.masks.hierarchy import Hierarchy, MergeConfig, segment_hierarchy
from operators.masks.label_masks import encode_unions
from operators.masks.rle import mask_boxes
from operators.motion.background import background_known
from operators.proposals.proposer import Proposer, one_by_one
from schemas import require
from schemas.frames import Keyframe
from schemas.regions import Proposals

_STILL, _MOVING = 6, 24  # motion that counts 0 and 1, as for moving regions
_MOVING_BONUS = 0.3

# The expected IoU of a segment with its best object: least squares over the segments of 80 pictures of COCO
# (coco-mini), with more weight on good ones. It is meant for ranking and explains little of a single segment.
_CONSTANT = 0.238
_LOG_AREA = 0.046
_PERSISTENCE = 0.0145
_LOG_APART = 0.047
_ROOT_CONTRAST = 0.174
_ROUNDNESS = 0.128
_TOUCHED_SIDE = -0.026


@dataclass(frozen=True, slots=True)
class SegmentsConfig:
    """long_side_px: the picture is scaled down to this; the time grows with its square.
    least_area, most_area: limits for the area of a segment, as shares of the picture.
    max_iou: of two masks with a higher IoU, only the better is kept.
    limit: maximum number of masks per picture.
    merge: how the hierarchy is made.
    """

    name: ClassVar[str] = "segments"
    makes_masks: ClassVar[bool] = True

    long_side_px: int = 320
    least_area: float = 0.0005
    most_area: float = 0.9
    max_iou: float = 0.5
    limit: int = 64
    merge: MergeConfig = field(default_factory=MergeConfig)

    def __post_init__(self) -> None:
        require.at_least(32, long_side_px=self.long_side_px)
        require.at_least(1, limit=self.limit)
        require.within("[0, 1]", max_iou=self.max_iou, least_area=self.least_area, most_area=self.most_area)
        require.in_order("<", least_area=self.least_area, most_area=self.most_area)

    def build(self) -> Proposer:
        return one_by_one(Segments(self))


class Segments:
    """Masks of one hierarchy of segments, the likeliest objects first; proposer "segments".

    Any two masks of a frame are nested or share no pixel. Boxes are the tightest around the masks. If a background is
    known, parts that move together are merged first and rank higher.

    score: in [0, 1], the expected IoU with an object, estimated from size, outline, contrast and persistence.
    stability: the persistence of the segment: 1 − the cost at which it was formed / the cost at which it is merged.
    """

    def __init__(self, config: SegmentsConfig) -> None:
        self.config = config

    def __call__(self, keyframe: Keyframe) -> Proposals:
        height, width, _ = keyframe.image.shape
        scale = min(1.0, self.config.long_side_px / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(keyframe.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        tree = segment_hierarchy(small, self.config.merge, moves=_moves(keyframe, size))
        score = _expected_iou(tree)
        kept = self._best(tree, score)
        if not kept.size:
            return Proposals.concat([])
        masks = encode_unions(_enlarged(tree.superpixels, width=width, height=height), tree.members[kept])
        return Proposals.of(
            mask_boxes(masks),
            score=score[kept],
            proposer="segments",
            mask=masks,
            stability=tree.persistence[kept].astype(np.float32),
        )

    def _best(self, tree: Hierarchy, score: NDArray[np.float32]) -> NDArray[np.intp]:
        """Segments of the allowed sizes by falling score, after non-maximum suppression of their masks."""
        share = tree.area_px / tree.superpixels.size
        left = np.argsort(-score, kind="stable")  # ties by the order of merging
        left = left[(share[left] >= self.config.least_area) & (share[left] <= self.config.most_area)]
        some_piece = tree.members.argmax(axis=1)
        kept: list[int] = []
        while left.size and len(kept) < self.config.limit:
            best, left = int(left[0]), left[1:]
            kept.append(best)
            # segments of one hierarchy are nested or disjoint: one superpixel of the smaller shows which
            nested = tree.members[left, some_piece[best]] | tree.members[best, some_piece[left]]
            iou = np.minimum(share[left], share[best]) / np.maximum(share[left], share[best])
            left = left[~nested | (iou <= self.config.max_iou)]
        return np.array(kept, np.intp)


def _expected_iou(tree: Hierarchy) -> NDArray[np.float32]:
    """float32 (2N − 1,), in [0, 1]: the expected IoU of every segment with an object."""
    height, width = tree.superpixels.shape
    touched = (tree.box[:, :2] <= 0).sum(axis=1) + (tree.box[:, 2:] >= np.array([width, height])).sum(axis=1)
    # 1 for a disc; about half of the outline is hidden for a segment that touches the picture's border
    outline = np.where(touched > 0, 2 * np.pi, 4 * np.pi) * tree.area_px / np.maximum(tree.border, 1.0) ** 2
    still = (
        _CONSTANT
        + _LOG_AREA * np.log(tree.area_px / tree.superpixels.size)
        + _PERSISTENCE * tree.persistence
        + _LOG_APART * np.log(np.maximum(tree.apart, 1e-3))
        + _ROOT_CONTRAST * np.sqrt(tree.contrast)
        + _ROUNDNESS * np.sqrt(np.minimum(outline, 2.0))
        + _TOUCHED_SIDE * touched
    )
    return np.asarray(np.clip(still + _MOVING_BONUS * tree.moves, 0.0, 1.0), np.float32)


def _moves(keyframe: Keyframe, size: tuple[int, int]) -> NDArray[np.float32] | None:
    """float32 (h, w), in [0, 1]: how much each pixel of the scaled picture moves; None if no background is known."""
    motion = keyframe.motion
    if motion is None or not background_known(motion):
        return None
    still = max(_STILL, 1.5 * float(np.median(motion[::2, ::2])))  # the noise of the camera
    share = np.clip((motion - np.float32(still)) / (_MOVING - _STILL), 0.0, 1.0).astype(np.float32)
    return np.asarray(cv2.resize(share, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _enlarged(pieces: NDArray[np.int32], *, width: int, height: int) -> NDArray[np.int32]:
    """int32 (height, width): each pixel has the label of the nearest one; `cv2.resize` does not take int32."""
    small_height, small_width = pieces.shape
    rows = ((np.arange(height) + 0.5) * small_height / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * small_width / width).astype(np.intp)
    return np.asarray(pieces[rows[:, None], columns], np.int32)
