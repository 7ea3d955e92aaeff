"""Video of feeds on the command line: catches limits without effect, pinned video that goes, erased video that stays,
and damage that nobody names."""

import json
import os
import time
from fractions import Fraction
from pathlib import Path

import pytest

from operators.readers.stream_packet import RunBegins, StreamPacket
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.live.status.state_folder import StateFolder
from pipeline.ring.boxes import box
from pipeline.ring.config import RingConfig
from pipeline.ring.feed_ring import FeedRing, rings_of_state
from pipeline.ring.writer import RingWriter
from tests.deploy.cli.conftest import Run
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import Recording

GATE = [Recording(n, hour=n, feed="gate") for n in range(2)]
TICKS_S = 10


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """A lake with two recordings of ten seconds, each of a run of packets in five files; all of them are years old."""
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for recording in GATE:
            recording.record(writer, pieces=2)
    rings = rings_of_state(StateFolder.of(lake.uri).path)
    ring = RingWriter("gate", RingConfig(str(rings), fragment_s=1.0, file_s=2.0))
    for recording in GATE:
        ring.begin(RunBegins(0, "h264", "yuv420p", Fraction(1, TICKS_S), box(b"ftyp") + box(b"moov")))
        ring.bind(recording.source.id, 0)
        for pts in range(100):
            ring.add(StreamPacket(pts, pts, 1, pts % 5 == 0, b"packet"))
        ring.close()
    for number, part in enumerate(FeedRing.of(rings, "gate").parts()):
        written_s = time.time() - 86400 * 400 + number
        os.utime(part.path, (written_s, written_s))
    return tmp_path / "lake"


def video(lake: Path) -> list[str]:
    return [part.path.name for part in FeedRing.of(rings_of_state(lake / ".live"), "gate").parts()]


def test_limits_remove_the_oldest_and_pins_keep_theirs(called: Run, feeds: Path) -> None:
    assert len(video(feeds)) == 10
    shown = json.loads(called("status", "--lake", feeds, "--json").stdout)["video"]
    assert [(each["feed"], each["files"]) for each in shown] == [("gate", 10)]
    assert "video of gate: " in called("status", "--lake", feeds).stdout
    pinned = called("pin", "--lake", feeds, GATE[1].source.uri, "--from", "0:03.5", "--to", "0:03.6")
    assert pinned.returncode == 0, pinned.stderr
    one = sum(path.stat().st_size for path in feeds.rglob("00000001-000004.mp4"))
    done = called("upkeep", "--lake", feeds, "--video-max-bytes", f"{7 * one}", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["video_files"] == 10 - len(video(feeds))
    assert video(feeds)[0] > "00000000-000001.mp4"
    assert video(feeds)[-1] == "00000001-000004.mp4"
    done = called("upkeep", "--lake", feeds, "--video-max-age", "365d")
    assert done.returncode == 0, done.stderr
    assert "beyond the limits are pinned" in done.stdout
    # the shot that the pin meets is of seconds 3 to 6, and clips show two seconds around it
    assert video(feeds) == [f"00000001-{part:06}.mp4" for part in range(4)]
    assert len(Lake.open(str(feeds)).read("sources")) == 2  # limits of video are not those of rows
    assert called("unpin", "--lake", feeds, "gate").returncode == 0
    called("upkeep", "--lake", feeds, "--video-max-age", "365d")
    assert video(feeds) == []
    assert called("check", "--lake", feeds).returncode == 0


def test_what_moves_is_kept_for_longer_than_the_rest(called: Run, feeds: Path) -> None:
    ages = ("--video-max-age", "365d", "--video-moving-max-age", "500d")
    done = called("upkeep", "--lake", feeds, *ages, "--json")
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["video_files"], json.loads(done.stdout)["video_moving"]) == (0, 10)
    assert len(video(feeds)) == 10  # each keyframe of these recordings has a moving region
    assert "10 show something moving" in called("upkeep", "--lake", feeds, *ages).stdout
    done = called("upkeep", "--lake", feeds, "--video-max-age", "365d", "--video-moving-max-age", "390d")
    assert (done.returncode, video(feeds)) == (0, [])
    done = called("upkeep", "--lake", feeds, "--video-moving-max-age", "390d")
    assert done.returncode == 2
    assert "give that too" in done.stderr


def test_what_is_forgotten_has_no_video(called: Run, feeds: Path) -> None:
    done = called("forget", "--lake", feeds, GATE[0].source.uri, "--from", "0:04", "--to", "0:06", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["video_bytes"] > 0
    assert video(feeds)[:4] == [f"00000000-{part:06}.mp4" for part in (0, 1, 3, 4)]
    done = called("forget", "--lake", feeds, "gate", "--yes")
    assert (done.returncode, video(feeds)) == (0, [])
    assert " of video" in done.stdout


def test_damaged_video_is_named_and_what_can_be_read_stays(called: Run, feeds: Path) -> None:
    assert called("check", "--lake", feeds).returncode == 0
    [one] = feeds.rglob("00000001-000001.mp4")
    [other] = feeds.rglob("00000001-000002.mp4")
    content = one.read_bytes()
    at = content.rindex(b"trun")
    one.write_bytes(content[:at] + b"xxxx" + content[at + 4 :])  # of its second fragment
    other.write_bytes(other.read_bytes().replace(b"uuid", b"xxxx"))
    done = called("check", "--lake", feeds)
    assert done.returncode == 1
    assert "is none of RegionLake's; run: regionlake repair" in done.stdout
    looked = called("repair", "--lake", feeds, "--dry-run")
    assert looked.returncode == 1
    assert "would repair: video of gate: 00000001-000001.mp4 is damaged, its first fragment stays" in looked.stdout
    assert one.stat().st_size == len(content)
    assert called("repair", "--lake", feeds).returncode == 0
    assert len(video(feeds)) == 9
    assert one.stat().st_size < len(content) * 0.7
    assert list(feeds.rglob(".damaged/*/00000001-000002.mp4"))
    assert called("check", "--lake", feeds).returncode == 0


def test_video_is_kept_of_what_is_followed_alone(called: Run, tmp_path: Path) -> None:
    done = called("ingest", str(tmp_path), "--lake", tmp_path / "lake", "--video-max-age", "7d")
    assert done.returncode == 2
    assert "needs --follow" in done.stderr
    done = called("ingest", "rtsp://x/y", "--follow", "--lake", tmp_path / "lake", "--video-max-bytes", "some")
    assert done.returncode == 2
    assert "is no size" in done.stderr
