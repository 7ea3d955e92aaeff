"""The commands upkeep and pin: catches options without effect, and pinned shots that are removed."""

import json
import shlex
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import typer

from deploy.cli.values import parse_bytes, parse_duration
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from tests.deploy.cli.conftest import Run
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import Recording
from tests.signals import default_signals

GATE = [Recording(n, hour=n, feed="gate") for n in range(3)]
YARD = Recording(9, hour=1, feed="yard")


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """A lake of four recordings that are years old."""
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for recording in (*GATE, YARD):
            recording.record(writer, pieces=2)
    return tmp_path / "lake"


def held(lake: Path) -> set[str]:
    return set(Lake.open(str(lake)).read("sources")["source"].to_pylist())


def test_the_newest_of_each_feed_and_what_is_pinned_outlive_a_limit(called: Run, feeds: Path) -> None:
    lake = Lake.open(str(feeds))
    frame = lake.read("frames", where=f"source_id = '{GATE[0].source.id}' AND pts = 35")["id"][0].as_py()
    pinned = called("pin", "--lake", feeds, "--hit", frame, "--json")
    assert pinned.returncode == 0, pinned.stderr
    (pin,) = json.loads(pinned.stdout)
    assert (pin["source"], pin["pts"]) == (GATE[0].source.uri, [35, 36])
    done = called("upkeep", "--lake", feeds, "--max-bytes-per-feed", "1kB", "--remove-share", "1", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["removed"], report["trimmed"], report["errors"]) == (1, 1, [])
    assert held(feeds) == {GATE[0].source.uri, GATE[2].source.uri, YARD.source.uri}
    assert sorted(lake.read("frames", where=f"source_id = '{GATE[0].source.id}'")["pts"].to_pylist()) == [
        *range(30, 60, 5)
    ]
    assert check(lake).problems == ()
    assert json.loads((feeds / ".live" / "upkeep.json").read_text())["last"]["removed"] == 1
    assert json.loads(called("status", "--lake", feeds, "--json").stdout)["upkeep"]["removed"] == 1
    assert "upkeep: one pass " in called("status", "--lake", feeds).stdout
    unpinned = called("unpin", "--lake", feeds, "gate", "nobody", "--json")
    assert (unpinned.returncode, json.loads(unpinned.stdout)) == (1, {"unpinned": 1, "unknown": ["nobody"]})
    shown = called("upkeep", "--lake", feeds, "--max-age", "365d")
    assert shown.returncode == 0, shown.stdout
    assert "recordings or files removed" in shown.stdout


def test_a_pass_that_is_held_says_the_one_command_that_releases_it(called: Run, feeds: Path) -> None:
    limits = ["upkeep", "--lake", feeds, "--max-age", "30d"]
    held_back = called(*limits)
    assert held_back.returncode == 1, held_back.stderr
    line = next(line for line in held_back.stdout.splitlines() if "2 of 3 recordings or files of gate" in line)
    assert line in called("status", "--lake", feeds).stdout
    assert len(held(feeds)) == 4
    (report,) = json.loads(called(*limits, "--json").stdout)["held"]
    assert (report["feed"], report["reason"], report["recordings"]) == ("gate", "share", 2)
    refused = called("upkeep", "--lake", feeds, "--release", "nobody")
    assert (refused.returncode, "it held back: gate" in refused.stderr) == (2, True), refused.stderr
    command = shlex.split(line.rpartition("regionlake ")[2])
    with Committer(Lake.open(str(feeds)), plan=stored(), fold_shots=fold_shots):
        beside = called(*command)  # as beside a follower, whose next pass finds it
        assert (beside.returncode, "writes the lake" in beside.stderr) == (0, True), beside.stderr
    assert len(held(feeds)) == 4
    done = called(*limits, "--json")
    assert (done.returncode, json.loads(done.stdout)["removed"]) == (0, 2), done.stderr
    assert held(feeds) == {GATE[2].source.uri, YARD.source.uri}


def test_a_clock_is_confirmed_by_a_command(called: Run, feeds: Path) -> None:
    assert called("upkeep", "--lake", feeds, "--max-age", "90000d").returncode == 0
    path = feeds / ".live" / "upkeep.json"
    status = json.loads(path.read_text())
    status["clock"]["since_boot_s"] += 86400 * 4000  # as if the clock showed so much more than the machine has run
    path.write_text(json.dumps(status))
    limits = ["upkeep", "--lake", feeds, "--max-age", "30d", "--remove-share", "1"]
    ahead = called(*limits)
    assert (ahead.returncode, "--trust-clock" in ahead.stdout) == (1, True), ahead.stdout
    done = called(*limits, "--trust-clock", "--json")
    assert (done.returncode, json.loads(done.stdout)["removed"]) == (0, 2), done.stderr


def test_a_feed_is_pinned_by_utc_and_a_shot_by_its_id(called: Run, feeds: Path) -> None:
    since, until = "2026-05-01T01:00:04Z", "2026-05-01T01:00:05.5Z"
    done = called("pin", "--lake", feeds, "gate", "--from", since, "--to", until, "--json")
    (pin,) = json.loads(done.stdout)
    assert (pin["source"], pin["pts"]) == (GATE[1].source.uri, [40, 55])
    shot = Lake.open(str(feeds)).read("shots", where=f"source_id = '{YARD.source.id}' AND start = 60")["id"][0].as_py()
    assert called("pin", "--lake", feeds, "--shot", shot).returncode == 0
    listed = called("pin", "--lake", feeds, "--list").stdout
    assert GATE[1].source.uri in listed
    assert "0:06.00" in listed
    for wrong in (["nobody"], ["gate", "--shot", shot], ["gate", "--from", "2027-01-01T00:00:00Z"], []):
        refused = called("pin", "--lake", feeds, *wrong)
        assert refused.returncode == 2, refused.stdout
        assert "Traceback" not in refused.stderr


def test_a_span_is_forgotten_after_a_question_and_the_proof_is_printed(called: Run, feeds: Path) -> None:
    span = ["forget", "--lake", feeds, "gate", "--from", "2026-05-01T01:00:03Z", "--to", "2026-05-01T01:00:06Z"]
    asked = called(*span)
    assert (asked.returncode, "for ever?" in asked.stderr) == (1, True), asked.stderr
    assert Lake.open(str(feeds)).count("frames") == 80
    done = called(*span, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"erased: {GATE[1].source.uri} from 0:03.00 to 0:06.00" in done.stdout
    assert "searched for 42 ids" in done.stdout
    assert "nothing was found" in done.stdout
    assert "out of reach: your own files" in done.stdout
    lake = Lake.open(str(feeds))
    assert lake.count("frames") == 80 - 6
    assert check(lake).problems == ()
    whole = called("forget", "--lake", feeds, "yard", "--yes", "--json")
    found = json.loads(whole.stdout)
    assert (whole.returncode, found["rows"]["frames"], found["found"]) == (0, 20, [])
    assert called("forget", "--lake", feeds, "yard", "--yes").returncode == 2
    with Committer(lake, plan=stored(), fold_shots=fold_shots):
        refused = called("forget", "--lake", feeds, "gate", "--yes")
    assert (refused.returncode, "being written by process" in refused.stderr) == (1, True), refused.stderr


def test_a_service_waits_for_the_writer_and_goes_on(feeds: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli.main", "upkeep", "--lake", str(feeds), "--every", "1s", "--json"]
    writer = Committer(Lake.open(str(feeds)), plan=stored(), fold_shots=fold_shots)
    with default_signals():
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with service:
        assert service.stdout is not None
        assert "being written by process" in json.loads(service.stdout.readline())["skipped"]
        writer.close()
        while "skipped" in (line := json.loads(service.stdout.readline())):
            pass
        assert line["errors"] == []
        service.send_signal(signal.SIGINT)
        assert service.wait(timeout=30) == 130
    assert check(Lake.open(str(feeds))).problems == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("1.5m", 90), ("12h", 43200), ("30d", 30 * 86400), ("2w", 14 * 86400)],
)
def test_durations(text: str, expected: float) -> None:
    assert parse_duration(text, option="--every") == timedelta(seconds=expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50GB", 50 * 10**9), ("1.5 MB", 1_500_000), ("2TiB", 2 * 2**40), ("7", 7), ("3k", 3000), ("50g", 50 * 10**9)],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_bytes(text, option="--max-bytes-per-feed") == expected


def test_what_is_no_duration_or_size_is_refused() -> None:
    with pytest.raises(typer.BadParameter):
        parse_duration("soon", option="--every")
    with pytest.raises(typer.BadParameter):
        parse_bytes("50 apples", option="--max-bytes-per-feed")
