"""Grounding DINO and MM Grounding DINO find the boxes in a picture that match phrases of a sentence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from operators.proposals.models.detection.found import Found, corners
from operators.proposals.models.detection.loading import LoadedDetector
from operators.proposals.refine import nms
from schemas.boxes import Boxes
from schemas.errors import PlanError
from schemas.frames import ImageArray

_SAME_OBJECT_IOU = 0.7  # IoU from which boxes found by different prompts count as one object


@dataclass(frozen=True, slots=True, eq=False)
class _Prompt:
    """A part of the vocabulary that the model can read at once.

    inputs: the output of the tokenizer, each int64 (1, L).
    words: float32 (max_text_len, V), 1 / n where a token is one of the n tokens of a phrase of the whole vocabulary.
    """

    inputs: dict[str, torch.Tensor]
    words: torch.Tensor


class Grounding:
    """score: the highest probability of any token, as in `transformers`.

    A box is named after the phrase with the highest mean probability of its tokens, among phrases with a token above
    least_text_score. A box without such a token matches no phrase and is dropped. `transformers` instead joins all
    tokens above that score, whatever phrases they belong to.

    A vocabulary longer than the model can read (256 tokens) is split into several prompts, each with a forward pass of
    its own; of boxes that several prompts find at one place, the best is kept.
    """

    def __init__(
        self, loaded: LoadedDetector, vocabulary: Sequence[str], *, least_score: float, least_text_score: float
    ) -> None:
        self._loaded = loaded
        self._least_score = least_score
        self._least_text_score = least_text_score
        longest = int(loaded.model.config.max_text_len)
        self._prompts = [
            _prompt(loaded, part, of=len(vocabulary), longest=longest)
            for part in _parts(loaded, vocabulary, longest=longest)
        ]

    @torch.inference_mode()
    def __call__(self, images: Sequence[ImageArray]) -> list[Found]:
        pixels = self._loaded.pixels(images)
        by_prompt = [self._look(pixels, prompt) for prompt in self._prompts]
        return by_prompt[0] if len(by_prompt) == 1 else [_merged(parts) for parts in zip(*by_prompt, strict=True)]

    def _look(self, pixels: torch.Tensor, prompt: _Prompt) -> list[Found]:
        inputs = {name: value.expand(len(pixels), -1) for name, value in prompt.inputs.items()}
        outputs = self._loaded.model(pixel_values=pixels, **inputs)
        tokens = outputs.logits.sigmoid()  # (N, queries, max_text_len); 0 beyond the prompt
        score = tokens.amax(dim=-1)
        boxes = corners(outputs.pred_boxes)
        phrases = tokens @ prompt.words
        touched = (tokens > self._least_text_score).float() @ prompt.words > 0
        best, name = phrases.masked_fill(~touched, -1.0).max(dim=-1)
        kept = (score > self._least_score) & (best >= 0)
        return [Found.of(boxes[i][kept[i]], score[i][kept[i]], name[i][kept[i]]) for i in range(len(pixels))]


def _clean(phrase: str) -> str:
    """The phrase as the model saw it in training: lower case, without the characters that end a phrase."""
    return " ".join(re.sub(r"[.?]", " ", phrase.lower()).split())


def _parts(loaded: LoadedDetector, vocabulary: Sequence[str], *, longest: int) -> list[list[tuple[int, str]]]:
    """Splits the vocabulary into as few parts as fit the model; each phrase comes with its index."""
    parts: list[list[tuple[int, str]]] = []
    used = longest
    for place, phrase in enumerate(vocabulary):
        text = _clean(phrase)
        tokens = len(loaded.tokenizer(text, add_special_tokens=False)["input_ids"]) + 1  # with the dot
        if not text or tokens + 2 > longest:
            raise PlanError(
                f"{phrase!r} is not a phrase for {loaded.name}, which reads 1 to {longest - 3} tokens per phrase"
            )
        if used + tokens > longest:
            parts.append([])
            used = 2  # tokens that begin and end a sentence
        parts[-1].append((place, text))
        used += tokens
    return parts


def _prompt(loaded: LoadedDetector, part: list[tuple[int, str]], *, of: int, longest: int) -> _Prompt:
    text = "".join(f"{phrase}. " for _, phrase in part).rstrip()
    encoded = loaded.tokenizer(text, return_offsets_mapping=True, return_token_type_ids=True, return_tensors="pt")
    offsets = encoded.pop("offset_mapping")[0]
    words = torch.zeros(longest, of)
    start = 0
    for place, phrase in part:
        stop = start + len(phrase)
        tokens = ((offsets[:, 0] >= start) & (offsets[:, 1] <= stop) & (offsets[:, 1] > offsets[:, 0])).nonzero()[:, 0]
        words[tokens, place] = 1 / max(1, len(tokens))
        start = stop + 2
    return _Prompt({name: value.to(loaded.device) for name, value in encoded.items()}, words.to(loaded.device))


def _merged(parts: Sequence[Found]) -> Found:
    together = Found(
        np.concatenate([p.xyxy for p in parts]),
        np.concatenate([p.score for p in parts]),
        np.concatenate([p.name for p in parts]),
    ).best_first()
    return together.take(nms(Boxes.clipped(together.xyxy), max_iou=_SAME_OBJECT_IOU))
