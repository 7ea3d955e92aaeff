"""Catches a ring that grows beyond its limits, removes newer video before older, or what is pinned; and video that is
still there after it was erased."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.ring.cut import cut_of_seconds
from pipeline.ring.erase import ErasedSpan, erase, left_of
from pipeline.ring.feed_ring import FeedRing, PartFile
from pipeline.ring.report import kept_video, ring_problems
from pipeline.ring.retention import trim
from pipeline.ring.ring_file import opened_ring_file, span_of
from schemas.clock import Span
from schemas.errors import SourceError
from tests.clips import Clips
from tests.pipeline.ring.rings import FEED, RECORDING, URI, record, run_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def rings(clips: Clips, tmp_path: Path) -> Path:
    """A ring with a file of four seconds for each of ten minutes before noon."""
    record(clips("plain.mp4"), tmp_path / "rings", again=10, file_s=4.0)
    for number, part in enumerate(parts(tmp_path / "rings")):
        written_s = (NOON - timedelta(minutes=10 - number)).timestamp()
        os.utime(part.path, (written_s, written_s))
    return tmp_path / "rings"


def parts(rings: Path) -> list[PartFile]:
    return FeedRing.of(rings, FEED).parts()


def numbers(rings: Path) -> list[int]:
    return [part.part for part in parts(rings)]


def seconds(start_s: float, stop_s: float) -> Span:
    return Span(round(start_s * 12800), round(stop_s * 12800))  # the ticks of the clip


def test_spans_of_these_tests_are_in_the_ticks_of_the_clip(clips: Clips) -> None:
    begins, _ = run_of(clips("plain.mp4"))
    assert begins.time_base == Fraction(1, 12800)


def test_the_oldest_video_goes_by_age_and_by_size(rings: Path) -> None:
    assert numbers(rings) == list(range(10))
    done = trim(rings, max_age=timedelta(minutes=7, seconds=30), max_bytes=None, now=NOON, pinned={})
    assert numbers(rings) == list(range(3, 10))
    assert done.files == 3
    sizes = [part.path.stat().st_size for part in parts(rings)]
    done = trim(rings, max_age=None, max_bytes=sum(sizes[-2:]) + 1, now=NOON, pinned={})
    assert numbers(rings) == [8, 9]
    assert done.bytes == sum(sizes[:-2])
    trim(rings, max_age=None, max_bytes=1, now=NOON, pinned={})
    assert numbers(rings) == [9]  # it is being written
    assert trim(rings, max_age=None, max_bytes=None, now=NOON, pinned={}).files == 0
    trim(rings, max_age=timedelta(seconds=1), max_bytes=None, now=NOON, pinned={})
    assert numbers(rings) == []
    assert kept_video(rings) == []


def test_what_is_pinned_stays_with_what_a_clip_shows_around_it(rings: Path) -> None:
    pinned = {RECORDING: [seconds(9.0, 10.0), seconds(23.0, 23.1)]}  # the clip of the second reaches the next file
    done = trim(rings, max_age=timedelta(seconds=1), max_bytes=1, now=NOON, pinned=pinned)
    assert numbers(rings) == [1, 2, 5, 6]
    assert done.pinned == 4
    assert cut_of_seconds(rings, uri=URI, source_id=RECORDING, start_s=21.0, stop_s=25.0).fragments
    trim(rings, max_age=timedelta(seconds=1), max_bytes=None, now=NOON, pinned={"another": [seconds(0, 40)]})
    assert numbers(rings) == []


def test_what_moves_stays_between_the_two_ages_and_only_files_of_that_age_are_looked_at(
    rings: Path,
) -> None:
    asked: list[list[int]] = []

    def moving(_: FeedRing, old: Sequence[PartFile]) -> set[Path]:
        asked.append([part.part for part in old])
        return {part.path for part in old if part.part % 2 == 0}

    ages = {"max_age": timedelta(minutes=3, seconds=30), "moving_max_age": timedelta(minutes=7, seconds=30)}
    done = trim(rings, max_bytes=None, now=NOON, pinned={}, moving=moving, **ages)
    assert asked == [[3, 4, 5, 6]]
    assert numbers(rings) == [4, 6, 7, 8, 9]
    assert (done.files, done.moving, done.pinned) == (5, 2, 0)
    pinned = {RECORDING: [seconds(17.0, 17.5)]}
    assert trim(rings, max_bytes=1, now=NOON, pinned=pinned, moving=moving, **ages).moving == 0
    assert numbers(rings) == [4, 9]  # bytes take what moves too; a pin stays, and what is being written


def test_recordings_without_video_are_forgotten_but_not_those_that_go_on(clips: Clips, rings: Path) -> None:
    record(clips("plain.mp4"), rings, recording="1" * 32)
    os.utime(parts(rings)[-1].path, (NOON.timestamp(), NOON.timestamp()))
    trim(rings, max_age=timedelta(seconds=1), max_bytes=None, now=NOON, pinned={})
    assert [each.source_id for each in FeedRing.of(rings, FEED).recordings.read()] == ["1" * 32]


def test_an_erased_span_is_gone_and_the_rest_stays(rings: Path) -> None:
    before = [part.path.stat().st_mtime for part in parts(rings)]
    place = ErasedSpan(URI, RECORDING, seconds(10.0, 17.0), whole=False)
    assert left_of(rings, [place])
    assert erase(rings, [place]) > 0
    assert left_of(rings, [place]) == []
    assert numbers(rings) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert [part.path.stat().st_mtime for part in parts(rings)] == before[:3] + before[4:]
    assert ring_problems(rings) == []
    with pytest.raises(SourceError, match=r"its video at 12\.00 s was removed"):
        cut_of_seconds(rings, uri=URI, source_id=RECORDING, start_s=12.0, stop_s=14.0)
    cut_of_seconds(rings, uri=URI, source_id=RECORDING, start_s=8.0, stop_s=9.0)
    for part in parts(rings):
        with opened_ring_file(part.path) as file:
            span = span_of(list(file.fragments()))
            assert span is not None
            assert span.intersection(seconds(10.2, 17.0)) is None


def test_an_erased_recording_is_unknown(rings: Path) -> None:
    assert erase(rings, [ErasedSpan(URI, RECORDING, seconds(0, 41), whole=True)]) > 0
    assert numbers(rings) == []
    assert FeedRing.of(rings, FEED).run_of(RECORDING) is None
    assert RECORDING not in FeedRing.of(rings, FEED).recordings.path.read_text()


def test_a_damaged_file_is_named(rings: Path) -> None:
    assert ring_problems(rings) == []
    path = parts(rings)[3].path
    content = bytearray(path.read_bytes())
    at = content.index(b"moof") + 60
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    [problem] = ring_problems(rings)
    assert str(path) in problem
