"""`status --follow`: catches output that stops or is cut off, and a dead follower that is shown as live."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.cli.feeds_view import gone_text
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.status.follow_status import FindableStatus, FollowStatus, SinkStatus
from pipeline.live.status.state_folder import StateFolder
from schemas.errors import LakeError
from tests.deploy.cli.conftest import Run
from tests.signals import default_signals

ENDED = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)


def _status() -> FollowStatus:
    """A status of this process, now."""
    now = datetime.now(UTC)
    feeds = (
        FeedStatus("gate", "gate", "live", now - timedelta(minutes=3), 25.0, 0.3, 4500, kept=210),
        FeedStatus("yard", "yard", "backing off", now, restarts={"broke off": 2}, last_error="broke off"),
    )
    sink = SinkStatus(0, 0, 0, 44, 210, None)
    return FollowStatus(now, now, os.getpid(), feeds, sink, None, FindableStatus(1.0, 2.0, {"gate": 210}, 210))


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """The state folder of a lake whose follower is this process."""
    (tmp_path / ".live").mkdir()
    folder = StateFolder.of(str(tmp_path))
    folder.write_status(_status())
    return folder


@contextmanager
def _following(lake: Path, *options: str, stdout: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The running command, which must end with exit code 0 after Ctrl-C."""
    command = [sys.executable, "-m", "deploy.cli.main", "status", "--follow", "--lake", str(lake), *options]
    with default_signals():
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.communicate()


def test_json_is_one_object_after_the_other_that_says_whether_the_follower_runs(
    folder: StateFolder, tmp_path: Path
) -> None:
    with _following(tmp_path, "--json", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        folder.write_status(replace(_status(), at=datetime.now(UTC) - timedelta(seconds=60)))
        later = json.loads(process.stdout.readline())
    assert [feed["name"] for feed in first["feeds"]] == ["gate", "yard"]
    assert first["findable"]["keyframes"] == {"gate": 210}
    assert first["feeds"][1]["restarts"] == {"broke off": 2}
    assert later["running"] is False


@pytest.mark.usefixtures("folder")
def test_a_file_gets_a_line_per_feed(tmp_path: Path) -> None:
    with _following(tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        above, gate, yard = (process.stdout.readline().decode() for _ in range(3))
    assert "2 feeds, 25 frames/s: 1 live, 1 backing off" in above
    assert "gate: live for 3 min, 25.0 frames/s, 0.3 s behind, 4,500 received, 210 keyframes" in gate
    assert yard.rstrip().endswith("2 restarts; last error: broke off")


@pytest.mark.usefixtures("folder")
def test_a_terminal_gets_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")
    ours, theirs = pty.openpty()
    shown, deadline = b"", time.monotonic() + 60
    with _following(tmp_path, stdout=theirs):
        while b"findable after" not in shown and time.monotonic() < deadline:
            if select.select([ours], [], [], 1.0)[0]:
                shown += os.read(ours, 65536)
    os.close(theirs)
    os.close(ours)
    assert b"\x1b[?1049h" in shown, "the screen is given back as it was"
    assert b"restarts" in shown
    assert b"backing off" in shown


def test_where_nobody_follows_is_said_with_what_to_do(called: Run, tmp_path: Path) -> None:
    done = called("status", "--follow", "--lake", tmp_path / "lake")
    assert done.returncode == 1
    assert done.stderr.startswith("regionlake: no feeds were followed into this lake")
    assert done.stderr.count("\n") == 1


def test_the_status_of_a_lake_tells_of_its_feeds(called: Run, lake: Path) -> None:
    folder = StateFolder.of(str(lake))
    folder.path.mkdir(exist_ok=True)
    folder.write_status(replace(_status(), at=datetime.now(UTC) - timedelta(minutes=2)))
    shown = called("status", "--lake", lake).stdout
    assert "gate  was live" in shown
    assert "the follower has been silent since" in shown
    told = json.loads(called("status", "--lake", lake, "--json").stdout)
    assert told["feeds"] == []
    assert [feed["name"] for feed in told["follower"]["feeds"]] == ["gate", "yard"]
    folder.status.unlink()


def test_a_status_of_another_version_is_refused_by_its_name(folder: StateFolder) -> None:
    folder.status.write_text("{}")
    with pytest.raises(LakeError, match="another version of regionlake"):
        folder.read_status()


@pytest.mark.parametrize(
    ("age_s", "lives", "said"),
    [
        (0.5, True, None),
        (4.0, True, None),
        (0.5, False, None),  # a recent status: the process may be on another machine
        (3.0, False, "has not been running since 2026-05-01 12:00:00 UTC, 3 s ago"),
        (200.0, False, "has not been running since 2026-05-01 12:00:00 UTC, 3 min ago"),
        (42.0, True, "has been silent since 2026-05-01 12:00:00 UTC, 42 s ago"),
    ],
)
def test_a_follower_is_gone_by_its_silence_or_its_process(age_s: float, lives: bool, said: str | None) -> None:
    pid = os.getpid() if lives else int(ENDED.stdout)
    status = replace(_status(), at=datetime(2026, 5, 1, 12, tzinfo=UTC), pid=pid)
    assert gone_text(status, now=status.at + timedelta(seconds=age_s)) == (said and f"the follower {said}")
