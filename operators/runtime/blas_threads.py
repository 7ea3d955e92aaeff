"""Limits NumPy's matrix products to one thread for a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_setting = threading.RLock()  # the number of threads is one for the whole process


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Context manager and decorator; other threads that enter it wait until it is left.

    After every parallel product OpenBLAS keeps its other threads spinning for 26 ms, on cores that a model needs.
    Results do not depend on the number of threads.
    """
    with _setting, _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> ThreadpoolController:
    """Controls the BLAS libraries that are loaded at the first call; finding them takes milliseconds."""
    return ThreadpoolController()
