"""A checkpoint of `transformers` as an Encoder: CLIP, MetaCLIP 2, SigLIP, SigLIP2, DINOv2, DINOv3 and I-JEPA."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from operators.encoders.calibration import Calibration
from operators.encoders.checkpoint.device_frames import Cuts, DeviceFrames, uploaded
from operators.encoders.checkpoint.pixels import Pixels
from operators.encoders.checkpoint.prompts import CLIP_PROMPTS, Prompts
from operators.encoders.checkpoint.towers import Tower
from operators.encoders.encoder import require_boxes
from operators.encoders.map_size import map_size_px
from operators.encoders.pooling import cell_weights
from operators.runtime.batches import Batches
from schemas.boxes import Boxes
from schemas.errors import ModelError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace, normalise

# pictures per forward pass on a CPU; larger batches leave its caches. Time compared with batches of 16: RN50 0.78,
# DINOv3 S/16 0.8, I-JEPA H/14, whose weights exceed any cache, 1.1
BATCH = 8
GPU_BATCH = 64  # the first batch; its size then adapts
LARGEST_BATCH = 512


ReadText = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]


class TextTower:
    """The text side of an image-text model, with texts tokenised as in its training.

    read: the inputs that the tokenizer makes of one sentence → its vector (1, D). tokenizer: one of `transformers`.
    longest: in tokens; longer texts are truncated. fixed_length: shorter texts are padded to `longest`, unmasked.
    """

    def __init__(
        self,
        read: ReadText,
        tokenizer: Any,
        *,
        device: torch.device,
        longest: int,
        fixed_length: bool = False,
        prompts: Prompts = CLIP_PROMPTS,
    ) -> None:
        self._read = read
        self._tokenizer = tokenizer
        self._device = device
        self._longest = longest
        self._fixed_length = fixed_length
        self._prompts = prompts

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Returns (N, D), not normalised for a text that became one sentence."""
        return torch.cat([self._vector(self._prompts.of(text)) for text in texts])

    def _vector(self, sentences: Sequence[str]) -> torch.Tensor:
        each = torch.cat([self._sentence(sentence) for sentence in sentences])
        return each if len(each) == 1 else torch.nn.functional.normalize(each, dim=1).mean(dim=0, keepdim=True)

    def _sentence(self, sentence: str) -> torch.Tensor:
        # one by one: padding would change the last bits of the shorter ones
        tokens = self._tokenizer(
            [sentence],
            padding="max_length" if self._fixed_length else False,
            max_length=self._longest,
            truncation=True,
            return_tensors="pt",
        )
        inputs = {"input_ids": tokens["input_ids"].to(self._device)}
        if not self._fixed_length and "attention_mask" in tokens:
            inputs["attention_mask"] = tokens["attention_mask"].to(self._device)
        return self._read(inputs)


class CheckpointEncoder:
    """See `operators.encoders.encoder.Encoder`.

    Pictures and crops are padded to a square with the mean colour, so that nothing is distorted. Maps keep the shape of
    the picture: its shorter side becomes as long as the model's input, its longer side is rounded to whole patches, and
    positions are interpolated.
    """

    def __init__(
        self,
        tower: Tower,
        pixels: Pixels,
        texts: TextTower | None,
        space: VectorSpace,
        *,
        batch: int | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """batch: pictures in the first forward pass; later passes grow or shrink to what memory allows.

        calibration: of these vectors; see `operators.encoders.calibration.CalibratedEncoder`.
        """
        device = pixels.device
        on_gpu = device.type != "cpu"
        start = batch or (GPU_BATCH if on_gpu else BATCH)
        self._tower = tower
        self._pixels = pixels
        self._texts = texts
        self._compiled: Callable[[torch.Tensor], torch.Tensor] | None = None
        self._batches = Batches(start, largest=max(start, LARGEST_BATCH) if on_gpu else start, device=device)
        self.space = space
        self.calibration = calibration

    @property
    def on_gpu(self) -> bool:
        return self._pixels.device.type != "cpu"

    def compile(self) -> None:
        """Compiles the forward pass over whole pictures and crops; that of maps uses hooks and is not compiled.

        The first two batches then wait tens of seconds for the compiler.
        """
        self._compiled = torch.compile(self._tower.whole)

    def to_device(self, images: Sequence[ImageArray]) -> DeviceFrames:
        """The pictures, uploaded once to be used in several calls."""
        return self._pixels.frames(images)

    @torch.inference_mode()
    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        """images: uint8 (H, W, 3) RGB. Returns float32 (N, D), L2-normalised. Maps are not used."""
        del maps
        frames = self._pixels.frames(images)
        return self._encode(frames, frames.whole())

    @torch.inference_mode()
    def encode_regions(
        self,
        images: Sequence[ImageArray],
        boxes: Sequence[Boxes],
        *,
        context: float,  # noqa: ARG002  # surroundings would become part of the global vector
        side_px: int,  # noqa: ARG002  # these models have one input size
    ) -> VectorArray:
        """Encodes each box alone, without its surroundings, at the model's input size."""
        require_boxes(images, boxes)
        frames = self._pixels.frames(images)
        return self._encode(frames, frames.boxes(boxes))

    @torch.inference_mode()
    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        """Means of the cells of each picture's map under its boxes, computed on the device."""
        require_boxes(images, boxes)
        means: dict[int, torch.Tensor] = {}
        for members, cells in self._maps(self._pixels.frames(images)):
            for i, grid in zip(members, cells.float(), strict=True):
                weights = cell_weights(boxes[i], rows=grid.shape[0], cols=grid.shape[1])
                means[i] = uploaded(weights.astype(np.float32), self._pixels.device) @ grid.flatten(0, 1)
        if sum(len(part) for part in boxes) == 0:
            return np.zeros((0, self.space.dimension), np.float32)
        together = torch.cat([means[i] for i in range(len(boxes))])
        return normalise(_numpy(self._tower.project(self._pixels.as_computed(together))))

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, D), L2-normalised. Raises ModelError if the model has no text side."""
        if self._texts is None:
            raise ModelError(
                f"{self.space.model} was trained on pictures alone and knows no words: "
                "search with a picture (--image), or ingest with an image-text model"
            )
        if not texts:
            return np.zeros((0, self.space.dimension), np.float32)
        return normalise(_numpy(self._texts(texts)))

    @torch.inference_mode()
    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        """One map per picture, of one level, float32 (rows, cols, C), which covers the whole frame."""
        del side_px
        maps: dict[int, FeatureMap] = {}
        for members, cells in self._maps(self._pixels.frames(images)):
            maps.update((i, FeatureMap((grid,))) for i, grid in zip(members, _numpy(cells), strict=True))
        return [maps[i] for i in range(len(images))]

    @torch.inference_mode()
    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, C). Returns float32 (N, D), L2-normalised."""
        return normalise(_numpy(self._tower.project(self._pixels.tensor(features))))

    def close(self) -> None:
        del self._tower, self._texts, self._pixels, self._compiled
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _encode(self, frames: DeviceFrames, cuts: Cuts) -> VectorArray:
        """One vector per cut, in batches across pictures, fetched by one copy, as each copy waits for the device."""
        if len(cuts) == 0:
            return np.zeros((0, self.space.dimension), np.float32)
        batches = self._batches(len(cuts), lambda rows: self._forward(self._pixels.squares(frames, cuts[rows])))
        return normalise(_numpy(torch.cat([vectors for _, vectors in batches])))

    def _forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._compiled is None or len(pixels) == 1:  # else the compiler would specialise for this size
            return self._tower.whole(pixels)
        torch._dynamo.maybe_mark_dynamic(pixels, 0)  # the last batch is smaller
        return self._compiled(pixels)

    def _maps(self, frames: DeviceFrames) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yields indices of pictures and their cells (N, rows, cols, C), in batches of pictures of the same size."""
        side_px = self._pixels.config.side_px
        alike: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(frames):
            size = map_size_px(image, short_side_px=side_px, cell_px=self._tower.patch_px)
            alike.setdefault(size, []).append(i)
        for (height_px, width_px), members in alike.items():

            def run(
                rows: slice, members: list[int] = members, height_px: int = height_px, width_px: int = width_px
            ) -> torch.Tensor:
                cuts = frames.whole()[members[rows]]
                return self._tower.cells(self._pixels.stretched(frames, cuts, height_px=height_px, width_px=width_px))

            for rows, cells in self._batches(len(members), run, cost=height_px * width_px / side_px**2):
                yield members[rows], cells


def _numpy(vectors: torch.Tensor) -> VectorArray:
    array: VectorArray = vectors.float().cpu().numpy()
    return array
