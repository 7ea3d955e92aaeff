"""Makes the prompts of a class: sentences that people may type, which a head is trained to match with its pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.proposals.models.coco_classes import COCO_CLASSES, SYNONYMS
from schemas.vectors import VectorArray

TEMPLATES: tuple[str, ...] = (
    "{}",
    "a {}",
    "a photo of a {}",
    "a {} in the scene",
    "a close-up of a {}",
    "a picture of the {}",
    "a blurry photo of a {}",
    "a small {}",
)


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Sentence vectors, float32 (…, 384).

    classes: vectors of every prompt of every COCO class; labels: intp, the class of each.
    nouns: vectors of the K plain names of the ImageNet classifier; noun_photos: of the same names as "a photo of a …".
    """

    classes: VectorArray
    labels: NDArray[np.intp]
    nouns: VectorArray
    noun_photos: VectorArray


def everyday_prompts(sentences: Callable[[Sequence[str]], VectorArray], *, nouns: tuple[str, ...]) -> Prompts:
    """Makes prompts from the names and synonyms of classes in every template, and from the classifier's names."""
    texts, labels = [], []
    for label, name in enumerate(COCO_CLASSES):
        for word in (name, *SYNONYMS.get(name, ())):
            texts += [template.format(word) for template in TEMPLATES]
            labels += [label] * len(TEMPLATES)
    return Prompts(
        sentences(texts),
        np.array(labels, np.intp),
        sentences(nouns),
        sentences([f"a photo of a {noun}" for noun in nouns]),
    )
