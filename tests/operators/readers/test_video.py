"""Catches frames that are lost, repeated, mistimed or wrongly oriented, and a seek that finds another picture."""

import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.readers.decoded_frame import DecodedFrame, small_size
from operators.readers.picture import read_picture
from operators.readers.probe import probe
from operators.readers.video import VideoReader
from schemas.errors import DecodeError
from schemas.sources import Source
from tests.clips import RECIPES, Clips, ffmpeg, ffprobe_pts

REAL = (
    "pets09-s2l1/vtest.avi",
    "tud-stadtmitte/TUD-Stadtmitte.mp4",
    "shot-clips/testvideo.mp4",
    "shot-clips/fades.mp4",
    "street-clips/car-detection.mp4",
    "handheld-clips/01_dog.mp4",
    "handheld-clips/02_cups.mp4",
)


def all_pts(path: Path, source: Source, start: int | None = None) -> list[int]:
    with VideoReader(str(path), source) as reader:
        return [f.pts for f in reader.frames(source.span.start if start is None else start)]


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_every_pts_of_a_real_clip_equals_ffprobes(data_dir: Path, name: str) -> None:
    path = data_dir / name
    assert all_pts(path, probe(str(path), uri=name)) == ffprobe_pts(path)


@pytest.mark.parametrize("name", RECIPES)
def test_every_pts_of_a_special_clip_equals_ffprobes(clips: Clips, name: str) -> None:
    path = clips(name)
    source = probe(str(path), uri=name)
    expected = ffprobe_pts(path)
    assert all_pts(path, source) == expected
    assert source.span.start == expected[0]
    assert expected[-1] < source.span.stop


@pytest.mark.parametrize("name", RECIPES)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 1))
def test_frames_from_any_point_are_those_of_the_whole(clips: Clips, name: str, share: float) -> None:
    path = clips(name)
    source = probe(str(path), uri=name)
    with VideoReader(str(path), source) as reader:
        whole = {f.pts: f.small() for f in reader.frames(source.span.start)}
        start = source.span.start + int(share * (source.span.stop - source.span.start))
        tail = {f.pts: f.small() for f in reader.frames(start)}
    first = next(iter(tail))
    assert first <= start
    assert list(tail) == [pts for pts in whole if pts >= first]
    for pts, small in tail.items():
        np.testing.assert_array_equal(small, whole[pts])


def test_a_seek_decodes_no_more_than_it_must(clips: Clips) -> None:
    path = clips("b_frames.mp4")
    source = probe(str(path), uri="x")
    assert all_pts(path, source, start=source.sync_pts[2] + 1)[0] == source.sync_pts[2]


def test_a_rotated_clip_is_delivered_as_it_is_shown(clips: Clips, tmp_path: Path) -> None:
    path = clips("rotated.mp4")
    source = probe(str(path), uri="x")
    shown = tmp_path / "shown.png"
    ffmpeg("-i", str(path), "-frames:v", "1", str(shown))  # ffmpeg turns it by itself
    with VideoReader(str(path), source) as reader:
        frame = next(reader.frames(0))
        image, small = frame.image(), frame.small()
    assert (source.width_px, source.height_px) == (120, 160)
    assert image.shape == (160, 120, 3)
    assert small.shape == (160, 120, 3)
    difference = np.abs(image.astype(int) - read_picture(str(shown)))
    assert difference.mean() < 3  # two versions of swscale convert colours a little differently
    assert np.abs(small[..., ::-1].astype(int) - image).mean() < 3


@pytest.mark.parametrize(("name", "size"), [("odd_size.mp4", (161, 121)), ("one_pixel.mkv", (1, 1))])
def test_odd_and_tiny_frames_keep_their_size(clips: Clips, name: str, size: tuple[int, int]) -> None:
    path = clips(name)
    source = probe(str(path), uri=name)
    with VideoReader(str(path), source) as reader:
        frame = next(reader.frames(source.span.start))
        assert frame.image().shape == (size[1], size[0], 3)
        assert frame.small().shape == (size[1], size[0], 3)


def test_small_frames_keep_one_size_when_the_picture_grows(clips: Clips) -> None:
    path = clips("size_change.ts")
    source = probe(str(path), uri="x")
    with VideoReader(str(path), source) as reader:
        frames = list(reader.frames(source.span.start))
        assert {f.small().shape for f in frames} == {(120, 160, 3)}
        assert [f.image().shape for f in (frames[0], frames[-1])] == [(120, 160, 3), (240, 320, 3)]


def test_an_image_is_scaled_down_to_the_requested_longest_side(clips: Clips) -> None:
    path = clips("odd_size_large.mp4")
    source = probe(str(path), uri="x")
    with VideoReader(str(path), source) as reader:
        frame = next(reader.frames(0))
        assert frame.image(max_side_px=100).shape == (56, 100, 3)
        assert frame.image(max_side_px=5000).shape == (367, 651, 3)


@pytest.mark.parametrize(
    ("size", "small"),
    [((1280, 720), (256, 144)), ((480, 320), (256, 170)), ((720, 1280), (144, 256)), ((161, 121), (161, 121))],
)
def test_the_small_size_is_pyscenedetects_to_even_numbers(size: tuple[int, int], small: tuple[int, int]) -> None:
    width, height = small_size(*size)
    assert width == small[0]
    assert abs(height - small[1]) <= 2
    assert max(size) <= 256 or (width % 2 == 0 and height % 2 == 0)


def damage(path: Path, target: Path, *, start: float, stop: float) -> Path:
    data = bytearray(path.read_bytes())
    a, b = int(len(data) * start), int(len(data) * stop)
    data[a:b] = np.random.default_rng(0).bytes(b - a)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("name", ["plain.mp4", "b_frames.mp4", "transport.ts", "mpeg4.avi"])
def test_a_broken_middle_raises_where_and_why_after_the_good_frames(clips: Clips, tmp_path: Path, name: str) -> None:
    whole = clips(name)
    path = damage(whole, tmp_path / name, start=0.45, stop=0.65)
    source = probe(str(path), uri="camera")
    good: list[int] = []

    def read() -> None:
        with VideoReader(str(path), source) as reader:
            for frame in reader.frames(source.span.start):
                good.append(frame.pts)  # noqa: PERF401 - extend() would lose them all at the error

    with pytest.raises(DecodeError, match=r"camera .*PTS") as error:
        read()
    assert good == ffprobe_pts(whole)[: len(good)]
    assert len(good) > 20
    assert "last good frame" in str(error.value)


@pytest.mark.data
def test_a_broken_middle_of_a_surveillance_avi_is_noticed(data_dir: Path, tmp_path: Path) -> None:
    path = damage(data_dir / "pets09-s2l1/vtest.avi", tmp_path / "broken.avi", start=0.5, stop=0.52)
    source = probe(str(path), uri="camera")
    with pytest.raises(DecodeError):
        all_pts(path, source)


def test_frames_after_the_damage_can_be_read_from_a_later_sync_point(clips: Clips, tmp_path: Path) -> None:
    path = damage(clips("plain.mp4"), tmp_path / "broken.mp4", start=0.3, stop=0.32)
    source = probe(str(path), uri="x")
    later = source.sync_pts[-1]
    assert all_pts(path, source, start=later) == [p for p in ffprobe_pts(clips("plain.mp4")) if p >= later]


def test_frames_are_freed_as_soon_as_they_are_let_go(clips: Clips) -> None:
    """Without the garbage collector: a frame that refers to itself kept 250 MiB of a long clip."""
    path = clips("rotated.mp4")
    source = probe(str(path), uri="x")
    gc.collect()
    gc.disable()
    try:
        with VideoReader(str(path), source) as reader:
            for frame in reader.frames(source.span.start):
                frame.small()
                frame.image()
            alive = sum(isinstance(item, DecodedFrame) for item in gc.get_objects())
        del frame
        # gc.collect() returns what only it could free: the one frame whose orientation was read
        assert alive <= 1
        assert gc.collect() < 20
    finally:
        gc.enable()
