"""Masks of boxes, compared with transformers' own masks for the same boxes.

Weights are random, so that masks are arbitrary: these tests show that every box gets the model's own mask, but not how
good the masks of a trained model are.

Catches masks that are assigned to the wrong region, existing masks that are lost, and masks for the windows of a grid.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import transformers as t

from operators.masks.boxes_to_masks import BoxMasks, BoxMasksConfig
from operators.masks.rle import decode_mask, encode_masks
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import Keyframe
from schemas.regions import WHOLE_FRAME, Proposals
from tests.segmenters import PIXELS, SIDE_PX, Segmenters

pytestmark = pytest.mark.usefixtures("one_thread", "wide_batches")
GENERATOR = np.random.default_rng(0)
KNOWN = encode_masks(np.ones((1, SIDE_PX, SIDE_PX), bool))[0]
CONFIG = BoxMasksConfig(boxes_per_batch=3, frames_per_batch=2, least_predicted_iou=0.0, stability_offset=0.05)


def keyframe(height: int = SIDE_PX, width: int = SIDE_PX) -> Keyframe:
    return Keyframe(0, GENERATOR.integers(0, 256, (height, width, 3), np.uint8), None, "picture")


def proposals() -> Proposals:
    """Two static windows, a region with a mask, an empty box, and three that want a mask: 1, 3 and 5."""
    xyxy = [
        [0, 0, 0.5, 0.5],
        [0, 0.25, 0.5, 1],
        [0.5, 0, 1, 1],
        [0.1, 0.1, 0.9, 0.4],
        [0.5, 0.5, 0.5, 0.8],
        [0, 0, 1, 1],
        [0.25, 0, 0.5, 1],
        [0, 0, 1, 1],
    ]
    names = ("grid-2", "moving", "owlv2", "moving", "moving", "owlv2", "cover-3", WHOLE_FRAME)
    labels = (None, None, "dog", None, None, "cat", None, None)
    masks = (None, None, KNOWN, None, None, None, None, None)
    boxes = Boxes(np.array(xyxy, np.float32))
    return Proposals.of(
        boxes, score=np.linspace(1, 0.3, 8).astype(np.float32), proposer=names, label=labels, mask=masks
    )


WANTED = [1, 3, 5]


def build(segmenters: Segmenters, kind: str = "sam2", config: BoxMasksConfig = CONFIG) -> BoxMasks:
    return BoxMasks(replace(config, model=str(segmenters(kind))))


@pytest.mark.parametrize(("kind", "architecture"), [("sam2", t.Sam2Model), ("sam3_tracker", t.Sam3TrackerModel)])
@torch.inference_mode()
def test_each_bare_box_gets_the_models_surest_mask(kind: str, architecture: type, segmenters: Segmenters) -> None:
    frames, regions = [keyframe(), keyframe(), keyframe()], [proposals(), proposals().take(np.array([3])), proposals()]
    model = architecture.from_pretrained(segmenters(kind)).eval()  # type: ignore[attr-defined]
    mean, std = (torch.tensor(PIXELS[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    found = build(segmenters, kind)(frames, regions)
    compared = 0
    for frame, before, after, wanted in zip(frames, regions, found, [WANTED, [0], WANTED], strict=True):
        pixels = (torch.from_numpy(frame.image).permute(2, 0, 1)[None] / 255 - mean) / std
        boxes = torch.from_numpy(before.boxes.xyxy[wanted] * SIDE_PX)
        expected = model(pixel_values=pixels, input_boxes=boxes[None])
        for i, logits, iou in zip(wanted, expected.pred_masks[0], expected.iou_scores[0], strict=True):
            plane = F.interpolate(logits[None], (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)[
                0, iou.argmax()
            ]
            mask = after.mask[i]
            if not (plane > 0).any():
                assert mask is None
                continue
            assert mask is not None
            compared += 1
            # logits differ in their last bits from batch to batch: at most a pixel or two lie so near to 0
            assert (decode_mask(mask) != (plane > 0).numpy()).sum() <= 2
            stability = float((plane > 0.05).sum() / (plane > -0.05).sum())
            assert after.stability[i] == pytest.approx(stability, abs=5e-3)
    assert compared > 3  # else the test would show nothing


def test_all_else_stays_as_it_was(segmenters: Segmenters) -> None:
    before = proposals()
    (after,) = build(segmenters)([keyframe()], [before])
    assert [i for i, mask in enumerate(after.mask) if mask is not None] == sorted([*WANTED, 2])
    assert after.mask[2] is KNOWN
    assert np.flatnonzero(~np.isnan(after.stability)).tolist() == WANTED
    assert (after.proposer, after.label) == (before.proposer, before.label)
    np.testing.assert_array_equal(after.boxes.xyxy, before.boxes.xyxy)
    np.testing.assert_array_equal(after.score, before.score)
    assert before.mask[1] is None  # what came in is not changed


def test_masks_are_as_large_as_their_frames(segmenters: Segmenters) -> None:
    frames = [keyframe(40, 90), keyframe(1, 1), keyframe(90, 31)]
    for frame, after in zip(frames, build(segmenters)(frames, [proposals().take(np.array([1, 5]))] * 3), strict=True):
        assert {(m.height_px, m.width_px) for m in after.mask if m is not None} <= {frame.image.shape[:2]}


def test_an_unsure_or_empty_mask_leaves_the_box_alone(segmenters: Segmenters, monkeypatch: pytest.MonkeyPatch) -> None:
    unsure = build(segmenters, config=replace(CONFIG, least_predicted_iou=1.0))
    (after,) = unsure([keyframe()], [proposals()])
    assert [mask for mask in after.mask if mask is not None] == [KNOWN]
    empty = build(segmenters)
    decoder = empty._segmenter._model.mask_decoder
    plain = decoder.forward
    monkeypatch.setattr(decoder, "forward", lambda **k: (lambda out: (out[0] * 0 - 9, *out[1:]))(plain(**k)))
    (after,) = empty([keyframe()], [proposals()])
    assert [mask for mask in after.mask if mask is not None] == [KNOWN]
    assert np.isnan(after.stability).all()


def test_frames_without_bare_boxes_are_not_even_looked_at(
    segmenters: Segmenters, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = build(segmenters)
    monkeypatch.setattr(masks._segmenter, "embed", lambda _: pytest.fail("embedded"))
    before = [proposals().take(np.array([0, 2, 6])), Proposals.concat([])]
    assert [a is b for a, b in zip(masks([keyframe()] * 2, before), before, strict=True)] == [True, True]
    assert masks([], []) == []
    masks.close()


def test_what_cannot_be_done_is_refused(segmenters: Segmenters, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="each keyframe needs its proposals"):
        build(segmenters)([keyframe()], [])
    with pytest.raises(ModelError, match="no segmenter is named"):
        BoxMasks(BoxMasksConfig())
    with pytest.raises(ModelError, match="there is no folder"):
        BoxMasks(BoxMasksConfig(model=str(tmp_path / "nowhere")))
    with pytest.raises(InvalidValueError, match="boxes_per_batch"):
        BoxMasksConfig(boxes_per_batch=0)
    with pytest.raises(InvalidValueError, match="stability_offset"):
        BoxMasksConfig(stability_offset=-1.0)
