"""The models that can be named, and how each is loaded."""

from pathlib import Path

from operators.encoders.card import ModelCard
from operators.encoders.encoder import Encoder
from operators.encoders.everyday.encoder import EverydayEncoder, everyday_card
from schemas.errors import ModelError

DEFAULT_MODEL = "everyday"


def model_cards() -> tuple[ModelCard, ...]:
    """Every model that `load_encoder` knows by name, the default first."""
    return (everyday_card(),)


def model_card(name: str) -> ModelCard:
    """The card of a model. Raises ModelError for an unknown name."""
    for card in model_cards():
        if card.name == name:
            return card
    known = ", ".join(card.name for card in model_cards())
    raise ModelError(f"unknown model {name!r}; known models: {known}")


def load_encoder(name: str, *, cache_dir: Path | None = None, threads: int | None = None) -> Encoder:
    """A loaded model, ready to encode.

    cache_dir: where what is derived from the weights is kept; by default `default_cache_dir()`.
    threads: of each forward pass on the CPU; by default one a core that this process may use.
    Raises ModelError for an unknown name, and where a model's weights are not installed.
    """
    if name == "everyday":
        return EverydayEncoder(cache_dir=cache_dir or default_cache_dir(), threads=threads)
    known = ", ".join(card.name for card in model_cards())
    raise ModelError(f"unknown model {name!r}; known models: {known}")


def default_cache_dir() -> Path:
    """`~/.cache/regionlake`; what lies there can be deleted and is made again."""
    return Path.home() / ".cache" / "regionlake"
