"""Proposes moving regions: boxes around whatever differs from the background of a fixed camera."""

from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.motion.background import background_known
from operators.proposals.classical.integral import BoxSums, IntegralImage, PixelBoxes, area_px
from operators.proposals.proposer import Proposer, SideBySide
from operators.proposals.refine import nms
from operators.runtime.settings import neutral
from schemas import require
from schemas.boxes import Boxes
from schemas.frames import Keyframe
from schemas.regions import Proposals

_RING = 0.25  # width of the ring around a window, as a share of its width and height
_RING_WEIGHT = 0.3
_AREA_POWER = 0.25
_TIGHTEN_STEPS = (0.1, 0.05)  # of a window's width and height
_BEST_WINDOWS = 1000  # best windows that are compared for overlap
_TIGHTENED = 128  # windows that are tightened after that; more find no more objects and cost time


@dataclass(frozen=True, slots=True)
class MovingConfig:
    """Which windows are tried, and what counts as moving. Lengths in pixels are pixels of the motion map.

    still, moving: motion at or below `still` counts 0, at or above `moving` 1, and between them in proportion; both are
        raised if the whole map is restless (noise, rain, a moving camera).
    aspects: width / height of the windows, in pixels.
    least_height, height_step, stride: heights grow from the share least_height of the frame's height, by the factor
        height_step, to the whole height; neighbouring windows are apart by the share stride of their size.
    least_fill: windows of which a smaller share moves are ignored.
    thresholds, closing_px: windows are also the connected parts of the map at each threshold, with gaps closed up to
        each size.
    max_iou: of two windows with a higher IoU, only the better is kept.
    least_score: windows with a lower score, before `score_factor`, are dropped as noise.
    limit: maximum number of boxes per frame.
    score_factor: factor of the scores that are given, which makes them comparable with those of `objects`.
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
    limit: int = 16
    score_factor: float = field(default=2.0, metadata=neutral(1.0))

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
        require.above(0, score_factor=self.score_factor)

    def build(self) -> Proposer:
        return SideBySide(MovingRegions(self))


class MovingRegions:
    """Upright and lying windows with motion inside and little around them; proposer "moving".

    Candidates are windows of all positions, sizes and aspects, which separate people who walk side by side, and the
    connected parts of the motion map, which fit single objects closely. The best are tightened, one side at a time.
    Nothing is proposed if no background is known: pictures, moving cameras.

    score: `score_factor` · (share of the window that moves − 0.3 · the sum of the shares of four strips around it) ·
        (share of the frame)^¼, at most 1. By the last factor a whole object scores higher than its parts.
    """

    def __init__(self, config: MovingConfig) -> None:
        self.config = config
        self._windows: dict[tuple[int, int], BoxSums] = {}  # by the size of the map

    def __call__(self, keyframe: Keyframe) -> Proposals:
        if keyframe.motion is None or not background_known(keyframe.motion):
            return Proposals.concat([])
        motion = keyframe.motion
        height, width = motion.shape
        # the median pixel is background, so 1.5 times its motion is taken as the noise of the camera
        still = max(self.config.still, int(1.5 * np.median(motion[::2, ::2])))
        moving = still + self.config.moving - self.config.still
        share = IntegralImage(np.clip((motion - np.float32(still)) / (moving - still), 0.0, 1.0))
        windows = np.concatenate([self._filled_windows(share), self._connected_parts(motion, lift=still)])
        best = _first(_score(share, windows), windows, most=_BEST_WINDOWS)
        windows, _ = self._best(share, windows[best], limit=_TIGHTENED)
        windows, score = self._best(share, _tightened(share, windows), limit=self.config.limit)
        boxes = Boxes.from_pixels(windows, width_px=width, height_px=height)
        kept = np.flatnonzero(score >= self.config.least_score)
        given = np.minimum(score[kept] * np.float32(self.config.score_factor), np.float32(1))
        return Proposals.of(boxes[kept], score=given, proposer="moving")

    def _best(self, share: IntegralImage, windows: PixelBoxes, *, limit: int) -> tuple[PixelBoxes, NDArray[np.float32]]:
        """The windows that are kept by non-maximum suppression, and their scores, the best first."""
        height, width = share.height, share.width
        score = _score(share, windows)
        order = _first(score, windows)
        boxes = Boxes.from_pixels(windows[order], width_px=width, height_px=height)
        kept = order[nms(boxes, max_iou=self.config.max_iou, limit=limit)]
        return windows[kept], score[kept]

    def _filled_windows(self, share: IntegralImage) -> PixelBoxes:
        height, width = share.height, share.width
        if (width, height) not in self._windows:
            self._windows[width, height] = BoxSums(
                _windows(self.config, width=width, height=height), width=width, height=height
            )
        windows = self._windows[width, height]
        return windows.boxes[windows(share) / windows.area_px >= self.config.least_fill]

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
    """float64 (N,): the share of each window that moves; nothing moves outside the frame."""
    return share.sums(windows) / area_px(windows)


def _first(score: NDArray[np.float32], windows: PixelBoxes, *, most: int | None = None) -> NDArray[np.intp]:
    """The first `most` in the order of falling score; ties are ordered by the window itself, so that the result depends
    on nothing else."""
    if most is None or len(score) <= most:
        return np.lexsort((*windows.T, -score))
    least = np.partition(score, -most)[-most]  # thousands of windows are not sorted for the best thousand
    among = np.flatnonzero(score >= least)
    return among[_first(score[among], windows[among])][:most]


def _tightened(share: IntegralImage, windows: PixelBoxes) -> PixelBoxes:
    """Moves one side of each window at a time to the position of the best score, in a few steps.

    Windows that surround the same object become nearly equal, so that `nms` keeps one of them.
    """
    height, width = share.height, share.width
    for step in _TIGHTEN_STEPS:
        size = windows[:, 2:] - windows[:, :2]
        move = np.maximum(1, np.round(size * step)).astype(np.int32)
        trials = np.repeat(windows[None], 9, axis=0)  # unchanged, and with each of the four sides moved in and out
        for side in range(4):
            trials[1 + 2 * side, :, side] -= move[:, side % 2]
            trials[2 + 2 * side, :, side] += move[:, side % 2]
        trials[..., 0::2] = np.clip(trials[..., 0::2], 0, width)
        trials[..., 1::2] = np.clip(trials[..., 1::2], 0, height)
        score = _score(share, trials.reshape(-1, 4)).reshape(9, -1)
        score[(trials[..., 2:] - trials[..., :2]).min(axis=2) < 2] = -1.0
        windows = trials[score.argmax(axis=0), np.arange(len(windows))]
    return windows
