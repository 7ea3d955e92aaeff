"""GrabCut inside boxes: masks for regions that have none, from colours, edges and motion alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.masks.rle import encode_masks
from operators.motion.background import background_known
from schemas import require
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, Keyframe
from schemas.masks import Mask
from schemas.regions import Proposals

_WINDOWS = ("grid-", "cover-")  # proposers of windows that do not depend on the picture
_ELLIPSE_SLOPE = 10.0  # log odds of the object fall from the box's middle (clipped to +8) to the inscribed ellipse (0)
_MOST_LOG_ODDS = 8.0
_MOST_COLOUR_LOG_ODDS = 3.0
_MOTION_LOG_ODDS = 4.0
_PLACE_BESIDE_MOTION = 2.0  # largest log odds from the place in the box, where motion is known
_STILL, _MOVING = 6, 24  # levels of motion that count as 0 and as 1, the same as for moving regions
_LEAST_MOVING = 0.1  # share of the box: if less of it moves, the object itself does not move
_LIGHTNESS_BINS, _COLOUR_BINS = 8, 32
_COLOUR_ROUNDS = 3
_NO_RECT = (0, 0, 1, 1)  # unused argument of a cut that starts from a mask
_SMALLEST_PX = 4  # least length of the box's shorter side, in pixels of the frame

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GrabCutConfig:
    """Settings of GrabCut.

    side_px: the crop around a box is scaled down to this; the time grows with its square.
    margin: margin of the crop around the box, as a share of the box's sides. The background is learnt from it.
    sure: pixels that are object, or background, with this probability before the cut remain so.
    rounds: rounds of the cut; more than one have almost no effect.
    least_fill, most_fill: shares of the box; a mask that fills less or more is discarded.
    """

    side_px: int = 96
    margin: float = 0.3
    sure: float = 0.9
    rounds: int = 1
    least_fill: float = 0.1
    most_fill: float = 0.98

    def __post_init__(self) -> None:
        require.at_least(16, side_px=self.side_px)
        require.at_least(1, rounds=self.rounds)
        require.within("(0, 1]", margin=self.margin)
        require.within("(0.5, 1)", sure=self.sure)
        require.within("[0, 1]", least_fill=self.least_fill, most_fill=self.most_fill)
        require.in_order("<", least_fill=self.least_fill, most_fill=self.most_fill)


class GrabCutMasks:
    """Adds masks to regions by OpenCV's GrabCut (Rother et al., SIGGRAPH 2004), started from more than the box.

    A box alone is a bad start: on true boxes of COCO, two masks in three vanish. Therefore, pixels that move, or lie
    inside the ellipse inscribed in the box, are taken for the object at first. Colours learnt from them give the
    probability of the object for every pixel, and the cut decides where this is uncertain. Masks never extend beyond
    their box, and boxes do not change.

    stability: IoU of the pixels whose probability of the object is above `sure` and above 1 − `sure`, before the cut.

    Regions that have a mask keep it. Windows of grids and covers get none, nor do boxes whose mask would be nearly
    empty or nearly full, or whose shorter side is less than 4 px.
    """

    def __init__(self, config: GrabCutConfig) -> None:
        self.config = config

    def __call__(self, keyframes: Sequence[Keyframe], proposals: Sequence[Proposals]) -> list[Proposals]:
        """One `Proposals` for each keyframe, in which only `mask` and `stability` are changed."""
        if len(keyframes) != len(proposals):
            raise InvalidValueError(
                f"each keyframe needs its proposals: got {len(keyframes)} keyframes and {len(proposals)} proposals"
            )
        return [self._frame(keyframe, found) for keyframe, found in zip(keyframes, proposals, strict=True)]

    def _frame(self, keyframe: Keyframe, found: Proposals) -> Proposals:
        mask, stability = list(found.mask), found.stability.copy()
        height, width, _ = keyframe.image.shape
        moves = _moves(keyframe)
        boxes = found.boxes.to_pixels(width_px=width, height_px=height)
        for i, box in enumerate(boxes.tolist()):
            if mask[i] is None and not found.proposer[i].startswith(_WINDOWS):
                cut = self._cut(keyframe.image, moves, box)
                if cut is not None:
                    mask[i], stability[i] = cut
        return replace(found, mask=tuple(mask), stability=stability)

    def _cut(self, image: ImageArray, moves: FloatArray | None, box: list[int]) -> tuple[Mask, float] | None:
        """The mask and its stability; None if there is no mask. box: (x0, y0, x1, y1) in pixels, half-open."""
        config = self.config
        x0, y0, x1, y1 = box
        if min(x1 - x0, y1 - y0) < _SMALLEST_PX:
            return None
        height, width, _ = image.shape
        across, down = round(config.margin * (x1 - x0)), round(config.margin * (y1 - y0))
        left, top = max(0, x0 - across), max(0, y0 - down)
        right, bottom = min(width, x1 + across), min(height, y1 + down)
        scale = min(1.0, config.side_px / max(right - left, bottom - top))
        size = (max(2, round((right - left) * scale)), max(2, round((bottom - top) * scale)))
        crop = np.asarray(cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), np.uint8)
        # centres of the crop's pixels, in coordinates in which the box extends from −1 to 1
        x = (left + (np.arange(size[0], dtype=np.float32) + 0.5) * ((right - left) / size[0]) - x0) / (x1 - x0) * 2 - 1
        y = (top + (np.arange(size[1], dtype=np.float32) + 0.5) * ((bottom - top) / size[1]) - y0) / (y1 - y0) * 2 - 1
        inside = (np.abs(y) < 1)[:, None] & (np.abs(x) < 1)
        odds = _ELLIPSE_SLOPE * (1 - np.hypot(y[:, None], x))
        if moves is not None:
            moving = np.asarray(
                cv2.resize(moves[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), np.float32
            )
            if moving[inside].mean() >= _LEAST_MOVING:
                # the motion map shows the object better than the place in the box does
                odds = np.clip(odds, -_PLACE_BESIDE_MOTION, _PLACE_BESIDE_MOTION) + _MOTION_LOG_ODDS * (2 * moving - 1)
        prior = np.where(inside, np.clip(odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS), -4 * _MOST_LOG_ODDS)
        likely = _with_colours(crop, prior.astype(np.float32))
        likely = np.where(inside, likely, np.float32(0))
        last = _grab_cut(crop, likely, sure=config.sure, rounds=config.rounds) & inside
        if not config.least_fill <= last.sum() / max(1, inside.sum()) <= config.most_fill:
            return None
        # the IoU of the masks at a high and a low threshold of probability: on true boxes of COCO, its rank
        # correlation with the IoU with the object is .44; that of the IoU of two rounds of the cut is −.09
        stability = (likely > config.sure).sum() / max(1, (likely > 1 - config.sure).sum())
        pixels = np.zeros((1, height, width), np.bool_)
        shape = (right - left, bottom - top)
        pixels[0, top:bottom, left:right] = (
            cv2.resize(last.astype(np.float32), shape, interpolation=cv2.INTER_LINEAR) > 0.5
        )
        pixels[0, :, :x0] = pixels[0, :, x1:] = pixels[0, :y0] = pixels[0, y1:] = False
        return encode_masks(pixels)[0], float(stability)


def _with_colours(crop: ImageArray, prior: FloatArray) -> FloatArray:
    """float32 (h, w), in [0, 1]: the probability that each pixel belongs to the object, from its place and its colour.

    The colours of object and background are histograms, which are learnt again from each result.

    prior: log odds from the place alone.
    """
    lab = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2LAB), np.int32)
    lightness = lab[..., 0] * _LIGHTNESS_BINS // 256
    hues = np.clip((lab[..., 1:] - 64) // 4, 0, _COLOUR_BINS - 1)  # most colours lie in the middle half of the range
    colour = ((lightness * _COLOUR_BINS + hues[..., 0]) * _COLOUR_BINS + hues[..., 1]).ravel()
    likely = _probability(prior)
    for _ in range(_COLOUR_ROUNDS):
        odds = np.log((_histogram(colour, likely) + 1e-5) / (_histogram(colour, 1 - likely) + 1e-5))
        odds = np.clip(odds, -_MOST_COLOUR_LOG_ODDS, _MOST_COLOUR_LOG_ODDS)
        likely = _probability(prior + odds[colour].reshape(prior.shape))
    return likely


def _histogram(colour: NDArray[np.int32], weight: FloatArray) -> FloatArray:
    """float32 (bins,), with a sum of 1; each colour also contributes a little to similar colours."""
    counts = np.bincount(colour, weight.ravel(), minlength=_LIGHTNESS_BINS * _COLOUR_BINS**2)
    planes = counts.astype(np.float32).reshape(_LIGHTNESS_BINS, _COLOUR_BINS, _COLOUR_BINS)
    # the last axis, lightness, serves as OpenCV's channels
    blurred = cv2.GaussianBlur(np.ascontiguousarray(np.moveaxis(planes, 0, 2)), (0, 0), 1.0)
    smooth = np.moveaxis(np.asarray(blurred, np.float32), 2, 0)
    smooth[1:-1] = smooth[1:-1] / 2 + (smooth[:-2] + smooth[2:]) / 4
    result: FloatArray = smooth.ravel() / max(float(smooth.sum()), 1e-6)
    return result


def _probability(log_odds: FloatArray) -> FloatArray:
    result: FloatArray = (1 / (1 + np.exp(-log_odds))).astype(np.float32)
    return result


def _grab_cut(crop: ImageArray, likely: FloatArray, *, sure: float, rounds: int) -> NDArray[np.bool_]:
    """bool (h, w): the pixels of the object."""
    trimap = np.where(likely > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[likely > sure] = cv2.GC_FGD
    trimap[likely < 1 - sure] = cv2.GC_BGD
    before = (trimap & 1).astype(np.bool_)  # the values of object and probable object are odd
    if before.all() or not before.any():  # OpenCV cannot learn colours from no pixels
        return before
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # OpenCV initialises the clusters of colours at random
    cv2.grabCut(crop, trimap, _NO_RECT, background, foreground, rounds, cv2.GC_INIT_WITH_MASK)
    return (trimap & 1).astype(np.bool_)


def _moves(keyframe: Keyframe) -> FloatArray | None:
    """float32 (H, W), in [0, 1]: how much each pixel of the keyframe moves; None if no background is known."""
    motion = keyframe.motion
    if motion is None or not background_known(motion):
        return None
    still = max(_STILL, 1.5 * float(np.median(motion[::2, ::2])))  # the noise of this camera
    share = np.clip((motion - np.float32(still)) / (_MOVING - _STILL), 0.0, 1.0).astype(np.float32)
    height, width, _ = keyframe.image.shape
    return np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
