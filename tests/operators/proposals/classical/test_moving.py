"""Catches moving objects that are not found or are merged with a neighbour, and noise that is found."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.proposals.classical.moving import MovingConfig, MovingRegions, _first
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import Keyframe
from schemas.regions import Proposals

WIDTH, HEIGHT = 192, 144
Rectangle = tuple[int, int, int, int]


def motion_map(rectangles: list[Rectangle], *, value: int = 90, noise: int = 4, seed: int = 0) -> NDArray[np.uint8]:
    """Rectangles (x0, y0, x1, y1) that move, on what moves by noise alone."""
    motion = np.random.default_rng(seed).integers(0, noise + 1, (HEIGHT, WIDTH), dtype=np.uint8)
    for x0, y0, x1, y1 in rectangles:
        motion[y0:y1, x0:x1] = value
    return motion


def proposals(motion: NDArray[np.uint8] | None, config: MovingConfig | None = None) -> Proposals:
    frame = Keyframe(0, np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8), motion, "change")
    return MovingRegions(config or MovingConfig())(frame)


def best_iou(rectangles: list[Rectangle], found: Proposals) -> NDArray[np.float32]:
    """float32 (N,): of each rectangle, its IoU with the box that fits it best."""
    truth = Boxes.from_pixels(rectangles, width_px=WIDTH, height_px=HEIGHT)
    best: NDArray[np.float32] = truth.iou(found.boxes).max(axis=1, initial=0.0)
    return best


@st.composite
def apart(draw: st.DrawFn) -> list[Rectangle]:
    """One rectangle in each of some cells of 4×3, at least 4 pixels from any other."""
    rectangles: list[Rectangle] = []
    for column, row in draw(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=6)):
        w, h = draw(st.integers(8, 44)), draw(st.integers(10, 44))
        x = 48 * column + 2 + draw(st.integers(0, 44 - w))
        y = 48 * row + 2 + draw(st.integers(0, 44 - h))
        rectangles.append((x, y, x + w, y + h))
    return rectangles


@settings(max_examples=40, deadline=None)
@given(apart(), st.integers(60, 255), st.integers(0, 99))
def test_each_rectangle_that_moves_is_found(rectangles: list[Rectangle], value: int, seed: int) -> None:
    found = proposals(motion_map(rectangles, value=value, seed=seed))
    assert best_iou(rectangles, found).min() >= 0.5
    assert set(found.proposer) == {"moving"}
    assert ((found.score > 0) & (found.score <= 1)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(10, 140), st.integers(5, 70), st.integers(12, 22), st.integers(2, 3))
def test_people_who_touch_are_taken_apart(x: int, y: int, width: int, tall: int) -> None:
    pair: list[Rectangle] = [(x, y, x + width, y + width * tall), (x + width, y, x + 2 * width, y + width * tall)]
    pair = [(x0, y0, min(x1, WIDTH), min(y1, HEIGHT)) for x0, y0, x1, y1 in pair]
    assert best_iou(pair, proposals(motion_map(pair))).min() >= 0.5


def test_the_best_box_of_one_rectangle_fits_it() -> None:
    rectangle: Rectangle = (80, 40, 104, 100)
    found = proposals(motion_map([rectangle]))
    assert best_iou([rectangle], found.take(np.array([0])))[0] >= 0.9


def test_of_two_things_the_larger_comes_first() -> None:
    large: Rectangle = (120, 60, 150, 130)
    found = proposals(motion_map([(20, 20, 36, 50), large], noise=0))
    assert best_iou([large], found.take(np.array([0])))[0] >= 0.9


def test_what_moves_with_holes_in_it_is_one() -> None:
    # clothes of the street's colour: a third of the pixels look like background
    motion = motion_map([(80, 40, 104, 100)])
    motion[np.random.default_rng(1).random(motion.shape) < 1 / 3] = 0
    assert best_iou([(80, 40, 104, 100)], proposals(motion))[0] >= 0.7


@pytest.mark.parametrize("noise", [0, 4])
def test_nothing_moves_nothing_is_found(noise: int) -> None:
    assert len(proposals(motion_map([], noise=noise))) == 0


@pytest.mark.parametrize("low", [20, 80, 200])
@pytest.mark.parametrize("spread", [0, 30])
def test_a_map_that_is_high_everywhere_tells_nothing(low: int, spread: int) -> None:
    motion = np.random.default_rng(0).integers(low, low + spread + 1, (HEIGHT, WIDTH), dtype=np.uint8)
    assert len(proposals(motion)) == 0


def test_what_moves_before_a_restless_background_is_found() -> None:
    rectangle: Rectangle = (80, 40, 104, 100)
    assert best_iou([rectangle], proposals(motion_map([rectangle], value=160, noise=24)))[0] >= 0.7


def test_pictures_and_clips_without_background_have_no_moving_regions() -> None:
    assert len(proposals(None)) == 0


def test_the_same_map_gives_the_same_boxes_whatever_came_before() -> None:
    motion = motion_map([(20, 20, 40, 70), (40, 22, 60, 70), (120, 60, 180, 90)])
    propose = MovingRegions(MovingConfig())
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    propose(Keyframe(0, frame, motion[::2, ::2].copy(), "change"))
    used, fresh = propose(Keyframe(1, frame, motion, "change")), proposals(motion)
    np.testing.assert_array_equal(used.boxes.xyxy, fresh.boxes.xyxy)
    np.testing.assert_array_equal(used.score, fresh.score)


def test_at_most_limit_boxes_and_the_best_of_them() -> None:
    motion = motion_map([(20, 20, 40, 70), (40, 22, 60, 70), (120, 60, 180, 90)])
    few, many = proposals(motion, MovingConfig(limit=5)), proposals(motion)
    assert len(few) == 5 < len(many) <= 48
    np.testing.assert_array_equal(few.boxes.xyxy, many.boxes.xyxy[:5])
    assert (np.diff(many.score) <= 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 256), (256, 1), (2, 256), (3, 3)])
@pytest.mark.parametrize("value", [0, 255])
def test_maps_of_any_size_are_taken(shape: tuple[int, int], value: int) -> None:
    motion = np.zeros(shape, np.uint8)
    motion[: (shape[0] + 1) // 2, : shape[1] // 2] = value
    assert len(proposals(motion)) <= 48


@pytest.mark.parametrize(
    "wrong",
    [
        {"still": 30},
        {"aspects": ()},
        {"least_height": 0.0},
        {"height_step": 1.0},
        {"stride": 0.0},
        {"thresholds": (0,)},
        {"closing_px": (0,)},
        {"max_iou": 1.5},
        {"least_score": -0.1},
        {"limit": 0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        MovingConfig(**wrong)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 45), st.randoms(use_true_random=False))
def test_the_first_windows_are_those_of_the_whole_order(scores: list[int], most: int, shuffled: Random) -> None:
    places = list(range(len(scores)))
    shuffled.shuffle(places)
    windows = np.array([(place, place, place + 1, place + 1) for place in places], np.int32)
    score = np.array(scores, np.float32) / 5
    np.testing.assert_array_equal(_first(score, windows, most=most), _first(score, windows)[:most])
