"""A small model whose vectors can be shortened, as a user's package has it: `tests.short_vectors:HuesConfig`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from operators.encoders.card import ModelCard
from operators.encoders.crops import cropped
from operators.encoders.encoder import Encoder
from operators.encoders.pooling import pool_boxes
from schemas.boxes import Boxes
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace, normalise

CELLS = 4
SPACE = VectorSpace(model="hues", revision="1", dimension=3 * CELLS**2, preprocessing=f"{CELLS}×{CELLS} means")
HUES = "tests.short_vectors:HuesConfig"


@dataclass(frozen=True, slots=True)
class HuesConfig:
    """Mean colours of 16 cells; its first dimensions are those of the first cells, and are enough for a search."""

    name: ClassVar[str] = "hues"
    on_gpu: ClassVar[bool] = False

    def card(self) -> ModelCard:
        return ModelCard("hues", "mean colours", SPACE, 16, 64, "MIT", ("text", "image", "dense"), nested=True)

    def text(self) -> str | None:
        return None

    def build(self, *, threads: int | None, templates: Sequence[str] | None) -> Encoder:  # noqa: ARG002
        return Hues()


class Hues:
    """See `operators.encoders.encoder.Encoder`. A text is the colour that it names."""

    space = SPACE

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        del maps
        flat = [_cells(image).reshape(-1) for image in images]
        return normalise(np.stack(flat)) if flat else np.zeros((0, SPACE.dimension), np.float32)

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        return images

    def encode_regions(
        self,
        images: Sequence[ImageArray],
        boxes: Sequence[Boxes],
        *,
        context: float,
        side_px: int,  # noqa: ARG002
    ) -> VectorArray:
        crops = [cropped(image, part, context=context)[0] for image, part in zip(images, boxes, strict=True)]
        return self.encode_images([crop for of_image in crops for crop in of_image])

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        pooled = [pool_boxes(of_image, part) for of_image, part in zip(self.feature_maps(images), boxes, strict=True)]
        return self.project(np.concatenate([np.zeros((0, 3), np.float32), *pooled]))

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        rows = [np.tile([name in text for name in ("red", "green", "blue")], CELLS**2) for text in texts]
        return normalise(np.array(rows, np.float32).reshape(-1, SPACE.dimension))

    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        del side_px
        return [FeatureMap((_cells(image),)) for image in images]

    def project(self, features: VectorArray) -> VectorArray:
        return normalise(np.tile(features, CELLS**2))

    def close(self) -> None:
        pass


def _cells(image: ImageArray) -> VectorArray:
    """float32 (4, 4, 3), above 0."""
    small = cv2.resize(image, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(CELLS, CELLS, 3) / 255 + 0.01
