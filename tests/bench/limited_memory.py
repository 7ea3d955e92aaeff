"""Runs a command in a control group whose memory, page cache counted, is limited."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Ran:
    """peak: most bytes of memory, page cache counted; None where it is not known."""

    seconds: float
    output: str
    peak: int | None


def run_limited(command: Sequence[str], *, limit: int | None) -> Ran:
    """Runs a command, and returns when it has ended. limit: bytes; None for no limit.

    Raises PermissionError where no group can be made, and CalledProcessError where the command fails.
    """
    group = None if limit is None else _made(limit)
    start = time.perf_counter()
    try:
        # a shell enters the group before it becomes the command
        entering = [] if group is None else ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        done = subprocess.run([*entering, *command], check=True, stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - start
        return Ran(seconds, done.stdout, None if group is None else _peak(group))
    finally:
        if group is not None:
            group.rmdir()


def drop_cached(folder: Path) -> None:
    """Lets the system forget the pages of the files in a folder, so that they are read from the disk next."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def _made(limit: int) -> Path:
    first = _V1 / "memory.limit_in_bytes" if (_V1 / "memory.limit_in_bytes").exists() else None
    group = (_V1 if first is not None else _V2) / f"regionlake-bench-{os.getpid()}"
    group.mkdir()
    (group / ("memory.limit_in_bytes" if first is not None else "memory.max")).write_text(str(limit))
    return group


def _peak(group: Path) -> int | None:
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        if (group / name).exists():
            return int((group / name).read_text())
    return None
