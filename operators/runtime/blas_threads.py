"""NumPy's products on one thread for a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_setting = threading.RLock()  # the number of threads is one for the whole process


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Also a decorator. Others that ask for it wait until it is given back.

    After every product that it shared out, OpenBLAS keeps its other threads spinning for 26 ms, on cores that a model
    has just been given. What is computed does not depend on how many there are.
    """
    with _setting, _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> ThreadpoolController:
    """Of the libraries that are loaded at the first call; finding them takes milliseconds."""
    return ThreadpoolController()
