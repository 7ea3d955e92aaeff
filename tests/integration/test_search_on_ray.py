"""Catches commands and a service whose answers on Ray differ from those of one process, or that hide a lost cluster."""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx
import pytest

import regionlake as rl
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from tests.conftest import Run
from tests.deploy.server.serving import running
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import WORLDS, add

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]
BOX = (0.2, 0.2, 0.7, 0.7)
LONG_S = 120.0


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(made, plan=stored(), fold_shots=fold_shots) as committer:
        for world in WORLDS[:2]:
            add(committer, world)
    return made


def test_the_command_and_the_package_answer_as_in_one_process(lake: Lake, called: Run) -> None:
    asked = ["search", "--box", ",".join(map(str, BOX)), "--lake", lake.uri, "-k", "7", "--json"]
    one = json.loads(called(*asked).stdout)
    ran = called(*asked, "--engine", "ray", "--shards", "2", "--explain")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["hits"], found["shards"], found["from_lake"]) == (one["hits"], 2, [])
    assert "2 of 2 parts of the lake were ranked by their actors" in found["explained"]["why"]
    with rl.open(lake.uri, shards=2) as shared, rl.open(lake.uri) as alone:
        assert [hit.frame_id for hit in shared.search(box=BOX, k=7)] == [
            hit.frame_id for hit in alone.search(box=BOX, k=7)
        ]


def test_a_service_finds_rows_as_they_arrive(lake: Lake, tmp_path: Path) -> None:
    with running(Path(lake.uri), clips=tmp_path / "clips", shards=2) as url, httpx.Client(base_url=url) as web:

        def frames() -> int:
            answer = web.post("/api/search", json={"box": [0, 0, 1, 1], "k": 200}, timeout=LONG_S).json()
            assert (answer["shards"], answer["exact"]) == (2, True)
            return len(answer["hits"])

        assert frames() == 40
        with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
            add(committer, World(9))
        until = time.monotonic() + LONG_S
        while frames() != 60:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert web.get("/api/status").json()["model"]["state"] == "failed"  # nobody has the model of this lake


@pytest.mark.parametrize("command", ["search", "serve"])
def test_a_cluster_that_is_not_there_is_named_in_one_sentence(
    lake: Lake, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    asked = ["--box", "0,0,1,1"] if command == "search" else ["--port", "0"]
    ran = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", command, *asked, "--lake", lake.uri, "--engine", "ray"],
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.strip() == "regionlake: no cluster answers at RAY_ADDRESS=127.0.0.1:9: Connection refused"


def test_shards_of_one_process_are_refused(lake: Lake, called: Run) -> None:
    ran = called("search", "--box", "0,0,1,1", "--lake", lake.uri, "--shards", "2")
    assert ran.returncode == 2
    assert "--shards" in ran.stderr
    assert "needs --engine ray" in ran.stderr
