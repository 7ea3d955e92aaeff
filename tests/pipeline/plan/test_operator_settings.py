"""Catches settings of a user's own operator that a plan loses or misreads, or that change its hash for no reason."""

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import cattrs
import numpy as np
import pytest

from operators.proposals.frame_proposer import FrameProposer
from pipeline.plan.operator_settings import register_operators
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan, plan_toml
from schemas.errors import PlanError, RegionLakeError
from schemas.frames import Keyframe
from tests.plugins import EDGES, STEPS, install

PATH = "plugged_edges.edges:EdgesConfig"
USE = f'proposals.use=["{PATH}", "grid"]'
POINT = f"[regionlake.proposers]\nedges = {PATH}\n"


@pytest.fixture(params=["", POINT], ids=["by class path", "registered"])
def use(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The override that uses the proposer, by its class path or by its name."""
    monkeypatch.syspath_prepend(
        str(install(tmp_path / "site", "plugged_edges", {"edges.py": EDGES}, points=request.param))
    )
    yield USE.replace(PATH, "edges") if request.param else USE
    for name in [name for name in sys.modules if name.startswith("plugged_edges")]:
        del sys.modules[name]


def test_settings_stand_under_the_operators_own_name(use: str, tmp_path: Path) -> None:
    plan = load_plan(overrides=[use, "proposals.edges.threshold=0.75"])
    (edges,) = plan.proposals.settings
    assert (edges.name, edges.threshold) == ("edges", 0.75)
    file = tmp_path / "plan.toml"
    file.write_text(plan_toml(plan))
    assert "[proposals.edges]\nthreshold = 0.75\n" in file.read_text()
    assert load_plan(file) == plan
    assert "[proposals.edges]\nthreshold = 0.5\n" in plan_toml(load_plan(overrides=[use]))


def test_its_settings_are_read_as_strictly_as_ours(use: str) -> None:
    with pytest.raises(PlanError, match=r"treshold.*plan\.proposals"):
        load_plan(overrides=[use, "proposals.edges.treshold=0.75"])
    with pytest.raises(PlanError, match=r"'high' is not a number @ plan\.proposals\.edges\.threshold"):
        load_plan(overrides=[use, "proposals.edges.threshold=high"])
    with pytest.raises(PlanError, match=r"edgy.*plan\.proposals"):
        load_plan(overrides=[use, "proposals.edgy.threshold=0.75"])


def test_it_runs_beside_ours(use: str) -> None:
    keyframe = Keyframe(0, np.zeros((90, 160, 3), np.uint8), None, "picture")
    (found,) = FrameProposer(load_plan(overrides=[use, "proposals.refine.stand_ins=[]"]).proposals)([keyframe])
    assert {"edges", "grid-2"} <= set(found.proposer)


def test_the_hash_follows_its_settings_and_not_where_its_class_lies(use: str) -> None:
    plan = load_plan(overrides=[use])
    assert load_plan(overrides=[use, "proposals.edges.threshold=0.75"]).hash != plan.hash
    assert plan.hash == load_plan(overrides=[USE]).hash
    assert load_plan(overrides=["proposals.edges.threshold=0.75"] if use != USE else []).hash == Plan().hash


@pytest.mark.parametrize(
    "settings",
    [{"proposals": {"use": [PATH]}}, {"read": {"shots": {"detector": PATH}}}, {"model": PATH}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_plan_that_a_lake_holds_imports_no_class_path(settings: dict[str, object], use: str) -> None:
    converter = cattrs.Converter(forbid_extra_keys=True)
    register_operators(converter, class_paths=False)
    with pytest.raises((RegionLakeError, cattrs.BaseValidationError)) as error:
        converter.structure(settings, Plan)
    said = "".join(traceback.format_exception(error.value))
    assert f"{PATH} is a class path, which is not imported because a lake names it" in said
    assert "plugged_edges" not in sys.modules
    if use != USE:
        by_name = converter.structure({"proposals": {"use": ["edges", "grid"]}}, Plan)
        assert by_name.proposals.use == ("edges", "grid")


def test_one_proposer_by_two_names_is_refused(use: str) -> None:
    with pytest.raises(PlanError, match="named twice"):
        load_plan(overrides=[use.replace("grid", PATH)])


def test_a_shot_detector_has_its_settings_under_its_name_and_the_shared_ones_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", "plugged_steps", {"steps.py": STEPS})))
    used = "read.shots.detector=plugged_steps.steps:StepsConfig"
    plan = load_plan(overrides=[used, "read.shots.steps.least_step=5", "read.shots.min_shot_s=2.0"])
    assert (plan.read.shots.chosen.name, plan.read.shots.min_shot_s) == ("steps", 2.0)
    assert plan.read.shots.chosen.least_step == 5.0
    file = tmp_path / "plan.toml"
    file.write_text(plan_toml(plan))
    assert "[read.shots.steps]\nleast_step = 5.0\n" in file.read_text()
    assert load_plan(file) == plan
    assert len({plan.hash, load_plan(overrides=[used, "read.shots.min_shot_s=2.0"]).hash, Plan().hash}) == 3
    with pytest.raises(PlanError, match=r"least_stop.*plan\.read\.shots\.steps"):
        load_plan(overrides=[used, "read.shots.steps.least_stop=5"])
