"""What every model offers: pictures and texts as vectors of one space, and frames as maps of features."""

from collections.abc import Sequence
from typing import Protocol

from schemas.boxes import Boxes
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace


class Encoder(Protocol):
    """A loaded model. A vector depends on its own picture or text alone, never on what shares the call.

    space: what every vector made here belongs to; D below is its dimension.
    """

    @property
    def space(self) -> VectorSpace: ...

    def encode_images(self, images: Sequence[ImageArray]) -> VectorArray:
        """images: uint8 (H, W, 3) RGB each, of any sizes. Returns float32 (N, D), L2-normalised."""
        ...

    def encode_regions(self, crops: Sequence[ImageArray], boxes: Boxes, *, side_px: int) -> VectorArray:
        """What lies in box i of crop i; the rest of the crop are its surroundings, which may help to tell it.

        side_px: wanted side of the model's input, ignored by a model that has one size only.
        Returns float32 (N, D), L2-normalised.
        """
        ...

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, D), L2-normalised."""
        ...

    def feature_maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        """One map a picture, of features (rows, cols, C) before projection; rows and cols follow its shape."""
        ...

    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, C), of cells or means of cells. Returns float32 (N, D), L2-normalised."""
        ...

    def close(self) -> None:
        """Frees the model; no other method may be called after it."""
        ...
