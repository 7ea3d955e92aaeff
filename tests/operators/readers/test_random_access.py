"""Catches a decoder that returns another frame than the one at the requested time."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.readers.probe import probe
from operators.readers.random_access import DecordReader
from operators.readers.video import VideoReader
from schemas.errors import DecodeError, InvalidValueError
from schemas.frames import ImageArray
from schemas.sources import Source
from tests.clips import RECIPES, Clips

TRUSTED = ("plain.mp4", "vfr.mp4", "b_frames.mp4", "late_start.mp4", "late_start.mkv", "rotated.mp4", "vp9.webm")
MISTAKEN = ("edit_list.mp4", "transport.ts", "mpeg2.ts", "h264_b_frames.avi", "intra_refresh.mp4", "ten_bit.mp4")
_UNSUPPORTED = ("size_change.ts",)  # frames of two sizes have no one place in a batch


def streamed(path: Path, source: Source) -> dict[int, ImageArray]:
    with VideoReader(str(path), source) as reader:
        return {f.pts: f.image() for f in reader.frames(source.span.start)}


@pytest.mark.parametrize("name", [n for n in RECIPES if n not in _UNSUPPORTED])
def test_frames_at_any_times_in_any_order_are_those_of_the_stream(clips: Clips, name: str) -> None:
    path = clips(name)
    source = probe(str(path), uri=name)
    expected = streamed(path, source)
    asked = random.Random(name).choices(list(expected), k=12)
    reader = DecordReader(str(path), source)
    for pts, image in zip(asked, reader.frames_at(asked), strict=True):
        np.testing.assert_array_equal(image, expected[pts])


@pytest.mark.parametrize("name", TRUSTED)
def test_decord_is_used_where_it_is_right(clips: Clips, name: str) -> None:
    path = clips(name)
    reader = DecordReader(str(path), probe(str(path), uri=name))
    assert (reader.backend, reader.reason) == ("decord", "")


@pytest.mark.parametrize("name", MISTAKEN)
def test_decord_is_found_out_where_it_is_wrong(clips: Clips, name: str) -> None:
    path = clips(name)
    reader = DecordReader(str(path), probe(str(path), uri=name))
    assert reader.backend == "pyav"
    assert reader.reason


@pytest.mark.data
@pytest.mark.parametrize("name", ["pets09-s2l1/vtest.avi", "shot-clips/testvideo.mp4"])
def test_real_clips_are_read_at_random_as_in_a_row(data_dir: Path, name: str) -> None:
    path = data_dir / name
    source = probe(str(path), uri=name)
    with VideoReader(str(path), source) as reader:
        expected = {f.pts: f.image() for i, f in enumerate(reader.frames(source.span.start)) if i % 97 == 5}
    asked = random.Random(0).sample(list(expected), k=len(expected))
    for pts, image in zip(asked, DecordReader(str(path), source).frames_at(asked), strict=True):
        # decord's own FFmpeg is years older, and rounds msmpeg4's transform differently here and there
        np.testing.assert_allclose(image.astype(int), expected[pts], atol=3)


@pytest.mark.parametrize("name", ["plain.mp4", "transport.ts"])
def test_a_time_without_a_frame_is_refused(clips: Clips, name: str) -> None:
    path = clips(name)
    source = probe(str(path), uri=name)
    reader = DecordReader(str(path), source)
    for pts in (source.span.start + 1, source.span.stop + 10_000):
        with pytest.raises(DecodeError, match=f"no frame at PTS {pts}"):
            reader.frames_at([source.span.start, pts])


def test_a_picture_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "p.png")
    with pytest.raises(InvalidValueError, match="read_picture"):
        DecordReader(str(tmp_path / "p.png"), probe(str(tmp_path / "p.png"), uri="x"))
