"""COCO's run-length encoding of masks, through pycocotools."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.masks import Mask


def encode_masks(masks: NDArray[np.bool_]) -> list[Mask]:
    """Encodes N masks. masks: bool (N, H, W)."""
    if masks.dtype != np.bool_ or masks.ndim != 3:
        raise InvalidValueError(f"masks must be bool (N, H, W), got {masks.dtype} {masks.shape}")
    n, height, width = masks.shape
    if not n:
        return []
    coded = coco.encode(np.asfortranarray(masks.transpose(1, 2, 0).view(np.uint8)))
    areas = coco.area(coded)
    return [Mask(height, width, c["counts"], int(a)) for c, a in zip(coded, areas, strict=True)]


def decode_mask(mask: Mask) -> NDArray[np.bool_]:
    """The pixels of a mask: bool (height_px, width_px)."""
    return np.ascontiguousarray(coco.decode(_coco(mask))).view(np.bool_)


def mask_iou(masks: Sequence[Mask], others: Sequence[Mask]) -> NDArray[np.float32]:
    """float32 (N, M), in [0, 1]: the IoU of every pair of masks, all of one size, computed without decoding them."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)), np.float32)
    iou = coco.iou([_coco(m) for m in masks], [_coco(m) for m in others], [0] * len(others))
    return np.asarray(iou, np.float32)


def mask_boxes(masks: Sequence[Mask]) -> Boxes:
    """The tightest box around each mask; an empty mask has an empty box at the origin."""
    if not masks:
        return Boxes(np.zeros((0, 4), np.float32))
    xywh = coco.toBbox([_coco(m) for m in masks])
    size = np.array([[m.width_px, m.height_px] * 2 for m in masks], np.float64)
    xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1) / size
    return Boxes.clipped(xyxy)


def resized_mask(mask: Mask, height_px: int, width_px: int) -> Mask:
    """The mask scaled to a picture of another size, by nearest pixels."""
    if (mask.height_px, mask.width_px) == (height_px, width_px):
        return mask
    rows = (np.arange(height_px) * 2 + 1) * mask.height_px // (2 * height_px)
    columns = (np.arange(width_px) * 2 + 1) * mask.width_px // (2 * width_px)
    return encode_masks(decode_mask(mask)[rows[:, None], columns][None])[0]


def _coco(mask: Mask) -> dict[str, object]:
    return {"size": [mask.height_px, mask.width_px], "counts": mask.counts}
