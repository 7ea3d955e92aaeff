"""Carries the boxes and masks of a track from keyframe to keyframe, so that every frame between them has one."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.masks.rle import decode_mask
from operators.redaction.config import CarryConfig
from schemas import require
from schemas.errors import InvalidValueError
from schemas.masks import Mask

Plane = NDArray[np.bool_]
Edges = tuple[float, float, float, float]
_AHEAD_S = 1.0  # for so long a thing is expected to move on evenly
_ROUNDING = 1e-6  # pixels; an edge between two pixels is none of the next one


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """The regions of one track, in order of time.

    at_s: float64 (N,), ascending, seconds. boxes: float64 (N, 4), as in schemas.boxes. masks: one for each, or None
    where a region has none. shown_s: the span in which the thing may be seen, at least from the first to the last.
    """

    at_s: NDArray[np.float64]
    boxes: NDArray[np.float64]
    masks: Sequence[Mask | None]
    shown_s: tuple[float, float]

    def __post_init__(self) -> None:
        require.same_length(at_s=self.at_s, boxes=self.boxes, masks=self.masks)
        if not len(self.at_s) or self.boxes.shape[1:] != (4,) or bool((np.diff(self.at_s) <= 0).any()):
            raise InvalidValueError("a track needs regions at ascending times, each with a box (4,)")

    def open_at(self, time_s: float) -> bool:
        """Whether no keyframe bounds where the thing is: before the first, or after the last of all."""
        before, after = time_s < self.at_s[0], time_s > self.at_s[-1]
        return bool((before and np.isinf(self.shown_s[0])) or (after and np.isinf(self.shown_s[1])))


def box_at(sightings: Sightings, time_s: float) -> tuple[Edges, float] | None:
    """The box of the thing at a time, and how many seconds the nearest sighting is away; None where it is not shown.

    Between two sightings the box moves evenly from one to the other. Before the first and after the last one, it holds
    both where the thing was seen and where it would be if it had moved evenly for at most a second.
    """
    if not sightings.shown_s[0] <= time_s <= sightings.shown_s[1]:
        return None
    at_s, boxes = sightings.at_s, sightings.boxes
    box = np.array([np.interp(time_s, at_s, boxes[:, k]) for k in range(4)])
    away_s = float(np.abs(at_s - time_s).min())
    outside = time_s < at_s[0] or time_s > at_s[-1]
    if outside and len(at_s) > 1:
        near, further = (0, 1) if time_s < at_s[0] else (-1, -2)
        moved = (boxes[near] - boxes[further]) / abs(at_s[near] - at_s[further]) * min(away_s, _AHEAD_S)
        shift = (moved + np.roll(moved, 2)) / 2  # of the centre: at the border boxes grow, not things
        box = np.concatenate([np.minimum(box, box + shift)[:2], np.maximum(box, box + shift)[2:]])
    x0, y0, x1, y1 = box.tolist()
    return (x0, y0, x1, y1), away_s


def draw_box(plane: Plane, sightings: Sightings, time_s: float, config: CarryConfig) -> None:
    """Sets the pixels of the thing's box at a time, with its margin. plane: bool (H, W), changed in place."""
    found = box_at(sightings, time_s)
    if found is None:
        return
    box, away_s = found
    y0, y1, x0, x1 = _pixels(box, plane, _margin_px(box, plane, away_s, sightings.open_at(time_s), config))
    plane[y0:y1, x0:x1] = True


def draw_masks(plane: Plane, sightings: Sightings, time_s: float, config: CarryConfig) -> None:
    """As `draw_box`, with the masks of the sightings before and after, both moved and scaled to the box of that time.

    Where one of the two has no mask the box is drawn.
    """
    found = box_at(sightings, time_s)
    if found is None:
        return
    after = int(np.searchsorted(sightings.at_s, time_s))  # the first sighting that is not before this time
    exactly = after < len(sightings.at_s) and sightings.at_s[after] == time_s
    nearest = {after} if exactly else {max(after - 1, 0), min(after, len(sightings.at_s) - 1)}
    masks = [(sightings.boxes[k], sightings.masks[k]) for k in sorted(nearest)]
    if any(mask is None for _, mask in masks):
        draw_box(plane, sightings, time_s, config)
        return
    box, away_s = found
    margin = _margin_px(box, plane, away_s, sightings.open_at(time_s), config)
    y0, y1, x0, x1 = _pixels(box, plane, margin)
    if y0 >= y1 or x0 >= x1:
        return
    drawn = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for own, mask in masks:
        assert mask is not None
        drawn |= _moved(mask, own, box, plane.shape)[y0:y1, x0:x1]
    if margin > 0:
        side = 2 * int(np.ceil(margin)) + 1
        # along the rows, then along the columns: a square costs as much as its side, not as its area
        drawn = cv2.dilate(cv2.dilate(drawn, np.ones((1, side), np.uint8)), np.ones((side, 1), np.uint8))  # type: ignore[assignment]
    plane[y0:y1, x0:x1] |= drawn.astype(bool)


def _margin_px(box: Edges, plane: Plane, away_s: float, is_open: bool, config: CarryConfig) -> float:
    height, width = plane.shape
    side = np.sqrt(max(0.0, (box[2] - box[0]) * width) * max(0.0, (box[3] - box[1]) * height))
    per_s = config.open_growth_sides_per_s if is_open else config.growth_sides_per_s
    growth = min(config.most_growth_sides, per_s * away_s)
    return float(side * (config.margin_sides + growth))


def _pixels(box: Edges, plane: Plane, margin: float) -> tuple[int, int, int, int]:
    """y0, y1, x0, x1 of every pixel that the box touches, in the plane."""
    height, width = plane.shape
    x0, x1 = box[0] * width - margin + _ROUNDING, box[2] * width + margin - _ROUNDING
    y0, y1 = box[1] * height - margin + _ROUNDING, box[3] * height + margin - _ROUNDING
    return (
        int(np.clip(np.floor(y0), 0, height)),
        int(np.clip(np.ceil(y1), 0, height)),
        int(np.clip(np.floor(x0), 0, width)),
        int(np.clip(np.ceil(x1), 0, width)),
    )


def _moved(mask: Mask, own: NDArray[np.float64], box: Edges, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 (H, W): the mask, moved and scaled so that its own box becomes `box`."""
    height, width = shape
    pixels = decode_mask(mask).astype(np.uint8)
    scale_x = (box[2] - box[0]) / max(own[2] - own[0], 1e-6)
    scale_y = (box[3] - box[1]) / max(own[3] - own[1], 1e-6)
    to_x, to_y = width / mask.width_px, height / mask.height_px
    shift_x, shift_y = (box[0] - own[0] * scale_x) * width, (box[1] - own[1] * scale_y) * height
    matrix = np.array([[scale_x * to_x, 0.0, shift_x], [0.0, scale_y * to_y, shift_y]])
    moved: NDArray[np.uint8] = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_NEAREST)  # type: ignore[assignment]
    return moved
