"""GrabCut. Catches masks no better than their box, boxes that change, windows that get masks, and random results."""

import numpy as np
import pytest

from operators.masks.config import MaskConfig, build_masks
from operators.masks.grabcut import GrabCutConfig, GrabCutMasks
from operators.masks.rle import decode_mask, encode_masks, mask_boxes, mask_iou
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, Keyframe
from schemas.masks import Mask
from schemas.regions import Proposals


def drawn() -> tuple[ImageArray, Mask]:
    """A leaning greenish ellipse on grey noise, whose filled box has an IoU of about one half with it."""
    y, x = np.mgrid[:240, :320]
    u, v = (x - 150) * 0.8 + (y - 120) * 0.6, (y - 120) * 0.8 - (x - 150) * 0.6
    ellipse = (u / 80) ** 2 + (v / 35) ** 2 <= 1
    image = np.random.default_rng(0).normal(120, 25, (240, 320, 3))
    image[ellipse] += (-50, 40, -40)
    return np.clip(image, 0, 255).astype(np.uint8), encode_masks(ellipse[None])[0]


def cut(image: ImageArray, found: Proposals, motion: np.ndarray | None = None) -> Proposals:
    return GrabCutMasks(GrabCutConfig())([Keyframe(0, image, motion, "picture")], [found])[0]


def regions(boxes: Boxes, proposer: str = "moving") -> Proposals:
    return Proposals.of(boxes, score=0.5, proposer=proposer)


def test_a_mask_beats_the_box_by_far() -> None:
    image, truth = drawn()
    boxes = mask_boxes([truth])
    found = cut(image, regions(boxes))
    x0, y0, x1, y1 = boxes.to_pixels(width_px=320, height_px=240)[0]
    filled = np.zeros((1, 240, 320), np.bool_)
    filled[0, y0:y1, x0:x1] = True
    assert mask_iou(encode_masks(filled), [truth])[0, 0] < 0.6
    assert found.mask[0] is not None
    assert mask_iou([found.mask[0]], [truth])[0, 0] > 0.85
    assert 0 < found.stability[0] <= 1
    outside = decode_mask(found.mask[0]) & ~filled[0]
    assert not outside.any()


def test_boxes_scores_and_masks_that_are_there_stay_as_they_are() -> None:
    image, truth = drawn()
    boxes = mask_boxes([truth, truth])
    before = Proposals.of(
        boxes,
        score=0.5,
        proposer=("detector", "moving"),
        label=("egg", None),
        mask=(truth, None),
        stability=np.array([0.25, np.nan], np.float32),
    )
    after = cut(image, before)
    np.testing.assert_array_equal(after.boxes.xyxy, boxes.xyxy)
    assert (after.label, after.proposer) == (before.label, before.proposer)
    assert (after.mask[0], float(after.stability[0])) == (truth, 0.25)
    assert after.mask[1] is not None


@pytest.mark.parametrize("proposer", ["grid-4", "cover-3"])
def test_windows_of_no_thing_get_no_mask(proposer: str) -> None:
    image, truth = drawn()
    found = cut(image, regions(mask_boxes([truth]), proposer))
    assert found.mask == (None,)
    assert np.isnan(found.stability).all()


def test_masks_do_not_depend_on_what_was_cut_before() -> None:
    image, truth = drawn()
    boxes = Boxes.concat([mask_boxes([truth]), Boxes(np.array([[0.1, 0.1, 0.6, 0.9], [0, 0, 1, 1]], np.float32))])
    forwards = cut(image, regions(boxes)).mask
    assert cut(image, regions(boxes[::-1])).mask[::-1] == forwards


def test_what_moves_is_the_object_where_colours_tell_nothing() -> None:
    image = np.random.default_rng(1).integers(100, 140, (120, 160, 3), dtype=np.uint8)
    thing = np.zeros((1, 120, 160), np.bool_)
    thing[0, 20:100, 40:60] = True  # a bar at the left of its box
    motion = np.where(thing[0], 120, 0).astype(np.uint8)
    box = regions(Boxes.from_pixels([[38, 18, 100, 102]], width_px=160, height_px=120))
    (mask,) = cut(image, box, motion).mask
    assert mask is not None
    assert mask_iou([mask], encode_masks(thing))[0, 0] > 0.7


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (3, 200), (9, 9)])
def test_frames_of_any_size_are_accepted(size: tuple[int, int]) -> None:
    image = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    boxes = Boxes(np.array([[0, 0, 1, 1], [0.3, 0.3, 0.3, 0.3], [0.5, 0, 1, 0.5]], np.float32))
    found = cut(image, regions(boxes))
    assert all(mask is None or (mask.height_px, mask.width_px) == size for mask in found.mask)


def test_no_region_gives_none() -> None:
    assert len(cut(drawn()[0], Proposals.concat([]))) == 0


def test_as_many_proposals_as_keyframes_are_needed() -> None:
    with pytest.raises(InvalidValueError, match="1 keyframes and 0 proposals"):
        GrabCutMasks(GrabCutConfig())([Keyframe(0, drawn()[0], None, "picture")], [])


def test_the_plan_chooses_what_makes_masks() -> None:
    image, truth = drawn()
    frame, found = Keyframe(0, image, None, "picture"), regions(mask_boxes([truth]))
    assert build_masks(MaskConfig())([frame], [found]) == [found]
    assert build_masks(MaskConfig(by="grabcut"))([frame], [found])[0].mask[0] is not None
    with pytest.raises(InvalidValueError, match=r"need box_masks\.sam\.model"):
        MaskConfig(by="sam")


@pytest.mark.parametrize("wrong", [{"side_px": 8}, {"rounds": 0}, {"margin": 0.0}, {"sure": 0.5}, {"least_fill": 1.0}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        GrabCutConfig(**wrong)  # type: ignore[arg-type]
