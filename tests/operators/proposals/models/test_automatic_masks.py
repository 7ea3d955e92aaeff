"""Automatic masks against transformers' own filter of masks and formulas written here.

Weights are random, so masks are arbitrary, and thresholds are lowered to let some through. These tests show how the
output of a segmenter is processed, and not how good that of a trained one is.

Catches points of a wide frame that are spread over a square, masks that are measured in another frame's size, and
filters that keep empty masks or fail on a frame without masks.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import transformers as t

from operators.masks.rle import decode_mask, mask_boxes
from operators.masks.sam import Segmenter
from operators.proposals.config import ProposalConfig
from operators.proposals.frame_proposer import FrameProposer
from operators.proposals.models.automatic_masks import AutomaticMasks, AutomaticMasksConfig, point_grid
from operators.proposals.refine import RefineConfig
from operators.proposals.windows.grid import GridConfig
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import Keyframe
from tests.segmenters import Segmenters

pytestmark = pytest.mark.usefixtures("one_thread", "wide_batches")
Get = Callable[[str], Segmenter]
LOW = AutomaticMasksConfig(
    points_per_side=3,
    points_per_batch=7,
    frames_per_batch=2,
    least_predicted_iou=0.1,
    least_stability=0.2,
    stability_offset=0.05,
    max_iou=0.937,
    min_area=0.01,
)


def keyframe(height: int, width: int, *, seed: int = 0) -> Keyframe:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Keyframe(0, image, None, "picture")


Change = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
FRAMES = [keyframe(40, 90), keyframe(77, 31, seed=1), keyframe(64, 64, seed=2)]


def build(segmenters: Segmenters, kind: str = "sam2", config: AutomaticMasksConfig = LOW) -> AutomaticMasks:
    return AutomaticMasks(replace(config, model=str(segmenters(kind))))


def answers(monkeypatch: pytest.MonkeyPatch, segmenter: Segmenter, change: Change) -> None:
    """Lets the decoder of `segmenter` answer with changed logits and predicted IoU."""
    decoder = segmenter._model.mask_decoder
    plain = decoder.forward

    def forward(**prompts: object) -> tuple[torch.Tensor, ...]:
        logits, predicted_iou, *rest = plain(**prompts)
        return (*change(logits, predicted_iou), *rest)

    monkeypatch.setattr(decoder, "forward", forward)


def local(logits: torch.Tensor, predicted_iou: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The highest of each mask alone: masks of random weights are speckled all over, and their boxes the frame."""
    flat = logits.flatten(-2)
    return ((flat - flat.quantile(0.9, dim=-1, keepdim=True)) / flat.std(-1, keepdim=True)).view_as(
        logits
    ), predicted_iou


@pytest.mark.parametrize(("kind", "name"), [("sam2", "sam2"), ("edgetam_video", "edgetam"), ("sam3_tracker", "sam3")])
@torch.inference_mode()
def test_masks_are_those_that_transformers_filter_and_a_plain_suppression_keep(
    kind: str, name: str, segmenters: Segmenters, segmenter: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    # batches as the segmenter is asked below: in others, last bits of logits may lift a mask over a threshold
    proposer, ours = build(segmenters, kind, replace(LOW, points_per_batch=9, frames_per_batch=1)), segmenter(kind)
    answers(monkeypatch, proposer._segmenter, local)
    answers(monkeypatch, ours, local)
    found = proposer(FRAMES)
    points = [np.array([[(c + 0.5) / 3, (r + 0.5) / 3] for r in range(3) for c in range(3)], np.float32)]
    for frame, proposals in zip(FRAMES, found, strict=True):
        height, width = frame.image.shape[:2]
        (answer,) = ours.masks_at_points(ours.embed([frame.image]), points)
        logits = F.interpolate(answer.logits, (height, width), mode="bilinear", align_corners=False)
        kept, scores, boxes = t.SamImageProcessorPil().filter_masks(
            logits, answer.predicted_iou, (height, width), [0, 0, width, height], 0.1, 0.2, 0.0, 0.05
        )
        masks = [to_pixels(rle["counts"], height, width) for rle in kept]
        boxes = boxes.numpy() + np.array([0, 0, 1, 1])  # transformers counts the last pixel, we the border behind it
        large = [i for i, mask in enumerate(masks) if mask.mean() >= 0.01]
        order = sorted(large, key=lambda i: -float(scores[i]))
        chosen: list[int] = []
        for i in order:
            if all(box_iou(boxes[i], boxes[j]) <= 0.937 for j in chosen):
                chosen.append(i)

        assert len(chosen) > 1  # else the test would show nothing
        assert proposals.proposer == (name,) * len(chosen)
        np.testing.assert_allclose(proposals.score, [float(scores[i]) for i in chosen], atol=1e-6)
        px = proposals.boxes.to_pixels(width_px=width, height_px=height)
        np.testing.assert_array_equal(px, boxes[chosen])
        for mask, stability, i in zip(proposals.mask, proposals.stability, chosen, strict=True):
            assert mask is not None
            np.testing.assert_array_equal(decode_mask(mask), masks[i])
            plane = next(p for p in logits.flatten(0, 1) if np.array_equal((p > 0).numpy(), masks[i])).numpy()
            assert stability == pytest.approx((plane > 0.05).sum() / (plane > -0.05).sum(), abs=1e-6)


def to_pixels(counts: list[int], height: int, width: int) -> np.ndarray:
    """COCO's plain run lengths, column by column, background first."""
    runs = np.repeat(np.arange(len(counts)) % 2, counts)
    return runs.reshape(width, height).T.astype(bool)


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


@pytest.mark.parametrize("kind", ["sam2", "sam"])
def test_a_frames_masks_depend_on_neither_batch_nor_neighbours(kind: str, segmenters: Segmenters) -> None:
    # everything passes: last bits of logits, which depend on the batch, would lift a mask over a threshold or not
    every = replace(LOW, least_predicted_iou=0.0, least_stability=0.0, min_area=0.0, max_iou=1.0)
    together = build(segmenters, kind, every)(FRAMES)
    other = build(segmenters, kind, replace(every, points_per_batch=64, frames_per_batch=1))
    for frame, proposals in zip(FRAMES, together, strict=True):
        (alone,) = other([frame])
        assert len(proposals) > 8
        np.testing.assert_allclose(proposals.score, alone.score, atol=3e-5)
        height, width = frame.image.shape[:2]
        areas = np.array([[mask.area_px for mask in p.mask if mask is not None] for p in (proposals, alone)])
        assert np.abs(areas[0] - areas[1]).max() <= 0.002 * height * width
        np.testing.assert_allclose(proposals.stability, alone.stability, atol=0.01)


def test_boxes_are_the_tightest_around_masks_of_the_frames_size(segmenters: Segmenters) -> None:
    for frame, proposals in zip(FRAMES, build(segmenters)(FRAMES), strict=True):
        masks = [mask for mask in proposals.mask if mask is not None]
        assert len(masks) == len(proposals)
        assert {(m.height_px, m.width_px) for m in masks} == {frame.image.shape[:2]}
        np.testing.assert_allclose(mask_boxes(masks).xyxy, proposals.boxes.xyxy, atol=1e-6)
        assert all(m.area >= 0.01 for m in masks)
        assert ((proposals.score >= 0.1) & (proposals.score <= 1)).all()
        assert (np.diff(proposals.score) <= 0).all()


def test_scores_beyond_one_are_cut_to_it(segmenters: Segmenters, monkeypatch: pytest.MonkeyPatch) -> None:
    proposer = build(segmenters, "sam")  # whose predicted IoU has no bounds
    answers(monkeypatch, proposer._segmenter, lambda logits, iou: (logits, iou * 0 + 1.7))
    assert set(proposer(FRAMES[:1])[0].score.tolist()) == {1.0}


def test_at_most_so_many_masks_a_frame(segmenters: Segmenters, monkeypatch: pytest.MonkeyPatch) -> None:
    proposer, limited = build(segmenters), build(segmenters, config=replace(LOW, limit=2))
    for each in (proposer, limited):
        answers(monkeypatch, each._segmenter, local)
    every, first = proposer(FRAMES[:1])[0], limited(FRAMES[:1])[0]
    assert len(first) == 2 < len(every)
    assert first.score.tolist() == every.score[:2].tolist()
    assert first.mask == every.mask[:2]


def test_where_nothing_is_sure_there_are_no_proposals(segmenters: Segmenters) -> None:
    for config in (replace(LOW, least_predicted_iou=1.0), replace(LOW, least_stability=1.0, stability_offset=9.0)):
        assert [len(p) for p in build(segmenters, config=config)(FRAMES)] == [0, 0, 0]
    assert build(segmenters)([]) == []


def test_empty_masks_are_no_regions(segmenters: Segmenters, monkeypatch: pytest.MonkeyPatch) -> None:
    proposer = build(segmenters, config=replace(LOW, least_stability=0.0, min_area=0.0))
    answers(monkeypatch, proposer._segmenter, lambda logits, iou: (logits * 0 - 9, iou))
    assert [len(p) for p in proposer(FRAMES)] == [0, 0, 0]


def test_a_frame_of_one_pixel_is_taken(segmenters: Segmenters) -> None:
    config = replace(LOW, least_predicted_iou=0.0, least_stability=0.0)
    (proposals,) = build(segmenters, config=config)([keyframe(1, 1)])
    assert set(map(tuple, proposals.boxes.xyxy.tolist())) <= {(0.0, 0.0, 1.0, 1.0)}


def test_the_grid_is_the_middles_of_equal_cells() -> None:
    np.testing.assert_allclose(point_grid(2), [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    assert point_grid(32).shape == (1024, 2)


def test_a_plan_runs_them_beside_other_proposers(segmenters: Segmenters) -> None:
    masks = replace(LOW, model=str(segmenters("sam2")))
    config = ProposalConfig.of(masks, GridConfig(), refine=RefineConfig(max_iou=0.95, stand_ins=()))
    (found,) = FrameProposer(config)(FRAMES[:1])
    assert found.proposer[0] == "sam2"
    assert {"sam2", "grid-2"} <= set(found.proposer)
    assert all((mask is not None) == (name == "sam2") for name, mask in zip(found.proposer, found.mask, strict=True))
    assert isinstance(found.boxes, Boxes)


def test_a_plan_without_a_model_or_with_a_wrong_one_is_refused_before_any_frame(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"set proposals\.masks\.model; name a folder or a hub id, e\.g\. "):
        FrameProposer(ProposalConfig(use=("masks",)))
    wrong = AutomaticMasksConfig(model=str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="there is no folder"):
        FrameProposer(ProposalConfig.of(wrong))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"points_per_side": 0}, "points_per_side"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"least_stability": 1.5}, "must lie in"),
        ({"stability_offset": 0.0}, "stability_offset must be above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        AutomaticMasksConfig(**change)  # type: ignore[arg-type]
