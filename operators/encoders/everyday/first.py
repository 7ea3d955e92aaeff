"""The first revision of `everyday`, kept so that lakes that were made with it are searched and continued: `everyday-1`.

Regions are the mean of a crop of their own and of the cells under them in the last map of the frame, and a linear head
was trained on 288 pictures. A new lake has no reason to use it.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from operators.encoders.card import ModelCard
from operators.encoders.crops import cropped
from operators.encoders.encoder import require_boxes
from operators.encoders.everyday.backbone import TOP, Backbone, Forward
from operators.encoders.everyday.first_head import ConSE, Head, joined
from operators.encoders.everyday.prompts import prompt_means
from operators.encoders.everyday.resize import resize
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.encoders.map_size import map_size_px
from operators.encoders.pooling import cell_weights, pool_boxes
from operators.runtime.blas_threads import one_blas_thread
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace

WEIGHTS = Path(__file__).parent / "weights" / "first.safetensors"
SPACE = VectorSpace(
    model="everyday-1",
    revision="f9e76f3a8576",
    dimension=768,
    preprocessing="(rgb-127)/128, bicubic antialiased, crops squashed, maps with their shape",
)
_CROP_PX = 224
_MAP_PX = 448
_WHOLE = np.array([[0, 0, 1, 1]], np.float32)
_BATCH = 4  # crops; activations stay in the caches


class FirstEverydayEncoder:
    """See `operators.encoders.encoder.Encoder`. The image side and the text side are each loaded when first used."""

    space = SPACE
    calibration = None

    def __init__(self, *, threads: int | None = None) -> None:
        self._backbone = Backbone(threads=threads or len(os.sched_getaffinity(0)), precision="float32")
        self._sentences: SentenceEncoder | None = None
        self._head = Head.load(WEIGHTS)
        self._conse: ConSE | None = None

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        return images

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        """Encodes each picture squashed to 224×224 px. Returns float32 (N, 768)."""
        del maps
        return self.encode_regions(images, [Boxes(_WHOLE)] * len(images), context=1.0)

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int = _CROP_PX
    ) -> VectorArray:
        """Squashes each box with its surroundings to a square and pools the cells under the box. Returns (N, 768)."""
        require_boxes(images, boxes)
        cuts = [cropped(image, part, context=context) for image, part in zip(images, boxes, strict=True)]
        crops = [crop for of_image, _ in cuts for crop in of_image]
        inner = Boxes.concat([inner for _, inner in cuts])
        size = max(1, min(_BATCH, -(-len(inner) // self._backbone.threads)))

        def features(forward: Forward, start: int) -> VectorArray:
            here = crops[start : start + size]
            squares = np.stack([resize(crop, width_px=side_px, height_px=side_px) for crop in here])
            maps = forward(squares)[-1]
            count, rows, cols, channels = maps.shape
            weights = cell_weights(inner[start : start + size], rows=rows, cols=cols)
            cells = maps.reshape(count, rows * cols, channels)
            means: VectorArray = np.einsum("nk,nkc->nc", weights, cells).astype(np.float32)
            return means

        return self.project(_joined(self._backbone.side_by_side(features, range(0, len(inner), size))))

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        """Returns float32 (N, 768)."""
        require_boxes(images, boxes)

        def means(forward: Forward, place: int) -> VectorArray:
            return pool_boxes(_map(forward, images[place]), boxes[place])

        return self.project(_joined(self._backbone.side_by_side(means, range(len(images)))))

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, 768), L2-normalised."""
        if self._sentences is None:
            self._sentences = SentenceEncoder()
        head, conse = prompt_means(texts, self._sentences, self._head.texts)
        return joined(head, conse, conse_share=self._head.conse_share)

    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        """One map per picture, (14, 14…, 1280), of the picture with its shorter side at 448 px."""
        del side_px
        return list(self._backbone.side_by_side(_map, images))

    @one_blas_thread()  # two threads would gain less than their spinning costs the next call
    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, 1280), cells or means of cells. Returns float32 (N, 768), L2-normalised."""
        if features.ndim != 2 or features.shape[1] != TOP.channels:
            raise InvalidValueError(f"features must be (N, {TOP.channels}), got {features.shape}")
        if self._conse is None:
            self._conse = ConSE(*self._backbone.classifier, self._head.conse_names)
        head, conse = self._head.images(features), self._conse.images(features)
        return joined(head, conse, conse_share=self._head.conse_share)

    def close(self) -> None:
        del self._backbone, self._conse
        self._sentences = None


def first_card() -> ModelCard:
    return ModelCard(
        name=SPACE.model,
        summary="the first revision of everyday, for lakes that were made with it",
        space=SPACE,
        patch_px=TOP.stride_px,
        input_px=_CROP_PX,
        licence="Apache-2.0",
        abilities=("text", "image", "dense"),
    )


def _map(forward: Forward, image: ImageArray) -> FeatureMap:
    height_px, width_px = map_size_px(image, short_side_px=_MAP_PX, cell_px=TOP.stride_px)
    return FeatureMap((forward(resize(image, width_px=width_px, height_px=height_px)[None])[-1][0],))


def _joined(parts: Iterable[VectorArray]) -> VectorArray:
    return np.concatenate([np.zeros((0, TOP.channels), np.float32), *parts])
