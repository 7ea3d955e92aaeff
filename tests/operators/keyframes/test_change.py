"""Catches a measure of change that reacts to noise or to a change of light, or that misses one small person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.keyframes.change import changed_share, signature
from operators.keyframes.selector import KeyframeConfig
from schemas.frames import ImageArray

CONFIG = KeyframeConfig()


def scene(seed: int = 0) -> NDArray[np.float64]:
    """192×256, smooth, like a street without anybody."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(60, 190, (12, 16, 3))
    return np.kron(coarse, np.ones((16, 16, 1)))


def seen(picture: NDArray[np.float64], seed: int, *, noise: float = 4.0) -> ImageArray:
    """The picture as a camera gives it, with sensor noise (standard deviation in levels)."""
    random = np.random.default_rng(seed)
    return np.clip(picture + random.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)


def share(before: ImageArray, after: ImageArray) -> float:
    return changed_share(signature(before), signature(after))


@given(seed=st.integers(0, 1000))
def test_noise_alone_is_a_near_duplicate(seed: int) -> None:
    assert share(seen(scene(), seed), seen(scene(), seed + 1)) < CONFIG.near_duplicate


@pytest.mark.parametrize("levels", [-12, 12])
def test_a_little_more_or_less_light_is_a_near_duplicate(levels: int) -> None:
    assert share(seen(scene(), 1), seen(scene() + levels, 2)) < CONFIG.near_duplicate


def test_the_dark_is_another_picture() -> None:
    assert share(seen(scene(), 1), seen(scene() * 0.05, 2)) > 0.5


@given(x=st.integers(0, 244), y=st.integers(0, 166))
def test_one_person_at_a_distance_is_a_change_wherever_they_stand(x: int, y: int) -> None:
    """12×26 px of 256×192: one of the farther people of the PETS clips."""
    occupied = scene()
    occupied[y : y + 26, x : x + 12] = 20
    assert share(seen(scene(), 1), seen(occupied, 2)) >= CONFIG.near_duplicate


def test_two_people_who_walk_on_are_enough_to_keep_the_frame() -> None:
    before, after = scene(), scene()
    for picture, step in ((before, 0), (after, 16)):
        for x in (40, 150):
            picture[60:86, x + step : x + step + 12] = 20
    assert share(seen(before, 1), seen(after, 2)) >= CONFIG.change


def test_the_share_lies_between_none_and_all_and_is_symmetric() -> None:
    black, white = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)
    assert share(black, black) == 0.0
    assert share(black, white) == 1.0
    a, b = seen(scene(1), 1), seen(scene(2), 2)
    assert share(a, b) == pytest.approx(share(b, a), abs=1e-2)


def test_frames_smaller_than_the_grid_of_cells_can_be_compared() -> None:
    one, other = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)
    assert share(one, other) == 1.0
