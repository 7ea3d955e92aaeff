"""Catches bad inputs that stop the run, are not named, or leave half of their rows in the lake."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.ingest.run import ingest
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from tests.integration.clips import make_clip


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    good = make_clip(folder / "good.mp4", seed=1).read_bytes()
    (folder / "text.mp4").write_text("this is not a video\n" * 50)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "truncated.mp4").write_bytes(good[: len(good) // 2])  # the index, which is at the end, is missing
    audio = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", str(folder / "audio.mp4")]
    subprocess.run(audio, check=True)
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")  # cannot be opened, not even by root
    os.mkfifo(folder / "pipe.mp4")  # a FIFO: opening it would wait for ever
    return folder


def broken_middle(folder: Path) -> Path:
    """A transport stream with garbage over a third of its middle."""
    source = make_clip(folder / "whole.mp4", seed=2)
    stream = folder / "broken.ts"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(source), "-c", "copy", str(stream)], check=True)
    data = bytearray(stream.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = os.urandom(third)
    stream.write_bytes(data)
    source.unlink()
    return stream


NAMES = ("text.mp4", "empty.mp4", "truncated.mp4", "audio.mp4", "loop.mp4", "pipe.mp4", "missing.mp4")


def test_each_bad_input_is_named_with_its_reason_and_the_good_one_is_done(bad_folder: Path, tmp_path: Path) -> None:
    names = [str(bad_folder / n) for n in (*NAMES, "good.mp4")]
    report = ingest(names, str(tmp_path / "lake"), Plan(), engine="local")
    assert {Path(f.uri).name for f in report.quarantined} == set(NAMES)
    reasons = {Path(f.uri).name: f.error for f in report.quarantined}
    assert len(set(reasons.values())) == len(reasons)
    assert "empty" in reasons["empty.mp4"]
    assert "video" in reasons["audio.mp4"]
    assert "does not exist" in reasons["missing.mp4"] or "No such file" in reasons["missing.mp4"]
    assert report.segments == 1
    lake = Lake.open(str(tmp_path / "lake"))
    assert check(lake).problems == ()
    assert lake.count("sources") == len(names)


def test_a_broken_middle_is_named_and_leaves_no_rows_of_its_segment(tmp_path: Path) -> None:
    clip = broken_middle(tmp_path)
    report = ingest([str(clip)], str(tmp_path / "lake"), Plan(), engine="local")
    assert not report.ok
    assert [f.uri for f in report.quarantined] == [str(clip)]
    lake = Lake.open(str(tmp_path / "lake"))
    assert lake.count("frames") == 0
    assert check(lake).problems == ()


def test_a_source_that_was_mended_is_done_by_the_next_run(bad_folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("not yet a video")
    assert not ingest([str(clip)], str(tmp_path / "lake"), Plan(), engine="local").ok
    clip.write_bytes((bad_folder / "good.mp4").read_bytes())
    assert ingest([str(clip)], str(tmp_path / "lake"), Plan(), engine="local").ok
    lake = Lake.open(str(tmp_path / "lake"))
    assert lake.count("sources") == 1
    assert check(lake).problems == ()


def test_another_plan_is_refused_and_replaces_with_the_flag(bad_folder: Path, tmp_path: Path) -> None:
    lake, clip = str(tmp_path / "lake"), str(bad_folder / "good.mp4")
    ingest([clip], lake, Plan(), engine="local")
    grid = load_plan(overrides=['proposals.use=["grid"]'])
    refused = ingest([clip], lake, grid, engine="local")
    assert [f.uri for f in refused.failed] == [clip]
    assert "--replace" in refused.failed[0].error
    assert ingest([clip], lake, grid, engine="local", replace=True).ok
    proposers = set(Lake.open(lake).read("regions", columns=["proposer"])["proposer"].to_pylist())
    assert all(p.startswith("grid") for p in proposers)
    assert check(Lake.open(lake)).problems == ()
