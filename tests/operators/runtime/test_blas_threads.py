"""Threads of NumPy's products. Catches threads that keep spinning while a model runs (they took a tenth of the embedded
model's time), and a setting that is not restored."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from operators.runtime.blas_threads import one_blas_thread


def blas_threads() -> list[int]:
    """The number of threads of each BLAS library that NumPy ships."""
    assert np.ones((2, 2)).dot(np.ones((2, 2))).sum() == 8  # loaded
    return [library["num_threads"] for library in threadpool_info() if "numpy.libs" in library["filepath"]]


def test_products_have_one_thread_until_it_is_given_back() -> None:
    before = blas_threads()
    assert before
    with one_blas_thread(), one_blas_thread():
        assert blas_threads() == [1] * len(before)
    assert blas_threads() == before


@one_blas_thread()
def _fails() -> None:
    raise KeyError


def test_an_error_gives_them_back_as_well() -> None:
    before = blas_threads()
    with pytest.raises(KeyError):
        _fails()
    assert blas_threads() == before
