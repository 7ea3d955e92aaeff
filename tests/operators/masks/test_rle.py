"""Run lengths of masks. Catches axes that are swapped in COCO's column order, and areas or boxes of other pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from operators.masks.rle import decode_mask, encode_masks, mask_boxes, mask_iou
from schemas.errors import InvalidValueError

MASKS = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 11)).flatmap(lambda s: arrays(np.bool_, s))


@given(MASKS)
def test_masks_come_back_as_they_went(masks: np.ndarray) -> None:
    coded = encode_masks(masks)
    assert all((decode_mask(m) == pixels).all() for m, pixels in zip(coded, masks, strict=True))
    assert [m.area_px for m in coded] == masks.sum(axis=(1, 2)).tolist()


@given(MASKS)
def test_iou_of_runs_is_iou_of_pixels(masks: np.ndarray) -> None:
    coded = encode_masks(masks)
    shared = (masks[:, None] & masks[None]).sum(axis=(2, 3))
    union = (masks[:, None] | masks[None]).sum(axis=(2, 3))
    expected = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
    np.testing.assert_allclose(mask_iou(coded, coded), expected, atol=1e-6)


def test_counts_are_those_of_the_coco_format() -> None:
    # counts of a 3 × 3 mask whose middle column is set, by columns: 3 background, 3 region, 3 background
    mask = np.zeros((1, 3, 3), bool)
    mask[0, :, 1] = True
    assert encode_masks(mask)[0].counts == b"333"


def test_a_box_is_the_tightest_around_its_mask() -> None:
    masks = np.zeros((2, 10, 20), bool)
    masks[0, 2:5, 4:10] = True
    boxes = mask_boxes(encode_masks(masks))
    np.testing.assert_allclose(boxes.xyxy, [[0.2, 0.2, 0.5, 0.5], [0, 0, 0, 0]], atol=1e-6)


def test_masks_of_another_type_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="bool"):
        encode_masks(np.zeros((1, 2, 2), np.uint8))
