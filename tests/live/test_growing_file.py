"""A file that is still being written. Catches frames that are missed, ingested twice, or given a wrong time, whichever
process dies meanwhile; and a file that has stopped growing without a report."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from pipeline.lake.lake import Lake
from tests.live.bound import bound
from tests.live.cameras import film
from tests.live.follower import FollowerProcess, require_accounts, validate_rows


@contextmanager
def recorder(clip: Path, target: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Writes the clip as MPEG-TS in real time, like a recorder."""
    tool = shutil.which("ffmpeg") or pytest.fail("ffmpeg is not installed; apt-get install ffmpeg")
    options = "-c copy -f mpegts -flush_packets 1 -y".split()
    command = [tool, "-v", "error", "-re", "-i", str(clip), *options, str(target)]
    process = subprocess.Popen(bound(command), stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def pts_of(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0) if frame.pts is not None]


@pytest.fixture(scope="module")
def clip(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 25 s."""
    folder = tmp_path_factory.mktemp("films")
    return film(folder / "street.mp4", data_dir / "tud-stadtmitte" / "TUD-Stadtmitte.mp4", loops=2, size="320:240")


def test_every_frame_of_a_growing_file_is_taken_once_whoever_dies(clip: Path, tmp_path: Path) -> None:
    lake, growing = tmp_path / "lake", tmp_path / "recording.ts"
    with recorder(clip, growing) as writer:
        follower = FollowerProcess(lake, [str(growing)])
        follower.wait(lambda s: s.feeds[0].state == "live" and s.sink.keyframes >= 2)
        [child] = follower.descendants("feed_child")
        os.kill(child, signal.SIGKILL)
        follower.wait(lambda s: s.feeds[0].state == "live" and sum(s.feeds[0].restarts.values()) == 1)
        commits = follower.wait(lambda s: s.feeds[0].state == "live").sink.commits
        follower.wait(lambda s: s.sink.commits > commits)
        os.killpg(follower.process.pid, signal.SIGKILL)
        follower.kill()
        follower = FollowerProcess(lake, [str(growing)])
        writer.wait()
        ended = growing.stat().st_mtime
        status = follower.wait(lambda s: s.feeds[0].state == "stalled" and not s.feeds[0].waiting)
        assert status.feeds[0].last_error == "nothing was added to the file for 5 s"
        reported = follower.end()
        require_accounts(reported)
        assert sum(reported["feeds"][0]["lost"].values()) == 0
    validate_rows(lake)
    segments = Lake.open(str(lake)).read("segments").to_pylist()
    every = pts_of(growing)
    ingested = Counter(
        pts for row in segments if row["state"] == "done" for pts in every if row["start"] <= pts < row["stop"]
    )
    # frames that the models held when the follower was killed have no row; the ledger has their span
    gone = {pts for row in segments if row["state"] == "failed" for pts in every if row["start"] <= pts < row["stop"]}
    assert set(ingested.values()) == {1}
    assert set(ingested) == set(every) - gone
    assert len(gone) < 30
    assert sum(row["frames_decoded"] for row in segments) == len(ingested)
    for row in Lake.open(str(lake)).read("frames", columns=["pts", "time"]).to_pylist():
        assert row["time"].timestamp() == pytest.approx(ended - (every[-1] - row["pts"]) / 90_000, abs=2)
