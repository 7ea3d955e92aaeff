"""Calls of the Linux kernel for which neither Python nor the C library has a function."""

import ctypes
import errno
import signal
import sys
from functools import cache

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
# x86-64 and ARM64 share these
_NUMBERS = {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446}
_SECCOMP = {"x86_64": 317, "aarch64": 277}


def call_kernel(name: str, *arguments: object) -> int:
    """What a system call returns; the negative error number where it fails, -ENOSYS where the system has none."""
    import platform

    called = _SECCOMP.get(platform.machine()) if name == "seccomp" else _NUMBERS[name]
    if sys.platform != "linux" or called is None or platform.machine() not in _SECCOMP:
        return -errno.ENOSYS
    result = _library().syscall(ctypes.c_long(called), *arguments)
    return -ctypes.get_errno() if result == -1 else int(result)


def forbid_new_privileges() -> None:
    """No program that this process starts gains privileges; the kernel requires it of a confined process."""
    _control(_PR_SET_NO_NEW_PRIVS, 1)


def end_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """The kernel sends this signal when the thread that started this process ends; SIGKILL even where it hangs in a
    library."""
    _control(_PR_SET_PDEATHSIG, int(by))


def _control(option: int, value: int) -> None:
    if sys.platform == "linux" and _library().prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}) failed")


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
