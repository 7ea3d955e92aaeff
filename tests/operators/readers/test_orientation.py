"""Catches a picture that is rotated or mirrored wrongly, for all eight display matrices."""

import itertools

import numpy as np
import pytest

from operators.readers.orientation import Orientation

ALL = [Orientation(*flags) for flags in itertools.product((False, True), repeat=3)]


@pytest.mark.parametrize("orientation", ALL)
def test_each_pixel_goes_where_the_matrix_sends_it(orientation: Orientation) -> None:
    height, width = 4, 6
    image = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    shown = orientation.apply(image)
    shown_width, shown_height = orientation.size(width, height)
    assert shown.shape == (shown_height, shown_width, 3)
    for y in range(height):
        for x in range(width):
            to_x, to_y = (y, x) if orientation.transposed else (x, y)
            to_x = shown_width - 1 - to_x if orientation.mirrored_x else to_x
            to_y = shown_height - 1 - to_y if orientation.mirrored_y else to_y
            np.testing.assert_array_equal(shown[to_y, to_x], image[y, x])


def test_an_upright_picture_is_not_copied() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    assert Orientation().apply(image) is image
