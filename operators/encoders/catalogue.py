"""The models that can be named, and how each is loaded."""

from collections.abc import Sequence
from pathlib import Path

from operators.checkpoints.files import is_checkpoint
from operators.encoders.card import ModelCard
from operators.encoders.checkpoint.loading import FAMILIES, checkpoint_card, checkpoint_text, load_checkpoint
from operators.encoders.encoder import Encoder
from operators.encoders.everyday.encoder import EVERYDAY_CARD, EverydayEncoder, everyday_card
from operators.encoders.known_checkpoints import KNOWN_CHECKPOINTS, KnownCheckpoint
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
    """Model types of `transformers` whose checkpoints can be named by folder or hub id, and CLIP as others keep it."""
    return (*FAMILIES, "CLIP (ViT and ResNet) as open_clip or OpenAI keep it")


def known_checkpoints() -> tuple[KnownCheckpoint, ...]:
    """Well-known checkpoints of these kinds; none is shipped."""
    return KNOWN_CHECKPOINTS


def _unknown(name: str) -> ModelError:
    known = ", ".join(card.name for card in model_cards())
    return ModelError(
        f"unknown model {name!r}; known models: {known}, and checkpoints by folder or file (./DIR, ./RN50.pt) or hub "
        "id (owner/model)"
    )


def load_encoder(
    name: str,
    *,
    cache_dir: Path | None = None,
    threads: int | None = None,
    templates: Sequence[str] | None = None,
) -> Encoder:
    """A loaded model, ready to encode.

    cache_dir: where what is derived from the weights is kept; by default `default_cache_dir()`.
    threads: of each forward pass on the CPU; by default one a core that this process may use.
    templates: a text's vector is the mean over them, `{}` being the text; by default the model's own way with words.
    Raises ModelError for an unknown name, and where a model's weights are not installed or its words are its own.
    """
    if name == "everyday":
        if templates is not None:
            raise ModelError("everyday puts texts into sentences of its own: templates are for other models")
        return EverydayEncoder(cache_dir=cache_dir or default_cache_dir(), threads=threads)
    if is_checkpoint(name):
        return load_checkpoint(name, threads=threads, templates=templates)
    raise _unknown(name)


def default_cache_dir() -> Path:
    """`~/.cache/regionlake`; what lies there can be deleted and is made again."""
    return Path.home() / ".cache" / "regionlake"
