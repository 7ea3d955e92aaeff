"""From the name of a checkpoint (a folder, or an id of the hub) to its card and to a loaded encoder."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from operators.checkpoint_files import (
    checkpoint_folder,
    device_and_dtype,
    fingerprint,
    licence_of,
    load_weights,
    read_config,
    told,
    weight_files,
)
from operators.encoders.card import Ability, ModelCard
from operators.encoders.encoder import Encoder
from schemas.errors import ModelError
from schemas.vectors import VectorSpace

_PADDED = "padded to a square"


@dataclass(frozen=True, slots=True)
class _Family:
    """How a model type of `transformers` is used. tower: name of its class in towers.py."""

    tower: str
    text: bool


FAMILIES: dict[str, _Family] = {
    "clip": _Family("ClipTower", True),
    "metaclip_2": _Family("ClipTower", True),
    "siglip": _Family("SiglipTower", True),
    "siglip2": _Family("NaFlexTower", True),
    "dinov2": _Family("DinoTower", False),
    "dinov2_with_registers": _Family("DinoTower", False),
    "dinov3_vit": _Family("DinoTower", False),
    "ijepa": _Family("IJepaTower", False),
}


def checkpoint_card(name: str) -> ModelCard:
    """What is known of a checkpoint before its weights are loaded. Raises ModelError where there is none."""
    folder = checkpoint_folder(name)
    return _card(str(folder), fingerprint(folder), str(folder) if Path(name).expanduser().is_dir() else name)


def checkpoint_text(name: str) -> Path:
    """Where a checkpoint's own README is, if it has one. Raises ModelError where there is no such checkpoint."""
    return checkpoint_folder(name) / "README.md"


def load_checkpoint(name: str, *, threads: int | None = None) -> Encoder:
    """A loaded encoder: float32 on the CPU, bfloat16 on a GPU. Raises ModelError with the reason.

    threads: of torch in this process, where given.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.image_processing_base import ImageProcessingMixin

    from operators.encoders.checkpoint import towers
    from operators.encoders.checkpoint.encoder import CheckpointEncoder, TextTower
    from operators.encoders.checkpoint.pixels import PixelConfig, Pixels

    folder = checkpoint_folder(name)
    card = checkpoint_card(name)
    config = read_config(folder)
    family = FAMILIES[config.model_type]
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    device, dtype = device_and_dtype()
    model = load_weights(AutoModel, folder, name=name, dtype=dtype).to(device)
    with told(name, "its image processor"):
        # the settings alone: the processors of some models need torchvision
        settings, _ = ImageProcessingMixin.get_image_processor_dict(folder, local_files_only=True)
        prepared = PixelConfig.of(settings, side_px=card.input_px)
    texts = None
    if family.text:
        with told(name, "its tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        known, trained = len(tokenizer), int(model.config.text_config.vocab_size)
        if known > trained:
            raise ModelError(
                f"the tokenizer of {name} knows {known} tokens, the model {trained}: it belongs to another model"
            )
        texts = TextTower(model, tokenizer)
    pixels = Pixels(prepared, device=device, dtype=dtype)
    return CheckpointEncoder(getattr(towers, family.tower)(model), pixels, texts, card.space)


@lru_cache(maxsize=8)
def _card(folder: str, revision: str, name: str) -> ModelCard:
    path = Path(folder)
    config = read_config(path)
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise ModelError(
            f"{name} is a {config.model_type} model; known are {', '.join(FAMILIES)} (to add one: a tower in "
            "operators/encoders/checkpoint/towers.py and a line in loading.py)"
        )
    weights = weight_files(path)
    if not weights:
        raise ModelError(f"{name} has no *.safetensors in {folder}; other formats run code when they are read")
    vision = getattr(config, "vision_config", config)
    dimension = int(config.projection_dim if family.tower == "ClipTower" else vision.hidden_size)
    input_px = _input_px(vision)
    abilities: tuple[Ability, ...] = ("text", "image", "dense") if family.text else ("image", "dense")
    return ModelCard(
        name=name,
        summary=f"{config.model_type}, {sum(w.stat().st_size for w in weights) / 1e6:,.0f} MB of weights",
        space=VectorSpace(
            model=name,
            revision=revision,
            dimension=dimension,
            preprocessing=f"the checkpoint's own at {input_px} px, {_PADDED}; maps with their shape",
        ),
        patch_px=int(vision.patch_size),
        input_px=input_px,
        licence=licence_of(path),
        abilities=abilities,
    )


def _input_px(vision: Any) -> int:
    if hasattr(vision, "image_size"):
        return int(vision.image_size)
    return math.isqrt(int(vision.num_patches)) * int(vision.patch_size)  # NaFlex: a square of as many patches
