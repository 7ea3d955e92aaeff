"""Catches proposers that are named but do not run, frames that one of them cannot process, and models that remain in
the memory of a device after a run."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.masks.boxes_to_masks import BoxMasksConfig
from operators.masks.config import MaskConfig
from operators.proposals.config import ProposalConfig
from operators.proposals.frame_proposer import FrameProposer
from operators.proposals.models.automatic_masks import AutomaticMasksConfig
from operators.proposals.models.detector import DetectorConfig
from operators.proposals.models.open_set import OpenSetConfig
from operators.proposals.refine import RefineConfig
from operators.proposals.windows.grid import GridConfig
from operators.runtime.settings import identity
from schemas.errors import PlanError
from schemas.frames import Keyframe
from tests.detectors import Detectors
from tests.segmenters import Segmenters

ALL_ARE_KEPT = RefineConfig(max_iou=0.99, limit=64, stand_ins=())
EVERY: tuple[str, ...] = ("moving", "selective-search", "segments", "grid", "complete-cover")


def frame(*, moving: bool) -> Keyframe:
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    image[30:70, 95:135] = (200, 30, 30)
    motion = np.zeros((90, 160), np.uint8)
    motion[20:60, 50:70] = 100
    return Keyframe(0, image, motion if moving else None, "change")


def kinds(config: ProposalConfig, keyframe: Keyframe) -> list[str]:
    return list(dict.fromkeys(name.split("-")[0] for name in FrameProposer(config)([keyframe])[0].proposer))


@pytest.mark.parametrize(
    ("moving", "expected"),
    [(True, ["moving", "segments", "grid", "cover"]), (False, ["selective", "segments", "grid", "cover"])],
)
def test_every_proposer_that_is_named_has_boxes_in_the_order_named(moving: bool, expected: list[str]) -> None:
    config = ProposalConfig(use=EVERY, refine=ALL_ARE_KEPT)
    assert kinds(config, frame(moving=moving)) == expected
    backwards = ProposalConfig(use=EVERY[::-1], refine=replace(ALL_ARE_KEPT, reserve=2))
    assert kinds(backwards, frame(moving=moving)) == expected[::-1]


@pytest.mark.parametrize("name", EVERY)
def test_each_proposer_runs_alone(name: str) -> None:
    found = FrameProposer(ProposalConfig(use=(name,)))([frame(moving=name == "moving")])[0]
    assert 0 < len(found) <= 32


@pytest.mark.parametrize("motion", [None, np.full((1, 1), 255, np.uint8)])
def test_a_frame_of_one_pixel_is_taken(motion: np.ndarray | None) -> None:
    pixel = Keyframe(0, np.zeros((1, 1, 3), np.uint8), motion, "picture")
    found = FrameProposer(ProposalConfig(use=EVERY, refine=ALL_ARE_KEPT))([pixel])[0]
    assert {"grid-2", "grid-4"} <= set(found.proposer)


def test_unknown_proposers_are_refused_with_the_known_ones() -> None:
    with pytest.raises(PlanError, match=r"unknown proposer 'magic'; known proposers: objects, .*complete-cover"):
        ProposalConfig(use=("magic",))


def test_a_proposer_named_twice_is_refused() -> None:
    with pytest.raises(PlanError, match="named twice"):
        ProposalConfig(use=("grid", "moving", "grid"))


def test_no_proposer_gives_no_boxes() -> None:
    assert [len(p) for p in FrameProposer(ProposalConfig(use=()))([frame(moving=True)] * 2)] == [0, 0]


def test_regions_get_masks_where_the_plan_asks_for_them() -> None:
    config = ProposalConfig(
        use=("selective-search", "grid"), refine=RefineConfig(stand_ins=()), box_masks=MaskConfig(by="grabcut")
    )
    (plain,) = FrameProposer(replace(config, box_masks=MaskConfig()))([frame(moving=False)])
    (found,) = FrameProposer(config)([frame(moving=False)])
    np.testing.assert_array_equal(found.boxes.xyxy, plain.boxes.xyxy)
    assert set(plain.mask) == {None}
    with_mask = {name for name, mask in zip(found.proposer, found.mask, strict=True) if mask is not None}
    assert with_mask == {"selective"}


def test_closing_lets_go_of_every_model(tmp_path: Path, segmenters: Segmenters) -> None:
    detectors = Detectors(tmp_path)
    config = ProposalConfig.of(
        GridConfig(),
        AutomaticMasksConfig(model=str(segmenters("sam2"))),
        DetectorConfig(model=str(detectors("rt_detr"))),
        OpenSetConfig(model=str(detectors("owlv2")), vocabulary=("dog",)),
        box_masks=MaskConfig(by="sam", sam=BoxMasksConfig(model=str(segmenters("sam2")))),
    )
    proposer = FrameProposer(config)
    _, masks, detector, open_set = proposer._proposers
    parts: list[Any] = [masks, proposer._masks, detector, open_set]
    models = [weakref.ref(p._segmenter._model if hasattr(p, "_segmenter") else p._loaded.model) for p in parts]
    assert all(model() is not None for model in models)
    proposer.close()
    gc.collect()
    assert all(model() is None for model in models)


def test_what_counts_for_a_plan_is_what_runs_by_its_own_name() -> None:
    plain = identity(ProposalConfig(use=("grid", "segments")))
    assert plain["use"] == ("grid", "segments")
    assert plain["grid.cells"] == (2, 4)
    assert plain["segments.merge.piece_px"] == 12
    assert not any(key.startswith("moving") for key in plain)
    unused = ProposalConfig(use=("grid", "segments"), settings=(DetectorConfig(limit=3),))
    assert identity(unused) == plain
    config = DetectorConfig(limit=3, batch=2)
    assert identity(ProposalConfig.of(config)) == identity(ProposalConfig.of(replace(config, batch=8)))
    assert identity(ProposalConfig.of(config)) != identity(ProposalConfig.of(DetectorConfig()))
