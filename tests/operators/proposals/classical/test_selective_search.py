"""Catches boxes that differ from run to run, and pictures of unusual sizes that crash a worker."""

import cv2
import numpy as np
import pytest

from operators.proposals.classical.selective_search import SelectiveSearch, SelectiveSearchConfig
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals


def picture(width: int, height: int) -> ImageArray:
    """A grey wall with a red, a green and a blue thing before it, and some noise."""
    image = np.full((height, width, 3), 120, np.int16)
    for channel, (left, top) in enumerate(((0.1, 0.2), (0.5, 0.1), (0.6, 0.6))):
        x, y = int(left * width), int(top * height)
        image[y : y + height // 4, x : x + width // 4] = np.eye(3)[channel] * 220
    image += np.random.default_rng(0).integers(-6, 7, image.shape, dtype=np.int16)
    return np.clip(image, 0, 255).astype(np.uint8)


def search(image: ImageArray, config: SelectiveSearchConfig | None = None) -> Proposals:
    return SelectiveSearch(config or SelectiveSearchConfig())(Keyframe(0, image, None, "picture"))


@pytest.mark.parametrize("width", [160, 480])
def test_things_of_one_colour_are_found(width: int) -> None:
    found = search(picture(width, width * 3 // 4))
    things = Boxes(np.array([[x, y, x + 0.25, y + 0.25] for x, y in ((0.1, 0.2), (0.5, 0.1), (0.6, 0.6))], np.float32))
    assert things.iou(found.boxes).max(axis=1).min() >= 0.7
    assert set(found.proposer) == {"selective"}
    assert ((found.score > 0) & (found.score <= 1)).all()


def test_the_things_come_before_boxes_that_only_hold_parts_of_the_wall() -> None:
    things = Boxes(np.array([[x, y, x + 0.25, y + 0.25] for x, y in ((0.1, 0.2), (0.5, 0.1), (0.6, 0.6))], np.float32))
    first = search(picture(480, 360)).take(np.arange(6))
    assert things.iou(first.boxes).max(axis=1).min() >= 0.7


def test_no_two_boxes_say_the_same() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    boxes = search(noise, SelectiveSearchConfig(max_iou=0.5)).boxes
    assert len(boxes) > 10
    assert np.triu(boxes.iou(boxes), k=1).max() <= 0.5


def test_the_same_picture_gives_the_same_boxes() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for image in (picture(160, 120), noise):
        first, *others = (search(image) for _ in range(3))
        for other in others:
            np.testing.assert_array_equal(other.boxes.xyxy, first.boxes.xyxy)
            np.testing.assert_array_equal(other.score, first.score)


def test_boxes_are_those_of_opencv() -> None:
    image = np.kron(np.random.default_rng(2).integers(0, 256, (9, 12, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    theirs = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    theirs.setBaseImage(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    theirs.switchToSelectiveSearchFast()
    expected = {(x, y, x + w, y + h) for x, y, w, h in np.asarray(theirs.process()).tolist()}
    found = search(image, SelectiveSearchConfig(limit=10_000, max_iou=1.0)).boxes.to_pixels(width_px=120, height_px=90)
    assert {tuple(row) for row in found.tolist()} == expected


def test_at_most_limit_boxes_the_best_first() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    all_found = search(noise, SelectiveSearchConfig(limit=10_000))
    few = search(noise, SelectiveSearchConfig(limit=7))
    assert len(few) == 7 < len(all_found)
    np.testing.assert_array_equal(few.boxes.xyxy, all_found.boxes.xyxy[:7])
    assert (np.diff(all_found.score) <= 0).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 300), (900, 1), (3000, 2), (5, 5), (4000, 3000)])
def test_pictures_of_any_size_are_taken(size: tuple[int, int]) -> None:
    found = search(picture(*size))
    assert len(found) <= 48
    assert (found.boxes.area() > 0).all()


def test_frames_with_a_background_are_left_to_moving_regions() -> None:
    frame = Keyframe(0, picture(160, 120), np.zeros((60, 80), np.uint8), "change")
    assert len(SelectiveSearch(SelectiveSearchConfig())(frame)) == 0


def test_frames_of_a_moving_camera_are_searched_like_pictures() -> None:
    image = picture(160, 120)
    frame = Keyframe(0, image, np.full((60, 80), 90, np.uint8), "change")
    found = SelectiveSearch(SelectiveSearchConfig())(frame)
    np.testing.assert_array_equal(found.boxes.xyxy, search(image).boxes.xyxy)


@pytest.mark.parametrize("wrong", [{"long_side_px": 31}, {"limit": 0}, {"max_iou": 1.5}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        SelectiveSearchConfig(**wrong)
