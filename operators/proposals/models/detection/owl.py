"""OWLv2 and OWL-ViT: every phrase is a query, encoded once, which is compared with every patch of a frame."""

from collections.abc import Sequence

import numpy as np
import torch

from operators.proposals.models.detection.found import Found, corners
from operators.proposals.models.detection.loading import LoadedDetector
from schemas.errors import PlanError
from schemas.frames import ImageArray

_PHRASES = 256  # phrases that the text model encodes at once


class Owl:
    """score: that of the query that fits a patch best, as in `transformers`; name: that query."""

    def __init__(self, loaded: LoadedDetector, vocabulary: Sequence[str], *, least_score: float) -> None:
        self._loaded = loaded
        self._least_score = least_score
        self._queries, self._mask = _encode(loaded, vocabulary)

    @torch.inference_mode()
    def __call__(self, images: Sequence[ImageArray]) -> list[Found]:
        logits, boxes = self.raw(self._loaded.pixels(images))
        best, name = logits.max(dim=-1)
        score, boxes = best.sigmoid(), corners(boxes)
        found = []
        for i, image in enumerate(images):
            kept = score[i] > self._least_score
            each = Found.of(boxes[i][kept], score[i][kept], name[i][kept])
            found.append(Found(each.xyxy * self._stretch(image), each.score, each.name))
        return found

    def raw(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The model's own forward pass, except that the text is already encoded.

        Returns logits (N, patches, V) and boxes (N, patches, 4), centre and size in shares of the input.
        """
        model, count = self._loaded.model, len(pixels)
        feature_map, _ = model.image_embedder(pixel_values=pixels)
        features = feature_map.flatten(1, 2)
        logits, _ = model.class_predictor(features, self._queries.expand(count, -1, -1), self._mask.expand(count, -1))
        return logits, model.box_predictor(features, feature_map)

    def _stretch(self, image: ImageArray) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Factors from shares of the input to shares of the frame: OWLv2 pads frames to squares, OWL-ViT stretches."""
        height, width, _ = image.shape
        side = max(height, width) if self._loaded.pixels.resize == "padded square" else None
        return np.array([side / width, side / height] * 2 if side else [1] * 4, np.float32)


@torch.inference_mode()
def _encode(loaded: LoadedDetector, vocabulary: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries (1, V, D) and which of them count (1, V), made of tokens as in the model's forward pass."""
    longest = int(loaded.model.config.text_config.max_position_embeddings)
    for phrase, tokens in zip(vocabulary, loaded.tokenizer(list(vocabulary))["input_ids"], strict=True):
        if len(tokens) > longest:
            raise PlanError(
                f"{phrase!r} is not a phrase for {loaded.name}, which reads {longest - 2} tokens per phrase"
            )
    tokens = loaded.tokenizer(list(vocabulary), padding="max_length", max_length=longest, return_tensors="pt").to(
        loaded.device
    )
    vectors = torch.cat(
        [
            loaded.model.base_model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
            for ids, mask in zip(
                tokens["input_ids"].split(_PHRASES), tokens["attention_mask"].split(_PHRASES), strict=True
            )
        ]
    )
    vectors = vectors / torch.linalg.norm(vectors, ord=2, dim=-1, keepdim=True)
    return vectors[None], (tokens["input_ids"][:, 0] > 0)[None]
