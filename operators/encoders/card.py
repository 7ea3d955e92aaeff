"""What a person should know of a model before choosing it."""

from dataclasses import dataclass
from typing import Literal

from schemas.vectors import VectorSpace

Ability = Literal["text", "image", "dense"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """name: for `--model`. space: of its vectors. licence: SPDX, of all weights together.

    patch_px: side of the input that one cell of a feature map stands for. input_px: side of a crop as encoded.
    abilities: "text" encodes words, "image" encodes pictures and crops, "dense" gives feature maps.
    """

    name: str
    summary: str
    space: VectorSpace
    patch_px: int
    input_px: int
    licence: str
    abilities: tuple[Ability, ...]
