"""Catches masks that intersect, leave the frame or change from run to run, and segments that match no object."""

import cv2
import numpy as np
import pytest

from operators.masks.rle import decode_mask, encode_masks, mask_boxes, mask_iou
from operators.proposals.classical.segments import Segments, SegmentsConfig
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, Keyframe
from schemas.masks import Mask
from schemas.regions import Proposals


def drawn(width: int = 480, height: int = 360) -> tuple[ImageArray, list[Mask]]:
    """A noisy grey wall with a red disc, a green bar that leans and a blue triangle before it; their masks."""
    shapes = [np.zeros((height, width), np.uint8) for _ in range(3)]
    cv2.circle(shapes[0], (width // 4, height // 3), height // 6, 1, -1)
    cv2.fillPoly(shapes[1], [np.array([[240, 60], [270, 50], [320, 190], [290, 200]]) * width // 480], 1)
    cv2.fillPoly(shapes[2], [np.array([[330, 320], [440, 330], [390, 220]]) * width // 480], 1)
    image = np.full((height, width, 3), 120.0)
    for shape, colour in zip(shapes, ((200, 60, 50), (60, 170, 70), (50, 70, 200)), strict=True):
        image[shape > 0] = colour
    image += np.random.default_rng(0).normal(0, 5, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), encode_masks(np.stack(shapes).view(np.bool_))


def blocks(height: int, width: int) -> ImageArray:
    colours = np.random.default_rng(1).integers(0, 256, (height // 12 + 1, width // 16 + 1, 3))
    return np.kron(colours, np.ones((12, 16, 1))).astype(np.uint8)[:height, :width]


def segment(image: ImageArray, motion: np.ndarray | None = None, **settings: float) -> Proposals:
    return Segments(SegmentsConfig(**settings))(Keyframe(0, image, motion, "picture"))  # type: ignore[arg-type]


def known(found: Proposals) -> list[Mask]:
    masks = [mask for mask in found.mask if mask is not None]
    assert len(masks) == len(found)
    return masks


@pytest.mark.parametrize("width", [240, 480, 960])
def test_drawn_things_are_found_among_the_first(width: int) -> None:
    image, things = drawn(width, width * 3 // 4)
    found = segment(image)
    assert mask_iou(things, known(found)[:12]).max(axis=1).min() > 0.8
    assert set(found.proposer) == {"segments"}


def test_masks_fit_the_frame_and_boxes_fit_the_masks() -> None:
    found = segment(blocks(150, 333))
    assert 10 < len(found) <= 64
    assert {(mask.height_px, mask.width_px) for mask in known(found)} == {(150, 333)}
    np.testing.assert_array_equal(found.boxes.xyxy, mask_boxes(known(found)).xyxy)
    assert [decode_mask(mask).sum() for mask in known(found)] == [mask.area_px for mask in known(found)]


def test_any_two_masks_are_nested_or_apart_and_none_says_what_another_says() -> None:
    masks = np.stack([decode_mask(mask).ravel() for mask in known(segment(blocks(180, 240)))]).astype(np.int64)
    shared, area = masks @ masks.T, masks.sum(axis=1)
    smaller = np.minimum(area[:, None], area[None])
    assert ((shared == 0) | (shared == smaller)).all()
    iou = shared / (area[:, None] + area[None] - shared)
    assert np.triu(iou, k=1).max() <= 0.5 + 0.02  # the limit holds at the working size; enlarging moves it a little


def test_scores_fall_and_lie_in_0_1_as_stability_does() -> None:
    found = segment(blocks(180, 240))
    assert (np.diff(found.score) <= 0).all()
    for values in (found.score, found.stability):
        assert ((values >= 0) & (values <= 1)).all()


def test_the_same_frame_gives_the_same_masks_whatever_came_before() -> None:
    propose = Segments(SegmentsConfig())
    frames = [Keyframe(i, image, None, "picture") for i, image in enumerate((drawn()[0], blocks(90, 200)))]
    forwards, backwards = [propose(f) for f in frames], [propose(f) for f in frames[::-1]][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        assert a.mask == b.mask
        np.testing.assert_array_equal(a.score, b.score)


def test_at_most_limit_masks_the_best_first() -> None:
    few, many = segment(blocks(180, 240), limit=7), segment(blocks(180, 240), limit=60)
    assert few.mask == many.mask[:7]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (2, 2), (300, 1), (2, 3000), (5, 5)])
def test_frames_of_any_size_are_taken(size: tuple[int, int]) -> None:
    found = segment(blocks(*size))
    assert all((mask.height_px, mask.width_px) == size for mask in known(found))


def test_a_frame_of_one_colour_has_no_segment() -> None:
    assert len(segment(np.full((90, 120, 3), 77, np.uint8))) == 0


def test_what_moves_ranks_before_the_same_thing_at_rest() -> None:
    image, things = drawn()
    motion = np.zeros((90, 120), np.uint8)
    motion[decode_mask(things[2])[2::4, 2::4]] = 120

    def place(found: Proposals) -> int:
        return int(mask_iou(things[2:], known(found))[0].argmax())

    assert place(segment(image, motion)) == 0
    assert place(segment(image)) > 0


@pytest.mark.parametrize("wrong", [{"long_side_px": 31}, {"limit": 0}, {"max_iou": 1.5}, {"least_area": 0.95}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        SegmentsConfig(**wrong)  # type: ignore[arg-type]
