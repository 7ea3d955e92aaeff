"""Catches a box convention that slips: order, range, half-open pixels, IoU."""

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas import boxes as boxes_module
from schemas.boxes import Boxes, box_iou
from schemas.errors import InvalidValueError

unit = st.floats(0, 1, width=32)
box = st.tuples(unit, unit, unit, unit).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
boxes = st.lists(box, min_size=1, max_size=8).map(lambda rows: Boxes(np.array(rows, np.float32)))


@given(boxes, boxes)
def test_iou_is_symmetric_and_lies_between_0_and_1(a: Boxes, b: Boxes) -> None:
    iou = a.iou(b)
    assert iou.shape == (len(a), len(b))
    assert ((iou >= 0) & (iou <= 1)).all()
    np.testing.assert_array_equal(iou, b.iou(a).T)


@given(boxes)
def test_a_box_with_an_area_has_iou_1_with_itself_and_one_without_has_0(a: Boxes) -> None:
    np.testing.assert_array_equal(np.diag(a.iou(a)), np.where(a.area() > 0, 1.0, 0.0))


@given(boxes)
def test_a_mirrored_box_is_as_far_from_the_other_side(a: Boxes) -> None:
    assert Boxes(np.array([[0.125, 0, 0.5, 0.75]], np.float32)).mirrored().xyxy.tolist() == [[0.5, 0, 0.875, 0.75]]
    np.testing.assert_allclose(a.mirrored().mirrored().xyxy, a.xyxy, atol=1e-7)  # 1 − x is rounded in float32


def textbook_iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Of every pair, in the dtype that came; each operation rounds as stored distances and choices of NMS rely on."""
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(size, 0, None).prod(axis=-1)
    areas = [(x[:, 2:] - x[:, :2]).prod(axis=-1) for x in (a, b)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(a=boxes, b=boxes, scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_iou_is_right_to_the_last_bit_in_both_precisions(
    dtype: Any, a: Boxes, b: Boxes, scale: float, shift: float
) -> None:
    x, y = ((each.xyxy.astype(np.float64) * scale + shift).astype(dtype) for each in (a, b))
    pairs = box_iou(x[:, None], y[None])
    assert pairs.dtype == dtype
    assert (pairs <= 1).all()
    np.testing.assert_array_equal(pairs, textbook_iou(x, y))
    np.testing.assert_array_equal(box_iou(x[0], y), pairs[0])  # one against many


def test_the_example_of_iou_is_true() -> None:
    assert doctest.testmod(boxes_module) == (0, 1)


def test_iou_of_two_halves_that_share_a_quarter() -> None:
    left, middle = Boxes([[0, 0, 0.5, 1]]), Boxes([[0.25, 0, 0.75, 1]])
    assert left.iou(middle)[0, 0] == pytest.approx(1 / 3)


@given(
    st.lists(st.tuples(st.integers(0, 639), st.integers(0, 359), st.integers(1, 640), st.integers(1, 360)), min_size=1)
)
def test_whole_pixel_boxes_survive_normalising(rows: list[tuple[int, int, int, int]]) -> None:
    px = np.array([(x, y, max(x + 1, x1), max(y + 1, y1)) for x, y, x1, y1 in rows], np.int32)
    back = Boxes.from_pixels(px, width_px=640, height_px=360).to_pixels(width_px=640, height_px=360)
    np.testing.assert_array_equal(back, np.minimum(px, [640, 360, 640, 360]))


@given(boxes, st.integers(1, 50), st.integers(1, 50))
def test_pixel_boxes_always_hold_a_pixel_of_the_frame(a: Boxes, width: int, height: int) -> None:
    x0, y0, x1, y1 = a.to_pixels(width_px=width, height_px=height).T
    assert ((x0 >= 0) & (y0 >= 0) & (x0 < x1) & (y0 < y1) & (x1 <= width) & (y1 <= height)).all()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([0.1, 0.1, 0.2, 0.2], r"for one box pass x\[None\]"),
        ([[0.1, 0.1, 0.2]], r"must be \(N, 4\)"),
        ([[0.5, 0.0, 0.2, 1.0]], "x0 <= x1"),
        ([[0, 0, 640, 360]], "not pixels"),
        ([[0, 0, float("nan"), 1]], "box 0 of 1"),
    ],
)
def test_wrong_boxes_are_refused_with_the_fix(rows: list[object], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        Boxes(np.array(rows, np.float32))


def test_clipping_keeps_what_lies_in_the_frame() -> None:
    clipped = Boxes.clipped([[-0.5, 0.2, 0.5, 1.7]])
    np.testing.assert_allclose(clipped.xyxy, [[0, 0.2, 0.5, 1]])
