"""How much memory this process may still allocate, on the machine and in the container that it runs in."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(*, meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int:
    """The smaller of the machine's and the container's free memory. Memory that caches would release counts as free."""
    free = _available(meminfo)
    limit = _container(cgroup)
    return free if limit is None else min(free, limit)


def _available(meminfo: Path) -> int:
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _container(cgroup: Path) -> int | None:
    """Free memory of the control group (version 2); None if it has no limit."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        lines = (cgroup / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    cached = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    return max(0, int(limit) - used + cached)
