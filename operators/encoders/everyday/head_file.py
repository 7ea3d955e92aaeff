"""The file of a head: its weights as float16, and the share of ConSE in the metadata."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from schemas.errors import ModelError
from schemas.vectors import VectorArray

HeadT = TypeVar("HeadT")


def save_head(path: Path, arrays: Mapping[str, VectorArray], *, conse_share: float) -> None:
    """Writes the arrays rounded to float16."""
    from safetensors.numpy import save

    rounded = {name: array.astype(np.float16) for name, array in arrays.items()}
    path.write_bytes(save(rounded, metadata={"conse_share": repr(conse_share)}))


def read_head(path: Path, make: Callable[..., HeadT]) -> HeadT:
    """Reads a saved head. make: called with every array, as float32, and with `conse_share`, by name.

    Raises ModelError if the file is absent or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
            share = float((file.metadata() or {})["conse_share"])
        return make(**arrays, conse_share=share)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a head of the everyday model: {error}") from error
