"""Outlines of masks. Catches parts and holes that are lost, a picture that is mirrored, and outlines without end."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from operators.masks.outline import MOST_CORNERS, mask_outline
from operators.masks.rle import encode_masks


def filled(outline: tuple[tuple[tuple[float, float], ...], ...], size: tuple[int, int]) -> np.ndarray:
    """The pixels within by the even-odd rule, which Pillow fills one polygon after the other. size: width, height."""
    plane = Image.new("1", size)
    for part in outline:
        one = Image.new("1", size)
        corners = [(x * size[0] - 0.5, y * size[1] - 0.5) for x, y in part]
        ImageDraw.Draw(one).polygon(corners, fill=1)
        plane = ImageChops.logical_xor(plane, one)
    return np.asarray(plane)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(8, 70), st.integers(8, 50), st.integers(9, 16), st.integers(9, 16)),
        min_size=1,
        max_size=4,
    )
)
def test_a_filled_outline_is_the_mask(blobs: list[tuple[int, int, int, int]]) -> None:
    plane = np.zeros((60, 80), np.uint8)
    for x, y, wide, tall in blobs:
        cv2.ellipse(plane, (x, y), (wide, tall), 0, 0, 360, 1, -1)
    (mask,) = encode_masks(plane[None].astype(bool))
    made, true = filled(mask_outline(mask), (80, 60)), plane.astype(bool)
    assert (made & true).sum() / (made | true).sum() > 0.9  # a rim of half a pixel is lost


def test_a_hole_stays_open_and_parts_stay_apart() -> None:
    plane = np.zeros((1, 60, 80), bool)
    plane[0, 5:55, 5:45] = True
    plane[0, 20:40, 15:35] = False
    plane[0, 10:20, 60:75] = True
    made = filled(mask_outline(encode_masks(plane)[0]), (80, 60))
    assert made[10, 10]
    assert made[15, 65]
    assert not made[30, 25]
    assert not made[30, 52]


def test_a_ragged_mask_has_so_many_corners_at_most() -> None:
    plane = np.random.default_rng(0).random((1, 300, 400)) > 0.5
    assert 0 < sum(map(len, mask_outline(encode_masks(plane)[0]))) <= MOST_CORNERS


def test_an_empty_mask_has_none() -> None:
    assert mask_outline(encode_masks(np.zeros((1, 8, 8), bool))[0]) == ()


def test_corners_are_fractions_of_width_and_height() -> None:
    plane = np.zeros((1, 10, 40), bool)
    plane[0, 2:8, 20:40] = True
    (part,) = mask_outline(encode_masks(plane)[0])
    assert min(x for x, _ in part) == pytest.approx(20.5 / 40)
    assert max(y for _, y in part) == pytest.approx(7.5 / 10)
