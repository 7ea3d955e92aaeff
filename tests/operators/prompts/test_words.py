"""Words as a prompt. Catches masks that are not applied to their crops, and empty masks that win."""

import numpy as np
import pytest

from operators.encoders.everyday.encoder import EverydayEncoder
from operators.masks.masked_crops import BACKGROUND
from operators.masks.rle import encode_masks
from operators.prompts.words import word_similarity


@pytest.fixture(scope="module")
def encoder() -> EverydayEncoder:
    return EverydayEncoder(threads=1)


def test_each_mask_is_seen_alone_and_an_empty_one_is_never_the_likest(encoder: EverydayEncoder) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8).repeat(20, axis=0).repeat(20, axis=1)
    pixels = np.zeros((3, 120, 160), bool)
    pixels[0, 20:80, 20:60] = pixels[2, 40:100, 80:160] = True
    pixels[2, 40:60, 80:100] = False
    like = word_similarity(image, encode_masks(pixels), "a dog", encoder)
    assert like.dtype == np.float32
    assert like[1] == -1.0
    # what lies outside the masks makes no difference
    alone = np.where(pixels[2, :, :, None], image, np.uint8(BACKGROUND))
    again = word_similarity(alone, encode_masks(pixels[2:]), "a dog", encoder)
    np.testing.assert_allclose(like[2], again[0], atol=1e-6)
    assert (np.abs(like[[0, 2]]) < 1).all()
