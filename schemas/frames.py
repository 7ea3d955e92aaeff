"""Frames as they pass between operators: pixels with their time."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidValueError

ImageArray = NDArray[np.uint8]
KeyframeReason = Literal["shot", "change", "interval", "picture"]


def require_image(image: ImageArray, *, name: str = "image") -> None:
    """Raises InvalidValueError unless `image` is uint8 (H, W, 3) with H, W >= 1."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InvalidValueError(f"{name} must be uint8 (H, W, 3), got {image.dtype} {image.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A frame that is kept. Keyframes are the only pixels that leave the reader.

    pts: in ticks of the source's clock.
    image: uint8 (H, W, 3), RGB, as shown.
    motion: uint8 (h, w), how much each pixel of a downscaled frame differs from the background of the
        window around it, from 0 (not at all) to 255; None for pictures and for sources too short to estimate it.
    reason: why the frame was kept.
    """

    pts: int
    image: ImageArray
    motion: NDArray[np.uint8] | None
    reason: KeyframeReason

    def __post_init__(self) -> None:
        require_image(self.image, name="keyframe image")
        if self.motion is not None and (self.motion.dtype != np.uint8 or self.motion.ndim != 2):
            raise InvalidValueError(f"motion must be uint8 (h, w), got {self.motion.dtype} {self.motion.shape}")

    def __repr__(self) -> str:
        h, w, _ = self.image.shape
        return f"Keyframe(pts={self.pts}, {w}x{h} px, {self.reason})"
