"""Registers the models `everyday` and `everyday-1`: their cards and how they are built, without loading them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from operators.encoders.card import ModelCard
from operators.encoders.encoder import Encoder
from operators.encoders.region_mode import RegionMode
from schemas.errors import ModelError


@dataclass(frozen=True, slots=True)
class EverydayConfig:
    """See MODEL_CARD.md."""

    name: ClassVar[str] = "everyday"
    on_gpu: ClassVar[bool] = False
    region_mode: ClassVar[RegionMode] = "pool"

    def card(self) -> ModelCard:
        from operators.encoders.everyday.encoder import everyday_card

        return everyday_card()

    def text(self) -> str:
        return (Path(__file__).parent / "MODEL_CARD.md").read_text()

    def build(self, *, threads: int | None, templates: Sequence[str] | None) -> Encoder:
        from operators.encoders.everyday.encoder import EverydayEncoder

        _refuse_templates(templates)
        return EverydayEncoder(threads=threads)


@dataclass(frozen=True, slots=True)
class FirstEverydayConfig:
    """The first revision; lakes that were made with it call it `everyday`."""

    name: ClassVar[str] = "everyday-1"
    on_gpu: ClassVar[bool] = False
    region_mode: ClassVar[RegionMode] = "both"

    def card(self) -> ModelCard:
        from operators.encoders.everyday.first import first_card

        return first_card()

    def text(self) -> str:
        return (Path(__file__).parent / "MODEL_CARD.md").read_text()

    def build(self, *, threads: int | None, templates: Sequence[str] | None) -> Encoder:
        from operators.encoders.everyday.first import FirstEverydayEncoder

        _refuse_templates(templates)
        return FirstEverydayEncoder(threads=threads)


def _refuse_templates(templates: Sequence[str] | None) -> None:
    if templates is not None:
        raise ModelError("everyday has its own prompts for texts: templates are for other models")
