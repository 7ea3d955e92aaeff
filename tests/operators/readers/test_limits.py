"""Catches small files that take gigabytes or never end, and refusals that do not say which limit to raise."""

import re
import resource
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from operators.readers.limits import ReadLimits
from operators.readers.picture import read_picture
from operators.readers.probe import probe
from operators.readers.video import VideoReader
from schemas.errors import DecodeError, InvalidValueError, SourceError
from tests.clips import Clips, ffmpeg


def huge_gif(path: Path, side_px: int) -> Path:
    """A GIF that announces a frame of side_px × side_px in some hundred bytes."""
    size = struct.pack("<HH", side_px, side_px)
    palette = bytes(768)
    block = bytes([8, 3, 0x00, 0x01, 0x05, 0])  # two codes, then the end
    path.write_bytes(b"GIF89a" + size + b"\xf7\x00\x00" + palette + b"," + bytes(4) + size + b"\x00" + block + b";")
    return path


def huge_png(path: Path, side_px: int) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))
    return path


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("make", [huge_gif, huge_png])
def test_a_picture_of_too_many_pixels_is_refused_before_its_memory_is_taken(tmp_path: Path, make: object) -> None:
    assert callable(make)
    path = make(tmp_path / "bomb", 16_000)
    assert path.stat().st_size < 1000
    before = peak_mib()
    with pytest.raises(SourceError) as refusal:
        probe(str(path), uri="x")
    assert peak_mib() - before < 200  # one byte a pixel would be 244 MiB
    text = str(refusal.value)
    assert str(path) in text
    assert "16000×16000, 256,000,000 pixels" in text
    assert "read.limits.frame_px allows 120,000,000" in text
    assert "--set read.limits.frame_px=N" in text


def test_a_picture_that_grew_since_it_was_probed_is_not_decoded(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"read\.limits\.frame_px"):
        read_picture(str(huge_png(tmp_path / "bomb.png", 16_000)))


def test_a_raised_limit_lets_the_file_pass(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "p.png")
    with pytest.raises(SourceError, match=r"40×30, 1,200 pixels.* allows 1,199"):
        probe(str(tmp_path / "p.png"), uri="x", limits=ReadLimits(frame_px=1199))
    assert probe(str(tmp_path / "p.png"), uri="x", limits=ReadLimits(frame_px=1200)).width_px == 40


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (ReadLimits(frame_px=19_199), r"160×120, 19,200 pixels, and read\.limits\.frame_px allows 19,199"),
        (ReadLimits(frames=99), r"100 frames or more, and read\.limits\.frames allows 99"),
        (ReadLimits(duration_s=3.0), r"is 4 s long, and read\.limits\.duration_s allows 3 s"),
        (ReadLimits(frame_rate=24.0), r"100 frames in 4\.000 s, 25 a second, and read\.limits\.frame_rate allows 24"),
        (ReadLimits(streams=1), r"2 streams, and read\.limits\.streams allows 1"),
    ],
    ids=lambda value: next(iter(re.findall(r"limits\\\.(\w+)", value)), "") if isinstance(value, str) else "",
)
def test_each_limit_is_named_with_what_was_found(clips: Clips, tmp_path: Path, limits: ReadLimits, found: str) -> None:
    path = tmp_path / "two.mp4"
    ffmpeg("-i", str(clips("plain.mp4")), "-f", "lavfi", "-i", "sine=duration=4", "-c:v", "copy", str(path))
    with pytest.raises(SourceError, match=found):
        probe(str(path), uri="x", limits=limits)
    assert probe(str(path), uri="x").frame_rate == 25.0


def test_a_video_whose_frames_grow_after_its_header_is_not_decoded(tmp_path: Path) -> None:
    """The header announces the size of the first frames only."""
    bare = tmp_path / "bare.h264"
    with bare.open("wb") as file:
        for size in ("64x48", "320x240"):
            picture, part = f"testsrc2=size={size}:rate=10:duration=1", tmp_path / f"{size}.h264"
            ffmpeg("-f", "lavfi", "-i", picture, *"-c:v libx264 -bf 0 -pix_fmt yuv420p".split(), str(part))
            file.write(part.read_bytes())
    both = tmp_path / "both.ts"
    ffmpeg("-r", "10", "-i", str(bare), "-c", "copy", str(both))
    source = probe(str(both), uri="x", limits=ReadLimits(frame_px=64 * 48))
    with VideoReader(str(both), source) as reader:
        assert len(list(reader.frames(source.span.start))) == 20
    with VideoReader(str(both), source, limits=ReadLimits(frame_px=64 * 48)) as reader, pytest.raises(DecodeError):
        list(reader.frames(source.span.start))


@pytest.mark.parametrize("suffix", ["mpg", "flv", "wmv", "nut", "mxf", "ogv", "webm", "gif", "3gp", "m2ts"])
def test_the_limits_leave_every_container_readable(tmp_path: Path, suffix: str) -> None:
    """Some list no streams in their header, and take no options of their decoders."""
    path = tmp_path / f"clip.{suffix}"
    codec = {"webm": "vp8", "mxf": "mpeg2video", "3gp": "mpeg4", "ogv": "libtheora"}.get(suffix)
    options = [] if codec is None else ["-c:v", codec]
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25:duration=1", *options, "-pix_fmt", "yuv420p", str(path))
    source = probe(str(path), uri="x")
    assert (source.width_px, source.height_px) == (176, 144)
    with VideoReader(str(path), source) as reader:
        assert sum(1 for _ in reader.frames(source.span.start)) >= 24
    with pytest.raises(SourceError, match=r"read\.limits\.frame_px"):
        probe(str(path), uri="x", limits=ReadLimits(frame_px=1000))


@pytest.mark.parametrize("wrong", ["frame_px", "frames", "duration_s", "frame_rate", "streams", "memory_gib", "cpu_s"])
def test_limits_of_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidValueError, match=wrong):
        ReadLimits(**{wrong: 0})  # type: ignore[arg-type]
