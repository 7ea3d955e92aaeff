"""Small segmenters, loaded once for all tests of operators that use one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # most tests here need neither torch nor transformers
    from operators.masks.sam import Segmenter
    from tests.segmenters import Segmenters


@pytest.fixture(scope="session")
def segmenter(segmenters: "Segmenters") -> "Callable[[str], Segmenter]":
    """The same, loaded, with batches as large as on a GPU."""
    from operators.masks.sam import load_segmenter

    def load(kind: str) -> "Segmenter":
        with _wide_batches():
            return load_segmenter(str(segmenters(kind)))

    return cache(load)


@pytest.fixture
def wide_batches() -> Iterator[None]:
    """Segmenters are loaded with batches as large as on a GPU."""
    with _wide_batches():
        yield


@contextmanager
def _wide_batches() -> Iterator[None]:
    from operators.masks import sam

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sam, "CPU_PROMPTS", 1 << 30)
        patch.setattr(sam, "CPU_FRAMES", 1 << 30)
        yield


@pytest.fixture
def one_thread() -> "Iterator[None]":
    """torch in one thread: models this small wait longer for threads than they compute."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
