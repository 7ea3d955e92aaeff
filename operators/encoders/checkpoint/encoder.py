"""A checkpoint of `transformers` as an Encoder: CLIP, MetaCLIP 2, SigLIP, SigLIP2, DINOv2, DINOv3 and I-JEPA."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from operators.encoders.checkpoint.pixels import Pixels
from operators.encoders.checkpoint.prompts import CLIP_PROMPTS, Prompts
from operators.encoders.checkpoint.towers import Tower
from operators.encoders.map_size import map_size_px
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace, normalise

BATCH = 32  # pictures a forward pass, halved whenever the device runs out of memory


ReadText = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]


class TextTower:
    """Sentences of an image-text model, tokenised as the model was trained.

    read: the inputs that the tokenizer makes of one sentence → its vector (1, D). tokenizer: of `transformers`.
    longest: in tokens; what is beyond is cut off. fixed_length: shorter texts are padded to it, and read whole.
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
        """(N, D), not normalised where one sentence stands for the text."""
        return torch.cat([self._vector(self._prompts.of(text)) for text in texts])

    def _vector(self, sentences: Sequence[str]) -> torch.Tensor:
        ways = torch.cat([self._sentence(sentence) for sentence in sentences])
        return ways if len(ways) == 1 else torch.nn.functional.normalize(ways, dim=1).mean(dim=0, keepdim=True)

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

    Pictures are padded to a square with the mean colour, so that nothing is distorted; crops likewise. Maps keep the
    picture's shape: its shorter side as long as the model's input, its longer one rounded to whole patches, positions
    interpolated.
    """

    def __init__(
        self, tower: Tower, pixels: Pixels, texts: TextTower | None, space: VectorSpace, *, batch: int = BATCH
    ) -> None:
        self._tower = tower
        self._pixels = pixels
        self._texts = texts
        self._batch = batch
        self.space = space

    @torch.inference_mode()
    def encode_images(self, images: Sequence[ImageArray]) -> VectorArray:
        """images: uint8 (H, W, 3) RGB. Returns float32 (N, D), L2-normalised."""
        vectors = np.empty((len(images), self.space.dimension), np.float32)
        for rows, pixels in self._batches(images):
            vectors[rows] = _numpy(self._tower.whole(pixels))
        return normalise(vectors)

    def encode_regions(
        self,
        crops: Sequence[ImageArray],
        boxes: Boxes,
        *,
        side_px: int,  # noqa: ARG002  # these models were trained for one size
    ) -> VectorArray:
        """The box alone, without its surroundings: a global vector would mix them in."""
        if len(crops) != len(boxes):
            raise InvalidValueError(f"one box a crop: got {len(crops)} crops and {len(boxes)} boxes")
        inner = []
        for crop, i in zip(crops, range(len(boxes)), strict=True):
            x0, y0, x1, y1 = boxes[i : i + 1].to_pixels(width_px=crop.shape[1], height_px=crop.shape[0])[0]
            inner.append(crop[y0:y1, x0:x1])
        return self.encode_images(inner)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, D), L2-normalised. Raises ModelError where the model knows pictures only."""
        if self._texts is None:
            raise ModelError(
                f"{self.space.model} was trained on pictures alone and knows no words: "
                "search with a picture (--image), or ingest with an image-text model"
            )
        if not texts:
            return np.zeros((0, self.space.dimension), np.float32)
        return normalise(_numpy(self._texts(texts)))

    @torch.inference_mode()
    def feature_maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        """One map a picture, float32 (rows, cols, C); it covers the whole frame."""
        maps = []
        for image in images:
            height_px, width_px = map_size_px(
                image, short_side_px=self._pixels.config.side_px, cell_px=self._tower.patch_px
            )
            pixels = self._pixels.stretched(image, height_px=height_px, width_px=width_px)[None]
            maps.append(FeatureMap(_numpy(self._tower.cells(pixels)[0])))
        return maps

    @torch.inference_mode()
    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, C). Returns float32 (N, D), L2-normalised."""
        return normalise(_numpy(self._tower.project(self._pixels.tensor(features))))

    def close(self) -> None:
        del self._tower, self._texts, self._pixels
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _batches(self, images: Sequence[ImageArray]) -> Iterator[tuple[slice, torch.Tensor]]:
        for start in range(0, len(images), self._batch):
            rows = slice(start, min(start + self._batch, len(images)))
            yield rows, self._pixels.squares(images[rows])


def _numpy(vectors: torch.Tensor) -> VectorArray:
    array: VectorArray = vectors.float().cpu().numpy()
    return array
