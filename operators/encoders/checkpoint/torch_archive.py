"""Reads weights from the `.pt` files that OpenAI published, without running any code that such a file may contain.

They are TorchScript archives: a zip of raw tensors, a pickle that says which tensor is which, and compiled code.
`torch.jit.load` would give control to the file (its code and its hooks). Here the pickle is read by an unpickler that
can do nothing but build tensors, and the code is never read.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from schemas.errors import ModelError

_STORAGES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_torch_archive(path: Path) -> dict[str, torch.Tensor]:
    """Names and tensors of a TorchScript module, or of a state dict that `torch.save` wrote; on the CPU.

    Raises ModelError for any other file, for one that is truncated, and for one that needs anything but tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            root = next(
                (
                    name.removesuffix("data.pkl")
                    for name in names
                    if name.count("/") == 1 and name.endswith("/data.pkl")
                ),
                None,
            )
            if root is None:
                raise ModelError(f"{path} holds no data.pkl: it is not an archive of torch")
            tensors: dict[str, torch.Tensor] = {}
            with archive.open(f"{root}data.pkl") as file:
                _collect("", _Unpickler(file, archive, root).load(), tensors)
    except zipfile.BadZipFile as error:
        raise ModelError(
            f"{path} is not a zip file, or is cut off: fetch it again (files written before 2020 are not zip files; "
            "if you trust them, save them again with a recent torch)"
        ) from error
    except (*_BROKEN, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} cannot be read as an archive of torch: {error}") from error
    if not tensors:
        raise ModelError(f"{path} holds no tensors")
    return tensors


_BROKEN = (pickle.UnpicklingError, EOFError, KeyError, AttributeError, IndexError, TypeError, ValueError)


class _Part:
    """A module of the archive, of any class. The pickle sets its attributes by its BUILD instruction."""


@dataclass(frozen=True, slots=True)
class _Storage:
    archive: zipfile.ZipFile
    name: str
    dtype: torch.dtype

    def tensor(self, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
        whole = torch.frombuffer(bytearray(self.archive.read(self.name)), dtype=self.dtype)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if min((*size, 1)) < 0 or min((*stride, offset, 0)) < 0 or last >= len(whole):
            raise pickle.UnpicklingError(f"a tensor {size} reaches beyond its {len(whole)} values")
        return whole.as_strided(size, stride, offset)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._root = root

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Part
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it needs {module}.{name}, which is not part of a tensor") from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"it needs {kind!r}, which is not a storage")
        return _Storage(self._archive, f"{self._root}data/{key}", dtype)


def _tensor(storage: _Storage, offset: int, size: Any, stride: Any, *_hooks: object) -> torch.Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without storage")
    return storage.tensor(int(offset), tuple(size), tuple(stride))


def _parameter(data: torch.Tensor, *_hooks: object) -> torch.Tensor:
    return data


def _list(values: Any) -> list[Any]:
    return list(values)


def _untagged(value: object, _type: str) -> object:
    return value


def _no_device(*_args: object) -> None:
    return None


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.jit._pickle", "build_intlist"): _list,
    ("torch.jit._pickle", "build_tensorlist"): _list,
    ("torch.jit._pickle", "build_doublelist"): _list,
    ("torch.jit._pickle", "build_boollist"): _list,
    ("torch.jit._pickle", "restore_type_tag"): _untagged,
    ("torch", "device"): _no_device,
    ("collections", "OrderedDict"): OrderedDict,
}


def _collect(prefix: str, value: object, into: dict[str, torch.Tensor]) -> None:
    """Collects every tensor under its path, as `state_dict` would name it."""
    if isinstance(value, torch.Tensor):
        into[prefix] = value
        return
    children = value if isinstance(value, dict) else vars(value) if isinstance(value, _Part) else {}
    for name, child in children.items():
        _collect(f"{prefix}.{name}" if prefix else str(name), child, into)
