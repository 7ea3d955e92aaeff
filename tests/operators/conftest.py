"""Small segmenters, loaded once for all tests of operators that use one."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # most tests here need neither torch nor transformers
    from operators.masks.sam import Segmenter
    from tests.segmenters import Segmenters


@pytest.fixture(scope="session")
def segmenter(segmenters: "Segmenters") -> "Callable[[str], Segmenter]":
    """The same, loaded."""
    from operators.masks.sam import load_segmenter

    return cache(lambda kind: load_segmenter(str(segmenters(kind))))


@pytest.fixture
def one_thread() -> "Iterator[None]":
    """torch in one thread: models this small wait longer for threads than they compute."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
