"""OmDet-Turbo finds phrases as classes, given a task in words; both are encoded once."""

from collections.abc import Sequence

import numpy as np
import torch

from operators.proposals.models.detection.found import Found, corners
from operators.proposals.models.detection.loading import LoadedDetector
from operators.proposals.refine import nms
from schemas.boxes import Boxes
from schemas.errors import PlanError
from schemas.frames import ImageArray

_TOKENS = 77  # length of a phrase or a task, to which the model's processor pads or truncates
_MAX_IOU = 0.5  # between two boxes of one name; the processor's default


class OmDet:
    """score: how well a box fits its phrase.

    As in `transformers`, the best pairs of box and phrase are examined, as many as the model has queries, and
    overlapping boxes of one phrase are dropped. The task is "Detect …, …." with all phrases, truncated to 77 tokens as
    by the model's own processor.
    """

    def __init__(self, loaded: LoadedDetector, vocabulary: Sequence[str], *, least_score: float) -> None:
        self._loaded = loaded
        self._least_score = least_score
        self._classes, self._task, self._task_mask = _encode(loaded, vocabulary)

    @torch.inference_mode()
    def __call__(self, images: Sequence[ImageArray]) -> list[Found]:
        logits, boxes = self.raw(self._loaded.pixels(images))
        _, queries, phrases = logits.shape
        score, pair = logits.sigmoid().flatten(1).topk(queries)
        found = []
        for i in range(len(images)):
            kept = score[i] > self._least_score
            box, name = pair[i][kept] // phrases, pair[i][kept] % phrases
            each = Found.of(corners(boxes[i][box]), score[i][kept], name)
            found.append(without_duplicates(each.best_first()))
        return found

    def raw(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The model's own forward pass, except that the text is already encoded.

        Returns logits (N, queries, V) and boxes (N, queries, 4), centre and size in shares of the input.
        """
        model, count = self._loaded.model, len(pixels)
        encoded = model.encoder(
            model.vision_backbone(pixels), output_attentions=False, output_hidden_states=False, return_dict=True
        )
        decoded = model.decoder(
            encoded.extracted_states,
            self._classes.expand(-1, count, -1),
            self._task.expand(-1, count, -1),
            self._task_mask.expand(count, -1),
            output_attentions=False,
            output_hidden_states=False,
            return_dict=True,
        )
        return decoded.decoder_classes[-1], decoded.decoder_coords[-1]


def without_duplicates(found: Found) -> Found:
    """found: the best first. Of boxes of one name that overlap too much, the first is kept."""
    kept = [np.zeros(0, np.intp)]
    for name in np.unique(found.name):
        own = np.flatnonzero(found.name == name)
        # boxes extend at most half a frame beyond the frame: they are shrunk into it, which keeps their IoU
        kept.append(own[nms(Boxes.clipped((found.xyxy[own] + 0.5) / 2), max_iou=_MAX_IOU)])
    return found.take(np.sort(np.concatenate(kept)))


@torch.inference_mode()
def _encode(loaded: LoadedDetector, vocabulary: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of the phrases (V, 1, D), of the task (tokens, 1, D), and which of its tokens count (1, tokens)."""
    for phrase, tokens in zip(vocabulary, loaded.tokenizer(list(vocabulary))["input_ids"], strict=True):
        if len(tokens) > _TOKENS:
            raise PlanError(
                f"{phrase!r} is not a phrase for {loaded.name}, which reads {_TOKENS - 2} tokens per phrase"
            )
    phrases, task = (
        loaded.tokenizer(texts, padding="max_length", max_length=_TOKENS, truncation=True, return_tensors="pt").to(
            loaded.device
        )
        for texts in (list(vocabulary), [f"Detect {', '.join(vocabulary)}."])
    )
    classes, tasks, mask = loaded.model.get_language_embedding(
        phrases["input_ids"],
        phrases["attention_mask"],
        task["input_ids"],
        task["attention_mask"],
        torch.tensor([len(vocabulary)], device=loaded.device),
    )
    return classes, tasks, mask
