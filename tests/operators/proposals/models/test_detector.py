"""Detectors of fixed classes against transformers' own forward pass and post-processing, with small random weights.

Catches weights that are not the checkpoint's, scores, classes and boxes that are selected differently, results that
depend on other frames in the batch, and missing or wrong models that are reported too late.
"""

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

from operators.proposals.config import ProposalConfig
from operators.proposals.frame_proposer import FrameProposer
from operators.proposals.models.detector import FAMILIES, Detector, DetectorConfig
from operators.runtime.torch_threads import one_torch_thread
from pipeline.plan.plan_file import load_plan
from schemas.errors import InvalidValueError, ModelError, PlanError
from schemas.frames import Keyframe
from tests.checkpoints import Checkpoints
from tests.detectors import CLASSES, FIXED, Detectors, assert_alike

SHAPES = [(90, 160, 3), (160, 90, 3), (90, 160, 3), (64, 64, 3), (200, 40, 3)]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The models are so small that threads only wait for each other."""
    with one_torch_thread():
        yield


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> Detectors:
    return Detectors(tmp_path_factory.mktemp("detectors"))


@pytest.fixture(scope="module")
def detector_of(detectors: Detectors) -> Callable[[str], Detector]:
    """A loaded one that finds something in noise."""
    return lru_cache(maxsize=None)(
        lambda kind: Detector(DetectorConfig(model=str(detectors(kind)), least_score=0.05, limit=1000, batch=2))
    )


def keyframes(shapes: list[tuple[int, int, int]]) -> list[Keyframe]:
    generator = np.random.default_rng(0)
    return [Keyframe(i, generator.integers(0, 256, s, np.uint8), None, "picture") for i, s in enumerate(shapes)]


def by_transformers(kind: str, folder: Path, outputs: Any, *, threshold: float) -> list[dict[str, torch.Tensor]]:
    """Scores, classes and boxes as shares of the frame, as the model's own processor picks them."""
    if kind == "rf_detr":  # its processor needs torchvision; by its formula
        scores, pairs = outputs.logits.sigmoid().flatten(1).sort(descending=True)
        centre, size = outputs.pred_boxes.split(2, dim=-1)
        boxes = torch.cat([centre - size / 2, centre + size / 2], dim=-1)
        queries, classes = outputs.logits.shape[1:]
        results = []
        for i in range(len(boxes)):
            kept = scores[i, :queries] > threshold
            pair = pairs[i, :queries][kept]
            results.append(
                {"scores": scores[i, :queries][kept], "labels": pair % classes, "boxes": boxes[i, pair // classes]}
            )
        return results
    processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    results = processor.post_process_object_detection(outputs, threshold=threshold)
    assert isinstance(results, list)
    return results


def test_the_tests_know_every_family() -> None:
    assert set(FIXED) == set(FAMILIES)


@pytest.mark.parametrize("kind", FIXED)
@torch.inference_mode()
def test_proposals_are_those_of_transformers(
    kind: str, detectors: Detectors, detector_of: Callable[[str], Detector]
) -> None:
    folder, detector = detectors(kind), detector_of(kind)
    model = transformers.AutoModelForObjectDetection.from_pretrained(folder).eval()
    frames = keyframes([(90, 160, 3)] * 2)
    pixels = detector._loaded.pixels([frame.image for frame in frames])
    outputs = model(pixel_values=pixels)
    own = detector._loaded.model(pixel_values=pixels)
    assert torch.equal(own.logits, outputs.logits)
    assert torch.equal(own.pred_boxes, outputs.pred_boxes)
    for found, expected in zip(detector(frames), by_transformers(kind, folder, outputs, threshold=0.05), strict=True):
        boxes = expected["boxes"].numpy()
        upright = (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)
        order = np.argsort(-expected["scores"].numpy()[upright], kind="stable")
        assert 0 < len(found) == len(order)
        np.testing.assert_array_equal(found.score, expected["scores"].numpy()[upright][order])
        np.testing.assert_array_equal(found.boxes.xyxy, boxes[upright][order].clip(0, 1))
        assert found.label == tuple(CLASSES[i] for i in expected["labels"].numpy()[upright][order])
        assert set(found.proposer) == {kind.replace("_", "-")}


@pytest.mark.parametrize("kind", FIXED)
def test_what_is_found_in_a_frame_does_not_depend_on_its_neighbours(
    kind: str, detector_of: Callable[[str], Detector]
) -> None:
    detector = detector_of(kind)
    frames = keyframes(SHAPES)
    for frame, found in zip(frames, detector(frames), strict=True):
        # sums of other lengths round otherwise; nothing is padded
        assert_alike(found, detector([frame])[0], atol=2e-5)


@pytest.mark.parametrize("kind", FIXED)
def test_a_frame_of_one_pixel_is_taken(kind: str, detector_of: Callable[[str], Detector]) -> None:
    (found,) = detector_of(kind)(keyframes([(1, 1, 3)]))
    assert 0 < len(found) <= 100


def test_nothing_is_found_above_the_highest_score(detectors: Detectors) -> None:
    detector = Detector(DetectorConfig(model=str(detectors("rt_detr")), least_score=1.0))
    assert [len(found) for found in detector(keyframes(SHAPES))] == [0] * len(SHAPES)
    assert detector([]) == []


def test_only_the_classes_asked_for_and_the_best_of_them(
    detectors: Detectors, detector_of: Callable[[str], Detector]
) -> None:
    every = detector_of("deformable_detr")
    few = Detector(
        DetectorConfig(model=str(detectors("deformable_detr")), least_score=0.05, classes=("kite", "dog"), limit=5)
    )
    (all_found,), (found,) = every(keyframes(SHAPES[:1])), few(keyframes(SHAPES[:1]))
    wanted = [i for i, label in enumerate(all_found.label) if label in ("kite", "dog")][:5]
    assert len(found) == 5
    assert_alike(found, all_found.take(np.array(wanted)), atol=0)
    assert (np.diff(found.score) <= 0).all()


def test_an_unknown_class_is_refused_with_near_ones(detectors: Detectors) -> None:
    with pytest.raises(PlanError, match=r"no class 'traffic lights'; near are 'traffic light'"):
        Detector(DetectorConfig(model=str(detectors("rt_detr")), classes=("traffic lights",)))


def test_a_model_that_is_missing_or_wrong_is_told_before_any_frame(
    tmp_path: Path, checkpoints: Checkpoints, detectors: Detectors
) -> None:
    def build(model: str) -> None:
        FrameProposer(ProposalConfig.of(DetectorConfig(model=model)))

    with pytest.raises(ModelError, match=r"proposals\.detector\.model names no model"):
        build("")
    with pytest.raises(ModelError, match="there is no folder"):
        build(str(tmp_path / "none"))
    with pytest.raises(ModelError, match=r"is a clip model; proposals\.detector\.model takes rt_detr, "):
        build(str(checkpoints("clip")))
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((detectors("rt_detr") / name).read_bytes())
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        build(str(tmp_path))
    save_file({"model.nothing": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="lacks weights"):
        build(str(tmp_path))


def test_settings_of_the_image_processor_that_are_missing_are_told(tmp_path: Path, detectors: Detectors) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((detectors("detr") / name).read_bytes())
    with pytest.raises(ModelError, match="its image processor cannot be read"):
        Detector(DetectorConfig(model=str(tmp_path)))


def test_a_backbone_of_a_package_that_is_not_installed_is_told(tmp_path: Path) -> None:
    if transformers.utils.is_timm_available():
        pytest.skip("timm is installed")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", "use_timm_backbone": True}))
    save_file({"model.nothing": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"needs a package that is not installed.*timm"):
        Detector(DetectorConfig(model=str(tmp_path)))


def test_a_plan_names_the_model_and_the_classes() -> None:
    plan = load_plan(
        overrides=[
            'proposals.use=["detector", "grid"]',
            "proposals.detector.model=a/b",
            'proposals.detector.classes=["car"]',
        ]
    )
    assert plan.proposals.config_of("detector") == DetectorConfig(model="a/b", classes=("car",))


@pytest.mark.parametrize("wrong", [{"least_score": 1.1}, {"limit": 0}, {"batch": 0}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        DetectorConfig(**wrong)
