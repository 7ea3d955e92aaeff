"""Threads of NumPy's products. Catches a library that is no longer found, whose threads then go on spinning beside a
model (they took a tenth of the embedded model's time), and a setting that stays behind."""

import numpy as np
import pytest

from operators.blas_threads import _openblas, one_blas_thread


def test_products_have_one_thread_until_it_is_given_back() -> None:
    library = _openblas()
    if library is None:
        assert "scipy-openblas" not in str(np.show_config(mode="dicts"))
        pytest.skip("NumPy came with another BLAS")
    before = library.scipy_openblas_get_num_threads64_()
    with one_blas_thread(), one_blas_thread():
        assert library.scipy_openblas_get_num_threads64_() == 1
    assert library.scipy_openblas_get_num_threads64_() == before


@one_blas_thread()
def _fails() -> None:
    raise KeyError


def test_an_error_gives_them_back_as_well() -> None:
    library = _openblas()
    before = library and library.scipy_openblas_get_num_threads64_()
    with pytest.raises(KeyError):
        _fails()
    assert (library and library.scipy_openblas_get_num_threads64_()) == before
