"""Confines what a process opens, connects and signals, by Landlock (Linux 5.13 and later)."""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress

from operators.sandbox.kernel import call_kernel, forbid_new_privileges

_VERSION = 1  # flag that asks for the version of the interface
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# access to files that each version of the interface can refuse, and access by TCP, and what reaches beyond the process
_FS_BITS = {1: 13, 2: 14, 3: 15, 5: 16}
_BIND_TCP, _NET_BITS = 1, 0b11
_SCOPES = 0b11  # abstract sockets and signals of processes outside
_PATH_BENEATH = 1


def landlock_version() -> int:
    """The version of the kernel's interface (1 to 7 at this writing); 0 where it has none or it is switched off."""
    return max(0, call_kernel("landlock_create_ruleset", None, ctypes.c_size_t(0), _VERSION))


def restrict(readable: Iterable[str | int], *, connects: bool = False, listens: bool = False) -> None:
    """Confines this thread, and the threads and processes that it starts, for ever. Raises OSError.

    readable: files, and folders with everything below, that can be opened for reading: paths, of which those that do
        not exist are omitted, or descriptors. Nothing can be opened for writing, made, renamed or removed.
    connects, listens: whether TCP connections may be opened and accepted. UDP is beyond Landlock.
    """
    version = landlock_version()
    handled_fs = (1 << max(bits for since, bits in _FS_BITS.items() if since <= version)) - 1
    refused_net = 0 if connects and listens else _BIND_TCP if connects else _NET_BITS
    attributes = struct.pack("=Q", handled_fs)
    if version >= 4:
        attributes += struct.pack("=Q", refused_net)
    if version >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    ruleset = _required(
        call_kernel("landlock_create_ruleset", ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), 0)
    )
    try:
        for each in readable:
            _allow(ruleset, each)
        forbid_new_privileges()
        _required(call_kernel("landlock_restrict_self", ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, file: str | int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(file, os.O_PATH | os.O_CLOEXEC) if isinstance(file, str) else os.dup(file)
        try:
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            # a library is mapped to be executed, which needs no right to execute a file
            rule = struct.pack("=Qi", _READ_FILE | (_READ_DIR if folder else 0), descriptor)
            _required(call_kernel("landlock_add_rule", ruleset, _PATH_BENEATH, ctypes.c_char_p(rule), 0))
        finally:
            os.close(descriptor)


def _required(result: int) -> int:
    if result < 0:
        raise OSError(-result, f"Landlock: {os.strerror(-result)}")
    return result
