"""Small real clips for whole runs, made with ffmpeg."""

import shutil
import subprocess
from pathlib import Path

import pytest


def make_clip(path: Path, *, seed: int, seconds: float = 4.0) -> Path:
    """A 320×240, 12 fps, H.264 clip with a cut half-way, a sync point a second, and B-frames."""
    half = seconds / 2
    noise = f"noise=alls=6:all_seed={seed}"
    scene = (
        f"testsrc2=size=320x240:rate=12:duration={half},hue=h={seed * 37},{noise}[a];"
        f"color=c=0x{(seed * 2654435761) % 0xFFFFFF:06x}:size=320x240:rate=12:duration={half}[b];"
        f"color=c=white:size=40x80:rate=12:duration={half}[box];"
        f"[b][box]overlay=x='{20 + seed * 7}+60*t':y='{60 + seed * 3}'[c];[a][c]concat=n=2:v=1"
    )
    ffmpeg = shutil.which("ffmpeg") or pytest.fail("ffmpeg is not installed; apt-get install ffmpeg")
    command = [ffmpeg, "-v", "error", "-y", "-filter_complex", scene, "-c:v", "libx264", "-preset", "veryfast"]
    subprocess.run([*command, "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p", str(path)], check=True)
    return path
