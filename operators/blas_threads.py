"""NumPy's products on one thread for a while."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

_setting = threading.RLock()  # the number of threads is one for the whole process


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Also a decorator. Others that ask for it wait until it is given back.

    After every product that it shared out, OpenBLAS keeps its other threads spinning for 26 ms, on cores that a model
    has just been given. It can be told so only in the environment before NumPy is loaded, or by the function of its
    library that is called here. Where NumPy came with another BLAS than its wheels have, its threads stay as they are;
    what is computed does not depend on them.
    """
    library = _openblas()
    if library is None:
        yield
        return
    with _setting:
        before = library.scipy_openblas_get_num_threads64_()
        library.scipy_openblas_set_num_threads64_(1)
        try:
            yield
        finally:
            library.scipy_openblas_set_num_threads64_(before)


@cache
def _openblas() -> ctypes.CDLL | None:
    """The library that NumPy's wheel brought and has loaded."""
    folder = Path(np.__file__).parents[1] / "numpy.libs"
    for path in folder.glob("libscipy_openblas64_*"):
        library = ctypes.CDLL(str(path))
        if hasattr(library, "scipy_openblas_set_num_threads64_"):
            return library
    return None
