"""Complete Cover: square windows of many sizes, so that an object of any size fills a large share of one of them.

Source: DetailCLIP, section 3.3 and appendix A.1 and A.3.1.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from operators.proposals.proposer import Proposer, one_by_one
from schemas import require
from schemas.boxes import Boxes
from schemas.frames import Keyframe
from schemas.regions import Proposals


@dataclass(frozen=True, slots=True)
class CompleteCoverConfig:
    """k: the side of the smallest windows is 1/k of the frame's shorter side."""

    name: ClassVar[str] = "complete-cover"
    makes_masks: ClassVar[bool] = False

    k: int = 4

    def __post_init__(self) -> None:
        require.at_least(1, k=self.k)

    def build(self) -> Proposer:
        return one_by_one(CompleteCover(self))


@dataclass(frozen=True, slots=True)
class CoverLevel:
    """Windows of one size; lengths are shares of the frame's shorter side.

    per_axis: number of windows along the shorter side, evenly spaced, the first and the last flush with the border.
    side: the side of a window.
    overlap: overlap of neighbouring windows. An object whose longer side is at most this is entirely inside some window
        of the level, wherever it is.
    least_share: lower bound on the share of the window's side that an object fills, if smaller levels do not contain
        it wherever it is; 0 for the smallest level with an overlap, and for the tiling.
    """

    per_axis: int
    side: Fraction
    overlap: Fraction
    least_share: Fraction


def cover_levels(k: int) -> tuple[CoverLevel, ...]:
    """The levels of `CC@k`, smallest windows first.

    Level m = 1…k has windows of side m/k, `ceil((k·c − (m−1)) / (m·c − (m−1)))` per axis for a large c, which is
    `floor(k/m) + 1`, but k for m = 1 and 1 for m = k. Of levels with the same count only that with the largest m is
    kept, as it has the largest overlap and so contains the largest objects.

    Guarantee: an object whose longer side is d is entirely inside some window of the first level with `overlap >= d`,
    wherever it is, and fills at least `least_share` of the window's side. The last level, the whole frame, contains
    every object.
    """
    largest: dict[int, int] = {}
    for m in range(1, k + 1):
        largest[_per_axis(k, m)] = m
    levels: list[CoverLevel] = []
    held = Fraction(0)
    for n, m in sorted(largest.items(), reverse=True):
        side = Fraction(m, k)
        overlap = side - (1 - side) / (n - 1) if n > 1 else side
        share = held / side if overlap > held else Fraction(0)
        levels.append(CoverLevel(n, side, overlap, share))
        held = max(held, overlap)
    return tuple(levels)


class CompleteCover:
    """The windows of `CC@k`; the proposer of a window is "cover-n", n being the number along the shorter side.

    In frames that are not square, windows are squares in pixels, repeated along the longer side with at least the
    overlap along the shorter side. The last level is the whole frame and squares of its shorter side, as no number of
    squares contains every object of that size.
    """

    def __init__(self, config: CompleteCoverConfig) -> None:
        self.config = config
        self._size_px: tuple[int, int] | None = None
        self._proposals = Proposals.concat([])

    def __call__(self, keyframe: Keyframe) -> Proposals:
        height_px, width_px, _ = keyframe.image.shape
        if (width_px, height_px) != self._size_px:
            self._proposals = cover_windows(self.config.k, width_px=width_px, height_px=height_px)
            self._size_px = (width_px, height_px)
        return self._proposals


def cover_windows(k: int, *, width_px: int, height_px: int) -> Proposals:
    """All windows of `CC@k` on a frame, largest first."""
    short_px = min(width_px, height_px)
    width, height = Fraction(width_px, short_px), Fraction(height_px, short_px)
    parts: list[Proposals] = []
    for level in reversed(cover_levels(k)):
        x, y = _starts(level, width), _starts(level, height)
        top, left = np.meshgrid(y, x, indexing="ij")
        side = float(level.side)
        corners = np.stack([left, top, left + side, top + side], axis=-1).reshape(-1, 4)
        size = np.array([width, height] * 2, np.float64)
        boxes = Boxes.clipped(corners / size)
        if level.per_axis == 1 and width_px != height_px:
            boxes = Boxes.concat([Boxes(np.array([[0, 0, 1, 1]], np.float32)), boxes])
        parts.append(Proposals.of(boxes, score=1.0, proposer=f"cover-{level.per_axis}"))
    return Proposals.concat(parts)


def _per_axis(k: int, m: int) -> int:
    if m == k:
        return 1
    return k if m == 1 else k // m + 1


def _starts(level: CoverLevel, length: Fraction) -> list[float]:
    """Start positions of the windows along an axis, evenly spaced and flush with both borders."""
    stride = level.side - level.overlap if level.per_axis > 1 else level.side
    gaps = math.ceil((length - level.side) / stride)
    step = (length - level.side) / gaps if gaps else Fraction(0)
    return [float(i * step) for i in range(gaps + 1)]
