"""Reads a checkpoint of `transformers`, its configuration and its weights, onto the device where models run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from operators.checkpoints.files import CheckpointFiles, element_counts, find_checkpoint
from operators.checkpoints.free_memory import free_bytes
from operators.checkpoints.model_errors import describing_model_errors
from operators.checkpoints.quiet_progress_bars import quiet_progress_bars
from operators.runtime.glibc_malloc import keep_freed
from schemas.errors import ModelError

if TYPE_CHECKING:
    import torch


def checkpoint_folder(name: str) -> Path:
    """The folder of a checkpoint, fetched from the hub if it is not on this machine. Raises ModelError."""
    return find_checkpoint(name).folder


def read_config(folder: Path) -> Any:
    """The configuration of a checkpoint of `transformers`. Raises ModelError if it cannot be read, or needs code that
    lies beside it: no code of a checkpoint is ever run."""
    from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

    with describing_model_errors(str(folder), "its config.json"):
        stated, _ = PretrainedConfig.get_config_dict(folder, local_files_only=True)
        if stated.get("model_type") not in CONFIG_MAPPING and stated.get("auto_map"):
            raise ModelError("it needs code of its own, which RegionLake never runs; name a model of another type")
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def device_and_dtype() -> "tuple[torch.device, torch.dtype]":
    """Where models run, and in which type: bfloat16 on a GPU if this process sees one, else float32 on the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda"), torch.bfloat16
    return torch.device("cpu"), torch.float32


def load_weights(architecture: Any, folder: Path, *, name: str, dtype: "torch.dtype") -> Any:
    """The model in `folder`, ready for inference. architecture: a class of `transformers` with `from_pretrained`.

    Raises ModelError if memory is too small, or if weights are missing or cannot be read.
    """
    device, _ = device_and_dtype()
    if device.type == "cpu":
        keep_freed()
    require_memory(find_checkpoint(str(folder)), name, device=device, bytes_each=dtype.itemsize)
    with describing_model_errors(name, "its weights"), quiet_progress_bars():
        model, report = architecture.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            dtype=dtype,
            output_loading_info=True,
            use_safetensors=True,
        )
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"{name} lacks weights that its configuration names: {missing} …; fetch it again, whole")
    return model.eval()


def require_memory(files: CheckpointFiles, name: str, *, device: "torch.device", bytes_each: int) -> None:
    """Raises ModelError if the weights alone, in the type that the model computes in, exceed the free memory."""
    import torch

    if all(path.suffix == ".safetensors" for path in files.weights):
        needed = sum(element_counts(path, name) for path in files.weights) * bytes_each
    else:  # OpenAI's files hold float16, which is computed in float32
        needed = sum(path.stat().st_size for path in files.weights) * bytes_each // 2
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_bytes()
    if needed > free:
        raise ModelError(
            f"{name} needs {needed / 1e9:.1f} GB for its weights, {free / 1e9:.1f} GB of memory are free: "
            "close other programs, or use a smaller model (regionlake models)"
        )
