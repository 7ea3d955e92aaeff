"""Catches plans that ignore a misspelt key, or whose hash does not follow the rows."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from operators.proposals.config import ProposalConfig
from operators.proposals.models.detector import DetectorConfig
from pipeline.plan.plan import Plan, RunConfig
from pipeline.plan.plan_file import load_plan, plan_toml
from schemas.errors import ModelError, PlanError
from tests.checkpoints import Checkpoints


def test_the_printed_plan_makes_the_same_plan(tmp_path: Path) -> None:
    plan = load_plan(overrides=["patches=true", "run.segment_s=60", "thumbnails.quality=70"])
    file = tmp_path / "plan.toml"
    file.write_text(plan_toml(plan))
    assert load_plan(file) == plan
    assert load_plan(file).hash == plan.hash


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text("[thumbnails]\nquality = 50\nmax_side_px = 320\n")
    plan = load_plan(file, overrides=["thumbnails.quality=60"])
    assert (plan.thumbnails.quality, plan.thumbnails.max_side_px) == (60, 320)


def test_the_hash_follows_what_rows_depend_on_and_nothing_else() -> None:
    plan = Plan()
    assert replace(plan, run=RunConfig(segment_s=7, readers=3)).hash == plan.hash
    assert load_plan(overrides=["read.decode_threads=2"]).hash == plan.hash
    assert load_plan(overrides=["proposals.complete_cover.k=3"]).hash == plan.hash  # which is not in use
    assert load_plan(overrides=["proposals.box_masks.grabcut.side_px=64"]).hash == plan.hash  # nor is this
    assert load_plan(overrides=["tracks.propagation.least_iou=0.7"]).hash == plan.hash  # nor this
    assert load_plan(overrides=["representatives.count=7"]).hash == plan.hash  # nor this
    changed = [
        load_plan(overrides=["representatives.method=kmeans"]),
        load_plan(overrides=["representatives.method=kmeans", "representatives.count=10"]),
        replace(plan, patches=True),
        load_plan(overrides=["proposals.box_masks.by=grabcut"]),
        load_plan(overrides=["read.shots.threshold=20.0"]),
        load_plan(overrides=['proposals.use=["grid"]']),
        load_plan(overrides=["thumbnails.quality=80"]),
    ]
    assert len({plan.hash, *(p.hash for p in changed)}) == 1 + len(changed)


def test_a_proposers_weights_count_and_not_where_they_are(checkpoints: Checkpoints, tmp_path: Path) -> None:
    def plan(folder: Path, *, batch: int = 8) -> str:
        detector = DetectorConfig(model=str(folder), batch=batch)
        return Plan(proposals=ProposalConfig.of(detector)).hash

    first = checkpoints("dinov2")
    moved = Path(shutil.copytree(first, tmp_path / "moved"))
    assert plan(moved, batch=2) == plan(first)
    assert plan(checkpoints("clip")) != plan(first)

    def carrying(folder: Path) -> str:
        overrides = ["proposals.box_masks.by=grabcut", f"tracks.propagation.model={folder}"]
        return load_plan(overrides=overrides).hash

    assert carrying(moved) == carrying(first)
    plain = load_plan(overrides=["proposals.box_masks.by=grabcut"]).hash
    assert len({carrying(checkpoints("clip")), carrying(first), plain}) == 3


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nosuch=1", "nosuch"),
        ("tracks.propagation.model=owner/model", "objects, moving, grid make none: add a proposer"),
        ("thumbnails.qualty=80", "qualty"),
        ("thumbnails.quality=500", "quality"),
        ("run.segment_s=-1", "segment_s must be above 0, got -1"),
        ("patches", "key.path=value"),
        ("run.segment_s=soon", "run.segment_s"),
        ("read.shots.detector=wrong", "unknown shot detector 'wrong'; known .* content, adaptive.* plan.read.shots"),
        ("patches=no", "'no' is not true or false @ plan.patches"),
        ("patches=False", "plan.patches"),
        ("proposals.refine.limit=3.7", "3.7 is not a whole number @ plan.proposals.refine.limit"),
        ("proposals.refine.limit=true", "plan.proposals.refine.limit"),
        ("model=3", "3 is not a text"),
    ],
)
def test_wrong_keys_and_values_are_named(override: str, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        load_plan(overrides=[override])


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"gone\.toml"):
        load_plan(tmp_path / "gone.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(PlanError, match=r"bad\.toml"):
        load_plan(tmp_path / "bad.toml")


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match="everyday"):
        _ = Plan(model="nosuch").space
