"""FastSAM's results as proposals, through a module with the interface of `ultralytics`, which is not installed here.

Catches masks and boxes of another frame, colours in the wrong order, and a package with another licence that is
imported although it was not chosen. The network itself is not run.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from operators.masks.rle import decode_mask
from operators.proposals.config import ProposalConfig
from operators.proposals.frame_proposer import FrameProposer
from operators.proposals.models.fastsam import FastSam, FastSamConfig
from pipeline.plan.plan_file import load_plan
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import Keyframe


class FakeModel:
    """Finds the bright pixels of each channel, blue first; nothing in dark pictures."""

    def __init__(self, path: str) -> None:
        if "broken" in path:
            raise EOFError("Ran out of input")
        self.calls: list[dict[str, Any]] = []

    def predict(self, source: list[np.ndarray[Any, np.dtype[np.uint8]]], **settings: Any) -> list[SimpleNamespace]:
        self.calls.append(settings | {"shapes": [image.shape for image in source]})
        return [self._result(image, settings["max_det"]) for image in source]

    def _result(self, image: np.ndarray[Any, np.dtype[np.uint8]], most: int) -> SimpleNamespace:
        masks = torch.from_numpy(np.moveaxis(image > 200, 2, 0).astype(np.uint8))
        scores = torch.tensor([0.5, 0.9, 0.7])
        found = masks.flatten(1).any(dim=1).nonzero()[:, 0][:most]
        boxes = []
        for mask in masks[found]:
            y, x = mask.nonzero().T
            boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
        return SimpleNamespace(
            boxes=Rows(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), scores[found]),
            masks=SimpleNamespace(data=masks[found]) if len(found) else None,
        )


class Rows:
    def __init__(self, xyxy: torch.Tensor, conf: torch.Tensor) -> None:
        self.xyxy, self.conf = xyxy, conf

    def __len__(self) -> int:
        return len(self.conf)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "FastSAM-s.pt"
    file.write_bytes(b"")
    return file


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("ultralytics")
    module.FastSAM = FakeModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ultralytics", module)


def frame(height: int, width: int, **rectangles: tuple[int, int, int, int]) -> Keyframe:
    """Dark, with a rectangle (x0, y0, x1, y1) in some channels."""
    image = np.zeros((height, width, 3), np.uint8)
    for channel, (x0, y0, x1, y1) in rectangles.items():
        image[y0:y1, x0:x1, ["red", "green", "blue"].index(channel)] = 255
    return Keyframe(0, image, None, "picture")


@pytest.mark.usefixtures("package")
def test_each_region_has_its_box_score_and_mask(weights: Path) -> None:
    keyframe = frame(40, 80, red=(0, 0, 20, 10), blue=(40, 20, 80, 40))
    (found,) = FastSam(FastSamConfig(model=str(weights), execute_pickle=True))([keyframe])
    assert found.proposer == ("fastsam", "fastsam")
    assert found.label == (None, None)
    np.testing.assert_allclose(found.score, [0.7, 0.5])  # red is the last channel of BGR, blue the first
    np.testing.assert_array_equal(found.boxes.xyxy, np.array([[0, 0, 0.25, 0.25], [0.5, 0.5, 1, 1]], np.float32))
    for mask, channel in zip(found.mask, (0, 2), strict=True):
        assert mask is not None
        np.testing.assert_array_equal(decode_mask(mask), keyframe.image[..., channel] > 0)


@pytest.mark.usefixtures("package")
def test_frames_of_several_sizes_are_not_padded_to_each_other(weights: Path) -> None:
    propose = FastSam(
        FastSamConfig(model=str(weights), execute_pickle=True, batch=2, limit=1, least_score=0.25, input_px=640)
    )
    frames = [frame(40, 80, green=(i, 0, i + 8, 8)) for i in range(3)] + [frame(1, 1), frame(40, 80)]
    found = propose(frames)
    assert [len(each) for each in found] == [1, 1, 1, 0, 0]
    assert [round(float(each.boxes.xyxy[0, 0]) * 80) for each in found[:3]] == [0, 1, 2]
    calls = propose._model.calls
    assert all(len(set(call["shapes"])) == 1 and len(call["shapes"]) <= 2 for call in calls)
    assert {(call["conf"], call["iou"], call["imgsz"], call["max_det"]) for call in calls} == {(0.25, 0.9, 640, 1)}
    assert all(call["retina_masks"] and not call["verbose"] for call in calls)


def test_without_the_package_the_extra_and_its_licence_are_named(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(ModelError, match=r"AGPL-3\.0: pip install 'regionlake\[fastsam\]'"):
        FrameProposer(ProposalConfig.of(FastSamConfig(model=str(weights), execute_pickle=True)))


@pytest.mark.usefixtures("package")
def test_weights_that_are_not_there_or_not_readable_are_told_before_any_frame(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"proposals\.fastsam\.model names no weights"):
        FastSam(FastSamConfig())
    with pytest.raises(ModelError, match=r"there is no file FastSAM-x\.pt"):  # ultralytics would fetch it
        FastSam(FastSamConfig(model="FastSAM-x.pt"))
    (tmp_path / "broken.pt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"broken\.pt cannot be read as FastSAM's weights: Ran out of input"):
        FastSam(FastSamConfig(model=str(tmp_path / "broken.pt"), execute_pickle=True))


@pytest.mark.usefixtures("package")
def test_a_pickle_is_not_loaded_without_consent(weights: Path) -> None:
    with pytest.raises(ModelError, match=r"is a pickle.*proposals\.fastsam\.execute_pickle=true"):
        FastSam(FastSamConfig(model=str(weights)))


def test_it_is_no_default_and_not_imported_unless_it_is_chosen() -> None:
    assert "fastsam" not in ProposalConfig().use
    FrameProposer(load_plan(overrides=["proposals.fastsam.least_score=0.5"]).proposals)
    assert "ultralytics" not in sys.modules


@pytest.mark.parametrize(
    "wrong", [{"input_px": 1000}, {"least_score": 2.0}, {"max_iou": -1.0}, {"limit": 0}, {"batch": 0}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        FastSamConfig(**wrong)
