"""Boxes: where something is in a frame. The one place where the convention is described."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schemas.errors import InvalidValueError

FloatArray = NDArray[np.float32]
_Float = TypeVar("_Float", np.float32, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """N boxes `(x0, y0, x1, y1)`, normalised to the frame, half-open, `0 <= x0 <= x1 <= 1`.

    xyxy: float32 (N, 4). x grows to the right, y downwards; (0, 0) is the upper left corner of the
    picture as it is shown (rotation flags and EXIF orientation applied).

    Zero-area boxes are allowed and have IoU 0 with everything.
    Raises InvalidValueError for another shape, a NaN, or a box outside the frame.
    """

    xyxy: FloatArray

    def __post_init__(self) -> None:
        x = np.asarray(self.xyxy, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != 4:
            hint = "; for one box pass x[None]" if x.shape == (4,) else ""
            raise InvalidValueError(f"boxes must be (N, 4), got x.shape={x.shape}{hint}")
        ordered = (x[:, 0] <= x[:, 2]) & (x[:, 1] <= x[:, 3])
        inside = (x >= 0).all(axis=1) & (x <= 1).all(axis=1)
        bad = np.flatnonzero(~(ordered & inside))
        if bad.size:
            raise InvalidValueError(
                f"box {bad[0]} of {len(x)} is {x[bad[0]].tolist()}; need 0 <= x0 <= x1 <= 1 and "
                "0 <= y0 <= y1 <= 1 (fractions of the frame, not pixels); Boxes.clipped() cuts to the frame"
            )
        object.__setattr__(self, "xyxy", x)

    @classmethod
    def clipped(cls, xyxy: ArrayLike) -> "Boxes":
        """Boxes cut to the frame; a box that lies wholly outside becomes a zero-area box on the border."""
        x = np.asarray(xyxy, dtype=np.float32).reshape(-1, 4)
        return cls(np.clip(x, 0.0, 1.0))

    @classmethod
    def from_pixels(cls, xyxy_px: ArrayLike, *, width_px: int, height_px: int) -> "Boxes":
        """Half-open pixel boxes `(x0, y0, x1, y1)`, cut to a frame of the given size."""
        x = np.asarray(xyxy_px, dtype=np.float32).reshape(-1, 4)
        return cls.clipped(x / np.array([width_px, height_px] * 2, np.float32))

    @classmethod
    def empty(cls) -> "Boxes":
        return cls(np.zeros((0, 4), np.float32))

    @classmethod
    def concat(cls, parts: "Sequence[Boxes]") -> "Boxes":
        return cls(np.concatenate([p.xyxy for p in parts])) if parts else cls.empty()

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: NDArray[np.generic] | slice) -> "Boxes":
        return Boxes(self.xyxy[index])

    def __repr__(self) -> str:
        return f"Boxes(n={len(self)})"

    def to_pixels(self, *, width_px: int, height_px: int) -> NDArray[np.int32]:
        """int32 (N, 4): the smallest whole-pixel boxes that contain these, at least 1×1 px, inside the frame."""
        size = np.array([width_px, height_px], np.float32)
        # 1e-4 px of slack: 0.1 * 640 in float32 is a little over 64, and must not become 65
        lo = np.floor(self.xyxy[:, :2] * size + 1e-4).astype(np.int32)
        hi = np.ceil(self.xyxy[:, 2:] * size - 1e-4).astype(np.int32)
        lo = np.clip(lo, 0, size.astype(np.int32) - 1)
        hi = np.clip(hi, lo + 1, size.astype(np.int32))
        return np.concatenate([lo, hi], axis=1)

    def area(self) -> FloatArray:
        """float32 (N,), share of the frame, in [0, 1]."""
        return box_area(self.xyxy)

    def intersection(self, other: "Boxes") -> FloatArray:
        """float32 (N, M): shared area of every pair, as a share of the frame."""
        return intersection_and_union(self.xyxy[:, None], other.xyxy[None])[0]

    def mirrored(self) -> "Boxes":
        """The boxes in a frame that is mirrored, left to right."""
        x0, y0, x1, y1 = self.xyxy.T
        return Boxes(np.stack([1 - x1, y0, 1 - x0, y1], axis=1))

    def iou(self, other: "Boxes") -> FloatArray:
        """float32 (N, M): intersection over union of every pair, in [0, 1]; see `box_iou`."""
        return box_iou(self.xyxy[:, None], other.xyxy[None])


def box_area(xyxy: NDArray[_Float]) -> NDArray[_Float]:
    """Areas of boxes. xyxy: float (..., 4). Returns (...), in the square of their unit."""
    area: NDArray[_Float] = (xyxy[..., 2] - xyxy[..., 0]) * (xyxy[..., 3] - xyxy[..., 1])
    return area


def box_iou(a: NDArray[_Float], b: NDArray[_Float]) -> NDArray[_Float]:
    """Intersection over union, in [0, 1], of boxes that are paired by NumPy's broadcasting.

    a, b: both float32 or both float64, (..., 4), `(x0, y0, x1, y1)` with x0 <= x1 and y0 <= y1, in one unit. Returns
        that dtype, without the last axis: one against many is `box_iou(box, boxes)`, (N,), every pair is
        `box_iou(a[:, None], b[None])`, (N, M). 0 where neither has an area. Never above 1, not even in the last bit:
        rounding keeps the order at each step.

    Two halves of the frame that share a quarter of it, 0.25 / 0.75:

    >>> box_iou(np.array([0, 0, 0.5, 1]), np.array([[0.25, 0, 0.75, 1], [0.5, 0, 1, 1]])).round(3)
    array([0.333, 0.   ])
    """
    shared, union = intersection_and_union(a, b)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def intersection_and_union(a: NDArray[_Float], b: NDArray[_Float]) -> tuple[NDArray[_Float], NDArray[_Float]]:
    """Areas of the intersections and unions of the pairs of boxes that `box_iou` compares."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared: NDArray[_Float] = np.clip(width, 0, None) * np.clip(height, 0, None)
    union: NDArray[_Float] = box_area(a) + box_area(b) - shared
    return shared, union
