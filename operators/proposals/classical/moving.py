"""Moving regions: boxes around what differs from the background of a fixed camera."""

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
from schemas.frames import Keyframe
from schemas.regions import Proposals

_RING = 0.25  # width of the ring around a window, as a share of its width and height
_RING_WEIGHT = 0.3
_AREA_POWER = 0.25
_TIGHTEN_STEPS = (0.1, 0.05)  # of a window's width and height
_BEST_WINDOWS = 1000  # the first that are looked at for overlap, and …
_TIGHTENED = 128  # … what is left of them to tighten; more finds no more objects and costs time


@dataclass(frozen=True, slots=True)
class MovingConfig:
    """Where windows are tried, and what counts as moving. Lengths in pixels are of the motion map.

    still, moving: motion at or below `still` counts 0, at or above `moving` 1, in proportion between;
        both are raised where the whole map is restless (noise, rain, a moving camera).
    aspects: width / height of the windows, in pixels.
    least_height, height_step, stride: heights grow from least_height of the frame by height_step to the
        frame's; neighbouring windows are stride of their size apart.
    least_fill: windows that move less than this share are not looked at.
    thresholds, closing_px: connected parts of the map are windows too, at each threshold, with gaps closed
        to each size.
    max_iou: of two windows that overlap more than this, the better stays.
    least_score: what scores less is noise.
    limit: most boxes a frame.
    """

    name: ClassVar[str] = "moving"
    makes_masks: ClassVar[bool] = False

    still: int = 6
    moving: int = 24
    aspects: tuple[float, ...] = (0.3, 0.42, 0.6, 1.0, 1.6, 2.4)
    least_height: float = 0.05
    height_step: float = 1.3
    stride: float = 0.2
    least_fill: float = 0.4
    thresholds: tuple[int, ...] = (16, 28, 48)
    closing_px: tuple[int, ...] = (1, 5, 11)
    max_iou: float = 0.6
    least_score: float = 0.05
    limit: int = 48

    def __post_init__(self) -> None:
        require.within("[0, 255]", still=self.still, moving=self.moving)
        require.in_order("<", still=self.still, moving=self.moving)
        require.not_empty(aspects=self.aspects)
        require.above(0, aspects=self.aspects)
        require.within("(0, 1]", least_height=self.least_height, stride=self.stride)
        require.above(1, height_step=self.height_step)
        require.within("[1, 255]", thresholds=self.thresholds)
        require.at_least(1, closing_px=self.closing_px, limit=self.limit)
        require.within("[0, 1]", max_iou=self.max_iou, least_score=self.least_score)

    def build(self) -> Proposer:
        return one_by_one(MovingRegions(self))


class MovingRegions:
    """Upright and lying windows that move inside and are still around; proposer "moving".

    Candidates are windows of all places, sizes and aspects, which take people who walk side by side
    apart, and the connected parts of the motion map, which fit single objects closely; the best are
    tightened side by side. Nothing where no background is known: pictures, moving cameras.

    score: (share of the window that moves − 0.3 · the sum of the shares of four strips around it)
        · (share of the frame)^¼. The last factor lets a whole object win over its parts.
    """

    def __init__(self, config: MovingConfig) -> None:
        self.config = config
        self._windows: dict[tuple[int, int], PixelBoxes] = {}

    def __call__(self, keyframe: Keyframe) -> Proposals:
        if keyframe.motion is None or not background_known(keyframe.motion):
            return Proposals.concat([])
        motion = keyframe.motion
        height, width = motion.shape
        # the median pixel is background, so half as much again as its motion is this camera's noise
        still = max(self.config.still, int(1.5 * np.median(motion[::2, ::2])))
        moving = still + self.config.moving - self.config.still
        share = IntegralImage(np.clip((motion - np.float32(still)) / (moving - still), 0.0, 1.0))
        windows = np.concatenate([self._filled_windows(share), self._connected_parts(motion, lift=still)])
        windows, _ = self._best(
            share, windows[_first(_score(share, windows), windows)[:_BEST_WINDOWS]], limit=_TIGHTENED
        )
        windows, score = self._best(share, _tightened(share, windows), limit=self.config.limit)
        boxes = Boxes.from_pixels(windows, width_px=width, height_px=height)
        kept = np.flatnonzero(score >= self.config.least_score)
        return Proposals.of(boxes[kept], score=score[kept], proposer="moving")

    def _best(self, share: IntegralImage, windows: PixelBoxes, *, limit: int) -> tuple[PixelBoxes, NDArray[np.float32]]:
        """Windows and their scores, the best first, after non-maximum suppression."""
        height, width = share.height, share.width
        score = _score(share, windows)
        order = _first(score, windows)
        boxes = Boxes.from_pixels(windows[order], width_px=width, height_px=height)
        kept = order[nms(boxes, max_iou=self.config.max_iou, limit=limit)]
        return windows[kept], score[kept]

    def _filled_windows(self, share: IntegralImage) -> PixelBoxes:
        height, width = share.height, share.width
        if (width, height) not in self._windows:
            self._windows[width, height] = _windows(self.config, width=width, height=height)
        windows = self._windows[width, height]
        return windows[_fill(share, windows) >= self.config.least_fill]

    def _connected_parts(self, motion: NDArray[np.uint8], *, lift: int) -> PixelBoxes:
        parts = [np.zeros((0, 4), np.int32)]
        for threshold in self.config.thresholds:
            mask = (motion >= threshold + lift - self.config.still).view(np.uint8)
            for size in self.config.closing_px:
                kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
                closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
                _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
                x, y, w, h = stats[1:, :4].T
                parts.append(np.stack([x, y, x + w, y + h], axis=1))
        boxes = np.concatenate(parts)
        return boxes[(boxes[:, 2] - boxes[:, 0] >= 2) & (boxes[:, 3] - boxes[:, 1] >= 3)]


def _windows(config: MovingConfig, *, width: int, height: int) -> PixelBoxes:
    """int32 (N, 4): every window to try on a motion map of this size."""
    windows: list[NDArray[np.float64]] = [np.zeros((0, 4))]
    h = config.least_height * height
    while h <= height:
        for w in (h * aspect for aspect in config.aspects):
            if 3 <= w <= width:
                x = np.arange(0, width - w + 0.01, max(1.0, w * config.stride))
                y = np.arange(0, height - h + 0.01, max(1.0, h * config.stride))
                top, left = np.meshgrid(y, x, indexing="ij")
                windows.append(np.stack([left, top, left + w, top + h], axis=-1).reshape(-1, 4))
        h *= config.height_step
    return np.concatenate(windows).round().astype(np.int32)


def _score(share: IntegralImage, windows: PixelBoxes) -> NDArray[np.float32]:
    x0, y0, x1, y1 = windows.T
    across = np.maximum(1, np.round((x1 - x0) * _RING)).astype(np.int32)
    along = np.maximum(1, np.round((y1 - y0) * _RING)).astype(np.int32)
    around = (
        _fill(share, np.stack([x0 - across, y0, x0, y1], axis=1))
        + _fill(share, np.stack([x1, y0, x1 + across, y1], axis=1))
        + _fill(share, np.stack([x0, y0 - along, x1, y0], axis=1))
        + _fill(share, np.stack([x0, y1, x1, y1 + along], axis=1))
    )
    size = area_px(windows) / (share.width * share.height)
    score = (_fill(share, windows) - _RING_WEIGHT * around) * size**_AREA_POWER
    return np.asarray(np.clip(score, 0.0, 1.0), np.float32)


def _fill(share: IntegralImage, windows: PixelBoxes) -> NDArray[np.float64]:
    """float64 (N,): how much of each window moves; what lies outside the frame does not."""
    return share.sums(windows) / area_px(windows)


def _first(score: NDArray[np.float32], windows: PixelBoxes) -> NDArray[np.intp]:
    """Order by falling score; ties by the window, so that it depends on nothing else."""
    return np.lexsort((*windows.T, -score))


def _tightened(share: IntegralImage, windows: PixelBoxes) -> PixelBoxes:
    """Moves one side of each window at a time to where it scores best, in a few steps.

    Windows that lie about one object from several sides become one, which nms then drops.
    """
    height, width = share.height, share.width
    for step in _TIGHTEN_STEPS:
        size = windows[:, 2:] - windows[:, :2]
        move = np.maximum(1, np.round(size * step)).astype(np.int32)
        trials = np.repeat(windows[None], 9, axis=0)  # as it is, and each of four sides in and out
        for side in range(4):
            trials[1 + 2 * side, :, side] -= move[:, side % 2]
            trials[2 + 2 * side, :, side] += move[:, side % 2]
        trials[..., 0::2] = np.clip(trials[..., 0::2], 0, width)
        trials[..., 1::2] = np.clip(trials[..., 1::2], 0, height)
        score = _score(share, trials.reshape(-1, 4)).reshape(9, -1)
        score[(trials[..., 2:] - trials[..., :2]).min(axis=2) < 2] = -1.0
        windows = trials[score.argmax(axis=0), np.arange(len(windows))]
    return windows
