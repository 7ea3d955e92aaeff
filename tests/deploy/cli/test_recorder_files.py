"""Recorders' folders on the command line: catches cameras and times of Frigate's and ZoneMinder's files that are lost,
clips that are not of the recorder's own file, and options that have no effect."""

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from tests.conftest import Run
from tests.integration.clips import make_clip

NAMES = {
    "frigate/recordings/2026-05-01/12/gate/30.05.mp4": ("gate", "2026-05-01T12:30:05"),
    "frigate/recordings/2026-05-01/12/gate-vault/30.07.mp4": ("gate-vault", "2026-05-01T12:30:07"),
    "zm/events/3/2026-05-01/77/77-video.mp4": ("monitor-3", "2026-05-01T18:00:00"),
    "zm/events/3/26/10/25/02/30/05/78-video.mp4": ("monitor-3", None),  # a local time that was twice
    "other/dvr2_20260501_143000.mp4": ("dvr2", "2026-05-01T12:30:00"),  # in Berlin
}


@pytest.fixture(scope="module")
def recorded(regionlake: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[dict[str, str]]]]:
    """A folder with a file of each kind, ingested, and the report."""
    folder = tmp_path_factory.mktemp("recorded")
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make_clip(folder / name, seed=seed, seconds=2)
    ended_s = datetime.fromisoformat("2026-05-01T18:00:02Z").timestamp()
    os.utime(folder / "zm/events/3/2026-05-01/77/77-video.mp4", (ended_s, ended_s))
    folders = [folder / name for name in ("frigate", "zm", "other")]
    done = regionlake(
        "ingest", *folders, "--timezone", "Europe/Berlin", "--lake", folder / "lake", "--proposer", "grid", "--json"
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_each_file_has_its_camera_and_its_utc_and_doubts_are_said(
    called: Run, recorded: tuple[Path, dict[str, list[dict[str, str]]]]
) -> None:
    folder, report = recorded
    rows = Lake.open(str(folder / "lake")).read("frames", columns=["source", "pts_s", "time"]).to_pylist()
    first = {row["source"]: row["time"] for row in sorted(rows, key=lambda row: -row["pts_s"])}
    began = {name: None if time is None else f"{time:%Y-%m-%dT%H:%M:%S}" for name, time in first.items()}
    assert began == {str(folder / name): time for name, (_, time) in NAMES.items()}
    shown = called("sql", "SELECT source, feed FROM sources", "--lake", folder / "lake", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    feeds = {row["source"]: row["feed"] for row in json.loads(shown.stdout)}
    assert feeds == {str(folder / name): camera for name, (camera, _) in NAMES.items()}
    said = {Path(note["source"]).name: note["note"] for note in report["notes"]}
    assert set(said) == {"77-video.mp4", "78-video.mp4"}
    assert "2026-10-25 02:30:05 in Europe/Berlin was twice" in said["78-video.mp4"]


def test_a_camera_is_found_by_name_and_time_and_its_clip_shows_the_frames_of_the_file(
    called: Run, recorded: tuple[Path, dict[str, list[dict[str, str]]]], tmp_path: Path
) -> None:
    folder, _ = recorded
    lake = ("--lake", folder / "lake", "-k", "9")
    when = ("--since", "2026-05-01T12:30:00Z", "--until", "2026-05-01T13:00Z")
    found = called("search", "--box", "0,0,1,1", "--source", "[g]ate", *when, *lake, "--clips", tmp_path, "--json")
    assert found.returncode == 0, found.stderr
    file = folder / "frigate/recordings/2026-05-01/12/gate/30.05.mp4"
    assert {hit["source"] for hit in json.loads(found.stdout)["hits"]} == {str(file)}  # and not gate-vault's
    other = folder / "frigate/recordings/2026-05-01/12/gate-vault/30.07.mp4"
    clips = sorted(tmp_path.glob("*.mp4"))
    assert clips
    for clip in clips:
        # clips of files are encoded again: each frame is nearly one of the file's, and none of the other camera's
        assert _distance(clip, file) < 4 < 12 < _distance(clip, other)
    pinned = called("pin", "--lake", folder / "lake", "gate", "--from", "2026-05-01T12:30:05Z")
    assert pinned.returncode == 0, pinned.stderr


def test_a_file_that_the_lake_holds_keeps_its_time_and_that_is_said(
    called: Run, recorded: tuple[Path, dict[str, list[dict[str, str]]]]
) -> None:
    folder, _ = recorded
    options = ("--lake", folder / "lake", "--proposer", "grid")
    again = called("ingest", folder / "other", "--timezone", "Asia/Tokyo", *options)
    assert again.returncode == 0, again.stderr
    assert "1 source keeps its time" in again.stderr
    assert "keeps its time" not in called("ingest", folder / "other", *options).stderr


def _distance(clip: Path, file: Path) -> float:
    """The mean over the clip's frames of how far, in levels of 255, the nearest frame of the file is."""
    shown, frames = _frames(clip), _frames(file)
    return float(np.abs(shown[:, None] - frames[None]).mean(axis=(2, 3, 4)).min(axis=1).mean())


def _frames(path: Path) -> NDArray[np.int16]:
    """int16 (N, 24, 32, 3), RGB, as ffmpeg decodes them."""
    scaled = ["-vf", "scale=32:24", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *scaled], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 24, 32, 3).astype(np.int16)


def test_a_feed_of_a_folder_has_a_zone_and_one_of_a_stream_has_none(called: Run, tmp_path: Path) -> None:
    feeds = tmp_path / "cameras.toml"
    (tmp_path / "rec").mkdir()
    zone = ("--timezone", "Europe/Berlin", "--name-time", "%d-%m-%Y/%Hh%M", "--feeds", feeds)
    assert called("feeds", "add", "yard", tmp_path / "rec", *zone).returncode == 0
    entry = FeedEntry(str(tmp_path / "rec"), timezone="Europe/Berlin", name_time="%d-%m-%Y/%Hh%M")
    assert FeedList(feeds).read() == {"yard": entry}
    assert "names in Europe/Berlin" in called("feeds", "list", "--feeds", feeds).stdout
    assert (entry.naming.timezone, entry.naming.pattern) == ("Europe/Berlin", "%d-%m-%Y/%Hh%M")
    done = called("feeds", "add", "gate", "rtsp://host/x", *zone)
    assert done.returncode == 2
    assert "is no folder" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x.mp4", "--timezone", "Mars/Olympus"], "there is no time zone 'Mars/Olympus'"),
        (["x.mp4", "--name-time", "%H"], "says no time"),
        (["rtsp://host/x", "--follow", "--timezone", "UTC"], "is for folders that the command names"),
        (["--reembed", "--timezone", "UTC"], "keeps their times"),
    ],
)
def test_options_that_could_have_no_effect_are_refused(
    called: Run, lake: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    done = called("ingest", *words, "--lake", lake if "--reembed" in words else tmp_path / "lake")
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "lake").exists()
