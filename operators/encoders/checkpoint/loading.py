"""Finds the card of a checkpoint by its name (a folder, a file, or a hub id), and loads its encoder."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operators.checkpoints.files import (
    OPEN_CLIP_CONFIG,
    CheckpointFiles,
    element_counts,
    find_checkpoint,
    fingerprint,
    licence,
)
from operators.checkpoints.loading import device_and_dtype, load_weights, read_config, require_memory
from operators.checkpoints.model_errors import describing_model_errors
from operators.encoders.calibration import CALIBRATION, Calibration
from operators.encoders.card import Ability, ModelCard
from operators.encoders.checkpoint.prompts import CLIP_PROMPTS, SIGLIP_PROMPTS, Prompts
from operators.encoders.checkpoint.tokenizer import load_tokenizer, require_tokenizer
from operators.encoders.encoder import Encoder
from operators.runtime.glibc_malloc import keep_freed
from schemas.errors import ModelError
from schemas.vectors import VectorSpace

if TYPE_CHECKING:
    import torch

    from operators.encoders.checkpoint.encoder import TextTower
    from operators.encoders.checkpoint.open_clip import OpenClipConfig
    from operators.encoders.checkpoint.towers import Tower

_PADDED = "padded to a square"


@dataclass(frozen=True, slots=True)
class _Family:
    """How a model type of `transformers` is used.

    tower: name of its class in towers.py. prompts: None for a model without a text side. fixed_length: texts are padded
        to the longest length that the model reads.
    """

    tower: str
    prompts: Prompts | None = None
    fixed_length: bool = False


FAMILIES: dict[str, _Family] = {
    "clip": _Family("ClipTower", CLIP_PROMPTS),
    "metaclip_2": _Family("ClipTower", CLIP_PROMPTS),
    # SigLIP reads the vector of the last position, padded or not; CLIP that of the token that ends the text
    "siglip": _Family("SiglipTower", SIGLIP_PROMPTS, fixed_length=True),
    "siglip2": _Family("NaFlexTower", SIGLIP_PROMPTS, fixed_length=True),
    "dinov2": _Family("DinoTower"),
    "dinov2_with_registers": _Family("DinoTower"),
    "dinov3_vit": _Family("DinoTower"),
    "ijepa": _Family("IJepaTower"),
}


def checkpoint_card(name: str) -> ModelCard:
    """The card of a checkpoint, found without loading its weights.

    Raises ModelError if there is no such checkpoint, or if a part of it is missing, truncated, or another model's.
    """
    return _card_of(find_checkpoint(name), name)


def checkpoint_text(name: str) -> Path:
    """The path at which a checkpoint's README would be. Raises ModelError if there is no such checkpoint."""
    return find_checkpoint(name).folder / "README.md"


def load_checkpoint(name: str, *, threads: int | None = None, templates: Sequence[str] | None = None) -> Encoder:
    """A loaded encoder: float32 on the CPU, bfloat16 on a GPU. Raises ModelError with the reason.

    threads: number of torch threads in this process; None leaves it unchanged.
    templates: used for every text in place of the family's own prompts; see `Prompts`.
    """
    import torch

    from operators.encoders.checkpoint.encoder import CheckpointEncoder
    from operators.encoders.checkpoint.pixels import PixelConfig, Pixels

    own = None if templates is None else Prompts(tuple(templates))
    files = find_checkpoint(name)
    card = _card_of(files, name)
    device, dtype = device_and_dtype()
    require_memory(files, name, device=device, bytes_each=dtype.itemsize)
    if threads is not None:
        torch.set_num_threads(threads)
    if own is not None and "text" not in card.abilities:
        raise ModelError(f"{name} was trained on pictures alone and knows no words: it has no use for templates")
    load = _load_transformers if files.layout == "transformers" else _load_open_clip
    tower, texts = load(files, name, own, device=device, dtype=dtype)
    with describing_model_errors(name, "its image processor"):
        prepared = PixelConfig.of(_image_settings(files), side_px=card.input_px)
    # made by `regionlake lab train confidence`; no fingerprint of a checkpoint depends on it
    calibration = Calibration.load(files.folder / CALIBRATION, revision=card.space.revision)
    pixels = Pixels(prepared, device=device, dtype=dtype)
    return CheckpointEncoder(tower, pixels, texts, card.space, calibration=calibration)


def _load_transformers(
    files: CheckpointFiles, name: str, own: Prompts | None, *, device: "torch.device", dtype: "torch.dtype"
) -> "tuple[Tower, TextTower | None]":
    from transformers import AutoModel

    from operators.encoders.checkpoint import towers
    from operators.encoders.checkpoint.encoder import TextTower

    family = FAMILIES[read_config(files.path).model_type]
    model = load_weights(AutoModel, files.path, name=name, dtype=dtype).to(device)
    tower: Tower = getattr(towers, family.tower)(model)
    if family.prompts is None:
        return tower, None
    texts = TextTower(
        lambda tokens: model.get_text_features(**tokens).pooler_output,
        load_tokenizer(files, name),
        device=device,
        longest=int(model.config.text_config.max_position_embeddings),
        fixed_length=family.fixed_length,
        prompts=family.prompts if own is None else replace(own, lower=family.prompts.lower),
    )
    return tower, texts


def _load_open_clip(
    files: CheckpointFiles, name: str, own: Prompts | None, *, device: "torch.device", dtype: "torch.dtype"
) -> "tuple[Tower, TextTower | None]":
    from operators.encoders.checkpoint import open_clip, towers
    from operators.encoders.checkpoint.encoder import TextTower

    (path,) = files.weights
    if device.type == "cpu":
        keep_freed()
    tower: Tower
    with describing_model_errors(name, "its weights"):
        weights = open_clip.read_weights(path)
        config = _open_clip_config(files, weights)
        if config.patch_px is None:
            picture, model = open_clip.build_resnet(config, weights)
            tower, model = towers.ClipResNetTower(picture.to(device, dtype)), model.to(device, dtype)
        else:
            model = open_clip.build_vit(config, weights).to(device, dtype)
            tower = towers.ClipTower(model)

    def read(tokens: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        vectors: torch.Tensor
        if config.patch_px is None:
            vectors = model(**tokens).text_embeds
        else:
            vectors = model.get_text_features(**tokens).pooler_output
        return vectors

    texts = TextTower(
        read,
        load_tokenizer(files, name),
        device=device,
        longest=config.context,
        prompts=own or CLIP_PROMPTS,
    )
    return tower, texts


def _card_of(files: CheckpointFiles, name: str) -> ModelCard:
    return _card(files, fingerprint(files), str(files.path) if Path(name).expanduser().exists() else name)


@lru_cache(maxsize=8)
def _card(files: CheckpointFiles, revision: str, name: str) -> ModelCard:
    facts = (_transformers_facts if files.layout == "transformers" else _open_clip_facts)(files, name)
    size = sum(path.stat().st_size for path in files.weights)
    abilities: tuple[Ability, ...] = ("text", "image", "dense") if facts.text else ("image", "dense")
    return ModelCard(
        name=name,
        summary=f"{facts.kind}, {size / 1e6:,.0f} MB of weights",
        space=VectorSpace(
            model=name,
            revision=revision,
            dimension=facts.dimension,
            preprocessing=f"the checkpoint's own at {facts.input_px} px, {_PADDED}; maps with their shape",
        ),
        patch_px=facts.patch_px,
        input_px=facts.input_px,
        licence=licence(files),
        abilities=abilities,
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    kind: str
    dimension: int
    patch_px: int
    input_px: int
    text: bool


def _transformers_facts(files: CheckpointFiles, name: str) -> _Facts:
    config = read_config(files.path)
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise ModelError(
            f"{name} is a {config.model_type} model; known are {', '.join(FAMILIES)} (to add one: a tower in "
            "operators/encoders/checkpoint/towers.py and a line in loading.py)"
        )
    for path in files.weights:
        element_counts(path, name)
    if family.prompts is not None:
        require_tokenizer(
            files,
            name,
            trained=int(config.text_config.vocab_size),
            end=None if family.fixed_length else _end_of_text(config),
        )
    vision = getattr(config, "vision_config", config)
    patch_px = int(vision.patch_size)
    with describing_model_errors(name, "its image processor"):
        input_px = _input_px(_image_settings(files), vision, patch_px=patch_px)
    return _Facts(
        kind=config.model_type,
        dimension=int(config.projection_dim if family.tower == "ClipTower" else vision.hidden_size),
        patch_px=patch_px,
        input_px=input_px,
        text=family.prompts is not None,
    )


def _end_of_text(config: Any) -> int:
    """The token whose output is the vector of CLIP's text tower."""
    text = config.text_config
    if config.model_type == "clip" and text.eos_token_id == 2:  # old configurations say 2 and mean the highest token
        return int(text.vocab_size) - 1
    return int(text.eos_token_id)


def _open_clip_facts(files: CheckpointFiles, name: str) -> _Facts:
    from operators.encoders.checkpoint.open_clip import read_weights

    (path,) = files.weights
    if path.suffix == ".safetensors":
        element_counts(path, name)
    with describing_model_errors(name, "its weights"):
        config = _open_clip_config(files, read_weights(path))
    require_tokenizer(files, name, trained=config.vocabulary, end=config.vocabulary - 1)
    return _Facts(
        kind="CLIP's ResNet" if config.patch_px is None else "CLIP's ViT, as open_clip keeps it",
        dimension=config.dimension,
        patch_px=config.cell_px,
        input_px=config.side_px,
        text=True,
    )


def _open_clip_config(files: CheckpointFiles, weights: "Mapping[str, torch.Tensor]") -> "OpenClipConfig":
    from operators.encoders.checkpoint.open_clip import OpenClipConfig

    if files.layout == "open_clip":
        return OpenClipConfig.of_file(files.path / OPEN_CLIP_CONFIG)
    return OpenClipConfig.of_weights(weights)


def _input_px(settings: Mapping[str, Any], vision: Any, *, patch_px: int) -> int:
    """Side of the processor's output, in pixels: DINOv2 was last trained at 518 px, and is used at 224."""
    stated = settings.get("crop_size") if settings.get("do_center_crop") else settings.get("size")
    if isinstance(stated, Mapping) and stated.get("height") == stated.get("width"):
        stated = stated.get("height")
    if isinstance(stated, int) and stated > 0 and stated % patch_px == 0:
        return stated
    if hasattr(vision, "image_size"):
        return int(vision.image_size)
    return math.isqrt(int(vision.num_patches)) * patch_px  # NaFlex: a square with that number of patches


def _image_settings(files: CheckpointFiles) -> dict[str, Any]:
    if files.layout != "transformers":
        from operators.encoders.checkpoint.open_clip import image_settings

        return image_settings(files.path / OPEN_CLIP_CONFIG if files.layout == "open_clip" else None)
    from transformers.image_processing_base import ImageProcessingMixin

    # only the settings are read, as the processors of some models need torchvision
    settings: dict[str, Any]
    settings, _ = ImageProcessingMixin.get_image_processor_dict(files.path, local_files_only=True)
    return settings
