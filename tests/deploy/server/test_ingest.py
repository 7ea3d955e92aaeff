"""Ingests over HTTP. Catches a file outside of the allowed folders, progress that never comes or never ends, and a path
of the server in a reason."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from deploy.server.ingesting.ingest_runs import IngestRuns
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from schemas.recorder_names import NameRule
from tests.conftest import Run
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running
from tests.integration.clips import make_clip
from tests.waiting import wait_until


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "the archive"
    (folder / "may").mkdir(parents=True)
    make_clip(folder / "may" / "gate.mp4", seed=11, seconds=3)
    (folder / "may" / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "secret.mp4").write_bytes(b"no video")
    (folder / "out").symlink_to(tmp_path)
    return folder


@pytest.fixture
def web(world: World, archive: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    lake = shutil.copytree(world.lake, tmp_path / "lake")
    ingests = IngestRuns(str(lake), Plan(), {"archive": archive})
    with (
        running(lake, clips=tmp_path / "clips", ingests=ingests) as url,
        httpx.Client(base_url=url, timeout=60) as web,
    ):
        yield web


def test_a_folder_is_ingested_and_its_progress_is_followed(web: httpx.Client, tmp_path: Path) -> None:
    assert web.get("/api/ingest").json() == {"folders": ["archive"], "run": None}
    assert web.get("/api/ingest/events").status_code == 404
    before = web.get("/api/status").json()["lake"]["keyframes"]
    begun = web.post("/api/ingest", json={"folder": "archive", "path": "may"})
    assert (begun.status_code, begun.json()["run"]["folder"]) == (202, "archive/may")
    runs: list[dict[str, Any]]
    with web.stream("GET", "/api/ingest/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = [line.partition("data: ")[2] for line in events.iter_lines()]  # until the run ends
        runs = [json.loads(line) for line in lines if line]
    last = runs[-1]
    assert {each["state"] for each in runs[:-1]} == {"running"}
    assert (last["state"], last["error"]) == ("done", None)
    assert [each["source"] for each in last["errors"]] == ["may/broken.mp4"]
    assert last["progress"]["keyframes"] > 0
    shown = [each["progress"].get("keyframes", 0) for each in runs]
    assert shown == sorted(shown)
    wait_until(lambda: web.get("/api/status").json()["lake"]["keyframes"] == before + last["progress"]["keyframes"])
    again = web.post("/api/ingest", json={"folder": "archive", "path": "may/gate.mp4"})
    assert again.status_code == 202
    wait_until(lambda: web.get("/api/ingest").json()["run"]["state"] == "done")
    assert web.get("/api/ingest").json()["run"]["skipped"] == 1
    assert str(tmp_path) not in json.dumps(runs) + web.get("/api/ingest").text
    assert web.delete("/api/ingest").status_code == 404  # nothing to be stopped


def test_times_in_names_are_of_the_zone_that_was_given_and_doubts_are_notes(archive: Path, tmp_path: Path) -> None:
    twice = archive / "yard" / "yard_2026-10-25_02-30-00.mp4"  # the clocks of Berlin were set back at three
    twice.parent.mkdir()
    (archive / "may" / "gate.mp4").rename(twice)
    begun = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first of the two hours
    os.utime(twice, (begun.timestamp() + 3,) * 2)
    lake = tmp_path / "another"
    runs = IngestRuns(str(lake), Plan(), {"archive": archive}, naming=NameRule("Europe/Berlin", given=True))
    runs.start("archive", "yard")
    wait_until(lambda: getattr(runs.status(), "state", None) != "running")
    status = runs.status()
    assert status is not None
    assert (status.state, status.errors) == ("done", ())
    [(source, note)] = status.notes
    assert source == "yard/yard_2026-10-25_02-30-00.mp4"
    assert "was twice, because the clock was set back" in note
    assert Lake.open(str(lake)).read("sources", columns=["start_time"])["start_time"].to_pylist() == [begun]


def test_one_runs_at_a_time_and_can_be_stopped(web: httpx.Client) -> None:
    assert web.post("/api/ingest", json={"folder": "archive"}).status_code == 202
    assert web.post("/api/ingest", json={"folder": "archive"}).status_code == 409
    assert web.delete("/api/ingest").status_code == 204
    wait_until(lambda: web.get("/api/ingest").json()["run"]["state"] != "running")
    assert web.get("/api/ingest").json()["run"]["error"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"folder": "other"}, 403),
        ({"folder": "/etc"}, 403),
        ({"folder": "archive", "path": "../secret.mp4"}, 404),
        ({"folder": "archive", "path": "out/secret.mp4"}, 404),
        ({"folder": "archive", "path": "/etc/passwd"}, 404),
        ({"folder": "archive", "path": "may/\0"}, 404),
        ({"folder": "archive", "path": "x" * 4000}, 404),
        ({"folder": "archive", "path": "http://127.0.0.1/a.mp4"}, 404),
        ({}, 422),
    ],
    ids=lambda value: str(value)[:50],
)
def test_nothing_outside_of_the_folders_is_ingested(body: dict[str, str], status: int, web: httpx.Client) -> None:
    answer = web.post("/api/ingest", json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"error"}), answer.text
    assert web.get("/api/ingest").json()["run"] is None


@pytest.mark.parametrize("option", ["--timezone=Europe/Berlin", "--name-time=%Y-%m-%d %H"])
def test_a_rule_of_names_without_a_folder_is_refused(option: str, called: Run, tmp_path: Path) -> None:
    refused = called("serve", "--lake", tmp_path, "--follow", "rtsp://127.0.0.1:9/gate", option)
    assert refused.returncode == 2
    assert "needs --ingest-from, or a folder that --follow names" in refused.stderr
