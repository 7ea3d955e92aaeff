"""Files of a checkpoint of `transformers`: found in a folder, the cache or the hub, looked at, and read with errors
that say what is wrong."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operators.encoders.silence import no_progress_bars
from schemas.errors import ModelError

if TYPE_CHECKING:
    import torch


def is_checkpoint(name: str) -> bool:
    """Whether a model's name is that of a folder or of a repository of the hub: both hold a slash."""
    return "/" in name or os.sep in name or Path(name).is_dir()


def checkpoint_folder(name: str) -> Path:
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


def device_and_dtype() -> "tuple[torch.device, torch.dtype]":
    """Where models run and how they compute: bfloat16 on the GPU that this process sees, else float32 on the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda"), torch.bfloat16
    return torch.device("cpu"), torch.float32


def load_weights(architecture: Any, folder: Path, *, name: str, dtype: "torch.dtype") -> Any:
    """The model in `folder`, ready to infer. architecture: a class of `transformers` with `from_pretrained`.

    Raises ModelError where there is too little memory, or weights cannot be read or are not all there.
    """
    require_memory(folder, name)
    with told(name, "its weights"), no_progress_bars():
        model, report = architecture.from_pretrained(
            folder, local_files_only=True, dtype=dtype, output_loading_info=True
        )
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"{name} lacks weights that its configuration names: {missing} …; fetch it again, whole")
    return model.eval()


def read_config(folder: Path) -> Any:
    """Raises ModelError where `folder` holds no readable configuration."""
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json: it is no checkpoint of transformers")
    with told(str(folder), "its config.json"):
        return AutoConfig.from_pretrained(folder, local_files_only=True)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a checkpoint; other formats run code when they are read."""
    return sorted(folder.glob("*.safetensors"))


def fingerprint(folder: Path) -> str:
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


def licence_of(folder: Path) -> str:
    """As the model's README says in its front matter."""
    readme = folder / "README.md"
    if readme.is_file():
        for line in readme.read_text(errors="replace").splitlines()[:40]:
            if line.startswith("license:"):
                return line.partition(":")[2].strip()
    return "not stated"


def require_memory(folder: Path, name: str) -> None:
    """Raises ModelError where the weights alone exceed the free memory."""
    needed = sum(path.stat().st_size for path in weight_files(folder))
    free = _available_bytes()
    if needed > free:
        raise ModelError(f"{name} needs {needed / 1e9:.1f} GB for its weights, {free / 1e9:.1f} GB of memory are free")


def _available_bytes() -> int:
    """Memory that can be had without swapping; what caches files counts, which the free pages do not."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:  # no Linux
        pass
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def told(name: str, what: str) -> Iterator[None]:
    """Turns what `transformers` raises into a ModelError that says what could not be read."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, json.JSONDecodeError) as error:
        raise ModelError(
            f"{name}: {what} cannot be read: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
