"""Selection by prompts. Catches swapped x and y, background points that exclude nothing, prompts that overrule one
another in another order than documented, and merged masks that have the box of one part only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.masks.rle import decode_mask, encode_masks
from operators.prompts.selection import select_region
from schemas.errors import InvalidValueError, QueryError
from schemas.masks import Mask
from schemas.prompts import RegionPrompts

# a picture of 40 × 20 px: a table over all of the left, a plate on it, a cup on the plate; a lamp on the right
TABLE, PLATE, CUP, LAMP = range(4)
AREAS_PX = {TABLE: (0, 0, 20, 20), PLATE: (4, 4, 16, 16), CUP: (8, 8, 12, 12), LAMP: (30, 2, 36, 18)}


def masks() -> list[Mask]:
    pixels = np.zeros((4, 20, 40), bool)
    for i, (x0, y0, x1, y1) in AREAS_PX.items():
        pixels[i, y0:y1, x0:x1] = True
    return encode_masks(pixels)


def at(x_px: float, y_px: float) -> tuple[float, float]:
    return x_px / 40, y_px / 20


def chosen(prompts: RegionPrompts, similarity: list[float] | None = None) -> tuple[int, ...]:
    like = None if similarity is None else np.array(similarity, np.float32)
    return select_region(masks(), prompts, similarity=like).chosen


def test_a_point_takes_the_smallest_mask_that_holds_it() -> None:
    assert chosen(RegionPrompts(points=(at(10, 10),))) == (CUP,)
    assert chosen(RegionPrompts(points=(at(5, 10),))) == (PLATE,)
    assert chosen(RegionPrompts(points=(at(33, 3),))) == (LAMP,)


def test_background_points_exclude_masks() -> None:
    assert chosen(RegionPrompts(points=(at(5, 10),), not_points=(at(30, 3),))) == (PLATE,)
    # the lamp is the only mask that is not out
    assert chosen(RegionPrompts(box=(0, 0, 1, 1), not_points=(at(1, 1), at(10, 10)))) == (LAMP,)


def test_several_points_merge_their_masks() -> None:
    found = select_region(masks(), RegionPrompts(points=(at(10, 10), at(33, 3))))
    assert found.chosen == (CUP, LAMP)
    np.testing.assert_array_equal(decode_mask(found.mask), decode_mask(masks()[CUP]) | decode_mask(masks()[LAMP]))
    np.testing.assert_allclose(found.box.xyxy, [[8 / 40, 2 / 20, 36 / 40, 18 / 20]], atol=1e-6)


def test_several_points_in_one_mask_are_that_mask() -> None:
    assert chosen(RegionPrompts(points=(at(5, 5), at(15, 15)))) == (PLATE,)


def test_a_box_takes_the_mask_of_highest_iou() -> None:
    assert chosen(RegionPrompts(box=(0.1, 0.2, 0.4, 0.8))) == (PLATE,)
    assert chosen(RegionPrompts(box=(0.7, 0.0, 1.0, 1.0))) == (LAMP,)


def test_words_take_the_mask_of_highest_cosine() -> None:
    assert chosen(RegionPrompts(text="a plate"), [0.1, 0.4, 0.3, 0.2]) == (PLATE,)


def test_points_say_which_masks_may_be_chosen_and_words_which_of_them() -> None:
    like = [0.2, 0.3, 0.1, 0.9]
    assert chosen(RegionPrompts(points=(at(10, 10),), text="a plate"), like) == (PLATE,)
    assert chosen(RegionPrompts(points=(at(10, 10),), text="a plate", not_points=(at(5, 10),)), like) == (CUP,)


def test_points_say_which_masks_may_be_chosen_and_a_box_which_of_them() -> None:
    assert chosen(RegionPrompts(points=(at(10, 10),), box=(0, 0, 0.5, 1))) == (TABLE,)
    assert chosen(RegionPrompts(points=(at(10, 10), at(2, 2)), box=(0.1, 0.2, 0.4, 0.8))) == (TABLE, PLATE)


def test_of_masks_that_fit_a_box_about_as_well_words_choose() -> None:
    # the box lies between plate (IoU .735) and table (IoU .49): only the plate fits well enough
    between = (0.05, 0.1, 0.4, 0.8)
    assert chosen(RegionPrompts(box=between, text="x"), [0.9, 0.1, 0.0, 0.0]) == (PLATE,)
    # IoU .58 and .62
    assert chosen(RegionPrompts(box=(0.0, 0.0, 0.4, 0.775), text="x"), [0.9, 0.1, 0.0, 0.0]) == (TABLE,)


def test_a_point_outside_all_masks_selects_the_nearest() -> None:
    assert chosen(RegionPrompts(points=(at(36.5, 10),))) == (LAMP,)
    with pytest.raises(QueryError, match=r"lies on no mask, and the nearest is 5 px away \(limit 1 px\)"):
        chosen(RegionPrompts(points=(at(25.5, 10),)))


def test_prompts_that_no_mask_can_meet_are_named() -> None:
    with pytest.raises(QueryError, match="contains a point that must lie outside"):
        chosen(RegionPrompts(points=(at(33, 3),), not_points=(at(33, 10),)))
    with pytest.raises(QueryError, match="no mask that fits the other prompts overlaps the box"):
        chosen(RegionPrompts(points=(at(33, 3),), box=(0, 0, 0.5, 1)))
    with pytest.raises(QueryError, match="every mask of the picture"):
        chosen(RegionPrompts(box=(0, 0, 1, 1), not_points=(at(1, 1), at(10, 10), at(33, 3))))
    with pytest.raises(QueryError, match="no masks to choose from"):
        select_region([], RegionPrompts(points=((0.5, 0.5),)))
    with pytest.raises(InvalidValueError, match="words need their similarity"):
        chosen(RegionPrompts(text="a plate"))


def test_prompts_that_say_nothing_or_lie_outside_are_refused() -> None:
    with pytest.raises(QueryError, match="points outside a region do not say where it is"):
        RegionPrompts(not_points=((0.5, 0.5),))
    with pytest.raises(QueryError, match="outside the picture"):
        RegionPrompts(points=((1.5, 0.5),))
    with pytest.raises(QueryError, match="must have an area"):
        RegionPrompts(box=(0.1, 0.1, 0.1, 0.5))
    with pytest.raises(QueryError, match="words for a region are empty"):
        RegionPrompts(text=" ")


@given(st.permutations(range(4)), st.integers(0, 39), st.integers(0, 19))
def test_what_is_chosen_does_not_depend_on_the_order_of_the_masks(order: list[int], x: int, y: int) -> None:
    prompts = RegionPrompts(points=(at(x + 0.5, y + 0.5),))
    try:
        expected = select_region(masks(), prompts).mask
    except QueryError:
        with pytest.raises(QueryError):
            select_region([masks()[i] for i in order], prompts)
        return
    assert select_region([masks()[i] for i in order], prompts).mask == expected
    assert decode_mask(expected)[y, x] or x in (29, 36, 20) or y in (1, 18)
