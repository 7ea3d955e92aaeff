"""The proposer `objects`. Catches a graph that computes something else than its weights say, boxes that depend on the
number of threads, and a proposer that finds other things in a map than in its picture."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from onnx import numpy_helper

from operators.encoders.everyday.backbone import Backbone
from operators.encoders.everyday.encoder import EverydayEncoder, frame_map
from operators.proposals.objects.config import ObjectsConfig
from operators.proposals.objects.head import STRIDES, WEIGHTS, ObjectHead, cell_centres, objects_revision
from operators.proposals.objects.objects import Objects
from operators.runtime.settings import identity
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import Keyframe
from schemas.vectors import FeatureMap


def _picture(seed: int, *, height: int = 240, width: int = 320) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return np.kron(coarse, np.ones((height // 6, width // 8, 1), np.uint8))


def _plain(levels: list[torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """The head written out once more, with the weights of its file: scores and distances of every cell."""
    file = onnx.load(WEIGHTS)
    w = {
        t.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(t).astype(np.float32))
        for t in file.graph.initializer
    }
    x = [
        (level @ w[f"lateral.{i}.weight"] + w[f"lateral.{i}.bias"]).permute(2, 0, 1)[None]
        for i, level in enumerate(levels)
    ]
    x[1] = x[1] + F.interpolate(x[2], scale_factor=2)
    x[0] = x[0] + F.interpolate(F.conv2d(x[1], w["narrow.weight"], w["narrow.bias"]), scale_factor=2)
    scores, sides = [], []
    for i, (y, branch, stride) in enumerate(zip(x, ("fine", "coarse", "coarse"), STRIDES, strict=True)):
        for layer in (0, 3, 6):
            y = F.conv2d(y, w[f"towers.{branch}.{layer}.weight"], w[f"towers.{branch}.{layer}.bias"], padding=1)
            norm = f"towers.{branch}.{layer + 1}"
            y = F.relu(F.group_norm(y, 8, w[f"{norm}.weight"], w[f"{norm}.bias"]))
        out = F.conv2d(y, w[f"outputs.{branch}.weight"], w[f"outputs.{branch}.bias"], padding=1)[0].flatten(1).T
        scores.append(out[:, 0].sigmoid())
        sides.append(F.softplus(out[:, 1:] * w[f"{i}.scale"] + 1) * stride)
    return torch.cat(scores).numpy(), torch.cat(sides).numpy()


def test_the_graph_computes_what_its_weights_say() -> None:
    levels = frame_map(Backbone(threads=1), _picture(0), side_px=320).levels[:3]
    height_px, width_px = 288, 384
    score, sides = _plain([torch.from_numpy(level) for level in levels])
    centres = cell_centres(height_px, width_px)
    corners = np.concatenate([centres - sides[:, :2], centres + sides[:, 2:]], axis=1)
    best = np.argsort(-score)[:20]
    wanted = Boxes.clipped(corners[best] / [width_px, height_px, width_px, height_px])
    found, found_score = ObjectHead()(FeatureMap(levels), limit=20, least_score=0.0, max_iou=1.0)
    np.testing.assert_allclose(found_score, score[best], atol=2e-4)
    # two cells whose scores differ in the last bits may change places
    assert (wanted.iou(found).max(axis=1) > 0.99).all()


def test_a_map_gives_the_boxes_of_its_picture_to_the_bit_on_any_number_of_threads() -> None:
    keyframes = [Keyframe(0, _picture(seed), None, "picture") for seed in range(3)]
    one, two = (Objects(ObjectsConfig(map_px=256), threads=n)(keyframes) for n in (1, 2))
    maps = EverydayEncoder(threads=1).feature_maps([k.image for k in keyframes], side_px=256)
    of_maps = Objects(ObjectsConfig(map_px=256), threads=2).of_maps(maps)
    for a, b, c in zip(one, two, of_maps, strict=True):
        assert a.boxes.xyxy.tobytes() == b.boxes.xyxy.tobytes() == c.boxes.xyxy.tobytes()
        assert a.score.tobytes() == b.score.tobytes() == c.score.tobytes()


def test_boxes_come_in_falling_order_and_within_their_limits() -> None:
    config = ObjectsConfig(limit=5, least_score=0.01, max_iou=0.3)
    (found,) = Objects(config, threads=1)([Keyframe(0, _picture(1), None, "picture")])
    assert 1 <= len(found) <= 5
    assert (np.diff(found.score) <= 0).all()
    assert found.score.min() >= 0.01
    overlap = found.boxes.iou(found.boxes) - np.eye(len(found))
    assert overlap.max() <= 0.3 + 1e-6
    assert set(found.proposer) == {"objects"}


def test_no_box_is_given_where_every_score_is_too_low() -> None:
    (found,) = Objects(ObjectsConfig(least_score=1.0), threads=1)([Keyframe(0, _picture(2), None, "picture")])
    assert len(found) == 0


def test_the_map_of_another_model_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="embedded model"):
        ObjectHead()(FeatureMap((np.zeros((4, 4, 12), np.float32),)), limit=1, least_score=0.0, max_iou=1.0)


def test_a_missing_head_is_reported(tmp_path: Path) -> None:
    levels = frame_map(Backbone(threads=1), _picture(0), side_px=64)
    with pytest.raises(ModelError, match="cannot be read"):
        ObjectHead(tmp_path / "none.onnx")(levels, limit=1, least_score=0.0, max_iou=1.0)


def test_another_head_is_another_plan() -> None:
    counted = identity(ObjectsConfig(), name="proposals.objects")
    assert counted["proposals.objects.head"] == objects_revision()
    assert counted["proposals.objects.max_iou"] == ObjectsConfig().max_iou
