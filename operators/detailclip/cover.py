"""The input of the fusion: the vectors of a picture's windows of Complete Cover, and that of the whole picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.encoders.encoder import Encoder
from operators.proposals.windows.complete_cover import cover_windows
from schemas import require
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import VectorArray, VectorSpace


@dataclass(frozen=True, slots=True)
class CoverConfig:
    """The windows and their size.

    k: parameter of Complete Cover; with 4, a square frame has 30 windows.
    crop_px: side of the model's input for a window; models with a fixed input size ignore it.
    """

    k: int = 4
    crop_px: int = 160

    def __post_init__(self) -> None:
        require.at_least(1, k=self.k)
        require.at_least(32, crop_px=self.crop_px)


@dataclass(frozen=True, slots=True, eq=False)
class Covered:
    """A picture's vectors, L2-normalised.

    windows: float32 (P, D), the largest windows first. whole: float32 (D,), the vector of the whole picture.
    """

    windows: VectorArray
    whole: VectorArray

    def __post_init__(self) -> None:
        if self.windows.ndim != 2 or self.whole.shape != self.windows.shape[1:]:
            raise InvalidValueError(
                f"windows must be (P, D) and whole (D,), got {self.windows.shape} and {self.whole.shape}"
            )


class CoverVectors:
    """Computes the vectors of pictures and their windows. A picture's vectors depend on it alone."""

    def __init__(self, config: CoverConfig, encoder: Encoder) -> None:
        self.config = config
        self._encoder = encoder

    @property
    def space(self) -> VectorSpace:
        """The space of the vectors."""
        return self._encoder.space

    def __call__(self, images: Sequence[ImageArray], *, whole: VectorArray | None = None) -> list[Covered]:
        """The vectors of each image, in order.

        images: uint8 (H, W, 3) RGB each; images from `Encoder.held` need not be copied to the device again.
        whole: float32 (N, D), the vectors of the whole pictures; by default they are computed.
        """
        if not images:
            return []
        if whole is None:
            whole = self._encoder.encode_images(images)
        boxes = [
            cover_windows(self.config.k, width_px=image.shape[1], height_px=image.shape[0]).boxes for image in images
        ]
        vectors = self._encoder.encode_regions(images, boxes, context=1.0, side_px=self.config.crop_px)
        parts = np.split(vectors, np.cumsum([len(b) for b in boxes])[:-1])
        return [Covered(part, one) for part, one in zip(parts, whole, strict=True)]
