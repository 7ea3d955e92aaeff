"""Catches rows under a plan that the lake does not store, and conflicts that do not say which settings differ."""

from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.plans import read_plans
from pipeline.lake.plans_in_use import plans_in_use
from pipeline.lake.writing.committer import Committer
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import LakeError, PlanConflictError
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots


def stored(*overrides: str) -> StoredPlan:
    return StoredPlan.of(load_plan(overrides=overrides))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create_or_open(str(tmp_path / "lake"), SPACE)


def add(lake: Lake, plan: StoredPlan, world: World) -> None:
    with Committer(lake, plan=plan, fold_shots=fold_shots) as committer:
        committer.register(world.source)
        committer.commit([world.rows(segment) for segment in world.segments()])


def test_the_plan_of_every_source_is_kept_and_makes_the_same_plan(lake: Lake, tmp_path: Path) -> None:
    plans = {plan.hash: plan for plan in (stored(), stored("thumbnails.quality=50"))}
    for number, plan in enumerate((*plans.values(), stored())):
        add(lake, plan, World(number, plan=plan.hash))
    kept = read_plans(lake)
    assert {name: (plan.settings, plan.toml) for name, plan in kept.items()} == {
        name: (plan.settings, plan.toml) for name, plan in plans.items()
    }
    assert plans_in_use(lake) == [(stored().hash, 2), (stored("thumbnails.quality=50").hash, 1)]
    (tmp_path / "plan.toml").write_text(kept[stored("thumbnails.quality=50").hash].toml)
    assert load_plan(tmp_path / "plan.toml") == load_plan(overrides=["thumbnails.quality=50"])
    assert check(lake).ok


def test_a_conflict_names_the_settings_that_differ(lake: Lake) -> None:
    there = stored('proposals.use=["grid"]', "proposals.grid.cells=[3]")
    world = World(1, plan=there.hash)
    add(lake, there, world)
    here = stored('proposals.use=["grid", "moving"]', "proposals.grid.cells=[4]")
    with (
        Committer(lake, plan=here, fold_shots=fold_shots) as committer,
        pytest.raises(PlanConflictError) as raised,
    ):
        committer.register(world.source)
    said = str(raised.value)
    assert "this run has proposals.grid.cells = [4], the lake has [3]" in said
    assert 'this run has proposals.use = ["grid", "moving"], the lake has ["grid"]' in said
    assert "only this run has proposals.moving.aspects" in said
    assert "more differ" in said
    assert "regionlake plan --lake" in said


def test_a_plan_that_was_lost_is_named_and_written_by_the_same_ingest(lake: Lake) -> None:
    plan = stored()
    world = World(1, plan=plan.hash)
    add(lake, plan, world)
    lake.table("plans").delete("true")
    assert [problem for problem in check(lake).problems if f"plans: {plan.hash}" in problem]
    add(lake, plan, world)
    assert check(lake).ok


def test_a_plan_that_was_changed_in_the_table_is_named(lake: Lake) -> None:
    plan = stored()
    add(lake, plan, World(1, plan=plan.hash))
    lake.table("plans").update(where="true", values={"settings": stored("patches=true").settings, "checksum": None})
    assert ["does not match its settings" in problem for problem in check(lake).problems] == [True]


def test_a_writer_without_a_plan_brings_no_rows(lake: Lake) -> None:
    with Committer(lake, plan=None, fold_shots=fold_shots) as committer, pytest.raises(LakeError, match="no plan"):
        committer.register(World(1).source)
    assert lake.count("plans") == 0
    assert Plan().hash == stored().hash
