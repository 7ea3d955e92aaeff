"""The contents of a picture and how much may be hidden. Catches an object that vanishes behind another, a visible share
that is not relative to the whole object, and more classes than requested."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lab.scenes.layout import SceneConfig, Stage, draw_kinds, draw_numbers

CONFIG = SceneConfig(width_px=64, height_px=64, least_visible=0.6)
SQUARE = np.ones((10, 10), bool)


def box(y: int, x: int) -> tuple[slice, slice]:
    return slice(y, y + 10), slice(x, x + 10)


def test_no_object_is_hidden_beyond_what_is_allowed() -> None:
    stage = Stage(CONFIG)
    stage.take(box(0, 0), SQUARE, 100)
    assert stage.may_take(box(0, 6), SQUARE, 100)  # hides 40 of 100
    assert not stage.may_take(box(0, 5), SQUARE, 100)
    stage.take(box(0, 6), SQUARE, 100)
    assert not stage.may_take(box(9, 0), SQUARE, 100), "the first shows 60 of 100: no pixel more may go"
    assert stage.may_take(box(9, 12), SQUARE, 100)
    (first, share), (second, whole) = stage.masks()
    assert (first.sum(), share) == (60, 0.6)
    assert (second.sum(), whole) == (100, 1.0)


def test_an_object_that_comes_behind_others_must_show_enough_itself() -> None:
    stage = Stage(CONFIG)
    half = SQUARE.copy()
    half[:, 5:] = False
    assert not stage.may_take(box(0, 0), half, 100)
    assert stage.may_take(box(0, 0), half, 80)
    assert not stage.may_take(box(0, 0), np.zeros((10, 10), bool), 0)


def test_the_smallest_object_has_a_pixel() -> None:
    config = SceneConfig(width_px=64, height_px=64, small_side=(0.001, 0.005))
    assert config.draw_side_px(large=False, rng=np.random.default_rng(0)) == 1


@given(
    seed=st.integers(0, 2**32),
    most=st.integers(1, 50),
    classes=st.integers(1, 16),
    large=st.integers(0, 3),
    sizes=st.sampled_from(["mixed", "small", "large"]),
)
@settings(max_examples=60, deadline=None)
def test_numbers_lie_in_their_ranges(seed: int, most: int, classes: int, large: int, sizes: str) -> None:
    config = SceneConfig(objects=(1, most), classes=(1, classes), large=(0, large), sizes=sizes)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    objects, large_ones = draw_numbers(config, rng)
    kinds = draw_kinds(range(100), config, objects=objects, large=large_ones, for_large=range(50), rng=rng)
    assert 1 <= objects <= most
    assert large_ones <= min(objects, max(large, 1))
    assert len(kinds) == objects
    assert len(set(kinds)) <= max(classes, large_ones)
    assert all(kind < 50 for kind in kinds[:large_ones])
