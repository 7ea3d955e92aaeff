"""The model `everyday`: EfficientNet-lite2 and MiniLM in one space, joined by a small trained head and ConSE."""

import hashlib
import os
from collections.abc import Sequence
from copy import copy
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from operators.encoders.calibration import CALIBRATION, Calibration
from operators.encoders.card import ModelCard
from operators.encoders.crops import cropped
from operators.encoders.encoder import require_boxes
from operators.encoders.everyday.backbone import LEVELS, Backbone, Forward
from operators.encoders.everyday.head import Head, HeadWeights, text_part, text_vectors
from operators.encoders.everyday.prompts import prompt_means
from operators.encoders.everyday.resize import resize
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.encoders.map_size import equal_area_px
from operators.encoders.pooling import pool_boxes
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray, require_image
from schemas.vectors import FeatureMap, VectorArray, VectorSpace

WEIGHTS = Path(__file__).parent / "weights" / "head.safetensors"
DIMENSION = 128
CROP_PX = 224
MAP_PX = 448
FEATURES = sum(level.channels for level in LEVELS)
CELL_PX = max(level.stride_px for level in LEVELS)
_GRID = next(i for i, level in enumerate(LEVELS) if level.stride_px == 16)
_ROWS = 64  # that one thread projects at a time
_WHOLE = np.array([[0, 0, 1, 1]], np.float32)


class EverydayEncoder:
    """See `operators.encoders.encoder.Encoder`. The image side and the text side are each loaded when first used.

    threads: number of threads; None means one per core that this process may use. Vectors do not depend on it.
    """

    def __init__(self, *, threads: int | None = None, weights: Path = WEIGHTS) -> None:
        if threads is not None and threads < 1:
            raise InvalidValueError(f"threads must be at least 1, got {threads}")
        self._backbone = Backbone(threads=threads or len(os.sched_getaffinity(0)))
        self._sentences: SentenceEncoder | None = None
        self._weights = HeadWeights.load(weights)
        if self._weights.projection.shape[1] != DIMENSION:
            raise ModelError(
                f"{weights} makes vectors of {self._weights.projection.shape[1]} dimensions, not {DIMENSION}"
            )
        self.space = everyday_space(weights)
        self._calibrated_by: Path | None = weights.with_name(CALIBRATION)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration that is beside the weights, loaded when it is first used; None if it is for other weights."""
        if self._calibrated_by is None:
            return None
        return Calibration.load(self._calibrated_by, revision=self.space.revision)

    def with_head(self, weights: HeadWeights) -> "EverydayEncoder":
        """The same backbone with another head, for training and evaluation; its `space` is no longer correct."""
        if self._sentences is None:
            self._sentences = SentenceEncoder()
        other = copy(self)
        other._calibrated_by = None
        other._weights = weights
        for made in ("calibration", "_head"):
            other.__dict__.pop(made, None)
        return other

    @cached_property
    def _head(self) -> Head:
        return Head(self._weights, self._backbone.classifier)

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        """The pictures themselves, as the model runs on the CPU."""
        return images

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        """The projected mean of each picture's map. images: uint8 (H, W, 3) RGB. Returns float32 (N, D)."""
        whole = [Boxes(_WHOLE)] * len(images)
        if maps is None:
            return self._head.frames(self._means(images, whole))
        return self._head.frames(_joined([pool_boxes(*each) for each in zip(maps, whole, strict=True)]))

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int = CROP_PX
    ) -> VectorArray:
        """Squashes each box with its surroundings to a square and pools the cells under the box. Returns (N, D)."""
        require_boxes(images, boxes)
        cuts = [cropped(image, part, context=context) for image, part in zip(images, boxes, strict=True)]
        crops = [crop for of_image, _ in cuts for crop in of_image]
        inner = Boxes.concat([inner for _, inner in cuts])

        def features(forward: Forward, i: int) -> VectorArray:
            square = resize(crops[i], width_px=side_px, height_px=side_px)
            return pool_boxes(pyramid(forward, square), inner[i : i + 1])

        return self.project(_joined(list(self._backbone.side_by_side(features, range(len(crops))))))

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        """Returns float32 (N, D)."""
        require_boxes(images, boxes)
        return self.project(self._means(images, boxes))

    def _means(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        """float32 (N, FEATURES): the features under every box, each picture's map being made and dropped in turn."""

        def means(forward: Forward, place: int) -> VectorArray:
            return pool_boxes(frame_map(forward, images[place], side_px=MAP_PX), boxes[place])

        return _joined(list(self._backbone.side_by_side(means, range(len(images)))))

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, D), L2-normalised. A name of one or two words is the mean of three prompts."""
        if self._sentences is None:
            self._sentences = SentenceEncoder()
        return text_vectors(self._weights, *prompt_means(texts, self._sentences, partial(text_part, self._weights)))

    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        """One map per picture, of four depths, whose patches are 16 px of the model's input.

        side_px: side of a square of the area to which pictures are resized, 448 by default; they keep their shape, to
            whole cells of 32 px, so nothing is padded and the grids cover the frame. Time grows with the area.
        """
        return list(self._backbone.side_by_side(partial(frame_map, side_px=side_px or MAP_PX), images))

    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, 1800), cells or means of cells. Returns float32 (N, D), L2-normalised."""
        if features.ndim != 2 or features.shape[1] != FEATURES:
            raise InvalidValueError(f"features must be (N, {FEATURES}), got {features.shape}")
        head = self._head
        parts = self._backbone.map(head.regions, [features[i : i + _ROWS] for i in range(0, len(features), _ROWS)])
        return np.concatenate([np.zeros((0, DIMENSION), np.float32), *parts])

    def close(self) -> None:
        self.__dict__.pop("_head", None)
        del self._backbone
        self._sentences = None


def everyday_space(weights: Path = WEIGHTS) -> VectorSpace:
    """The vector space of these weights; its revision is their hash."""
    return VectorSpace(
        model="everyday",
        revision=weights_revision(weights),
        dimension=DIMENSION,
        preprocessing="(rgb-127)/128, bicubic antialiased, one pass with the frame's shape, int8",
    )


def weights_revision(weights: Path) -> str:
    """The hash of a file of weights, as twelve hexadecimal digits."""
    return hashlib.blake2b(weights.read_bytes(), digest_size=6).hexdigest()


def everyday_card() -> ModelCard:
    return ModelCard(
        name="everyday",
        summary="small model for everyday words on a CPU; weights come with the packages",
        space=everyday_space(),
        patch_px=LEVELS[_GRID].stride_px,
        input_px=MAP_PX,
        licence="Apache-2.0",
        abilities=("text", "image", "dense"),
        nested=True,
    )


def frame_map(forward: Forward, image: ImageArray, *, side_px: int) -> FeatureMap:
    """The map of one frame, seen in its own shape at the area of a square of `side_px`."""
    require_image(image)
    height_px, width_px = equal_area_px(image, side_px=side_px, cell_px=CELL_PX)
    return pyramid(forward, resize(image, width_px=width_px, height_px=height_px))


def pyramid(forward: Forward, image: ImageArray) -> FeatureMap:
    """The map of one picture at its own size, uint8 (H, W, 3), whose sides are multiples of 32."""
    return FeatureMap(tuple(level[0] for level in forward(image[None])), grid=_GRID, least_cells=1.0)


def _joined(parts: Sequence[VectorArray]) -> VectorArray:
    return np.concatenate([np.zeros((0, FEATURES), np.float32), *parts])
