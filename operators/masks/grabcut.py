"""GrabCut inside boxes: a mask for each region that has none, from colours, edges and motion alone."""

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

_WINDOWS = ("grid-", "cover-")  # proposers of windows that lie where they lie, whatever the picture shows
_ELLIPSE_SLOPE = 10.0  # log odds of an object from the box's middle (+8) over the inscribed ellipse (0) outwards
_MOST_LOG_ODDS = 8.0
_MOST_COLOUR_LOG_ODDS = 3.0
_MOTION_LOG_ODDS = 4.0
_PLACE_BESIDE_MOTION = 2.0  # the most log odds by place where motion is known
_STILL, _MOVING = 6, 24  # motion that counts 0 and 1, as of moving regions
_LEAST_MOVING = 0.1  # of a box: a box in which less moves shows something else
_LIGHTNESS_BINS, _COLOUR_BINS = 8, 32
_COLOUR_ROUNDS = 3
_NO_RECT = (0, 0, 1, 1)  # of a cut that starts from a mask
_SMALLEST_PX = 4  # of the box's shorter side, in the frame

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GrabCutConfig:
    """side_px: the crop around a box is scaled down to this; the time grows with its square.
    margin: of the crop around the box, as a share of its sides: where the background is learnt.
    sure: what is object, or background, with this probability before the cut stays so.
    rounds: of the cut; more than one change next to nothing.
    least_fill, most_fill: shares of the box; a mask that fills less or more is none.
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
    """Gives regions their masks (Rother et al., SIGGRAPH 2004, by OpenCV), started from more than the box.

    A box alone starts it badly: on true boxes of COCO two masks in three vanish. So what lies inside the ellipse in
    the box, or moves, is taken for the object first, colours are learnt from that and tell for every pixel how likely
    it is, and the cut decides where this is not sure. Masks never leave their box; boxes stay as they are.

    stability: IoU of what is object with a probability above `sure` and above 1 − `sure`, before the cut.

    Regions that have a mask, and windows of grids and covers, are left alone; so is a box whose mask comes out
    nearly empty or nearly full, or whose shorter side is under 4 px: its mask is None.
    """

    def __init__(self, config: GrabCutConfig) -> None:
        self.config = config

    def __call__(self, keyframes: Sequence[Keyframe], proposals: Sequence[Proposals]) -> list[Proposals]:
        """One `Proposals` a keyframe, as they came but for `mask` and `stability`."""
        if len(keyframes) != len(proposals):
            raise InvalidValueError(f"got {len(keyframes)} keyframes and proposals of {len(proposals)}")
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
        """box: (x0, y0, x1, y1) in pixels, half-open. The mask and its stability."""
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
        # middles of the crop's pixels, where the box is −1 … 1
        x = (left + (np.arange(size[0], dtype=np.float32) + 0.5) * ((right - left) / size[0]) - x0) / (x1 - x0) * 2 - 1
        y = (top + (np.arange(size[1], dtype=np.float32) + 0.5) * ((bottom - top) / size[1]) - y0) / (y1 - y0) * 2 - 1
        inside = (np.abs(y) < 1)[:, None] & (np.abs(x) < 1)
        odds = _ELLIPSE_SLOPE * (1 - np.hypot(y[:, None], x))
        if moves is not None:
            moving = np.asarray(
                cv2.resize(moves[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), np.float32
            )
            if moving[inside].mean() >= _LEAST_MOVING:
                # what moves is told better by the map than by its place in the box
                odds = np.clip(odds, -_PLACE_BESIDE_MOTION, _PLACE_BESIDE_MOTION) + _MOTION_LOG_ODDS * (2 * moving - 1)
        prior = np.where(inside, np.clip(odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS), -4 * _MOST_LOG_ODDS)
        likely = _with_colours(crop, prior.astype(np.float32))
        likely = np.where(inside, likely, np.float32(0))
        last = _grab_cut(crop, likely, sure=config.sure, rounds=config.rounds) & inside
        if not config.least_fill <= last.sum() / max(1, inside.sum()) <= config.most_fill:
            return None
        # the IoU of the masks that a high and a low threshold of probability would make: on true boxes of COCO its
        # rank correlation with the IoU with the object is .44, that of the IoU of two rounds of the cut is −.09
        stability = (likely > config.sure).sum() / max(1, (likely > 1 - config.sure).sum())
        pixels = np.zeros((1, height, width), np.bool_)
        shape = (right - left, bottom - top)
        pixels[0, top:bottom, left:right] = (
            cv2.resize(last.astype(np.float32), shape, interpolation=cv2.INTER_LINEAR) > 0.5
        )
        pixels[0, :, :x0] = pixels[0, :, x1:] = pixels[0, :y0] = pixels[0, y1:] = False
        return encode_masks(pixels)[0], float(stability)


def _with_colours(crop: ImageArray, prior: FloatArray) -> FloatArray:
    """float32 (h, w), in [0, 1]: how likely each pixel is the object's, by where it is and by its colour.

    prior: log odds by place alone. Colours of both sides are histograms, learnt anew from each answer.
    """
    lab = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2LAB), np.int32)
    lightness = lab[..., 0] * _LIGHTNESS_BINS // 256
    hues = np.clip((lab[..., 1:] - 64) // 4, 0, _COLOUR_BINS - 1)  # most colours lie in the middle half
    colour = ((lightness * _COLOUR_BINS + hues[..., 0]) * _COLOUR_BINS + hues[..., 1]).ravel()
    likely = _probability(prior)
    for _ in range(_COLOUR_ROUNDS):
        odds = np.log((_histogram(colour, likely) + 1e-5) / (_histogram(colour, 1 - likely) + 1e-5))
        odds = np.clip(odds, -_MOST_COLOUR_LOG_ODDS, _MOST_COLOUR_LOG_ODDS)
        likely = _probability(prior + odds[colour].reshape(prior.shape))
    return likely


def _histogram(colour: NDArray[np.int32], weight: FloatArray) -> FloatArray:
    """float32 (bins,), sums to 1; each colour also counts a little for those near it."""
    counts = np.bincount(colour, weight.ravel(), minlength=_LIGHTNESS_BINS * _COLOUR_BINS**2)
    planes = counts.astype(np.float32).reshape(_LIGHTNESS_BINS, _COLOUR_BINS, _COLOUR_BINS)
    # OpenCV takes the lightness for channels
    blurred = cv2.GaussianBlur(np.ascontiguousarray(np.moveaxis(planes, 0, 2)), (0, 0), 1.0)
    smooth = np.moveaxis(np.asarray(blurred, np.float32), 2, 0)
    smooth[1:-1] = smooth[1:-1] / 2 + (smooth[:-2] + smooth[2:]) / 4
    result: FloatArray = smooth.ravel() / max(float(smooth.sum()), 1e-6)
    return result


def _probability(log_odds: FloatArray) -> FloatArray:
    result: FloatArray = (1 / (1 + np.exp(-log_odds))).astype(np.float32)
    return result


def _grab_cut(crop: ImageArray, likely: FloatArray, *, sure: float, rounds: int) -> NDArray[np.bool_]:
    """bool (h, w): the object."""
    trimap = np.where(likely > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[likely > sure] = cv2.GC_FGD
    trimap[likely < 1 - sure] = cv2.GC_BGD
    before = (trimap & 1).astype(np.bool_)  # object and probable object are odd
    if before.all() or not before.any():  # OpenCV learns no colours from nothing
        return before
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its clusters of colours start at random
    cv2.grabCut(crop, trimap, _NO_RECT, background, foreground, rounds, cv2.GC_INIT_WITH_MASK)
    return (trimap & 1).astype(np.bool_)


def _moves(keyframe: Keyframe) -> FloatArray | None:
    """float32 (H, W), in [0, 1], at the keyframe's size; None where no background is known."""
    motion = keyframe.motion
    if motion is None or not background_known(motion):
        return None
    still = max(_STILL, 1.5 * float(np.median(motion[::2, ::2])))  # this camera's noise
    share = np.clip((motion - np.float32(still)) / (_MOVING - _STILL), 0.0, 1.0).astype(np.float32)
    height, width, _ = keyframe.image.shape
    return np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
