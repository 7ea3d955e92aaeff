"""Refuses system calls (seccomp): what Landlock does not know, such as sockets other than TCP, processes and signals.

The filter is a list of refusals and not of permissions: decoders, NumPy and torch come with new versions, and one call
that a list of permissions lacks would end an ingest. A refused call fails with an error that libraries know.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence

from operators.sandbox.kernel import call_kernel, forbid_new_privileges
from operators.sandbox.system_calls import audit_arch, number

# another process, or other code in this one
_PROCESSES = (
    "execve execveat fork vfork ptrace process_vm_readv process_vm_writev process_madvise kill tkill rt_sigqueueinfo "
    "rt_tgsigqueueinfo pidfd_open pidfd_send_signal pidfd_getfd"
)
_MACHINE = (
    "mount umount2 pivot_root chroot unshare setns mount_setattr open_tree move_mount fsopen fsconfig fsmount fspick "
    "swapon swapoff reboot kexec_load kexec_file_load init_module finit_module delete_module acct quotactl bpf "
    "perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key "
    "open_by_handle_at name_to_handle_at fanotify_init settimeofday clock_settime clock_adjtime adjtimex sethostname "
    "setdomainname personality iopl ioperm modify_ldt"
)
_FILES = (  # Landlock knows no modes, owners and times of files, and older kernels have no Landlock
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr "
    "lremovexattr fremovexattr utime utimes futimesat utimensat truncate ftruncate fallocate link linkat symlink "
    "symlinkat rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir mknod mknodat creat"
)
_MEMORY = "memfd_create memfd_secret shmget shmat msgget semget mq_open setrlimit"  # beyond the limits of memory
_NETWORK = "socket socketpair connect bind listen accept accept4"
_ABSENT = "clone3 openat2"  # their arguments lie in memory: callers use clone and openat where they are absent

_CLONE_THREAD = 0x10000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # put characters into a terminal
_IPV4, _IPV6, _NETLINK = 2, 10, 16
_STREAM, _DATAGRAM = 1, 2
_X32 = 0x40000000  # numbers of x86-64's third calling convention

_LOAD, _EQUALS, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_SET_MODE_FILTER = 1

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def supports_seccomp() -> bool:
    """Whether this kernel filters system calls, and the numbers of this machine's are known here."""
    action = ctypes.c_uint32(_ERRNO)
    get_action_available = 2
    return audit_arch() is not None and call_kernel("seccomp", get_action_available, 0, ctypes.byref(action)) == 0


def refuse_system_calls(*, network: bool) -> None:
    """Refuses calls in all threads of this process and in its children, for ever. Raises OSError.

    network: whether streams and datagrams by IP are allowed; other sockets never are.
    """
    program = list(filter_program(network=network, pid=os.getpid()))
    code = b"".join(struct.pack("=HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(code)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    forbid_new_privileges()
    given = Program(len(program), ctypes.addressof(buffer))
    all_threads = 1
    if (failed := call_kernel("seccomp", _SET_MODE_FILTER, all_threads, ctypes.byref(given))) != 0:
        raise OSError(-failed if failed < 0 else errno.EBUSY, "the kernel took no filter of system calls")


def filter_program(*, network: bool, pid: int) -> Iterator[Instruction]:
    """The filter, in classic BPF. pid: of this process, the only one whose threads may be signalled."""
    arch = audit_arch()
    assert arch is not None
    yield from _load(_ARCH_AT)
    yield from [(_EQUALS, 1, 0, arch), (_RETURN, 0, 0, _KILL)]
    yield from _load(_NUMBER_AT)
    if number("open") is not None:
        yield from [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    refused = f"{_PROCESSES} {_MACHINE} {_FILES} {_MEMORY}"
    for name in refused.split():
        yield from _when(name, [_refused(errno.EPERM)])
    for name in _ABSENT.split():
        yield from _when(name, [_refused(errno.ENOSYS)])
    for name in _NETWORK.split():
        if not network:
            yield from _when(name, [_refused(errno.EACCES)])
    if network:
        yield from _when("socketpair", [_refused(errno.EACCES)])
        yield from _when("socket", list(_only_ip()))
    yield from _when("clone", [*_load(_low(0)), (_ANY_BIT, 1, 0, _CLONE_THREAD), _refused(errno.EPERM), _ALLOWED])
    yield from _when("tgkill", [*_load(_low(0)), (_EQUALS, 1, 0, pid), _refused(errno.EPERM), _ALLOWED])
    for name, flags in (("open", 1), ("openat", 2)):
        yield from _when(name, [*_load(_low(flags)), (_ANY_BIT, 0, 1, _WRITES), _refused(errno.EACCES), _ALLOWED])
    limits = [*_load(_low(2)), (_EQUALS, 0, 2, 0), *_load(_low(2) + 4), (_EQUALS, 1, 0, 0), _refused(errno.EPERM)]
    yield from _when("prlimit64", [*limits, _ALLOWED])  # limits may be read and not set
    terminal = [*_load(_low(1)), (_EQUALS, 1, 0, _TIOCSTI), (_EQUALS, 0, 1, _TIOCLINUX), _refused(errno.EPERM)]
    yield from _when("ioctl", [*terminal, _ALLOWED])
    yield _ALLOWED


_ALLOWED: Instruction = (_RETURN, 0, 0, _ALLOW)


def _only_ip() -> Iterator[Instruction]:
    """Allows sockets of netlink, by which names of hosts are resolved, and streams and datagrams by IP."""
    yield from _load(_low(0))
    yield _EQUALS, 8, 0, _NETLINK
    yield _EQUALS, 2, 0, _IPV4
    yield _EQUALS, 1, 0, _IPV6
    yield _refused(errno.EACCES)
    yield from _load(_low(1))
    yield _AND, 0, 0, 0xF  # without SOCK_CLOEXEC and SOCK_NONBLOCK
    yield _EQUALS, 2, 0, _STREAM
    yield _EQUALS, 1, 0, _DATAGRAM
    yield _refused(errno.EACCES)
    yield _ALLOWED


def _when(name: str, body: Sequence[Instruction]) -> Iterator[Instruction]:
    """The body, which must return, where the loaded number is that of the call; nothing where there is no such call."""
    if (called := number(name)) is not None:
        yield _EQUALS, 0, len(body), called
        yield from body


def _load(offset: int) -> list[Instruction]:
    return [(_LOAD, 0, 0, offset)]


def _low(argument: int) -> int:
    """Offset of the lower half of an argument, on a little-endian machine."""
    return _ARGUMENTS_AT + 8 * argument


def _refused(error: int) -> Instruction:
    return _RETURN, 0, 0, _ERRNO | error
