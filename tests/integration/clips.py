"""Small real clips for whole runs: moving shapes, a cut, several GOPs."""

from pathlib import Path

from tests.clips import ffmpeg


def make_clip(path: Path, *, seed: int, seconds: float = 4.0) -> Path:
    """A 320×240, 12 fps, H.264 clip with a cut half-way, a sync point a second, and B-frames."""
    half = seconds / 2
    scene = (
        f"testsrc2=size=320x240:rate=12:duration={half},hue=h={seed * 37},noise=alls=6:all_seed={seed}[a];"
        f"color=c=0x{(seed * 2654435761) % 0xFFFFFF:06x}:size=320x240:rate=12:duration={half}[b];"
        f"color=c=white:size=40x80:rate=12:duration={half}[box];"
        f"[b][box]overlay=x='{20 + seed * 7}+60*t':y='{60 + seed * 3}'[c];[a][c]concat=n=2:v=1"
    )
    ffmpeg("-filter_complex", scene, "-c:v", "libx264", "-preset", "veryfast", *"-g 12 -bf 2".split(), str(path))
    return path
