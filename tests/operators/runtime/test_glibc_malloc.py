"""Catches a follower that grows because each of its threads keeps freed memory, and models that wait for pages."""

import platform
import subprocess
import sys

import pytest

_COUNT = """
import ctypes, sys, threading
from operators.runtime.glibc_malloc import share_heaps
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
if sys.argv[1] == "shared":
    share_heaps()
ready = threading.Barrier(8)
def allocate():
    ready.wait()
    libc.malloc(100_000)
    ready.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


_FAULTS = """
import ctypes, resource, sys
from operators.runtime.glibc_malloc import keep_freed
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
if sys.argv[1] == "kept":
    keep_freed()
def layers():
    for size in (24_000_000, 12_000_000, 30_000_000):
        made = libc.malloc(size)
        ctypes.memset(made, 1, size)
        libc.free(made)
layers()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    layers()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have none of this")


@glibc
def test_what_is_freed_is_used_again_without_the_system() -> None:
    kept, given_back = (int(_run(_FAULTS, how)) for how in ("kept", "given back"))
    assert kept < 100 < given_back


@glibc
def test_threads_share_two_heaps() -> None:
    assert _heaps("shared") <= 2 < _heaps("each its own")


def _heaps(how: str) -> int:
    return _run(_COUNT, how).count("<heap nr=")


def _run(code: str, how: str) -> str:
    return subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=True).stdout
