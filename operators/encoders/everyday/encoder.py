"""The model `everyday`: EfficientNet-lite2 and MiniLM in one 768-d space, joined by a small trained head and ConSE."""

import hashlib
import os
from collections.abc import Sequence
from copy import copy
from functools import partial
from pathlib import Path

import numpy as np

from operators.encoders.card import ModelCard
from operators.encoders.crops import cropped
from operators.encoders.encoder import require_boxes
from operators.encoders.everyday.backbone import CHANNELS, STRIDE_PX, Backbone, Forward
from operators.encoders.everyday.head import ConSE, Head, joined, unit
from operators.encoders.everyday.resize import resize
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.encoders.map_size import map_size_px
from operators.encoders.pooling import cell_weights, pool_boxes
from operators.runtime.blas_threads import one_blas_thread
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace

WEIGHTS = Path(__file__).parent / "weights" / "head.safetensors"
DIMENSION = 768
INPUT_PX = 224
MAP_SHORT_SIDE_PX = 448
_WHOLE = np.array([[0, 0, 1, 1]], np.float32)
_BATCH = 4  # crops; activations stay in the caches. CPU time per crop of 160 px: batch 1 8.0 ms, 4 7.7 ms, 16 8.9 ms


class EverydayEncoder:
    """See `operators.encoders.encoder.Encoder`. The image side and the text side are each loaded when first used.

    threads: number of threads; None means one per core that this process may use. Vectors do not depend on it.
    """

    def __init__(self, *, threads: int | None = None, weights: Path = WEIGHTS) -> None:
        if threads is not None and threads < 1:
            raise InvalidValueError(f"threads must be at least 1, got {threads}")
        self._backbone = Backbone(threads=threads or len(os.sched_getaffinity(0)))
        self._sentences: SentenceEncoder | None = None
        self.space = everyday_space(weights)
        self._use(Head.load(weights))

    def _use(self, head: Head) -> None:
        self._head = head
        self._conse: ConSE | None = None

    def with_head(self, head: Head) -> "EverydayEncoder":
        """The same backbone with another head, for training and evaluation; its `space` is no longer correct."""
        if self._sentences is None:
            self._sentences = SentenceEncoder()
        other = copy(self)
        other._use(head)
        return other

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        """The pictures themselves, as the model runs on the CPU."""
        return images

    def encode_images(self, images: Sequence[ImageArray]) -> VectorArray:
        """Encodes each picture squashed to 224×224 px. images: uint8 (H, W, 3) RGB. Returns float32 (N, 768)."""
        return self.encode_regions(images, [Boxes(_WHOLE)] * len(images), context=1.0)

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int = INPUT_PX
    ) -> VectorArray:
        """Squashes each box with its surroundings to a square and pools the cells under the box. Returns (N, 768)."""
        require_boxes(images, boxes)
        cuts = [cropped(image, part, context=context) for image, part in zip(images, boxes, strict=True)]
        crops = [crop for of_image, _ in cuts for crop in of_image]
        inner = Boxes.concat([inner for _, inner in cuts])
        return self.project(region_features(crops, inner, self._backbone, side_px=side_px))

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        """Returns float32 (N, 768)."""
        require_boxes(images, boxes)

        def means(forward: Forward, place: int) -> VectorArray:
            return pool_boxes(_map(forward, images[place], short_side_px=MAP_SHORT_SIDE_PX), boxes[place])

        by_image = self._backbone.side_by_side(means, range(len(images)))
        return self.project(np.concatenate([np.zeros((0, CHANNELS), np.float32), *by_image]))

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, 768), L2-normalised. A name of one or two words is the mean of three prompts."""
        if self._sentences is None:
            self._sentences = SentenceEncoder()
        prompts = [_prompts(text) for text in texts]
        sentences = self._sentences([prompt for each in prompts for prompt in each])
        ends = np.cumsum([len(each) for each in prompts])[:-1]
        head, conse = (
            unit(np.stack([part.mean(axis=0) for part in np.split(vectors, ends)]) if prompts else vectors)
            for vectors in (self._head.texts(sentences), sentences.astype(np.float64))
        )
        return joined(head, conse, conse_share=self._head.conse_share)

    def feature_maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        """One map per picture, (14, 14…, 1280), of the picture with its shorter side at 448 px.

        The longer side is rounded to whole cells (32 px), so nothing is padded and the grid covers the frame.
        """
        return list(self._backbone.side_by_side(partial(_map, short_side_px=MAP_SHORT_SIDE_PX), images))

    def feature_map(self, image: ImageArray, *, short_side_px: int) -> FeatureMap:
        """The map of a picture at another size. A larger size sees more detail; time grows with its square."""
        return _map(self._backbone, image, short_side_px=short_side_px)

    @one_blas_thread()  # two threads would gain less than their spinning costs the next call
    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, 1280), cells or means of cells. Returns float32 (N, 768), L2-normalised."""
        if features.ndim != 2 or features.shape[1] != CHANNELS:
            raise InvalidValueError(f"features must be (N, {CHANNELS}), got {features.shape}")
        if self._conse is None:
            self._conse = ConSE(*self._backbone.classifier, self._head.conse_names)
        return joined(self._head.images(features), self._conse.images(features), conse_share=self._head.conse_share)

    def close(self) -> None:
        del self._backbone, self._conse
        self._sentences = None


def _prompts(text: str) -> tuple[str, ...]:
    """The prompts whose mean is the vector of a text.

    These are prompt ensembles as in CLIP (Radford et al., 2021, section 3.1.4): on held-out COCO boxes, top-1 accuracy
    over 80 names is .610 instead of .601, top-5 .879 instead of .869.
    """
    words = text.split()
    if words and words[0].lower() in ("a", "an", "the"):
        words = words[1:]
    if not 1 <= len(words) <= 2:
        return (text,)
    name = " ".join(words)
    return name, f"a {name}", f"a photo of a {name}"


def everyday_space(weights: Path = WEIGHTS) -> VectorSpace:
    """The vector space of these weights; its revision is their hash."""
    return VectorSpace(
        model="everyday",
        revision=weights_revision(weights),
        dimension=DIMENSION,
        preprocessing="(rgb-127)/128, bicubic antialiased, crops squashed, maps with their shape",
    )


def weights_revision(weights: Path) -> str:
    """The hash of a file of weights, as twelve hexadecimal digits."""
    return hashlib.blake2b(weights.read_bytes(), digest_size=6).hexdigest()


def everyday_card() -> ModelCard:
    return ModelCard(
        name="everyday",
        summary="small model for everyday words on a CPU; weights come with the packages",
        space=everyday_space(),
        patch_px=STRIDE_PX,
        input_px=INPUT_PX,
        licence="Apache-2.0",
        abilities=("text", "image", "dense"),
    )


def region_features(
    crops: Sequence[ImageArray], boxes: Boxes, backbone: Backbone, *, side_px: int = INPUT_PX
) -> VectorArray:
    """float32 (N, 1280): the pooled cells under the box of every crop, which is squashed to `side_px`.

    The receptive field of those cells includes the rest of the crop. Accuracy on held-out COCO boxes: 58.5 % with a
    context of 1.4 and pooling within the box, 55.3 % with pooling over the whole crop, 55.4 % with tight crops.
    """
    if len(crops) != len(boxes):
        raise InvalidValueError(f"need one box per crop: got {len(crops)} crops and {len(boxes)} boxes")
    size = max(1, min(_BATCH, -(-len(boxes) // backbone.threads)))

    def features(forward: Forward, start: int) -> VectorArray:
        here = crops[start : start + size]
        squares = np.stack([resize(crop, width_px=side_px, height_px=side_px) for crop in here])
        return _pooled(forward(squares), boxes[start : start + size])

    batches = backbone.side_by_side(features, range(0, len(boxes), size))
    return np.concatenate([np.zeros((0, CHANNELS), np.float32), *batches])


def _map(forward: Forward, image: ImageArray, *, short_side_px: int) -> FeatureMap:
    height_px, width_px = map_size_px(image, short_side_px=short_side_px, cell_px=STRIDE_PX)
    return FeatureMap(forward(resize(image, width_px=width_px, height_px=height_px)[None])[0])


def _pooled(maps: VectorArray, boxes: Boxes) -> VectorArray:
    """maps: float32 (N, rows, cols, C), one per box. Returns float32 (N, C)."""
    count, rows, cols, channels = maps.shape
    weights = cell_weights(boxes, rows=rows, cols=cols)
    # no BLAS: its threads spin for 26 ms after every product, on cores that the next pass of the model needs
    means: VectorArray = np.einsum("nk,nkc->nc", weights, maps.reshape(count, rows * cols, channels)).astype(np.float32)
    return means
