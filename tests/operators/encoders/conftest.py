"""One loaded encoder for all tests of this folder."""

import numpy as np
import pytest

from operators.encoders.everyday.encoder import EverydayEncoder
from schemas.frames import ImageArray


@pytest.fixture(scope="session")
def everyday() -> EverydayEncoder:
    return EverydayEncoder(threads=2)


@pytest.fixture(scope="session")
def pictures() -> list[ImageArray]:
    """Twenty smooth random pictures of several shapes: noise alone would average to grey in every one."""
    rng = np.random.default_rng(0)
    shapes = [(240, 320), (224, 224), (97, 41), (33, 200), (480, 360)]
    made = []
    for i in range(20):
        height, width = shapes[i % len(shapes)]
        coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
        made.append(coarse.repeat(-(-height // 4), axis=0).repeat(-(-width // 5), axis=1)[:height, :width])
    return made
