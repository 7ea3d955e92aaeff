"""Files that are mutated: clips of each container and codec that the tests make, pictures, polyglots, real clips."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.clips import RECIPES, Clips

_PICTURES = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_SUFFIXES = {".mp4", ".avi", ".mkv", ".mov", ".ts", ".webm"}
_MOST_BYTES = 3 << 20  # of a real clip: its beginning


def small_corpus(folder: Path, *, private: Path) -> dict[str, bytes]:
    """A few small files by name. private: a file that the polyglots name."""
    clips = Clips(folder)
    made = {name: clips(name).read_bytes() for name in ("plain.mp4", "transport.ts", "late_start.mkv", "mpeg4.avi")}
    return made | dict(_pictures()) | dict(_polyglots(made["transport.ts"], private))


def whole_corpus(folder: Path, *, private: Path, data: Path | None) -> dict[str, bytes]:
    """Every kind of clip that the tests make, pictures, polyglots, and the clips in the folder `data`."""
    clips = Clips(folder)
    made = {name: clips(name).read_bytes() for name in RECIPES}
    for path in sorted(data.rglob("*")) if data is not None else ():
        if path.suffix in _SUFFIXES:
            made[path.name] = path.read_bytes()[:_MOST_BYTES]
    return made | dict(_pictures()) | dict(_polyglots(made["transport.ts"], private))


def _pictures() -> Iterator[tuple[str, bytes]]:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for kind in _PICTURES:
        content = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(pixels).save(content, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
        yield f"picture.{kind.lower()}", content.getvalue()
    grey = io.BytesIO()
    Image.fromarray(pixels[..., 0].astype(np.uint16) << 8).save(grey, "TIFF", compression="tiff_lzw")
    yield "grey.tiff", grey.getvalue()
    yield "huge.gif", b"GIF89a" + struct.pack("<HH", 16_000, 16_000) + b"\xf7\0\0" + bytes(768) + b";"


def _polyglots(transport: bytes, private: Path) -> Iterator[tuple[str, bytes]]:
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{private}\n#EXT-X-ENDLIST\n".encode()
    yield "playlist.ts", playlist + transport
    yield "playlist.m3u8", playlist
    yield "concat.mp4", f"ffconcat version 1.0\nfile '{private}'\n".encode() + transport
    yield "session.sdp", f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5000 RTP/AVP 96\na=control:{private}\n".encode()
