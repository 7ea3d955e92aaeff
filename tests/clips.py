"""Clips with one special property each, made by ffmpeg and PyAV from synthetic pictures when a test needs them."""

import json
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

_SCENES = (  # two moving pictures with a hard cut between them, without sound
    "testsrc2=size={size}:rate=25:duration=2[a];mandelbrot=size={size}:rate=25,trim=duration=2[b];[a][b]concat=n=2:v=1"
)
_X264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25"


def ffmpeg(*arguments: str) -> None:
    tool = shutil.which("ffmpeg") or pytest.fail("ffmpeg is not installed; apt-get install ffmpeg")
    subprocess.run([tool, "-v", "error", "-y", *arguments], check=True, stdin=subprocess.DEVNULL)


def synthetic(path: Path, options: str = _X264, *, size: str = "160x120", then: str = "null") -> Path:
    """Four seconds, 100 frames, of two scenes."""
    ffmpeg("-filter_complex", f"{_SCENES.format(size=size)},{then}", *options.split(), str(path))
    return path


def _edit_list(path: Path) -> Path:
    whole = synthetic(path.with_name("whole.mp4"), f"{_X264} -bf 3 -g 50")
    ffmpeg("-ss", "0.7", "-i", str(whole), "-c", "copy", str(path))  # the clip begins between sync points
    return path


def _rotated(path: Path) -> Path:
    """Copies a clip into one whose display matrix turns it by 90°."""
    whole = synthetic(path.with_name("upright.mp4"))
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        out.set_display_rotation(90)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = out
                target.mux(packet)
    return path


def _one_pixel(path: Path) -> Path:
    with av.open(str(path), "w") as target:
        stream = target.add_stream("ffv1", rate=Fraction(25))
        stream.width = stream.height = 1
        stream.pix_fmt = "yuv444p"
        for i in range(20):
            picture = np.full((1, 1, 3), i * 10, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode(None))
    return path


def _size_change(path: Path) -> Path:
    """A transport stream in which the picture grows after two seconds."""
    parts = []
    for i, size in enumerate(("160x120", "320x240")):
        part = path.with_name(f"part{i}.ts")
        source = f"testsrc2=size={size}:rate=25:duration=2"
        ffmpeg("-f", "lavfi", "-i", source, *_X264.split(), "-output_ts_offset", str(2.2 * i), str(part))
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


RECIPES: dict[str, Callable[[Path], Path]] = {
    "plain.mp4": synthetic,
    "vfr.mp4": lambda p: synthetic(p, f"{_X264} -bf 2 -fps_mode vfr", then="select='not(mod(n,3))+lt(mod(n,40),9)'"),
    "b_frames.mp4": lambda p: synthetic(p, f"{_X264} -bf 3 -x264-params open-gop=1:b-pyramid=normal"),
    "edit_list.mp4": _edit_list,
    "late_start.mp4": lambda p: synthetic(p, f"{_X264} -bf 2 -output_ts_offset 12.345"),
    "late_start.mkv": lambda p: synthetic(p, f"{_X264} -bf 2 -output_ts_offset 7"),
    # the 33-bit clock of transport streams starts again after 95443.7 s; FFmpeg makes the times before it negative
    "wrapped.ts": lambda p: synthetic(p, f"{_X264} -bf 2 -output_ts_offset 95440.1"),
    "rotated.mp4": _rotated,
    "odd_size.mp4": lambda p: synthetic(p, "-c:v libx264 -pix_fmt yuv444p -g 25", size="161x121"),
    "odd_size_large.mp4": lambda p: synthetic(p, "-c:v libx264 -pix_fmt yuv444p -g 25", size="651x367"),
    "ten_bit.mp4": lambda p: synthetic(
        p, "-c:v libx265 -preset veryfast -pix_fmt yuv420p10le -x265-params log-level=none:keyint=25"
    ),
    "intra_refresh.mp4": lambda p: synthetic(p, f"{_X264} -x264-params intra-refresh=1:keyint=25"),
    "transport.ts": lambda p: synthetic(p, f"{_X264} -bf 2"),
    "mpeg2.ts": lambda p: synthetic(p, "-c:v mpeg2video -bf 2 -g 12"),
    "mpeg4.avi": lambda p: synthetic(p, "-c:v mpeg4 -g 25"),
    "mpeg4_b_frames.avi": lambda p: synthetic(p, "-c:v mpeg4 -bf 2 -g 25"),
    "h264_b_frames.avi": lambda p: synthetic(p, f"{_X264} -bf 2"),
    "vp9.webm": lambda p: synthetic(p, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25"),
    "intra.mkv": lambda p: synthetic(p, "-c:v mjpeg -q:v 3"),
    "animation.gif": lambda p: synthetic(p, "-r 10"),
    "one_pixel.mkv": _one_pixel,
    "size_change.ts": _size_change,
}


class Clips:
    """Makes each clip once, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Path] = {}

    def __call__(self, name: str) -> Path:
        if name not in self._made:
            folder = self._folder / name.replace(".", "_")
            folder.mkdir()
            self._made[name] = RECIPES[name](folder / name)
        return self._made[name]


def ffprobe_pts(path: Path) -> list[int]:
    """PTS of every frame, by `ffprobe -show_entries frame=pts,best_effort_timestamp`.

    AVI with B-frames has only the latter, and the last frames have neither: their PTS follow a tick apart.
    """
    entries = "frame=pts,best_effort_timestamp"
    tool = shutil.which("ffprobe") or pytest.fail("ffprobe is not installed; apt-get install ffmpeg")
    command = [tool, "-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "json", str(path)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    times: list[int] = []
    for frame in json.loads(out)["frames"]:
        best = frame.get("best_effort_timestamp", times[-1] + 1 if times else 0)
        times.append(best if path.suffix == ".avi" else frame["pts"])
    return times
