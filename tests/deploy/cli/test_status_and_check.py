"""The commands status and check: catches an audit that misses damage, and exit codes that hide it."""

import json
import shutil
from pathlib import Path

import lancedb
import pytest

from tests.deploy.cli.conftest import Run


@pytest.fixture
def damaged(lake: Path, tmp_path: Path) -> Path:
    """A copy of the lake in which a frame is missing."""
    copy = tmp_path / "damaged"
    shutil.copytree(lake, copy)
    frames = lancedb.connect(str(copy)).open_table("frames")
    frame = frames.search().select(["id"]).limit(1).to_arrow()["id"][0].as_py()
    frames.delete(f"id = '{frame}'")
    return copy


def test_status_tells_rows_and_states(called: Run, lake: Path) -> None:
    done = called("status", "--lake", lake, "--json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["sources"] == {"complete": 1}
    assert status["segments"] == {"done": 1}
    assert status["tables"]["regions"]["rows"] > status["tables"]["frames"]["rows"] >= 2
    assert "everyday" in called("status", "--lake", lake).stdout


def test_status_names_what_was_quarantined(called: Run, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no video")
    called("ingest", tmp_path / "text.mp4", "--lake", tmp_path / "lake", "--engine", "local")
    shown = called("status", "--lake", tmp_path / "lake").stdout
    assert f"quarantined: {tmp_path / 'text.mp4'}" in shown


def test_a_sound_lake_passes_and_equals_itself(called: Run, lake: Path) -> None:
    done = called("check", "--lake", lake, "--against", lake)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sound" in done.stdout
    assert "equal" in done.stdout


def test_a_lost_row_is_a_problem_and_a_difference(called: Run, lake: Path, damaged: Path) -> None:
    done = called("check", "--lake", damaged, "--against", lake, "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert report["problems"]
    assert any(difference.startswith("frames") for difference in report["differences"])
    printed = called("check", "--lake", damaged)
    assert printed.returncode == 1
    assert "problem: " in printed.stdout
