"""For a process that joins fragments again and again: what its threads give back goes back to the system."""

import ctypes

_M_ARENA_MAX = -8  # malloc.h of glibc
_HEAPS = 2


def share_heaps() -> None:
    """From now on all threads of this process share two heaps. Does nothing where the C library is not glibc.

    By default glibc makes a heap for each new thread, up to eight a core, and lets each keep up to 64 MB of what was
    freed; and it is other threads each time in which Lance joins fragments to 128 MB. Measured on two cores after 700
    commits of 16 keyframes and 640 regions, with upkeep beside them: 552 MiB, and with two heaps 402, as after 400.
    Commits take as long. Call it before threads are many: a heap that is there stays.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    mallopt(_M_ARENA_MAX, _HEAPS)
