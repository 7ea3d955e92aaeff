"""The command itself: catches a slow start, wrong exit codes, and errors that show a traceback or no reason."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from deploy.cli.main import INTERRUPTED, app
from deploy.cli.sections import SECTIONS
from tests.deploy.cli.conftest import Run
from tests.signals import default_signals

SUBCOMMANDS = [name for names in SECTIONS.values() for name in names]


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "ray", "lancedb", "pyarrow", "cv2", "av", "transformers", "onnxruntime"}
    code = f"import sys, deploy.cli.main; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_every_subcommand_has_its_help(subcommand: str) -> None:
    listed = CliRunner().invoke(app, ["--help"], prog_name="regionlake").stdout
    done = CliRunner().invoke(app, [subcommand, "--help"], prog_name="regionlake")
    assert f"\n  {subcommand} " in listed
    assert "..." not in listed.replace("[ARGS]...", ""), "a description is cut off; its first sentence is too long"
    assert done.exit_code == 0
    assert f"Usage: regionlake {subcommand}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "a dog"], "--lake"),
        (["search", "--lake", "L"], "asks for nothing"),
        (["search", " ", "--lake", "L"], "empty"),
        (["search", "a dog", "--lake", "L", "--box", "0,0,640,480"], "fractions"),
        (["search", "a dog", "--lake", "L", "--geometry", "nearest"], "giou"),
        (["search", "a dog", "--lake", "L", "--zone", "0,0 1,1 1,0 0,1"], "sides of the zone meet"),
        (["search", "a dog", "--lake", "L", "--zone", "left"], "'left' is no zone"),
        (["search", "a dog", "--lake", "L", "--zone", "0,0,1,1", "--box", "0,0,1,1"], "not both"),
        (["search", "a dog", "--lake", "L", "--zone", "0,0,1,1", "--min-inside", "2"], "--min-inside"),
        (["search", "a dog", "--lake", "L", "--zone", "0,0,1,1", "--geometry", "giou"], "no other --geometry"),
        (["watch", "a dog", "--lake", "L", "--zone", "gate=0,0 1,1"], "3 to 256 corners"),
        (["search", "a dog", "--lake", "L", "--method", "nearest"], "regions"),
        (["search", "a dog", "--lake", "L", "--rank", "regions:much"], "is no weight"),
        (["search", "a dog", "--lake", "L", "--weight", "2"], "--weight"),
        (["search", "a dog", "--lake", "L", "--roi", "0,0,1,1"], "--image"),
        (["search", "a dog", "--lake", "L", "--since", "noon"], "noon"),
        (["search", "a dog", "--lake", "L", "--image", "absent.jpg"], "absent.jpg"),
        (["search", "a dog", "--lake", "L", "-k", "0"], "-k"),
        (["search", "a dog", "--lake", "L", "--sheet", "hits.doc"], ".png"),
        (["ingest", "--lake", "L"], "sources"),
        (["ingest", "a.mp4", "--lake", "L", "--model", "nope"], "everyday"),
        (["ingest", "a.mp4", "--lake", "L", "--proposer", "nope"], "moving"),
        (["ingest", "a.mp4", "--lake", "L", "--plan", "absent.toml"], "absent.toml"),
        (["ingest", "a.mp4", "--lake", "L", "--metrics-port", "9100"], "--follow"),
        (["plan", "--set", "no.such.key=1"], "no"),
        (["plan", "--set", "run.segment_s=-1"], "segment_s"),
        (["lab", "generate", "out", "--objects", ".", "--size", "big"], "WIDTHxHEIGHT"),
        (["lab", "generate", "out"], "--objects FOLDER or --shapes"),
        (["lab", "generate", "out", "--objects", ".", "--shapes"], "--objects FOLDER or --shapes"),
        (["lab", "train", "detail", "--out", "f.safetensors"], "--data"),
        (["ingest", "a.mp4", "--lake", "L", "--set", "detail.model=absent"], "regionlake lab train detail"),
        (["search", "a dog", "--lake", "L", "--since", "0001-01-01T00:00:00+05:00"], "before the year 1"),
        (["search", "a dog", "--lake", "L", "--until", "9999-12-31T23:59:59-05:00"], "after 9999"),
        (["upkeep", "--lake", "L", "--max-age", "99999999999999d"], "longer than 999,999,999 days"),
        (["upkeep", "--lake", "L", "--every", "0"], "once a second"),
        (["pin", "--lake", "L", "gate", "--from", "0:05", "--to", "0:01"], "ends before it begins"),
        (
            ["ingest", "rtsp://me:secret@host/x", "--lake", "L"],
            "rtsp://host/x is a stream, which has no end: add --follow",
        ),
        (["ingest", "https://host/live.m3u8", "--lake", "L"], "add --follow"),
        (["plan", "--set", "model="], "model is empty"),
        (["plan", "--set", "run.segment_s=" + "[" * 5000], "nested too deep"),
        (["ingest", "a.mp4", "--lake", "L", "--metrics-host", "::1"], "--follow"),
        (["search", "a dog", "--lake", "L", "--fetch", "host"], "--clips"),
        (["drown"], "drown"),
    ],
)
def test_wrong_usage_is_named_and_exits_with_2(
    called: Run, arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = called(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "L").exists(), "wrong usage must not leave a lake behind"


@pytest.mark.parametrize("command", [["search", "a dog"], ["status"], ["check"]], ids=lambda command: command[0])
def test_a_missing_lake_is_one_line_with_the_fix(called: Run, command: list[str], tmp_path: Path) -> None:
    done = called(*command, "--lake", tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("regionlake: no lake at")
    assert "regionlake ingest" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_printed_plan_is_the_plan(called: Run, tmp_path: Path) -> None:
    first = called("plan", "--set", "run.segment_s=7.5", "--proposer", "grid")
    (tmp_path / "plan.toml").write_text(first.stdout)
    again = called("plan", "--plan", tmp_path / "plan.toml")
    assert first.returncode == again.returncode == 0
    assert again.stdout == first.stdout
    assert "segment_s = 7.5" in first.stdout


def test_an_interrupt_outside_of_any_command_leaves_no_traceback() -> None:
    """Before a command begins, or after it has ended, only the entry point can handle the interrupt."""
    code = "import deploy.cli.main as m, signal; m.app = lambda **_: signal.raise_signal(signal.SIGINT); m.main()"
    with default_signals():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (130, INTERRUPTED)


@pytest.mark.parametrize(
    "content", [b"[feeds.gate]\nurl = '~nosuchuser/x'", b"[feeds", b"\xff", b"feeds = " + b"[" * 9999]
)
def test_a_mistake_in_the_file_of_feeds_is_one_sentence_at_the_start(
    called: Run, tmp_path: Path, content: bytes
) -> None:
    feeds = tmp_path / "cameras.toml"
    feeds.write_bytes(content)
    done = called("ingest", "--feeds", str(feeds), "--lake", str(tmp_path / "lake"))
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"regionlake: {feeds}")
    assert not (tmp_path / "lake").exists()


def test_every_visible_command_has_one_section_of_the_help() -> None:
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    visible = [name for name, each in command.commands.items() if not each.hidden]
    assert sorted(visible) == sorted(name for names in SECTIONS.values() for name in names)
