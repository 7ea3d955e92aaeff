"""Arrays that grow at their end: in memory, or in files that are mapped into it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import DTypeLike, NDArray

from operators.runtime.file_sync import sync_files, sync_folder

Shapes = dict[str, tuple[DTypeLike, tuple[int, ...]]]  # name → dtype and trailing shape
Columns = Mapping[str, NDArray[Any]]


class Buffers(Protocol):
    """Columns of rows. What was written is never changed, except by `clear`."""

    def column(self, name: str, size: int) -> NDArray[Any]:
        """The first `size` rows of a column, at most those that are held."""
        ...

    def write(self, at: int, columns: Columns, *, room: int) -> None:
        """Writes rows from the row `at`. room: the number of rows that are about to be there."""
        ...

    def hold(self, size: int) -> None:
        """Makes `size` rows readable."""
        ...

    def clear(self) -> None:
        """Begins again without rows."""
        ...


class MemoryBuffers:
    """In memory of this process."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._room = 0
        self.clear()

    def clear(self) -> None:
        self._room = 0
        self._buffers = {name: np.zeros((0, *tail), dtype) for name, (dtype, tail) in self._shapes.items()}

    def column(self, name: str, size: int) -> NDArray[Any]:
        return self._buffers[name][:size]

    def hold(self, size: int) -> None:
        pass

    def write(self, at: int, columns: Columns, *, room: int) -> None:
        if room > self._room:
            # twice what is needed: the system gives pages only when they are first written, so spare room costs
            # nothing, and a feed that grows does not copy everything at each refresh
            self._room = 2 * room
            for name, old in self._buffers.items():
                new = np.empty((self._room, *old.shape[1:]), old.dtype)
                new[:at] = old[:at]
                self._buffers[name] = new
        for name, values in columns.items():
            self._buffers[name][at : at + len(values)] = values


class FileBuffers:
    """In files, one a column, of a folder for each generation; `clear` begins another one.

    Files are written by ordinary calls, so that a full disk is an OSError and not a signal, and read through maps,
    whose pages the system drops where memory is short. Another process that maps an older generation keeps it: files
    that are deleted live on until nobody maps them.
    """

    def __init__(self, shapes: Shapes, folder: Path) -> None:
        self._shapes = {name: (np.dtype(dtype), tail) for name, (dtype, tail) in shapes.items()}
        self._folder = folder
        self.clear()

    def clear(self) -> None:
        self.generation = uuid4().hex
        self.hold(0)

    def adopt(self, generation: str, *, size: int) -> None:
        """Takes over a generation that another process wrote. Raises ValueError where its files are too short."""
        for name, (dtype, tail) in self._shapes.items():
            path = self._folder / generation / name
            needed = size * dtype.itemsize * int(np.prod(tail))
            found = path.stat().st_size if path.is_file() else 0
            if found < needed:
                raise ValueError(f"{path} has {found} bytes, not {needed}")
        self.generation = generation
        self.hold(size)

    def hold(self, size: int) -> None:
        """Maps all columns, as files may be deleted later."""
        self._maps = {
            name: np.asarray(np.memmap(self._folder / self.generation / name, dtype, mode="r", shape=(size, *tail)))
            if size  # an empty file cannot be mapped
            else np.zeros((0, *tail), dtype)
            for name, (dtype, tail) in self._shapes.items()
        }

    def column(self, name: str, size: int) -> NDArray[Any]:
        return self._maps[name][:size]

    def write(self, at: int, columns: Columns, *, room: int) -> None:
        del room
        folder = self._folder / self.generation
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in columns.items():
            dtype, tail = self._shapes[name]
            path = folder / name
            with path.open("r+b" if path.exists() else "wb") as file:
                file.seek(at * dtype.itemsize * int(np.prod(tail)))
                file.write(np.ascontiguousarray(values, dtype).data if len(values) else b"")

    def sync(self) -> None:
        """Makes what was written durable."""
        folder = self._folder / self.generation
        if folder.is_dir():
            sync_files(folder / name for name in self._shapes)
            sync_folder(self._folder)

    def delete_others(self) -> None:
        """Deletes the other generations."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if folder.is_dir() and folder.name != self.generation:
                shutil.rmtree(folder, ignore_errors=True)  # another process may be deleting it as well
