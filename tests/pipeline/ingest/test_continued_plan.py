"""Catches a lake of an older release whose sources are refused, or read with other proposals, when defaults changed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.ingest.continued_plan import FORMER_PROPOSALS, continued_plan
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.plan.lake_plan import read_lake_plan
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from pipeline.plan.stored_plan import StoredPlan
from tests.pipeline.lake.synthetic import World, fold_shots
from tests.pipeline.lake.test_lake_of_0_1_0 import FIXTURE as LAKE_OF_0_1_0
from tests.pipeline.plan.test_plan_hash import FORMER_DEFAULTS

FORMER = Plan(proposals=FORMER_PROPOSALS)
# settings, and the hash of the default plan with them, computed by RegionLake 0.2.0 (commit 105e681):
#     python -c 'from pipeline.plan.plan_file import load_plan; print(load_plan(overrides=[…]).hash)'
OF_0_2_0 = [
    ([], "9ffbd0cebe957df25731c1d3e942f55d"),
    (["proposals.refine.limit=32"], "18e386275f7b120bd62a3c6598dfcc14"),
    (["proposals.moving.still=8"], "d1719c7c74c8663ca92ec1cb097b08f0"),
]


def lake_of(folder: Path, *plans: Plan) -> str:
    """A lake with a source of each plan."""
    lake = Lake.create_or_open(str(folder / "lake"), plans[0].space)
    for number, plan in enumerate(plans):
        with Committer(lake, plan=StoredPlan.of(plan), fold_shots=fold_shots) as committer:
            committer.register(World(number, plan=plan.hash, space=plan.space).source)
    return lake.uri


@pytest.mark.parametrize(("settings", "hash"), OF_0_2_0)
def test_a_lake_of_0_2_0_goes_on_under_the_plan_of_the_same_settings_then(
    settings: list[str], hash: str, tmp_path: Path
) -> None:
    then = load_plan(overrides=[*FORMER_DEFAULTS, *settings])
    assert then.hash == hash
    today = load_plan(overrides=settings)
    found = continued_plan(today, lake_of(tmp_path, then))
    assert today.hash != found.hash == hash
    assert continued_plan(found, str(tmp_path / "lake")) == found


def test_a_lake_of_0_1_0_which_kept_no_plan_goes_on_with_the_defaults_of_its_time() -> None:
    made = json.loads((LAKE_OF_0_1_0 / "hashes.json").read_text())
    (default,) = [entry["hash"] for entry in made if not entry["overrides"]]
    assert StoredPlan.of(continued_plan(Plan(), str(LAKE_OF_0_1_0 / "lake"))).legacy_hash == default


@pytest.mark.parametrize("settings", [[], ["thumbnails.quality=60"], ['proposals.use=["moving", "grid"]']])
def test_former_defaults_go_on_with_todays_model_too(settings: list[str], tmp_path: Path) -> None:
    today = load_plan(overrides=settings)
    use = today.proposals.use if settings and "use" in settings[0] else FORMER_PROPOSALS.use
    then = replace(today, proposals=replace(FORMER_PROPOSALS, use=use))
    assert continued_plan(today, lake_of(tmp_path, FORMER, then)) == then


def test_the_plan_of_a_run_that_the_lake_has_goes_on_as_it_is(tmp_path: Path) -> None:
    assert continued_plan(Plan(), lake_of(tmp_path, FORMER, FORMER, Plan())) == Plan()


def test_proposals_that_are_no_defaults_are_not_changed(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, FORMER)
    for settings in (['proposals.use=["grid"]'], ["proposals.refine.limit=40"], ["proposals.grid.cells=[3]"]):
        plan = load_plan(overrides=settings)
        assert continued_plan(plan, lake) == plan


def test_without_a_lake_the_plan_is_that_of_the_run(tmp_path: Path) -> None:
    assert continued_plan(Plan(), str(tmp_path / "none")) == Plan()


def test_a_stored_plan_that_lacks_a_setting_of_today_makes_the_rows_that_it_made() -> None:
    lines = StoredPlan.of(FORMER).toml.splitlines()
    newer = ("score_factor", "one_scale", "stand_ins", "map_px", "grid_s")
    older = "\n".join(line for line in lines if not line.startswith(newer))
    assert len(older.splitlines()) == len(lines) - len(newer)
    assert read_lake_plan(older).plan.hash == FORMER.hash
    assert read_lake_plan(StoredPlan.of(Plan()).toml).plan.hash == Plan().hash
