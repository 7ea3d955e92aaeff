"""The models that can be named, and how each is loaded."""

from pathlib import Path

from operators.checkpoint_files import is_checkpoint
from operators.encoders.card import ModelCard
from operators.encoders.checkpoint.loading import (
    FAMILIES,
    checkpoint_card,
    checkpoint_text,
    load_checkpoint,
)
from operators.encoders.encoder import Encoder
from operators.encoders.everyday.encoder import EVERYDAY_CARD, EverydayEncoder, everyday_card
from schemas.errors import ModelError

DEFAULT_MODEL = "everyday"


def model_cards() -> tuple[ModelCard, ...]:
    """Every model that `load_encoder` knows by name, the default first."""
    return (everyday_card(),)


def model_card(name: str) -> ModelCard:
    """The card of a model, or of a checkpoint named by its folder or hub id. Raises ModelError for an unknown name."""
    for card in model_cards():
        if card.name == name:
            return card
    if is_checkpoint(name):
        return checkpoint_card(name)
    raise _unknown(name)


def model_text(name: str) -> str | None:
    """What its makers say of a model, in Markdown: training data, licences, weaknesses; None where they say nothing."""
    path = EVERYDAY_CARD if name == DEFAULT_MODEL else checkpoint_text(name)
    return path.read_text(errors="replace") if path.is_file() else None


def checkpoint_kinds() -> tuple[str, ...]:
    """Model types of `transformers` whose checkpoints can be named by folder or hub id."""
    return tuple(FAMILIES)


def _unknown(name: str) -> ModelError:
    known = ", ".join(card.name for card in model_cards())
    return ModelError(
        f"unknown model {name!r}; known models: {known}, and checkpoints by folder (./DIR) or hub id (owner/model)"
    )


def load_encoder(name: str, *, cache_dir: Path | None = None, threads: int | None = None) -> Encoder:
    """A loaded model, ready to encode.

    cache_dir: where what is derived from the weights is kept; by default `default_cache_dir()`.
    threads: of each forward pass on the CPU; by default one a core that this process may use.
    Raises ModelError for an unknown name, and where a model's weights are not installed.
    """
    if name == "everyday":
        return EverydayEncoder(cache_dir=cache_dir or default_cache_dir(), threads=threads)
    if is_checkpoint(name):
        return load_checkpoint(name, threads=threads)
    raise _unknown(name)


def default_cache_dir() -> Path:
    """`~/.cache/regionlake`; what lies there can be deleted and is made again."""
    return Path.home() / ".cache" / "regionlake"
