"""Catches shots of an earlier plan that are cut by the settings of another, and code that a stored plan names."""

import logging
from functools import partial
from pathlib import Path

import pytest

from operators.shots.cuts import fold_shots
from pipeline.ingest.completion_of import completion_of
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.plan.plan_file import load_plan
from pipeline.plan.stored_plan import StoredPlan
from tests.pipeline.lake.synthetic import SPACE, World

LONG = "read.shots.min_shot_s=60.0"  # longer than a world


def stored(*overrides: str) -> StoredPlan:
    return StoredPlan.of(load_plan(overrides=overrides))


def committed(lake: Lake, here: str, made_by: StoredPlan) -> list[tuple[int, int]]:
    """Start and stop of the shots that a writer with the plan `here` writes for rows that another plan made."""
    own = load_plan(overrides=[here])
    world = World(1, length=240, plan=made_by.hash)
    fold = partial(fold_shots, config=own.read.shots)
    with Committer(lake, plan=StoredPlan.of(own), fold_shots=fold, completion_of=completion_of) as writer:
        writer.commit([world.rows(each) for each in world.segments(3)], plan=made_by)
    return sorted((row["start"], row["stop"]) for row in lake.read("shots").to_pylist())


def test_shots_are_those_of_the_plan_that_made_the_rows(tmp_path: Path) -> None:
    short, long = "read.shots.min_shot_s=0.1", LONG
    lakes = [Lake.create_or_open(str(tmp_path / name), SPACE) for name in ("a", "b", "c", "d")]
    by_short = committed(lakes[0], short, stored(short))
    by_long = committed(lakes[1], long, stored(long))
    assert by_short != by_long
    assert committed(lakes[2], long, stored(short)) == by_short
    assert committed(lakes[3], short, stored(long)) == by_long


@pytest.mark.parametrize("toml", ['[read.shots]\ndetector = "os:system"', "no TOML", "[read.shots]\nunknown = 1"])
def test_a_plan_that_cannot_be_followed_leaves_its_sources_open(
    toml: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    made_by = StoredPlan("plan-x", "{}", toml=toml, version="0")
    lake = Lake.create_or_open(str(tmp_path), SPACE)
    assert committed(lake, LONG, made_by) == []
    assert lake.read("sources")["state"].to_pylist() == ["open"]
    assert lake.count("frames") > 0
    assert "plan-x stay open" in caplog.text
