"""What a ring costs: feeds that keep their packets, beside feeds of the same cameras that do not, at the same time.

    python -m tests.bench.ring [--feeds 4] [--seconds 40]

Each group is a process that supervises and decodes its feeds, without models, so that the ratio is the largest that a
follower can have. CPU time is that of the process and its decoders; it does not depend on what else the machine does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.live_config import LiveConfig
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.ring.config import RingConfig
from tests.bench.machine import processor
from tests.clips import ffmpeg
from tests.live.cameras import rtsp_server

_TICKS = os.sysconf("SC_CLK_TCK")
_PICTURE = "testsrc2=size=1280x720:rate=25:duration=20"
_X264 = "-c:v libx264 -preset veryfast -tune zerolatency -b:v 4M -maxrate 4M -bufsize 4M -g 50 -pix_fmt yuv420p"
_WARM_FRAMES = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--group", nargs=2, metavar=("URL", "RINGS"), help="run one group: for this program itself")
    options = parser.parse_args()
    if options.group:
        print(json.dumps(_group(*options.group, feeds=options.feeds, seconds=options.seconds)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        once = folder / "once.mkv"
        ffmpeg("-f", "lavfi", "-i", _PICTURE, *_X264.split(), str(once))
        loops = str(int(options.seconds / 20) + 4)
        ffmpeg("-stream_loop", loops, "-i", str(once), "-c", "copy", str(folder / "camera.mp4"))
        with rtsp_server(folder) as server:
            command = [sys.executable, "-m", "tests.bench.ring", "--feeds", str(options.feeds)]
            command += ["--seconds", str(options.seconds), "--group", server.url("camera")]
            groups = {
                name: subprocess.Popen([*command, rings], stdout=subprocess.PIPE, text=True)
                for name, rings in (("none", ""), ("ring", str(folder / "rings")))
            }
            measured = {name: json.loads(process.communicate()[0]) for name, process in groups.items()}
    print(f"{processor()}, {os.cpu_count()} cores, {options.feeds} feeds of 1280×720 at 25 frames/s, 4 Mbit/s")
    print("ring   frames  CPU ms a frame  MB written  syncs a second and feed")
    for name, (frames, cpu_s, size, fragments) in measured.items():
        syncs = fragments / options.seconds / options.feeds
        print(f"{name:5} {frames:7.0f} {cpu_s / frames * 1000:15.3f} {size / 1e6:11.1f} {syncs:12.2f}")
    (frames, cpu_s, _, _), (plain_frames, plain_cpu_s, _, _) = measured["ring"], measured["none"]
    print(f"ratio {(cpu_s / frames) / (plain_cpu_s / plain_frames):23.3f}")


def _group(url: str, rings: str, *, feeds: int, seconds: float) -> tuple[float, float, float, float]:
    """Frames received, CPU seconds, bytes and fragments written, of so many feeds in so many seconds."""
    ring = RingConfig(rings) if rings else None
    followed = [
        Feed(f"camera-{n}", FollowRequest(url, f"camera-{n}", "plan", ReadConfig(), LiveConfig(), ring=ring))
        for n in range(feeds)
    ]
    for feed in followed:
        feed.start()
    while min(feed.status().received for feed in followed) < _WARM_FRAMES:
        _drain(followed)
    before, until_s = _measure(followed), time.monotonic() + seconds
    while time.monotonic() < until_s:
        _drain(followed)
    after = _measure(followed)
    for feed in followed:
        feed.stop()
    while not all(feed.ended for feed in followed):
        _drain(followed)
    frames, cpu_s, size, fragments = (late - early for early, late in zip(before, after, strict=True))
    return frames, cpu_s, size, fragments


def _drain(feeds: list[Feed]) -> None:
    for feed in feeds:
        while feed.poll() is not None:
            pass
    time.sleep(0.1)


def _measure(feeds: list[Feed]) -> tuple[float, float, float, float]:
    statuses = [feed.status() for feed in feeds]
    videos = [status.video for status in statuses if status.video is not None]
    cpu_s = _cpu_s(os.getpid()) + sum(_cpu_s(feed.pid) for feed in feeds if feed.pid is not None)
    written = sum(video.bytes for video in videos), sum(video.fragments for video in videos)
    return sum(status.received for status in statuses), cpu_s, *written


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
