"""A checkpoint of `transformers` as an Encoder: CLIP, MetaCLIP 2, SigLIP, SigLIP2, DINOv2, DINOv3 and I-JEPA."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from operators.encoders.checkpoint.pixels import Pixels
from operators.encoders.checkpoint.towers import Tower
from operators.encoders.map_size import map_size_px
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace, normalise

BATCH = 32  # pictures a forward pass, halved whenever the device runs out of memory


class TextTower:
    """Sentences of an image-text model, tokenised as the model was trained.

    model, tokenizer: of `transformers`. templates: a text's vector is the mean over them, `{}` being the text.
    """

    def __init__(self, model: Any, tokenizer: Any, *, templates: Sequence[str] = ("{}",)) -> None:
        if not templates or any("{}" not in template for template in templates):
            raise InvalidValueError(f"every template needs {{}} for the text, got {templates!r}")
        self._model = model
        self._tokenizer = tokenizer
        self._templates = tuple(templates)
        self._longest = int(model.config.text_config.max_position_embeddings)
        # SigLIP reads its last position, whatever stands there; CLIP reads the one that ends the text
        self._fixed_length = model.config.model_type in ("siglip", "siglip2")

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """(N, D), not normalised unless there are several templates."""
        if len(self._templates) == 1:
            return self._vectors([self._templates[0].format(text) for text in texts])
        ways = [self._vectors([template.format(text) for text in texts]) for template in self._templates]
        return torch.stack([torch.nn.functional.normalize(way, dim=1) for way in ways]).mean(dim=0)

    def _vectors(self, texts: Sequence[str]) -> torch.Tensor:
        rows = []
        for text in texts:  # one by one: padding would change the last bits of the shorter ones
            tokens = self._tokenizer(
                [text],
                padding="max_length" if self._fixed_length else False,
                max_length=self._longest,
                truncation=True,
                return_tensors="pt",
            )
            inputs = {"input_ids": tokens["input_ids"].to(self._model.device)}
            if not self._fixed_length and "attention_mask" in tokens:
                inputs["attention_mask"] = tokens["attention_mask"].to(self._model.device)
            rows.append(self._model.get_text_features(**inputs).pooler_output)
        return torch.cat(rows)


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
