"""A model whose vectors are shortened by a reduction."""

from collections.abc import Sequence

from operators.encoders.encoder import Encoder
from operators.encoders.reduction import Reduction, require_space
from schemas.boxes import Boxes
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray


class ReducedEncoder:
    """A model whose vectors are shortened. See `operators.encoders.encoder.Encoder`.

    full: the model itself, which is closed with this one. reduce: shortens its vectors.
    """

    def __init__(self, full: Encoder, reduction: Reduction) -> None:
        """Raises ModelError where the reduction is of another model."""
        require_space(reduction, full.space)
        self.full = full
        self.reduce = reduction
        self.space = reduction.space

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        return self.reduce(self.full.encode_images(images, maps=maps))

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        return self.full.to_device(images)

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int
    ) -> VectorArray:
        return self.reduce(self.full.encode_regions(images, boxes, context=context, side_px=side_px))

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        return self.reduce(self.full.pool_regions(images, boxes))

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        return self.reduce(self.full.encode_texts(texts))

    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        return self.full.feature_maps(images, side_px=side_px)

    def project(self, features: VectorArray) -> VectorArray:
        return self.reduce(self.full.project(features))

    def close(self) -> None:
        self.full.close()


def shortened(encoder: Encoder, reduction: Reduction | None) -> Encoder:
    """The model itself without a reduction. Raises ModelError where the reduction is of another model."""
    return encoder if reduction is None else ReducedEncoder(encoder, reduction)
