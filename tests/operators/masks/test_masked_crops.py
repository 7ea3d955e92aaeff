"""Masked crops. Catches masks that are cut from another place than the picture, and pictures that are overwritten."""

import numpy as np
import pytest

from operators.masks.masked_crops import BACKGROUND, masked_crops
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError


def test_only_the_region_is_seen_and_the_picture_stays_as_it_was() -> None:
    image = np.random.default_rng(0).integers(0, 100, (40, 60, 3), np.uint8)
    before = image.copy()
    mask = np.zeros((40, 60), bool)
    mask[10:20, 30:45] = True
    mask[10, 30] = False
    box = Boxes.from_pixels([[30, 10, 45, 20]], width_px=60, height_px=40)
    (crop,), inner = masked_crops(image, box, [mask], context=2.0)
    assert crop.shape == (20, 31, 3)  # 15 × 10 px grown twice, in whole pixels: from 22.5 to 52.5 and from 5 to 25
    seen = np.full((40, 60, 3), BACKGROUND, np.uint8)
    seen[mask] = image[mask]
    np.testing.assert_array_equal(crop, seen[5:25, 22:53])
    np.testing.assert_allclose(inner.xyxy, [[8 / 31, 0.25, 23 / 31, 0.75]], atol=1e-5)
    np.testing.assert_array_equal(image, before)


def test_a_region_without_a_mask_keeps_what_lies_around_it() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    (crop,), _ = masked_crops(image, Boxes([[0.5, 0.25, 0.75, 0.5]]), [None], context=1.0)
    np.testing.assert_array_equal(crop, image[10:20, 30:45])


def test_masks_of_another_size_or_number_are_refused() -> None:
    image, box = np.zeros((4, 4, 3), np.uint8), Boxes([[0, 0, 1, 1]])
    with pytest.raises(InvalidValueError, match="must be of the image's size"):
        masked_crops(image, box, [np.ones((3, 4), bool)], context=1.0)
    with pytest.raises(InvalidValueError, match="each box needs one mask or None"):
        masked_crops(image, box, [], context=1.0)
