"""The files of a ring. Catches frames or times that differ from those of the stream, fragments that grow without bound,
and a disk that takes no more which damages what is there or is never tried again."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from operators.readers.stream_packet import RunBegins
from pipeline.ring.config import RingConfig
from pipeline.ring.feed_ring import FeedRing
from pipeline.ring.report import ring_problems
from pipeline.ring.ring_file import opened_ring_file
from pipeline.ring.writer import RingWriter
from tests.clips import Clips
from tests.pipeline.ring.rings import FEED, record, repeated, run_of, shown


def files(rings: Path) -> list[Path]:
    return [part.path for part in FeedRing.of(rings, FEED).parts()]


def all_shown(rings: Path) -> list[tuple[int, str]]:
    """What the files show, with the times of the stream."""
    found = []
    for path in files(rings):
        with opened_ring_file(path) as file:
            shift = file.meta.shift
        found += [(pts - shift, picture) for pts, picture in shown(path)]
    return found


@pytest.mark.parametrize(
    "name",
    [
        "transport.ts",  # H.264 in Annex B, with B-frames
        "b_frames.mp4",  # open GOPs, and negative DTS
        "wrapped.ts",  # negative PTS
        "late_start.mkv",
        "ten_bit.mp4",  # HEVC
        "mpeg2.ts",
        "intra.mkv",  # MJPEG
    ],
)
def test_the_files_show_every_frame_of_the_stream_at_its_own_time(clips: Clips, tmp_path: Path, name: str) -> None:
    writer = record(clips(name), tmp_path, file_s=100.0)
    assert all_shown(tmp_path) == shown(clips(name))
    assert writer.dropped == 0
    assert ring_problems(tmp_path) == []


def test_other_programs_read_the_files(clips: Clips, tmp_path: Path) -> None:
    record(clips("plain.mp4"), tmp_path, file_s=100.0)
    [path] = files(tmp_path)
    answer = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True, check=True
    )
    assert answer.stderr == ""


def test_a_fragment_ends_at_a_key_frame_or_soon_and_a_file_begins_with_one(clips: Clips, tmp_path: Path) -> None:
    record(clips("plain.mp4"), tmp_path, again=5, fragment_s=1.0, file_s=3.0)  # a key frame each second and at the cut
    paths = files(tmp_path)
    assert len(paths) >= 5
    for path in paths:
        with opened_ring_file(path) as file:
            found = list(file.fragments())
            assert all(each.is_sync for each in found)
            assert all(1.0 <= (each.stop_dts - each.dts) * file.meta.time_base <= 2.0 for each in found[:-1])
            assert all(before.stop_dts == after.dts for before, after in pairwise(found))


def test_a_camera_with_few_key_frames_loses_no_more(clips: Clips, tmp_path: Path) -> None:
    writer = record(clips("edit_list.mp4"), tmp_path, fragment_s=0.25, file_s=100.0)  # a key frame every two seconds
    with opened_ring_file(files(tmp_path)[0]) as file:
        found = list(file.fragments())
        assert not all(each.is_sync for each in found)
        assert all((each.stop_dts - each.dts) * file.meta.time_base <= 0.6 for each in found)
    assert writer.gop_s is not None
    assert writer.gop_s >= 1.0


def test_times_that_go_back_begin_another_run(clips: Clips, tmp_path: Path) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    writer = RingWriter(FEED, RingConfig(str(tmp_path)))
    for number in range(2):
        writer.begin(replace(begins, run=number))
        for packet in packets:
            writer.add(packet)
    writer.close()
    assert [part.run for part in FeedRing.of(tmp_path, FEED).parts()] == [0, 1]
    another = RingWriter(FEED, RingConfig(str(tmp_path)))  # of the next follower
    another.begin(begins)
    another.add(packets[0])
    another.close()
    assert [part.run for part in FeedRing.of(tmp_path, FEED).parts()] == [0, 1, 2]
    assert ring_problems(tmp_path) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel takes a part of a write beyond this size of a file, and refuses the next: as a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_damages_nothing_and_the_next_key_frame_is_kept_again(clips: Clips, tmp_path: Path) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    packets = list(repeated(packets, 3))
    writer = started(tmp_path, begins)
    failed = 0
    third = len(packets) // 3
    for at, packet in enumerate(packets):
        small = third <= at < 2 * third
        held = files(tmp_path)[-1].stat().st_size if small else 2**40
        with largest_file(held + 1000):
            try:
                writer.add(packet)
            except OSError:
                failed += 1
                assert writer.waits
    writer.close()
    assert failed >= 2
    assert ring_problems(tmp_path) == []
    kept = all_shown(tmp_path)
    assert len(kept) == len(packets) - writer.dropped - failed
    whole = tmp_path / "whole"
    record(clips("plain.mp4"), whole, again=3)
    assert set(kept) < set(all_shown(whole))
    assert {packet.pts for packet in packets[2 * third + 25 :]} < {pts for pts, _ in kept}


def started(rings: Path, begins: RunBegins) -> RingWriter:
    writer = RingWriter(FEED, RingConfig(str(rings)))
    writer.begin(begins)
    return writer


def test_a_disk_that_is_nearly_full_is_left_to_others(clips: Clips, tmp_path: Path) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    writer = RingWriter(FEED, RingConfig(str(tmp_path), least_free_bytes=2**62))
    writer.begin(begins)
    writer.add(packets[0])
    with pytest.raises(OSError, match="the disk is nearly full"):
        writer.flush()
    assert files(tmp_path) == []


def test_a_file_that_is_removed_while_it_is_written_is_begun_anew(clips: Clips, tmp_path: Path) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    writer = started(tmp_path, begins)
    packets = list(repeated(packets, 2))
    for packet in packets[:60]:
        writer.add(packet)
    [path] = files(tmp_path)
    path.unlink()
    for packet in packets[60:]:
        writer.add(packet)
    writer.close()
    assert len(files(tmp_path)) == 1
    assert len(all_shown(tmp_path)) >= len(packets) - 60
