"""`regionlake spool`: catches refused rows that nobody sees or can try again, and those that are dropped unasked."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.live.commits.batch import Batch, Refusal
from pipeline.live.commits.spool import Spool
from pipeline.live.status.follow_status import FollowStatus, SinkStatus
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan_file import load_plan
from pipeline.plan.stored_plan import StoredPlan
from tests.conftest import Run
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots

OLD, NEW = (StoredPlan.of(load_plan(overrides=[each])) for each in ("thumbnails.quality=80", "thumbnails.quality=81"))
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake that has source 1 under the plan NEW; rows of it under OLD, and of source 2, are refused."""
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    one = World(1, plan=NEW.hash)
    with Committer(lake, plan=NEW, fold_shots=fold_shots) as writer:
        writer.commit([one.rows(each) for each in one.segments(2)])
    state = StateFolder.of(lake.uri)
    refused = Spool(state.spool, refused=state.refused).refused
    for number in (1, 2):
        world = World(number, plan=OLD.hash)
        batch = Batch(rows=tuple(world.rows(each) for each in world.segments(3)), plan=OLD)
        refused.keep(f"{number:012}", batch, Refusal(AT, f"for\x1b[31m a test {number}"))
    return lake


def test_refused_rows_are_listed_tried_again_and_dropped(called: Run, lake: Lake) -> None:
    listed = json.loads(called("spool", "list", "--lake", lake.uri, "--json").stdout)
    assert listed["waiting"] == 0
    first = listed["refused"][0]
    assert (first["name"], first["segments"], first["plan"]) == ("1", 3, OLD.hash)
    assert (first["sources"], first["at"]) == ([World(1).source.uri], AT.isoformat())
    shown = called("spool", "list", "--lake", lake.uri).stdout
    assert r"for\x1b[31m a test 2" in shown
    assert "0 batches wait for the lake, 2 refused" in shown
    assert "2 batches are refused by the lake (regionlake spool list)" in called("status", "--lake", lake.uri).stdout
    assert json.loads(called("status", "--lake", lake.uri, "--json").stdout)["refused_batches"] == 2

    done = called("spool", "retry", "--lake", lake.uri, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["retried"], report["commits"], report["refused"], report["waiting"]) == (2, 1, 1, 0)
    assert "under another plan" in report["error"]
    assert lake.count("sources") == 2
    assert check(lake).problems == ()

    with Committer(lake, plan=None, fold_shots=fold_shots) as writer:
        writer.upkeep.remove_sources([World(1).source.id])
    done = called("spool", "retry", "1", "--lake", lake.uri)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {row["plan"] for row in lake.read("sources").to_pylist()} == {OLD.hash}
    assert check(lake).problems == ()
    assert json.loads(called("spool", "list", "--lake", lake.uri, "--json").stdout)["refused"] == []


def test_nothing_is_dropped_but_what_is_named(called: Run, lake: Lake) -> None:
    assert called("spool", "drop", "--lake", lake.uri).returncode == 2
    done = called("spool", "drop", "7", "--lake", lake.uri)
    assert done.returncode == 2
    assert "no refused batch is called 7; there are 1, 2" in done.stderr
    assert json.loads(called("spool", "drop", "1", "--lake", lake.uri, "--json").stdout) == {"dropped": ["1"]}
    assert [
        each["name"] for each in json.loads(called("spool", "list", "--lake", lake.uri, "--json").stdout)["refused"]
    ] == ["2"]
    assert called("spool", "drop", "--all", "--lake", lake.uri).returncode == 0
    assert "0 refused" in called("spool", "list", "--lake", lake.uri).stdout
    done = called("spool", "list", "--lake", lake.uri + "-of-nobody")
    assert (done.returncode, "nothing waits" in done.stderr) == (1, True)


def test_a_running_follower_gets_what_is_to_be_tried_again(called: Run, lake: Lake) -> None:
    state = StateFolder.of(lake.uri)
    now = datetime.now(UTC)
    sink = SinkStatus(0, 0, 0, 0, 0, None)
    state.write_status(FollowStatus(now, now, os.getpid(), (), sink))
    with Committer(lake, plan=NEW, fold_shots=fold_shots):  # as the follower has it
        done = called("spool", "retry", "2", "--lake", lake.uri, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"retried": 1, "follower": os.getpid()})
    assert [path.name for path in state.spool.glob("*.zip")] == ["000000000002.zip"]
    state.write_status(replace(state.read_status(), at=AT))  # it is gone
    assert called("spool", "retry", "2", "--lake", lake.uri).returncode == 2  # it waits, and is not refused
    done = called("spool", "retry", "--lake", lake.uri)
    assert "1 batch committed, 1 refused" in done.stdout
