"""Catches sums that are off by a row, and boxes that reach beyond the picture."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from operators.proposals.classical.integral import BoxSums, IntegralImage, area_px

SHAPES = st.one_of(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.just((4, 5, 3)))
PICTURES = SHAPES.flatmap(lambda s: npst.arrays(np.float32, s, elements=st.integers(0, 255).map(float)))
CORNERS = st.lists(st.tuples(*[st.integers(-4, 12)] * 4), min_size=1, max_size=8)


@given(PICTURES, CORNERS)
def test_sums_are_those_of_the_slices_and_nothing_lies_outside(
    values: NDArray[np.float32], corners: list[tuple[int, int, int, int]]
) -> None:
    boxes = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners], np.int32)
    cut = np.maximum(boxes, 0)
    expected = [values[y0:y1, x0:x1].sum(axis=(0, 1)) for x0, y0, x1, y1 in cut]
    image = IntegralImage(values)
    np.testing.assert_allclose(image.sums(boxes), expected, atol=1e-6)
    if values.ndim == 2:
        sums = BoxSums(boxes, width=image.width, height=image.height)
        np.testing.assert_array_equal(sums(image), image.sums(boxes))


def test_areas_are_at_least_one() -> None:
    np.testing.assert_array_equal(area_px(np.array([[2, 3, 5, 7], [4, 4, 4, 9]], np.int32)), [12, 1])
