"""From the name of a checkpoint (a folder, or an id of the hub) to its card and to a loaded encoder."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from operators.encoders.card import Ability, ModelCard
from operators.encoders.encoder import Encoder
from operators.encoders.silence import no_progress_bars
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


def is_checkpoint(name: str) -> bool:
    """Whether a model's name is that of a folder or of a repository of the hub: both hold a slash."""
    return "/" in name or os.sep in name or Path(name).is_dir()


def checkpoint_card(name: str) -> ModelCard:
    """What is known of a checkpoint before its weights are loaded. Raises ModelError where there is none."""
    folder = _folder(name)
    return _card(str(folder), _fingerprint(folder), str(folder) if Path(name).expanduser().is_dir() else name)


def checkpoint_text(name: str) -> Path:
    """Where a checkpoint's own README is, if it has one. Raises ModelError where there is no such checkpoint."""
    return _folder(name) / "README.md"


def load_checkpoint(name: str, *, threads: int | None = None) -> Encoder:
    """A loaded encoder: float32 on the CPU, bfloat16 on a GPU. Raises ModelError with the reason.

    threads: of torch in this process, where given.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.image_processing_base import ImageProcessingMixin

    from operators.encoders.checkpoint import towers
    from operators.encoders.checkpoint.encoder import CheckpointEncoder, TextTower
    from operators.encoders.checkpoint.pixels import PixelConfig, Pixels

    folder = _folder(name)
    card = checkpoint_card(name)
    config = _config(folder)
    family = FAMILIES[config.model_type]
    _require_memory(folder, name)
    if threads is not None:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with _told(name, "its weights"), no_progress_bars():
        model, report = AutoModel.from_pretrained(folder, local_files_only=True, dtype=dtype, output_loading_info=True)
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"{name} lacks weights that its configuration names: {missing} …; fetch it again, whole")
    model = model.eval().to(device)
    with _told(name, "its image processor"):
        # the settings alone: the processors of some models need torchvision
        settings, _ = ImageProcessingMixin.get_image_processor_dict(folder, local_files_only=True)
        prepared = PixelConfig.of(settings, side_px=card.input_px)
    texts = None
    if family.text:
        with _told(name, "its tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        known, trained = len(tokenizer), int(model.config.text_config.vocab_size)
        if known > trained:
            raise ModelError(
                f"the tokenizer of {name} knows {known} tokens, the model {trained}: it belongs to another model"
            )
        texts = TextTower(model, tokenizer)
    pixels = Pixels(prepared, device=device, dtype=dtype)
    return CheckpointEncoder(getattr(towers, family.tower)(model), pixels, texts, card.space)


def _folder(name: str) -> Path:
    """The folder of a checkpoint: the one named, or the cached copy of the hub's, fetched where it is not there."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(f"there is no folder {name}; a model of the hub is named owner/model")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "README.md"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{name} is not in the cache and the hub cannot be reached: fetch it on a machine that reaches it "
            f"(hf download {name} --local-dir DIR), then --model DIR"
        ) from error
    except HFValidationError as error:
        raise ModelError(f"{name} is no name that the hub takes: {error}") from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"{name} cannot be fetched from the hub: {str(error).splitlines()[0]}") from error


@lru_cache(maxsize=8)
def _card(folder: str, fingerprint: str, name: str) -> ModelCard:
    path = Path(folder)
    config = _config(path)
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise ModelError(
            f"{name} is a {config.model_type} model; known are {', '.join(FAMILIES)} (to add one: a tower in "
            "operators/encoders/checkpoint/towers.py and a line in loading.py)"
        )
    weights = _weights(path)
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
            revision=fingerprint,
            dimension=dimension,
            preprocessing=f"the checkpoint's own at {input_px} px, {_PADDED}; maps with their shape",
        ),
        patch_px=int(vision.patch_size),
        input_px=input_px,
        licence=_licence(path),
        abilities=abilities,
    )


def _input_px(vision: Any) -> int:
    if hasattr(vision, "image_size"):
        return int(vision.image_size)
    return math.isqrt(int(vision.num_patches)) * int(vision.patch_size)  # NaFlex: a square of as many patches


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json: it is no checkpoint of transformers")
    with _told(str(folder), "its config.json"):
        return AutoConfig.from_pretrained(folder, local_files_only=True)


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _fingerprint(folder: Path) -> str:
    """Twelve hexadecimal digits over all that vectors depend on: weights, configurations, tokenizer."""
    files = sorted(
        p for p in folder.iterdir() if p.is_file() and p.suffix in (".json", ".safetensors", ".txt", ".model")
    )
    stamps = tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return _digest(stamps)


@lru_cache(maxsize=8)
def _digest(stamps: tuple[tuple[str, int, int], ...]) -> str:
    total = blake2b(digest_size=6)
    for path, _, _ in stamps:
        with Path(path).open("rb") as file:
            total.update(Path(path).name.encode())
            while block := file.read(1 << 24):
                total.update(block)
    return total.hexdigest()


def _licence(folder: Path) -> str:
    """As the model's README says in its front matter."""
    readme = folder / "README.md"
    if readme.is_file():
        for line in readme.read_text(errors="replace").splitlines()[:40]:
            if line.startswith("license:"):
                return line.partition(":")[2].strip()
    return "not stated"


def _require_memory(folder: Path, name: str) -> None:
    """Raises ModelError where the weights alone exceed the free memory."""
    needed = sum(path.stat().st_size for path in _weights(folder))
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > free:
        raise ModelError(f"{name} needs {needed / 1e9:.1f} GB for its weights, {free / 1e9:.1f} GB of memory are free")


@contextmanager
def _told(name: str, what: str) -> Iterator[None]:
    """Turns what `transformers` raises into a ModelError that says what could not be read."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, json.JSONDecodeError) as error:
        raise ModelError(
            f"{name}: {what} cannot be read: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
