"""What is shown instead of covered pixels: catches a cover from which something of them could be restored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.redaction.config import CoverStyle
from operators.redaction.cover import covered
from schemas.errors import InvalidValueError

STYLES: tuple[CoverStyle, ...] = ("blur", "black")


def frame(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(st.integers(0, 2**32), st.integers(1, 70), st.integers(1, 70), st.floats(0, 1), st.sampled_from(STYLES))
def test_nothing_of_the_covered_pixels_is_left(
    seed: int, height: int, width: int, share: float, style: CoverStyle
) -> None:
    """Two frames that differ under the cover alone become the same frame: no pixel of it can be restored."""
    plane = np.random.default_rng(seed + 1).random((height, width)) < share
    first = frame(seed, height, width)
    second = np.where(plane[..., None], frame(seed + 2, height, width), first)
    results = [covered(each, plane, style=style) for each in (first, second)]
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(results[0][~plane], first[~plane])


def test_a_blurred_cover_has_the_colours_around_it_and_is_darker() -> None:
    image = np.full((80, 80, 3), (200, 100, 50), np.uint8)
    plane = np.zeros((80, 80), bool)
    plane[20:60, 20:60] = True
    image[plane] = 255
    result = covered(image, plane, style="blur")
    np.testing.assert_allclose(result[plane], np.broadcast_to((120, 60, 30), (1600, 3)), atol=1)


def test_the_frame_itself_is_not_changed() -> None:
    image = frame(1, 20, 20)
    kept = image.copy()
    covered(image, np.ones((20, 20), bool), style="blur")
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("style", STYLES)
def test_a_frame_that_is_covered_entirely_is_black(style: CoverStyle) -> None:
    assert not covered(frame(1, 20, 30), np.ones((20, 30), bool), style=style).any()


def test_a_plane_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="the plane must be"):
        covered(frame(1, 20, 30), np.ones((30, 20), bool), style="black")
