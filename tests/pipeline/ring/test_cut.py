"""Clips of feeds. Catches a clip whose frames differ from those of the stream in the same seconds, one that ends at a
border of fragments, files or recordings, and a missing clip without a reason."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.pictures.clips import write_cut
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.ring.config import RingConfig
from pipeline.ring.cut import Cut, cut_of_seconds
from pipeline.ring.feed_ring import FeedRing
from pipeline.ring.writer import RingWriter
from schemas.errors import SourceError
from tests.clips import Clips
from tests.pipeline.ring.rings import FEED, RECORDING, URI, hashes, record, repeated, run_of, shown


@pytest.fixture(scope="module")
def reader() -> Iterator[ReaderProcess]:
    with ReaderProcess(ReadConfig(), timeout_s=60) as reader:
        yield reader


def cut(rings: Path, start_s: float, stop_s: float, *, recording: str = RECORDING) -> Cut:
    return cut_of_seconds(rings, uri=URI, source_id=recording, start_s=start_s, stop_s=stop_s)


@pytest.mark.parametrize("name", ["plain.mp4", "transport.ts", "b_frames.mp4", "wrapped.ts", "vfr.mp4"])
def test_a_clip_has_the_frames_that_ffmpeg_decodes_in_the_same_seconds(
    clips: Clips, reader: ReaderProcess, tmp_path: Path, name: str
) -> None:
    record(clips(name), tmp_path, fragment_s=0.5, file_s=1.0)
    begins, _ = run_of(clips(name))
    frames = shown(clips(name))
    for first, last in ((0, 10), (17, 40), (29, 31), (len(frames) - 10, len(frames))):
        inside = frames[first:last]
        start_s = float(inside[0][0] * begins.time_base)
        stop_s = float(inside[-1][0] * begins.time_base) + 1e-4
        write_cut(reader, cut(tmp_path, start_s, stop_s), tmp_path / "clip.mp4", uri=URI)
        found = shown(tmp_path / "clip.mp4")
        # where B-frames refer to a later frame, it is there too
        assert [picture for _, picture in found][: len(inside)] == [picture for _, picture in inside]
        assert [pts for pts, _ in found][: len(inside)] == [pts - inside[0][0] for pts, _ in inside]
        assert len(found) <= len(inside) + 3


def test_what_browsers_do_not_play_is_encoded_again(clips: Clips, reader: ReaderProcess, tmp_path: Path) -> None:
    record(clips("ten_bit.mp4"), tmp_path)
    write_cut(reader, cut(tmp_path, 1.0, 2.0), tmp_path / "clip.mp4", uri=URI)
    assert len(hashes(tmp_path / "clip.mp4")) == 25
    begins, _ = run_of(tmp_path / "clip.mp4")
    assert (begins.codec, begins.pixels) == ("h264", "yuv420p")


def test_a_clip_goes_on_over_a_gap_and_from_one_recording_to_the_next(
    clips: Clips, reader: ReaderProcess, tmp_path: Path
) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    later = round(5.0 / begins.time_base)
    writer = RingWriter(FEED, RingConfig(str(tmp_path), file_s=2.0))
    writer.begin(begins)
    writer.bind(RECORDING, begins.run)
    for packet in packets:
        writer.add(packet)
    writer.bind("1" * 32, begins.run)  # the next recording of the same epoch
    for packet in packets:  # a second is missing: the clip has four
        writer.add(replace(packet, pts=packet.pts + later, dts=packet.dts + later))
    writer.close()
    for recording in (RECORDING, "1" * 32):
        write_cut(reader, cut(tmp_path, 3.0, 6.0, recording=recording), tmp_path / "clip.mp4", uri=URI)
        pictures = hashes(clips("plain.mp4"))
        assert hashes(tmp_path / "clip.mp4") == [*pictures[75:], *pictures[:25]]


def test_a_clip_begins_where_video_begins(clips: Clips, reader: ReaderProcess, tmp_path: Path) -> None:
    record(clips("plain.mp4"), tmp_path, again=2, file_s=1.0)
    parts = FeedRing.of(tmp_path, FEED).parts()
    parts[0].path.unlink()
    write_cut(reader, cut(tmp_path, 0.0, 2.5), tmp_path / "clip.mp4", uri=URI)
    whole = hashes(clips("plain.mp4"))
    found = hashes(tmp_path / "clip.mp4")
    assert 0 < len(found) < 63
    assert found == whole[63 - len(found) : 63]


def test_runs_with_the_same_times_are_not_confused(clips: Clips, reader: ReaderProcess, tmp_path: Path) -> None:
    record(clips("plain.mp4"), tmp_path)
    record(clips("edit_list.mp4"), tmp_path, recording="1" * 32)
    for recording, name in ((RECORDING, "plain.mp4"), ("1" * 32, "edit_list.mp4")):
        write_cut(reader, cut(tmp_path, 0.0, 1.0, recording=recording), tmp_path / "clip.mp4", uri=URI)
        assert hashes(tmp_path / "clip.mp4")[:25] == hashes(clips(name))[:25]
    assert hashes(clips("plain.mp4"))[1:25] != hashes(clips("edit_list.mp4"))[1:25]


def test_a_span_without_video_has_a_reason(clips: Clips, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no video of its feed is kept; follow the feed with --video-max-age"):
        cut(tmp_path, 0.0, 1.0)
    record(clips("plain.mp4"), tmp_path)
    with pytest.raises(SourceError, match="was removed, or was not kept when it was recorded"):
        cut(tmp_path, 0.0, 1.0, recording="2" * 32)
    with pytest.raises(SourceError, match=r"its video at 7\.00 s was removed, or was never written"):
        cut(tmp_path, 7.0, 8.0)


def test_a_fragment_that_a_crash_cut_off_is_left_out(clips: Clips, reader: ReaderProcess, tmp_path: Path) -> None:
    record(clips("plain.mp4"), tmp_path, file_s=100.0)
    [part] = FeedRing.of(tmp_path, FEED).parts()
    with part.path.open("r+b") as file:
        file.truncate(part.path.stat().st_size - 100)
    write_cut(reader, cut(tmp_path, 0.0, 4.0), tmp_path / "clip.mp4", uri=URI)
    found = hashes(tmp_path / "clip.mp4")
    assert 50 <= len(found) < 100
    assert found == hashes(clips("plain.mp4"))[: len(found)]


def test_a_long_ring_is_searched_by_its_times(clips: Clips, tmp_path: Path) -> None:
    record(clips("plain.mp4"), tmp_path, again=30, file_s=1.0)
    begins, packets = run_of(clips("plain.mp4"))
    times = [packet.pts for packet in repeated(packets, 30)]
    for pts in times[::97]:
        found = cut(tmp_path, float(pts * begins.time_base), float(pts * begins.time_base))
        assert any(pts + found.meta.shift in each.pts for _, each in found.fragments)
        assert len(found.fragments) <= 3
