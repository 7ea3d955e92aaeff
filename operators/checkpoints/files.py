"""Finds the files of a checkpoint: in a folder, in one of OpenAI's files, in the hub's cache, or on the hub itself."""

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from schemas.errors import ModelError

OPEN_CLIP_CONFIG = "open_clip_config.json"
OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"
_SINGLE = (".pt", ".pth", ".safetensors")
_SMALL = ("*.json", "*.txt", "*.model", "README.md")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")

Layout = Literal["transformers", "open_clip", "openai"]


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """The files of one checkpoint.

    layout: "transformers" is a folder with a config.json, "open_clip" a folder with an open_clip_config.json, "openai"
        one file whose weights have OpenAI's names.
    path: that folder or file. weights: every file that holds weights.
    """

    layout: Layout
    path: Path
    weights: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        return self.path if self.path.is_dir() else self.path.parent


def is_checkpoint(name: str) -> bool:
    """Whether a model's name names a folder, a file, or a repository of the hub (which contains a slash)."""
    return "/" in name or os.sep in name or Path(name).is_dir() or name.endswith(_SINGLE)


def find_checkpoint(name: str) -> CheckpointFiles:
    """The files of a checkpoint, fetched from the hub if they are not on this machine.

    Raises ModelError that says what is missing.
    """
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix not in _SINGLE:
            raise ModelError(f"{name} is no checkpoint: name its folder, or a file that ends in {' '.join(_SINGLE)}")
        return CheckpointFiles("openai", path.resolve(), (path.resolve(),))
    if path.is_dir():
        return _in_folder(path.resolve(), name)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(f"there is no folder or file {name}; a model of the hub is named owner/model")
    folder = _fetched(name, _SMALL)
    # only the format that the configuration implies: repositories often keep the same weights in several
    wanted = ("model*.safetensors",) if _layout(folder, name) == "transformers" else (OPEN_CLIP_WEIGHTS,)
    return _in_folder(_fetched(name, (*_SMALL, *wanted)), name)


def element_counts(path: Path, name: str) -> int:
    """The number of values in a safetensors file, from its header. Raises ModelError if the file is incomplete."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise ValueError("its header is cut off")
            header = json.loads(file.read(length))
        tensors = [entry for key, entry in header.items() if key != "__metadata__"]
        end = 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{name}: its weights cannot be read: {path.name} is no safetensors file: {error}") from error
    if size < end:
        raise ModelError(
            f"{name}: its weights cannot be read: {path.name} is cut off, {size:,} of {end:,} bytes; fetch it again"
        )
    total = 0
    for entry in tensors:
        count = 1
        for side in entry["shape"]:
            count *= int(side)
        total += count
    return total


def fingerprint(files: CheckpointFiles) -> str:
    """Hash of everything that vectors depend on (weights, configurations, tokenizer), as twelve hexadecimal digits."""
    beside: list[Path] = []
    if files.layout != "openai":
        beside = [p for p in files.path.iterdir() if p.is_file() and p.suffix in (".json", ".txt", ".model")]
    stamps = tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted({*files.weights, *beside}))
    return _digest(stamps)


def licence(files: CheckpointFiles) -> str:
    """The licence that the front matter of the model's README states."""
    readme = files.folder / "README.md"
    if files.layout != "openai" and readme.is_file():
        lines = [line.partition(":") for line in readme.read_text(errors="replace").splitlines()[:60]]
        stated = {key: value.strip() for key, _, value in lines}
        named = stated.get("license", "not stated")
        return stated.get("license_name", named) if named == "other" else named
    return "not stated"


def _layout(folder: Path, name: str) -> Layout:
    """The layout of a folder. If it has both, it is read as transformers'; timm's config.json is neither."""
    config = folder / "config.json"
    if config.is_file():
        try:
            stated = json.loads(config.read_text())
        except ValueError as error:
            raise ModelError(f"{name}: its config.json cannot be read: {error}") from error
        if isinstance(stated, dict) and "model_type" in stated:
            return "transformers"
    if (folder / OPEN_CLIP_CONFIG).is_file():
        return "open_clip"
    if config.is_file():
        raise ModelError(f"{name}: its config.json names no model_type: it is no checkpoint of transformers")
    raise ModelError(f"{name} holds no config.json and no {OPEN_CLIP_CONFIG}: it is no checkpoint")


def _in_folder(folder: Path, name: str) -> CheckpointFiles:
    layout = _layout(folder, name)
    if layout == "open_clip":
        weights = [folder / OPEN_CLIP_WEIGHTS]
    elif (index := folder / "model.safetensors.index.json").is_file() and not (folder / "model.safetensors").is_file():
        weights = [folder / part for part in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    else:
        weights = [folder / "model.safetensors"]
    missing = [path.name for path in weights if not path.is_file()]
    if missing:
        raise ModelError(f"{name} has no {', '.join(missing[:3])} in {folder}; {_instead(folder, layout)}")
    return CheckpointFiles(layout, folder, tuple(weights))


def _instead(folder: Path, layout: Layout) -> str:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if not pickles:
        return "fetch it again, whole"
    if layout == "transformers":
        return (
            f"{pickles[0]} is a pickle, which can run code when it is read. Where you trust it, convert it: "
            f"AutoModel.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r}) in Python"
        )
    return f"{pickles[0]} is a pickle, which can run code when it is read: fetch {OPEN_CLIP_WEIGHTS}"


def _fetched(name: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{name} is not in the cache and the hub cannot be reached: fetch it on a machine that reaches it "
            f"(hf download {name} --local-dir DIR), and name DIR in its place"
        ) from error
    except HFValidationError as error:
        raise ModelError(f"{name} is no name that the hub takes: {error}") from error
    except GatedRepoError as error:
        raise ModelError(
            f"{name} is given to those alone who accept its licence: do so at https://huggingface.co/{name}, "
            "then hf auth login"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"the hub has no {name}, or it is private (then hf auth login)") from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"{name} cannot be fetched from the hub: {str(error).splitlines()[0]}") from error


@lru_cache(maxsize=8)
def _digest(stamps: tuple[tuple[str, int, int], ...]) -> str:
    total = blake2b(digest_size=6)
    for path, _, _ in stamps:
        with Path(path).open("rb") as file:
            total.update(Path(path).name.encode())
            while block := file.read(1 << 24):
                total.update(block)
    return total.hexdigest()
