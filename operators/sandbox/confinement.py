"""Confines this process before it decodes a foreign file: files, network, other processes, memory."""

import os
import resource
import stat
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from operators.sandbox.landlock import landlock_version, restrict
from operators.sandbox.seccomp import refuse_system_calls, supports_seccomp

_LANDLOCK_OF_TCP = 4  # version that refuses TCP connections too
_RESERVED_BYTES = 16 * 2**30  # that threads may reserve and do not use: 64 MiB for each thread's memory
_SHARED = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
_MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/dev/null", "/dev/urandom", "/etc/localtime")
_NAMES = (  # of hosts, and certificates
    "/etc/resolv.conf /etc/hosts /etc/host.conf /etc/nsswitch.conf /etc/gai.conf /etc/services /run/systemd/resolve "
    "/etc/ssl /etc/pki /etc/ca-certificates /usr/share/ca-certificates /usr/share/zoneinfo"
).split()


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a process may still do.

    readable: files and folders that it may open, beside the libraries and the modules of this program: paths or
        descriptors.
    network: "none", "out" (streams and datagrams by IP), or "in" (also listens for TCP connections).
    memory_bytes: what it may take beyond its present size; None for no limit.
    open_files: descriptors that it may have.
    """

    readable: tuple[str | int, ...] = ()
    network: str = "none"
    memory_bytes: int | None = None
    open_files: int = 128


def unsupported() -> tuple[str, ...]:
    """What this kernel cannot enforce, in words; empty where a sandbox is complete."""
    missing = []
    version = landlock_version()
    if not version:
        missing.append("files (no Landlock: Linux 5.13 or later, with landlock among the kernel's lsm)")
    if not supports_seccomp():
        missing.append("sockets, processes and signals (no seccomp)")
        if 0 < version < _LANDLOCK_OF_TCP:
            missing.append("TCP connections (Landlock 4 needs Linux 6.7 or later)")
    return tuple(missing)


def confine(confinement: Confinement) -> tuple[str, ...]:
    """Confines this process for ever; returns what could not be enforced, as `unsupported`.

    Must be called while the process has one thread: Landlock binds the calling thread and those that it starts.
    Raises OSError where the kernel refuses what it supports.
    """
    missing = list(unsupported())
    threads = _threads()
    if confinement.memory_bytes is not None:
        _limit_memory(confinement.memory_bytes)
    if not _logs_to_a_file():  # no file can be opened for writing; a log that is open may grow
        _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, confinement.open_files)
    if landlock_version():
        network = confinement.network
        readable = [*program_files(), *(_NAMES if network != "none" else ()), *confinement.readable]
        restrict(readable, connects=network != "none", listens=network == "in")
        if threads > 1:
            missing.append(f"files in {threads - 1} of {threads} threads, which ran before")
    if supports_seccomp():
        refuse_system_calls(network=confinement.network != "none")
    return tuple(missing)


def program_files() -> list[str]:
    """Where the modules of this program and its libraries lie, and what they ask of the machine."""
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    # of another environment, which a .pth file or PYTHONPATH adds; not every folder there, as it may hold any file
    found += [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    for name, module in list(sys.modules.items()):  # packages that are imported, which may import more of their own
        if "." not in name:
            found += map(str, getattr(module, "__path__", ()))
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    return [*found, *(str(Path(prefix) / "lib") for prefix in prefixes), *_SHARED, *_MACHINE]


def _logs_to_a_file() -> bool:
    return any(stat.S_ISREG(os.fstat(stream).st_mode) for stream in (1, 2))


def _threads() -> int:
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return 1


def _limit_memory(memory_bytes: int) -> None:
    """Limits what is written (RLIMIT_DATA), and, further up, what is only reserved or shared (RLIMIT_AS)."""
    try:
        size, _, _, _, _, data, _ = map(int, Path("/proc/self/statm").read_text().split())
    except OSError:
        return
    page = os.sysconf("SC_PAGE_SIZE")
    _limit(resource.RLIMIT_DATA, data * page + memory_bytes)
    _limit(resource.RLIMIT_AS, size * page + memory_bytes + _RESERVED_BYTES)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(kind, (most, most))
