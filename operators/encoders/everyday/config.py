"""Registers the model `everyday`: its card and how it is built, without loading it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from operators.encoders.card import ModelCard
from operators.encoders.encoder import Encoder
from schemas.errors import ModelError


@dataclass(frozen=True, slots=True)
class EverydayConfig:
    """See MODEL_CARD.md."""

    name: ClassVar[str] = "everyday"
    on_gpu: ClassVar[bool] = False

    def card(self) -> ModelCard:
        from operators.encoders.everyday.encoder import everyday_card

        return everyday_card()

    def text(self) -> str:
        return (Path(__file__).parent / "MODEL_CARD.md").read_text()

    def build(self, *, threads: int | None, templates: Sequence[str] | None) -> Encoder:
        from operators.encoders.everyday.encoder import EverydayEncoder

        if templates is not None:
            raise ModelError("everyday has its own prompts for texts: templates are for other models")
        return EverydayEncoder(threads=threads)
