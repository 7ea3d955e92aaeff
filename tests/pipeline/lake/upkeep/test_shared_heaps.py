"""Catches a follower that grows with every joining of fragments, as each thread keeps what it once needed."""

import platform
import subprocess
import sys

import pytest

_COUNT = """
import ctypes, sys, threading
from pipeline.lake.upkeep.shared_heaps import share_heaps
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no heap for each thread")
def test_threads_share_two_heaps() -> None:
    assert _heaps("shared") <= 2 < _heaps("each its own")


def _heaps(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _COUNT, how], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")
