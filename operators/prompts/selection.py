"""Prompt-guided selection of one region from the masks of a picture, without running the segmenter again.

Source: Search Anything, section 2.1, after FastSAM (Zhao et al., arXiv 2306.12156).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.masks.rle import decode_mask, encode_masks, mask_boxes, mask_iou
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, QueryError
from schemas.masks import Mask
from schemas.prompts import PointTuple, RegionPrompts

REACH = 0.03  # share of the picture's diagonal within which a point on no mask selects the nearest mask
SAME_BOX = 0.8  # share of the best fit with the box from which masks fit about as well, and words decide among them


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected region.

    box: one box, the tightest around the mask. chosen: indices of the masks of which the region consists.
    """

    mask: Mask
    box: Boxes
    chosen: tuple[int, ...]


def select_region(
    masks: Sequence[Mask],
    prompts: RegionPrompts,
    *,
    similarity: NDArray[np.float32] | None = None,
) -> Selection:
    """Selects the region that fits all prompts together.

    masks: masks of one picture, all of one size; empty masks are never chosen.
    similarity: float32 (N,), cosine of each mask's masked crop and the words; required if the prompts contain words.

    1. Masks that contain a background point are excluded.
    2. Each foreground point has as candidates the masks that contain it; if there are none, the nearest mask within
       3 % of the picture's diagonal. Without points, all masks are candidates.
    3. One of the candidates is chosen: with a box, the one that fits it best (see _box_fit); with words, the one with
       the highest cosine; with both, the one with the highest cosine among those that fit the box at least 0.8 times as
       well as the best; with neither, the smallest.
    4. The masks chosen for several foreground points are merged into one.

    Ties go to the smaller mask, then to the first. Of the nested segments under a point in the middle of an object, the
    smallest had a mean IoU of .30 with the object, the middle one .16, and the one with the highest score .07. The best
    of all masks had .41, and the one that fits the object's box best .38 (296 objects in 40 pictures of coco-mini).

    Raises QueryError if no mask fits, and states which prompt excluded all masks.
    """
    if prompts.text is not None and (similarity is None or similarity.shape != (len(masks),)):
        got = "none" if similarity is None else f"{similarity.shape}"
        raise InvalidValueError(f"words need their similarity with each of the {len(masks)} masks, got {got}")
    usable = [i for i, mask in enumerate(masks) if mask.area_px]
    if not usable:
        raise QueryError("the picture has no masks to choose from; use a plan or proposer that makes some (segments)")
    pixels = {i: decode_mask(masks[i]) for i in usable} if prompts.points or prompts.not_points else {}

    left = [i for i in usable if not any(_holds(pixels[i], p) for p in prompts.not_points)]
    if not left:
        raise QueryError("every mask of the picture contains one of the points that must lie outside the region")
    choose = _Choice(masks, prompts, similarity)
    if not prompts.points:
        chosen = {choose.best(left)}
    else:
        chosen = set()
        for point in prompts.points:
            holding = [i for i in left if _holds(pixels[i], point)]
            if not holding and any(_holds(pixels[i], point) for i in usable):
                raise QueryError(
                    f"every mask that contains the point {point} also contains a point that must lie outside the "
                    "region; move one of them"
                )
            chosen.add(choose.best(holding or _nearest(pixels, left, point)))
    merged = masks[next(iter(chosen))]
    if len(chosen) > 1:
        merged = encode_masks(np.logical_or.reduce([pixels[i] for i in chosen])[None])[0]
    return Selection(merged, mask_boxes([merged]), tuple(sorted(chosen)))


class _Choice:
    """Chooses among masks by the box and the words."""

    def __init__(
        self,
        masks: Sequence[Mask],
        prompts: RegionPrompts,
        similarity: NDArray[np.float32] | None,
    ) -> None:
        self._area = np.array([mask.area_px for mask in masks])
        self._box = prompts.box
        self._fit = None if prompts.box is None else _box_fit(masks, prompts.box)
        self._words = similarity if prompts.text is not None else None

    def best(self, among: list[int]) -> int:
        left = np.array(among)
        preference = np.zeros(len(left)) if self._words is None else self._words[left]
        if self._fit is not None:
            fit = self._fit[left]
            if fit.max() <= 0.0:
                raise QueryError(f"no mask that fits the other prompts overlaps the box {self._box}")
            close = fit >= SAME_BOX * fit.max()
            preference = fit[close] if self._words is None else preference[close]
            left = left[close]
        return int(left[np.lexsort((left, self._area[left], -preference))[0]])


def _box_fit(masks: Sequence[Mask], box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """float32 (N,): geometric mean of two IoUs with the box: that of the box around each mask, and that of the mask.

    The first alone would confuse a thin ring with the thing that it surrounds; the second alone prefers square masks.
    """
    drawn = Boxes([box])  # type: ignore[arg-type]
    height, width = masks[0].height_px, masks[0].width_px
    ((x0, y0, x1, y1),) = drawn.to_pixels(width_px=width, height_px=height).tolist()
    filled = np.zeros((1, height, width), np.bool_)
    filled[0, y0:y1, x0:x1] = True
    fit: NDArray[np.float32] = np.sqrt(mask_boxes(masks).iou(drawn) * mask_iou(masks, encode_masks(filled)))[:, 0]
    return fit


def _holds(mask: NDArray[np.bool_], point: PointTuple) -> bool:
    height, width = mask.shape
    return bool(mask[_pixel(point, height=height, width=width)])


def _pixel(point: PointTuple, *, height: int, width: int) -> tuple[int, int]:
    """Row and column of the pixel that contains `point`."""
    return min(int(point[1] * height), height - 1), min(int(point[0] * width), width - 1)


def _nearest(pixels: dict[int, NDArray[np.bool_]], among: list[int], point: PointTuple) -> list[int]:
    """The masks nearest to a point that lies on none of them. Raises QueryError if they are farther than REACH."""
    height, width = next(iter(pixels.values())).shape
    distance = []
    for i in among:
        outside = (~pixels[i]).astype(np.uint8)
        away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        distance.append(float(away[_pixel(point, height=height, width=width)]))
    least, reach = min(distance), REACH * float(np.hypot(height, width))
    if least > reach:
        raise QueryError(
            f"the point {point} lies on no mask, and the nearest is {least:.0f} px away (limit {reach:.0f} px); "
            "point at something that a mask covers, or draw a box"
        )
    return [i for i, d in zip(among, distance, strict=True) if d <= least]
