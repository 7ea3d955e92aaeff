"""Finds a model by its name, and loads it."""

from collections.abc import Sequence

from operators.checkpoints.files import is_checkpoint
from operators.encoders.card import ModelCard
from operators.encoders.checkpoint.loading import FAMILIES, checkpoint_card, checkpoint_text, load_checkpoint
from operators.encoders.encoder import Encoder, EncoderConfig
from operators.encoders.known_checkpoints import KNOWN_CHECKPOINTS, KnownCheckpoint
from operators.encoders.region_mode import RegionMode
from operators.runtime.registry import Registry, is_class_path
from schemas.errors import ModelError
from schemas.vectors import VectorSpace

DEFAULT_MODEL = "everyday"
ENCODERS: Registry[EncoderConfig] = Registry(
    kind="model",
    group="regionlake.encoders",
    built_in={
        "everyday": "operators.encoders.everyday.config:EverydayConfig",
        "everyday-1": "operators.encoders.everyday.config:FirstEverydayConfig",
    },
    protocol=EncoderConfig,  # type: ignore[type-abstract]
    error=ModelError,
    further=", and checkpoints by folder or file (./DIR, ./RN50.pt) or hub id (owner/model)",
)


def model_cards() -> tuple[ModelCard, ...]:
    """The cards of all built-in and registered models, the default first."""
    return tuple(_card(ENCODERS.resolve(name)()) for name in ENCODERS.names())


def model_card(name: str, *, class_paths: bool = False) -> ModelCard:
    """The card of a model, or of a checkpoint named by its folder or hub id. Raises ModelError for an unknown name.

    class_paths: see `load_encoder`.
    """
    config = _registered(name, class_paths=class_paths)
    return checkpoint_card(name) if config is None else _card(config)


def model_text(name: str, *, class_paths: bool = False) -> str | None:
    """What the makers of a model say about it, in Markdown: training data, licences, weaknesses. None if nothing.

    class_paths: see `load_encoder`.
    """
    config = _registered(name, class_paths=class_paths)
    if config is not None:
        return config.text()
    path = checkpoint_text(name)
    return path.read_text(errors="replace") if path.is_file() else None


def model_of_space(space: VectorSpace) -> str:
    """The name of the model whose vectors a lake of this space holds; a former revision has a name of its own."""
    if space.model == DEFAULT_MODEL:
        from operators.encoders.everyday.first import SPACE

        if space.revision.split("/")[0] == SPACE.revision:  # what follows the stroke is a reduction
            return SPACE.model
    return space.model


def region_mode(name: str) -> RegionMode:
    """What `regions.mode = "auto"` means for a model: its config's `region_mode`, or "both"."""
    mode: RegionMode = getattr(_registered(name, class_paths=True), "region_mode", "both")
    return mode


def runs_on_gpu(name: str) -> bool:
    """Whether a model runs on a GPU if the process sees one. Does not look for the files of a checkpoint."""
    config = _registered(name, class_paths=True)
    return config is None or config.on_gpu


def checkpoint_kinds() -> tuple[str, ...]:
    """Kinds of checkpoints that can be named by folder or hub id: types of `transformers`, and other forms of CLIP."""
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

    threads: number of threads of a forward pass on the CPU; by default one per core that this process may use.
    templates: sentences in which `{}` is replaced by the text; the text's vector is their mean. By default the model's
        own prompts.
    class_paths: whether the name may be `package.module:Class`, which imports that module. True only for a name that
        the user gave, never for one that was read from a lake.
    Raises ModelError for an unknown name, for weights that are not installed, and for a model without templates.
    """
    config = _registered(name, class_paths=class_paths)
    if config is None:
        return load_checkpoint(name, threads=threads, templates=templates)
    return config.build(threads=threads, templates=templates)


def _registered(name: str, *, class_paths: bool) -> EncoderConfig | None:
    """The config registered under a name; None for a checkpoint. Raises ModelError for any other name."""
    if is_checkpoint(name) and not is_class_path(name) and not ENCODERS.knows(name):
        return None
    return ENCODERS.resolve(name, class_paths=class_paths)()


def _card(config: EncoderConfig) -> ModelCard:
    """The card of a config. Raises ModelError if its name is not the model's, as lakes store the name of its space."""
    card = config.card()
    if {card.name, card.space.model} != {config.name}:
        raise ModelError(
            f"the model {config.name} has a card named {card.name!r} and a vector space of the model "
            f"{card.space.model!r}: all three names must be equal"
        )
    return card
