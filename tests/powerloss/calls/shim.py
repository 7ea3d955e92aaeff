"""Builds the library shim.c, which records and refuses system calls, and calls it in the process that has it."""

import ctypes
import errno
import os
import platform
import shutil
import subprocess
from collections.abc import Collection
from enum import IntEnum
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")


class Kind(IntEnum):
    """Kinds of calls, by the numbers that they have in shim.c."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    SYNC_FOLDER = 5
    RENAME = 6
    LINK = 7
    UNLINK = 8
    MKDIR = 9
    RMDIR = 10
    MARK = 11
    UNKNOWN = 12
    MEMORY = 31


def build(folder: Path) -> Path:
    """Compiles the library into a folder. Raises OSError where that is not possible."""
    if platform.machine() != "x86_64":
        raise OSError(f"calls are recorded on x86_64 alone, this machine is {platform.machine()}")
    compiler = shutil.which("cc")
    if compiler is None:
        raise OSError("no C compiler; apt-get install gcc libc6-dev")
    library = folder / "shim.so"
    command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise OSError(f"{_SOURCE.name} cannot be compiled: {built.stderr.strip()[-500:]}")
    return library


class Shim:
    """The library in this process, which was started with it in LD_PRELOAD. Raises OSError where the kernel refuses."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        self._library.shim_count.restype = ctypes.c_long
        self._library.shim_fail.argtypes = [ctypes.c_uint32, ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self._require(self._library.shim_installed())

    def record(self, folder: Path, log: Path) -> None:
        """Records the calls that change something below `folder` to `log` from now on."""
        self._require(self._library.shim_record(os.fsencode(folder.resolve()), os.fsencode(log.resolve())))

    def mark(self, text: str) -> None:
        """Adds to the log what was promised by now."""
        self._library.shim_mark(text.encode())

    def fail(self, kinds: Collection[Kind], number: int, error: int = errno.EIO, *, on: bool = False) -> None:
        """Makes the n-th call of these kinds fail, counted from 1 and from now; 0 for none.

        on: so do all after it, and if it is a write, half of it is written: as on a full disk.
        """
        self._library.shim_fail(_bits(kinds), number, error, on)

    def count(self, kinds: Collection[Kind]) -> int:
        """Number of calls of these kinds since `record` or `fail` was called."""
        return int(self._library.shim_count(_bits(kinds)))

    @staticmethod
    def _require(result: int) -> None:
        if result:
            raise OSError(-result, f"calls cannot be recorded here: {os.strerror(-result)}")


def _bits(kinds: Collection[Kind]) -> int:
    return sum(1 << kind for kind in kinds)
