"""A feed with privacy masks: catches what is under a mask in keyframes and in the background model, and video that is
kept although it shows it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operators.readers.privacy_masks import PrivacyMasks
from pipeline.ingest.packets import FramePacket
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from pipeline.live.live_config import LiveConfig
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.ring.config import RingConfig
from schemas.errors import PlanError
from schemas.frames import Keyframe
from schemas.zones import Zone
from tests.clips import ffmpeg
from tests.waiting import wait_until

MASK = Zone.parse("0.5,0.25,1,0.75")
REQUEST = FollowRequest("", "gate", "plan", ReadConfig(), LiveConfig(stalled_s=2.0), masks=(MASK,))


def film(path: Path, hidden: str) -> Path:
    """A clip without loss; in its right half something moves, or nothing does."""
    scene = f"testsrc2=size=160x120:rate=10:duration=8[a];{hidden}[b];[a][b]overlay=80:30"
    ffmpeg("-filter_complex", scene, *"-c:v libx264 -qp 0 -g 10 -pix_fmt yuv420p".split(), str(path))
    return path


def keyframes(path: Path, request: FollowRequest) -> list[Keyframe]:
    feed = Feed("gate", replace(request, address=str(path)))
    feed.start()
    found: list[Keyframe] = []

    def stalled() -> bool:
        item = feed.poll()
        while item is not None:
            found.extend(item.keyframes if isinstance(item, FramePacket) else ())
            item = feed.poll()
        return feed.status().state == "stalled" and not feed.ready

    wait_until(stalled, within_s=120)
    feed.stop()
    wait_until(lambda: feed.poll() is None and feed.ended, within_s=120)
    return found


def test_keyframes_and_motion_do_not_depend_on_what_is_under_a_mask(tmp_path: Path) -> None:
    """All rows are made of them: boxes, vectors, thumbnails."""
    loud = film(tmp_path / "loud.ts", "mandelbrot=size=80x60:rate=10,trim=duration=8")
    black = film(tmp_path / "black.ts", "color=black:size=80x60:rate=10:duration=8")
    one, other = keyframes(loud, REQUEST), keyframes(black, REQUEST)
    assert len(one) > 4
    assert [(each.pts, each.reason) for each in one] == [(each.pts, each.reason) for each in other]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert (a.motion is None) == (b.motion is None)
        if a.motion is not None and b.motion is not None:
            np.testing.assert_array_equal(a.motion, b.motion)
        assert not a.image[PrivacyMasks((MASK,)).plane(120, 160)].any()
        assert a.image.any(axis=2).mean() > 0.5
    unmasked = keyframes(loud, replace(REQUEST, masks=()))
    assert unmasked[0].image[60, 120].any(), "the clip shows nothing there; this test would show nothing"


def test_no_video_of_a_masked_stream_is_kept() -> None:
    stream = replace(REQUEST, address="rtsp://10.0.0.5/stream", ring=RingConfig("/nowhere", sound=True))
    assert replace(stream, masks=()).keeps_video
    assert not stream.keeps_video
    assert replace(stream, encodes_masked=True).keeps_video
    assert not replace(stream, encodes_masked=True, ring=None).keeps_video
    assert "no video is kept" in (Feed("gate", stream).status().masked or "")
    assert Feed("gate", replace(stream, masks=())).status().masked is None


def test_masks_are_in_the_file_of_feeds(tmp_path: Path) -> None:
    feeds = FeedList(tmp_path / "cameras.toml")
    entry = FeedEntry("rtsp://10.0.0.5/stream", masks=("0,0.5 0.4,0.5 0.4,1", "0.9,0,1,0.2"))
    feeds.add("gate", entry)
    feeds.add("yard", FeedEntry("rtsp://10.0.0.6/stream"))
    assert feeds.read()["gate"] == entry
    assert [len(zone.corners) for zone in feeds.read()["gate"].zones] == [3, 4]
    assert "masks" not in (tmp_path / "cameras.toml").read_text().partition("[feeds.yard]")[2]


@pytest.mark.parametrize(
    ("masks", "reason"),
    [
        ("['0,0,2,1']", "a mask is no area"),
        ("['0,0 1,1']", "a mask is no area"),
        ("['gate=0,0,1,1']", "names no source"),
        ("'0,0,1,1'", r"feeds\['gate'\]\.masks"),
        ("[3]", r"feeds\['gate'\]\.masks"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, masks: str, reason: str) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(f"[feeds.gate]\nurl = 'rtsp://10.0.0.5/x'\nmasks = {masks}\n")
    with pytest.raises(PlanError, match=reason):
        FeedList(path).read()


def test_a_folder_whose_files_show_everything_has_no_masks(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="its files show what is under a mask"):
        FeedList(tmp_path / "cameras.toml").add("gate", FeedEntry(str(tmp_path), masks=("0,0,1,1",)))
