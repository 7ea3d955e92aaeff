"""Covers between keyframes: catches a cover that lags behind what moves, one that ends where nobody looked any more,
masks that do not follow their box, and margins that depend on the shape of a frame."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.masks.rle import encode_masks
from operators.redaction.carry import Plane, Sightings, box_at, draw_box, draw_masks
from operators.redaction.config import CarryConfig
from schemas.errors import InvalidValueError
from schemas.masks import Mask

EXACT = CarryConfig(margin_sides=0.0, most_growth_sides=0.0)
H, W = 60, 100


def seen(
    *at: float, boxes: "list[tuple[float, ...]]", masks: "list[Mask | None] | None" = None, shown: object = None
) -> Sightings:
    shown_s = (at[0], at[-1]) if shown is None else shown
    return Sightings(np.array(at), np.array(boxes), masks or [None] * len(at), shown_s)  # type: ignore[arg-type]


def drawn(sightings: Sightings, time_s: float, config: CarryConfig = EXACT) -> Plane:
    plane = np.zeros((H, W), bool)
    draw_masks(plane, sightings, time_s, config)
    boxes = np.zeros((H, W), bool)
    draw_box(boxes, sightings, time_s, config)
    assert not (plane & ~boxes).any(), "a mask leads out of its box"
    return plane


def bounds(plane: Plane) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


MOVING = seen(1.0, 3.0, boxes=[(0.0, 0.0, 0.2, 0.5), (0.8, 0.5, 1.0, 1.0)])


def test_between_two_keyframes_the_box_moves_evenly() -> None:
    assert bounds(drawn(MOVING, 1.0)) == (0, 0, 20, 30)
    assert bounds(drawn(MOVING, 2.0)) == (40, 15, 60, 45)
    assert bounds(drawn(MOVING, 2.5)) == (60, 22, 80, 53)  # every pixel that it touches
    assert bounds(drawn(MOVING, 3.0)) == (80, 30, 100, 60)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 6.28))
def test_a_thing_that_moves_evenly_is_covered_on_every_frame(x: float, y: float, direction: float) -> None:
    def place(time_s: float) -> tuple[float, ...]:
        left, top = x + 0.1 * time_s * math.cos(direction), y + 0.1 * time_s * math.sin(direction)
        return left, top, left + 0.2, top + 0.3

    track = seen(0.0, 0.5, 2.0, boxes=[place(0.0), place(0.5), place(2.0)])
    for time_s in np.linspace(0, 2, 50):
        true = np.zeros((H, W), bool)
        x0, y0, x1, y1 = np.clip(np.multiply(place(time_s), [W, H, W, H]), 0, [W, H, W, H])
        true[math.ceil(y0) : math.floor(y1), math.ceil(x0) : math.floor(x1)] = True
        assert not (true & ~drawn(track, time_s)).any()


def test_before_and_after_it_is_covered_where_it_was_seen_as_long_as_it_may_be_there() -> None:
    track = seen(1.0, 3.0, boxes=MOVING.boxes.tolist(), shown=(0.5, math.inf))
    assert not drawn(track, 0.4).any()
    assert bounds(drawn(track, 0.5)) == (0, 0, 20, 30)
    assert bounds(drawn(track, 1e6)) == (80, 30, 100, 60)


def test_the_margin_is_the_same_on_all_sides_and_grows_with_the_time_since_a_keyframe() -> None:
    track = seen(0.0, 10.0, boxes=[(0.4, 0.3, 0.5, 0.7)] * 2)  # 10 × 24 pixels: a side of √240 = 15.49
    side = math.sqrt(240)
    config = CarryConfig(margin_sides=0.25, growth_sides_per_s=0.5, most_growth_sides=0.4)
    for away_s, sides in ((0.0, 0.25), (0.5, 0.5), (5.0, 0.65)):
        x0, y0, x1, y1 = bounds(drawn(track, away_s, config))
        assert (x0, y0) == (math.floor(40 - sides * side), math.floor(18 - sides * side))
        assert (x1, y1) == (math.ceil(50 + sides * side), math.ceil(42 + sides * side))


def disc(radius: float = 10.0) -> Mask:
    rows, columns = np.mgrid[:H, :W]
    return encode_masks(((columns - 20) ** 2 + (rows - 30) ** 2 <= radius**2)[None])[0]


ROUND = (0.095, 0.325, 0.305, 0.675)  # around the disc


def test_a_mask_follows_its_box() -> None:
    later = tuple(edge + shift for edge, shift in zip(ROUND, (0.4, 0.0) * 2, strict=True))
    track = seen(0.0, 2.0, boxes=[ROUND, later], masks=[disc(), disc()], shown=(0.0, 2.0))
    # the second mask was found elsewhere: only its shape within its own box counts
    moved = encode_masks(np.roll(_pixels(disc()), 40, axis=1)[None])[0]
    track = Sightings(track.at_s, track.boxes, [disc(), moved], track.shown_s)
    half = drawn(track, 1.0)
    np.testing.assert_array_equal(half, np.roll(_pixels(disc()), 20, axis=1))
    assert not half[30, 20 + 20 + 11]
    assert half.sum() < 0.85 * 21 * 21  # a disc, and no box


def test_between_two_masks_both_are_covered() -> None:
    small, large = disc(4.0), disc(10.0)
    track = seen(0.0, 1.0, boxes=[ROUND, ROUND], masks=[small, large])
    assert drawn(track, 0.0).sum() == _pixels(small).sum()
    assert drawn(track, 0.5).sum() == _pixels(large).sum()


def test_where_a_mask_is_missing_its_box_is_covered() -> None:
    track = seen(0.0, 1.0, boxes=[ROUND, ROUND], masks=[disc(), None])
    assert drawn(track, 0.0).sum() == _pixels(disc()).sum()
    for time_s in (0.5, 1.0):
        plane = np.zeros((H, W), bool)
        draw_box(plane, track, time_s, EXACT)
        np.testing.assert_array_equal(drawn(track, time_s), plane)


def test_a_mask_has_a_margin_too() -> None:
    track = seen(0.0, boxes=[ROUND], masks=[disc()])
    wide = drawn(track, 0.0, CarryConfig(margin_sides=0.25))
    assert bounds(wide)[0] == 10 - math.ceil(0.25 * math.sqrt(21 * 21))
    assert not (_pixels(disc()) & ~wide).any()


def test_a_mask_of_another_size_is_scaled() -> None:
    small = encode_masks(_pixels(disc())[::2, ::2][None])[0]
    track = seen(0.0, boxes=[ROUND], masks=[small])
    both = drawn(track, 0.0), _pixels(disc())
    assert (both[0] & both[1]).sum() / (both[0] | both[1]).sum() > 0.85  # the edge of half the pixels


def test_what_is_outside_of_the_frame_covers_nothing() -> None:
    for box in ((1.2, 0.2, 1.4, 0.5), (-0.5, -0.5, -0.1, -0.1)):
        assert not drawn(seen(0.0, boxes=[box], masks=[disc()]), 0.0).any()


def test_a_track_needs_ascending_times() -> None:
    with pytest.raises(InvalidValueError, match="ascending times"):
        seen(1.0, 1.0, boxes=[ROUND, ROUND])
    with pytest.raises(InvalidValueError, match="ascending times"):
        Sightings(np.zeros(0), np.zeros((0, 4)), [], (0.0, 1.0))
    assert box_at(MOVING, 0.9) is box_at(MOVING, 3.1) is None


def _pixels(mask: Mask) -> Plane:
    from operators.masks.rle import decode_mask

    return decode_mask(mask)
