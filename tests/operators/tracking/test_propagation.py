"""Propagated masks, compared with a single session of transformers that follows all things at once.

Weights are random, so that masks are arbitrary: the regions of the next keyframe are placed where `transformers`
propagates those of the previous one. These tests show that links follow from the model's output, but not how well a
trained model follows things.

Catches a memory that is lost or mixed up between things, links to regions that do not exist, pictures that must be as
large as their masks, and outputs that accumulate until a long feed fills the device.
"""

import gc
import weakref
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import transformers as t
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from operators.masks.rle import encode_masks
from operators.tracking.config import PropagationConfig
from operators.tracking.links import MaskedFrame
from operators.tracking.propagation import MaskPropagation, _matched
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray
from tests.segmenters import PIXELS, SIDE_PX, Segmenters

pytestmark = pytest.mark.usefixtures("one_thread")
TOLERANCE = 0.004  # of IoU: memories are rounded to bfloat16, so that a sum in another order may move a few pixels
CLASSES = {
    "sam2_video": (t.Sam2VideoModel, t.Sam2VideoInferenceSession),
    "edgetam_video": (t.EdgeTamVideoModel, t.EdgeTamVideoInferenceSession),
    "sam3_video": (t.Sam3TrackerVideoModel, t.Sam3TrackerVideoInferenceSession),
}


def picture(seed: int, height: int = SIDE_PX, width: int = SIDE_PX) -> ImageArray:
    """A coarse random picture, so that neighbouring pixels belong together."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return coarse.repeat(-(-height // 4), axis=0).repeat(-(-width // 4), axis=1)[:height, :width]


def seen(time: int, masks: np.ndarray, image: ImageArray | None = None) -> MaskedFrame:
    """Regions are called "time.place"."""
    ids = tuple(f"{time}.{i}" for i in range(len(masks)))
    return MaskedFrame(picture(time) if image is None else image, ids, tuple(encode_masks(masks)))


def first_masks(height: int = SIDE_PX, width: int = SIDE_PX) -> np.ndarray:
    masks = np.zeros((3, height, width), bool)
    masks[0, : height // 2, : width // 3] = True
    masks[1, height // 3 :, width // 2 :] = True
    masks[2, :, width // 3 : width // 2] = True
    return masks


def pixels_of(image: ImageArray) -> torch.Tensor:
    mean, std = (torch.tensor(PIXELS[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    return (torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None] / 255 - mean) / std


class ByTransformers:
    """All things in one session, as its documentation shows for streams; masks of SIDE_PX need no resizing."""

    def __init__(self, kind: str, folder: Path) -> None:
        model, session = CLASSES[kind]
        self.model = model.from_pretrained(folder).eval()
        self.session: Any = session(dtype=torch.float32)
        self.time = -1

    def carry(self, image: ImageArray) -> np.ndarray:
        """bool (things, H, W)."""
        self.time += 1
        out = self.model(self.session, frame_idx=self.time, frame=pixels_of(image))
        full = F.interpolate(out.pred_masks, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
        return (full[:, 0] > 0).numpy()

    def correct(self, image: ImageArray, masks: np.ndarray) -> None:
        self.time = max(self.time, 0)
        for thing, mask in enumerate(masks):
            index = self.session.obj_id_to_idx(thing)
            self.session.add_mask_inputs(index, self.time, torch.from_numpy(mask).float()[None, None])
        self.session.obj_with_new_inputs = list(range(len(masks)))
        self.model(self.session, frame_idx=self.time, frame=pixels_of(image))


def iou_of(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    shared = (masks[:, None] & others[None]).sum(axis=(2, 3))
    return shared / (masks[:, None] | others[None]).sum(axis=(2, 3))


@pytest.mark.parametrize("kind", CLASSES)
@torch.inference_mode()
def test_links_are_those_of_masks_that_transformers_carries(kind: str, segmenters: Segmenters) -> None:
    config = PropagationConfig(str(segmenters(kind)), least_iou=0.001)
    theirs, together = ByTransformers(kind, segmenters(kind)), MaskPropagation(config)
    single = [MaskPropagation(config) for _ in range(2)]  # each follows one thing, which can only be linked to itself
    forgetful = MaskPropagation(config)
    home = first_masks()
    elsewhere = np.roll(home, 1, axis=0) | np.roll(home, 2, axis=0)
    before = home
    theirs.correct(picture(0), before)
    together(seen(0, before))
    for i, carry in enumerate(single):
        assert carry(seen(0, before[i : i + 1])) == []
    remembered = 0.0
    for time in range(1, 4):
        forgetful.cut()
        forgetful(seen(time - 1, before[:1]))
        carried = theirs.carry(picture(time))
        after = (carried | home) & ~elsewhere  # random weights carry all to the same place; they are sent home
        theirs.correct(picture(time), after)
        iou = iou_of(carried, after)
        assert iou.max() < 1.0  # else the test would show nothing
        for i, carry in enumerate(single):
            (link,) = carry(seen(time, after[i : i + 1]))
            assert (link.start, link.stop) == (f"{time - 1}.0", f"{time}.0")
            assert link.score == pytest.approx(iou[i, i], abs=TOLERANCE)
        if time == 1:  # later it may have taken one thing for another, with which its memory differs
            best = max(sum(iou[row, i] for i, row in enumerate(rows)) for rows in permutations(range(3)))
            total = sum(link.score for link in together(seen(time, after[::-1])))
            assert total == pytest.approx(best, abs=2 * TOLERANCE)
        remembered = max(remembered, abs(forgetful(seen(time, after[:1]))[0].score - iou[0, 0]))
        before = after
    assert remembered > 2 * TOLERANCE  # what lies further back than one keyframe has its say


@given(arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(0, 1, width=32)))
def test_regions_are_paired_one_to_one_for_the_greatest_total_overlap(iou: np.ndarray) -> None:
    rows, columns, found = _matched(iou, least_iou=0.5)
    enough = np.where(iou >= 0.5, iou, 0)
    wide = enough if enough.shape[0] <= enough.shape[1] else enough.T
    best = max(
        (sum(wide[i, c] for i, c in enumerate(chosen)) for chosen in permutations(range(wide.shape[1]), wide.shape[0])),
        default=0,
    )
    assert found.sum() == pytest.approx(best, abs=1e-5)
    assert (found >= 0.5).all()
    assert len(set(rows.tolist())) == len(rows)
    assert columns.tolist() == sorted(set(columns.tolist()))
    np.testing.assert_array_equal(found, iou[rows, columns])


def small(segmenters: Segmenters, kind: str = "edgetam_video", *, least_iou: float = 0.01) -> MaskPropagation:
    return MaskPropagation(PropagationConfig(str(segmenters(kind)), least_iou=least_iou))


def test_what_is_not_there_is_not_linked(segmenters: Segmenters) -> None:
    carry = small(segmenters)
    everywhere = np.ones((1, SIDE_PX, SIDE_PX), bool)
    assert carry(seen(0, everywhere)) == []  # the first keyframe
    (link,) = carry(seen(1, everywhere))
    assert (link.start, link.stop) == ("0.0", "1.0")
    assert carry(seen(2, everywhere[:0])) == []
    assert carry(seen(3, everywhere)) == []  # what found no region was let go
    carry.cut()
    assert carry(seen(4, everywhere)) == []
    strict = small(segmenters, least_iou=1.0)
    strict(seen(0, first_masks()[:1]))
    assert strict(seen(1, ~first_masks()[:1])) == []


@pytest.mark.parametrize("size", [(40, 90), (1, 1), (90, 31)])
def test_frames_of_any_shape_are_accepted(size: tuple[int, int], segmenters: Segmenters) -> None:
    carry = small(segmenters)
    whole = np.ones((2, *size), bool)
    carry(seen(0, whole, picture(0, *size)))
    links = carry(seen(1, whole, picture(1, *size)))
    assert len({link.start for link in links}) == len({link.stop for link in links}) == len(links)
    assert all(0 < link.score <= 1 for link in links)


def test_the_size_of_the_picture_does_not_matter_to_the_masks(segmenters: Segmenters) -> None:
    """A picture of blocks says the same at any size: a thumbnail links as its keyframe does."""
    config = PropagationConfig(str(segmenters("sam2_video")), least_iou=0.001)
    large, small = MaskPropagation(config), MaskPropagation(config)
    masks = [first_masks(3 * SIDE_PX, 4 * SIDE_PX), np.roll(first_masks(3 * SIDE_PX, 4 * SIDE_PX), 5, axis=1)]
    links = []
    for time, found in enumerate(masks):
        image = picture(time)
        links = [large(seen(time, found, image.repeat(2, axis=0).repeat(2, axis=1))), small(seen(time, found, image))]
    assert [(link.start, link.stop) for link in links[0]] == [(link.start, link.stop) for link in links[1]] != []
    for one, other in zip(*links, strict=True):
        assert one.score == pytest.approx(other.score, abs=0.05)  # edges between blocks are smoothed in one of them


def test_a_long_feed_does_not_pile_up_and_pictures_are_encoded_once(
    segmenters: Segmenters, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry = small(segmenters)
    monkeypatch.setattr(carry, "_remembered", 3)
    encoder, calls = carry._model.vision_encoder, []
    plain = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda *a, **k: (calls.append(1), plain(*a, **k))[1])
    for time in range(8):
        carry(seen(time, np.ones((2, SIDE_PX, SIDE_PX), bool)))
    assert len(calls) == 8
    outputs = [thing.session.output_dict_per_obj[0] for thing in carry._things]
    assert max(len(o["cond_frame_outputs"]) + len(o["non_cond_frame_outputs"]) for o in outputs) <= 4
    assert not any("high_res_masks" in o for by in outputs for times in by.values() for o in times.values())
    assert all(thing.session.processed_frames is None for thing in carry._things)


def test_closing_gives_the_model_back(segmenters: Segmenters) -> None:
    carry = small(segmenters)
    model = weakref.ref(carry._model)
    carry(seen(0, first_masks()))
    carry.close()
    carry.close()
    gc.collect()
    assert model() is None


def test_a_separate_tracker_of_sam_3_is_accepted(segmenters: Segmenters) -> None:
    assert isinstance(small(segmenters, "sam3_tracker_video")._model, t.Sam3TrackerVideoModel)


def test_bad_models_masks_and_settings_are_refused_with_the_reason(segmenters: Segmenters, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no memory to propagate masks with; name a model of type sam2_video"):
        small(segmenters, "sam2")
    with pytest.raises(ModelError, match="no segmenter is named"):
        MaskPropagation(PropagationConfig())
    with pytest.raises(ModelError, match="there is no folder"):
        MaskPropagation(PropagationConfig(str(tmp_path / "nowhere")))
    with pytest.raises(InvalidValueError, match="masks of one keyframe must be of one size"):
        MaskedFrame(picture(0), ("a", "b"), tuple(encode_masks(m)[0] for m in (first_masks(), first_masks(32, 64))))
    with pytest.raises(InvalidValueError, match="least_iou"):
        PropagationConfig(least_iou=0.0)
