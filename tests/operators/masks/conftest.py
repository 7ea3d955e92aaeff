"""Small segmenters, written and loaded once for all tests of this folder."""

from collections.abc import Callable
from functools import cache

import pytest
import torch

from operators.masks.sam import Segmenter, load_segmenter
from tests.segmenters import Segmenters


@pytest.fixture(scope="session")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> Segmenters:
    torch.set_num_threads(1)  # the models are so small that threads cost more than they bring
    return Segmenters(tmp_path_factory.mktemp("segmenters"))


@pytest.fixture(scope="session")
def segmenter(segmenters: Segmenters) -> Callable[[str], Segmenter]:
    return cache(lambda kind: load_segmenter(str(segmenters(kind))))
