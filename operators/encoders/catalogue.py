"""The models that can be named, and how each is loaded."""

from collections.abc import Sequence
from pathlib import Path

from operators.checkpoints.files import is_checkpoint
from operators.encoders.card import ModelCard
from operators.encoders.checkpoint.loading import FAMILIES, checkpoint_card, checkpoint_text, load_checkpoint
from operators.encoders.encoder import Encoder, EncoderConfig
from operators.encoders.known_checkpoints import KNOWN_CHECKPOINTS, KnownCheckpoint
from operators.runtime.registry import Registry, is_class_path
from schemas.errors import ModelError

DEFAULT_MODEL = "everyday"
ENCODERS: Registry[EncoderConfig] = Registry(
    kind="model",
    group="regionlake.encoders",
    built_in={"everyday": "operators.encoders.everyday.config:EverydayConfig"},
    protocol=EncoderConfig,  # type: ignore[type-abstract]
    error=ModelError,
    further=", and checkpoints by folder or file (./DIR, ./RN50.pt) or hub id (owner/model)",
)


def model_cards() -> tuple[ModelCard, ...]:
    """Every model that has a name, built in or registered, the default first."""
    return tuple(_card(ENCODERS.resolve(name)()) for name in ENCODERS.names())


def model_card(name: str, *, class_paths: bool = False) -> ModelCard:
    """The card of a model, or of a checkpoint named by its folder or hub id. Raises ModelError for an unknown name.

    class_paths: see `load_encoder`.
    """
    config = _registered(name, class_paths=class_paths)
    return checkpoint_card(name) if config is None else _card(config)


def model_text(name: str, *, class_paths: bool = False) -> str | None:
    """What its makers say of a model, in Markdown: training data, licences, weaknesses; None where they say nothing.

    class_paths: see `load_encoder`.
    """
    config = _registered(name, class_paths=class_paths)
    if config is not None:
        return config.text()
    path = checkpoint_text(name)
    return path.read_text(errors="replace") if path.is_file() else None


def runs_on_gpu(name: str) -> bool:
    """Whether a model runs on a GPU where the process sees one. Looks for no file of a checkpoint."""
    config = _registered(name, class_paths=True)
    return config is None or config.on_gpu


def checkpoint_kinds() -> tuple[str, ...]:
    """Model types of `transformers` whose checkpoints can be named by folder or hub id, and CLIP as others keep it."""
    return (*FAMILIES, "CLIP (ViT and ResNet) as open_clip or OpenAI keep it")


def known_checkpoints() -> tuple[KnownCheckpoint, ...]:
    """Well-known checkpoints of these kinds; none is shipped."""
    return KNOWN_CHECKPOINTS


def load_encoder(
    name: str,
    *,
    threads: int | None = None,
    templates: Sequence[str] | None = None,
    class_paths: bool = False,
) -> Encoder:
    """A loaded model, ready to encode.

    threads: of each forward pass on the CPU; by default one a core that this process may use.
    templates: a text's vector is the mean over them, `{}` being the text; by default the model's own way with words.
    class_paths: whether the name may be `package.module:Class`, which imports that module; True only for a name that
        comes from who runs this, and not from a lake.
    Raises ModelError for an unknown name, and where a model's weights are not installed or its words are its own.
    """
    config = _registered(name, class_paths=class_paths)
    if config is None:
        return load_checkpoint(name, threads=threads, templates=templates)
    return config.build(threads=threads, templates=templates)


def default_cache_dir() -> Path:
    """`~/.cache/regionlake`; what lies there can be deleted and is made again."""
    return Path.home() / ".cache" / "regionlake"


def _registered(name: str, *, class_paths: bool) -> EncoderConfig | None:
    """None for a checkpoint. Raises ModelError for what is neither."""
    if is_checkpoint(name) and not is_class_path(name) and not ENCODERS.knows(name):
        return None
    return ENCODERS.resolve(name, class_paths=class_paths)()


def _card(config: EncoderConfig) -> ModelCard:
    """Raises ModelError where lakes would remember the model by another name than its own."""
    card = config.card()
    if {card.name, card.space.model} != {config.name}:
        raise ModelError(
            f"the model {config.name} has a card of the name {card.name!r}, with a vector space of the model "
            f"{card.space.model!r}: all three names must be equal"
        )
    return card
