"""Names that others chose: catches one that commands the terminal of whoever lists, searches or logs it."""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

import regionlake
from deploy.cli import output
from deploy.cli.output import console
from deploy.held_wording import held_line, held_note
from deploy.pictures.contact_sheet import draw_contact_sheet
from deploy.tables.feeds_table import feed_line
from pipeline.lake.upkeep.holds import Held
from pipeline.lake.upkeep.pins import Fates, Pin, Pins
from pipeline.live.feeds.feed_status import FeedStatus
from regionlake.text import hits_text
from schemas.query import SearchResult
from tests.conftest import Run

CLIPBOARD = "\x1b]52;c;aGk=\x07"  # OSC 52: many terminals put it into the clipboard
NAME = f"{CLIPBOARD}\x9b31m\u202egpj\n.png"
SHOWN = r"\x1b]52;c;aGk=\x07\x9b31m\u202egpj\n.png"
COMMANDS = ("\x1b", "\x07", "\x9b", "\u202e")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of a picture with such a name; beside it is a file with one that cannot be read."""
    folder = tmp_path_factory.mktemp("hostile")
    Image.new("RGB", (64, 48), "teal").save(folder / NAME, "PNG")
    (folder / f"text{NAME}").write_text("no picture")
    assert len(regionlake.ingest([str(folder)], lake=str(folder / "lake")).quarantined) == 1
    return folder / "lake"


def test_the_report_of_an_ingest_shows_escapes(called: Run, lake: Path) -> None:
    done = called("ingest", lake.parent, "--lake", lake)
    assert done.returncode == 1
    assert f"text{SHOWN}" in done.stdout
    assert not any(each in done.stdout + done.stderr for each in COMMANDS)


@pytest.mark.parametrize(
    "words", [["search", "--box", "0,0,1,1"], ["status"], ["check"], ["pin", "--list"]], ids=lambda words: words[0]
)
def test_tables_show_escapes(called: Run, lake: Path, words: list[str]) -> None:
    if words[0] == "pin":
        assert called("pin", "--lake", lake, str(lake.parent / NAME)).returncode == 0
    done = called(*words, "--lake", lake)
    assert done.returncode == 0, done.stderr
    assert not any(each in done.stdout + done.stderr for each in COMMANDS)
    if words[0] != "check":
        # a table may fold the name
        assert SHOWN in done.stdout.replace("\n", "").replace(" ", "")


def test_json_has_the_exact_name_and_no_control_character(called: Run, lake: Path) -> None:
    done = called("search", "--box", "0,0,1,1", "--lake", lake, "--json")
    assert json.loads(done.stdout)["hits"][0]["source"] == str(lake.parent / NAME)
    assert not any(each in done.stdout for each in COMMANDS)


def test_what_is_pinned_erased_or_lost_is_one_line_each(called: Run, lake: Path, tmp_path: Path) -> None:
    broken = tmp_path / "lake"
    shutil.copytree(lake, broken)
    name = str(lake.parent / NAME)
    erased = called("forget", "--lake", broken, name)  # asks, and nobody answers
    assert any(line.endswith(SHOWN) for line in erased.stderr.splitlines()), erased.stderr
    for data in (broken / "frames.lance" / "data").iterdir():
        data.write_bytes(b"")
    for words in (["--dry-run"], []):
        repaired = called("repair", "--lake", broken, *words)
        assert all(
            re.match(r"would repair: |repaired: |run |cannot |problem: |/", line)
            for line in repaired.stdout.splitlines()
        )
    assert f"run `regionlake ingest` again on: {lake.parent}/{SHOWN}" in repaired.stdout.splitlines()
    shutil.rmtree(broken)
    shutil.copytree(lake, broken)
    erased = called("forget", "--lake", broken, name, "--yes", "--pinned")
    assert erased.returncode == 0, erased.stderr
    assert f"erased: {lake.parent}/{SHOWN}" in erased.stdout.splitlines()


def test_what_was_removed_of_a_pinned_source_is_named_in_one_line(
    called: Run, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "lake"
    shutil.copytree(lake, copy)
    pin = Pin("1", NAME, None, datetime(2026, 5, 1, tzinfo=UTC))
    monkeypatch.setattr(Pins, "fates", lambda *_, **__: Fates((), (pin,), ()))
    monkeypatch.setattr(Pins, "add", lambda *_, **__: (pin,))
    done = called("pin", "--lake", copy, str(lake.parent / NAME))
    assert done.stderr.splitlines() == [f"parts of {SHOWN} were removed earlier; what is left is pinned"]


def test_what_upkeep_holds_back_is_named_in_one_line() -> None:
    held = Held(NAME, "share", recordings=2, bytes=1, of_recordings=3, of_bytes=1)
    for line in (held_line(held, ahead_s=None), held_note(held)):
        assert SHOWN in line
        assert len(line.splitlines()) == 1


def test_errors_and_wrong_usage_show_escapes(called: Run, tmp_path: Path) -> None:
    for words in (
        ["status", "--lake", f"{tmp_path}/{NAME}"],
        ["status", "--lake", "L", NAME],
        ["plan", "--set", f"run.{NAME}=1"],
    ):
        done = called(*words)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        assert SHOWN.partition(r"\n")[0] in done.stderr
        assert not any(each in done.stdout + done.stderr for each in COMMANDS)


def test_a_traceback_shows_escapes() -> None:
    code = f"from deploy.cli import main; main.app = lambda **_: open({NAME!r}); main.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
    assert not any(each in done.stderr for each in COMMANDS)


def test_a_console_colours_and_escapes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Console, "is_terminal", property(lambda _: True))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table = Table("name", box=None)
    table.add_row(Text(NAME, style="red"))
    with output.visible_output():
        console().print(table)
    printed = capsys.readouterr().out
    assert "\x1b[31m" in printed, "the console must still colour"
    assert CLIPBOARD not in printed
    assert r"\x1b]52;c;aGk=" in printed


def test_what_an_encoding_lacks_is_escaped_and_ends_nothing(lake: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli.main", "status", "--lake", str(lake)]
    done = subprocess.run(command, capture_output=True, env={"PATH": "", "PYTHONIOENCODING": "ascii"}, timeout=120)
    assert done.returncode == 0, done.stderr
    assert rb"\xb7" in done.stdout  # the middle dot


def test_a_reader_of_the_output_that_goes_is_no_error(lake: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli.main", "status", "--lake", str(lake), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 1


def test_pictures_and_python_show_escapes(make_result: Callable[..., SearchResult]) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 48)).save(jpeg, "JPEG")
    result = make_result(hits=1)
    hit = result.hits[0]
    hostile = replace(hit, source=f"/clips/{NAME}", place=replace(hit.place, label=NAME))
    result = replace(result, hits=(hostile,))
    assert draw_contact_sheet(result, {hit.frame_id: jpeg.getvalue()}).width > 0
    assert SHOWN in hits_text(result)
    assert not any(each in hits_text(result) for each in COMMANDS)


def test_lines_of_feeds_show_escapes() -> None:
    feed = FeedStatus(NAME, NAME, "stalled", datetime(2026, 5, 1, tzinfo=UTC), last_error=NAME)
    line = feed_line(feed, keyframes=0, reported_at=feed.since)
    assert line.count(SHOWN.partition(r"\n")[0]) == 2
    assert "\n" not in line
