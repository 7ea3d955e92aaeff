"""What people should know about a model before they choose it."""

from dataclasses import dataclass
from typing import Literal

from schemas.vectors import VectorSpace

Ability = Literal["text", "image", "dense"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """name: the value of `--model`. space: the vector space. licence: SPDX expression that covers all weights.

    patch_px: side of the part of the input that one cell of a feature map covers. input_px: side of an encoded crop.
    abilities: "text" encodes words, "image" encodes pictures and crops, "dense" gives feature maps.
    nested: whether the dimensions of its vectors are in order of variance, so that the first of them, normalised, are
        vectors as well.
    """

    name: str
    summary: str
    space: VectorSpace
    patch_px: int
    input_px: int
    licence: str
    abilities: tuple[Ability, ...]
    nested: bool = False
