"""`everyday`: EfficientNet-lite2 and MiniLM in one 768-d space, by a small trained head and ConSE."""

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
EVERYDAY_CARD = Path(__file__).parent / "MODEL_CARD.md"
DIMENSION = 768
INPUT_PX = 224
MAP_SHORT_SIDE_PX = 448
_WHOLE = np.array([[0, 0, 1, 1]], np.float32)
_BATCH = 4  # crops at most: their activations stay in the caches; CPU time a crop of 160 px: 1: 8.0, 4: 7.7, 16: 8.9 ms


class EverydayEncoder:
    """See `operators.encoders.encoder.Encoder`. What pictures need is loaded with the first, and so is what words need.

    threads: that compute; None for one a core that this process may use. Vectors do not depend on it.
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
        """The same backbone under another head, for training and evaluation; its `space` is no longer true."""
        if self._sentences is None:
            self._sentences = SentenceEncoder()
        other = copy(self)
        other._use(head)
        return other

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        """The pictures as they are: the model runs beside them."""
        return images

    def encode_images(self, images: Sequence[ImageArray]) -> VectorArray:
        """Each picture squashed to 224×224 px. images: uint8 (H, W, 3) RGB. Returns float32 (N, 768)."""
        return self.encode_regions(images, [Boxes(_WHOLE)] * len(images), context=1.0)

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int = INPUT_PX
    ) -> VectorArray:
        """Each box with its surroundings squashed to a square, the cells under the box pooled. Returns (N, 768)."""
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
        """Returns float32 (N, 768), L2-normalised. A name of one or two words is the mean of three ways to say it."""
        if self._sentences is None:
            self._sentences = SentenceEncoder()
        ways = [_ways(text) for text in texts]
        sentences = self._sentences([way for each in ways for way in each])
        ends = np.cumsum([len(each) for each in ways])[:-1]
        head, conse = (
            unit(np.stack([part.mean(axis=0) for part in np.split(vectors, ends)]) if ways else vectors)
            for vectors in (self._head.texts(sentences), sentences.astype(np.float64))
        )
        return joined(head, conse, conse_share=self._head.conse_share)

    def feature_maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        """Each picture with its shorter side at 448 px, its longer one rounded to whole cells (32 px), so that
        nothing is padded and the grid covers the frame; features (14, 14…, 1280)."""
        return list(self._backbone.side_by_side(partial(_map, short_side_px=MAP_SHORT_SIDE_PX), images))

    def feature_map(self, image: ImageArray, *, short_side_px: int) -> FeatureMap:
        """The same at another size: detail against time, which grows with the square of it."""
        return _map(self._backbone, image, short_side_px=short_side_px)

    @one_blas_thread()  # what two threads would win is less than what they take from the next call by spinning
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


def _ways(text: str) -> tuple[str, ...]:
    """The sentences that a query stands for. Prompt ensembles as of CLIP (Radford et al., 2021, section 3.1.4): on
    held-out COCO boxes, top-1 of 80 names .610 instead of .601, top-5 .879 instead of .869."""
    words = text.split()
    if words and words[0].lower() in ("a", "an", "the"):
        words = words[1:]
    if not 1 <= len(words) <= 2:
        return (text,)
    name = " ".join(words)
    return name, f"a {name}", f"a photo of a {name}"


def everyday_space(weights: Path = WEIGHTS) -> VectorSpace:
    """The space of vectors made with these weights; its revision is their hash."""
    return VectorSpace(
        model="everyday",
        revision=weights_revision(weights),
        dimension=DIMENSION,
        preprocessing="(rgb-127)/128, bicubic antialiased, crops squashed, maps with their shape",
    )


def weights_revision(weights: Path) -> str:
    """Twelve hexadecimal digits of the hash of a file of weights."""
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
    """float32 (N, 1280): every crop squashed to `side_px`, the cells of its map under its box pooled.

    The receptive field of those cells holds the rest of the crop: on held-out COCO boxes, a context of 1.4 and
    pooling within the box told 58.5 % apart, pooling over the whole crop 55.3 %, tight crops 55.4 %.
    """
    if len(crops) != len(boxes):
        raise InvalidValueError(f"one box a crop: got {len(crops)} crops and {len(boxes)} boxes")
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
    """maps: float32 (N, rows, cols, C), one a box. Returns float32 (N, C)."""
    count, rows, cols, channels = maps.shape
    weights = cell_weights(boxes, rows=rows, cols=cols)
    # no BLAS: its threads go on spinning for 26 ms after every product, on cores that the model's next pass needs
    means: VectorArray = np.einsum("nk,nkc->nc", weights, maps.reshape(count, rows * cols, channels)).astype(np.float32)
    return means
