"""Catches a growing file that is read past its end, a pause that is mistaken for the end, a replaced file that goes
unnoticed, ingested frames that are read again, and times that are not those of writing."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from operators.readers.file_survey import Coverage, Survey, WrittenTimes
from operators.readers.growing_file import GrowingFile
from operators.readers.live_stream import LiveFrame, LiveStream, StreamConfig
from schemas.clock import Span
from schemas.errors import SourceError
from tests.clips import ffmpeg

FORMS = {"ts": [], "mkv": [], "mp4": ["-movflags", "frag_keyframe+empty_moov"]}


@pytest.fixture(scope="module", params=FORMS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, 60 frames, a sync point each second, with pictures in another order than they are shown."""
    path = tmp_path_factory.mktemp("whole") / f"clip.{request.param}"
    picture = "testsrc2=size=160x120:rate=10:duration=6"
    x264 = "-c:v libx264 -preset veryfast -g 10 -bf 2 -pix_fmt yuv420p".split()
    ffmpeg("-f", "lavfi", "-i", picture, *x264, *FORMS[request.param], str(path))
    return path


def frames_of(path: Path, ingested: tuple[Span, ...] = (), quiet_s: float = 0.3) -> tuple[list[LiveFrame], str]:
    with LiveStream(str(path), StreamConfig(), ingested_spans=lambda _: ingested, quiet_s=quiet_s) as stream:
        return list(stream.frames()), stream.ended


def written_in_chunks(whole: Path, path: Path, chunks: int) -> Iterator[None]:
    data = whole.read_bytes()
    for at in range(chunks):
        with path.open("ab") as file:
            file.write(data[at * len(data) // chunks : (at + 1) * len(data) // chunks])
        yield


def test_a_file_is_read_as_it_grows_to_its_last_frame(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / whole.name
    chunks = written_in_chunks(whole, path, 8)
    for _ in range(3):
        next(chunks)

    def write() -> None:
        for _ in chunks:
            time.sleep(0.15)

    writer = threading.Thread(target=write)
    writer.start()
    found, ended = frames_of(path, quiet_s=1.0)
    writer.join()
    assert [f.frame.pts for f in found] == [f.frame.pts for f in frames_of(whole)[0]]
    assert len(found) == 60
    assert [f.epoch for f in found] == ["connected"] + [None] * 59
    assert ended == "nothing was added to the file for 1 s"


def test_ingested_frames_are_skipped_and_all_others_are_read(whole: Path) -> None:
    every = [f.frame.pts for f in frames_of(whole)[0]]
    ingested = (Span(every[0], every[17]), Span(every[17], every[33] + 1))
    assert [f.frame.pts for f in frames_of(whole, ingested)[0]] == every[34:]
    # of a recording that was removed since, nothing comes again
    assert [f.frame.pts for f in frames_of(whole, (Span(every[20], every[40]),))[0]] == every[40:]
    # a hole comes before what follows it
    ingested = (Span(every[0], every[15]), Span(every[25], every[40]))
    assert [f.frame.pts for f in frames_of(whole, ingested)[0]] == every[15:25] + every[40:]


def test_a_file_that_was_finished_as_mp4_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "finished.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=2", "-pix_fmt", "yuv420p", str(path))
    found, ended = frames_of(path)
    assert len(found) == 20
    assert ended == "the file has ended"


def test_a_file_that_is_cut_short_or_replaced_ends(tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    path.write_bytes(b"a" * 100)
    file = GrowingFile(path, quiet_s=5.0, on_wait=lambda: False)
    assert file.read(1000) == b"a" * 100
    os.truncate(path, 10)
    assert file.read(1000) == b""
    assert file.ended == "the file was truncated"
    file.close()

    file = GrowingFile(path, quiet_s=5.0, on_wait=lambda: False)
    assert file.read(1000) == b"a" * 10
    other = tmp_path / "other"
    other.write_bytes(b"b" * 10)
    other.replace(path)
    assert file.read(1000) == b""
    assert file.ended == "the file was replaced by another"
    file.close()


def test_what_holds_no_video_yet_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.ts"
    path.write_text("no video\n" * 100)
    with pytest.raises(SourceError, match="cannot be read as a video"):
        frames_of(path)


def test_frames_are_covered_in_the_order_of_the_file_even_if_pts_restart() -> None:
    coverage = Coverage([Span(0, 10), Span(0, 5)])
    assert [coverage.covers(pts) for pts in (0, 4, 9)] == [True] * 3
    assert coverage.covers(2)  # of the second
    assert coverage.at == 1
    assert not coverage.covers(7)
    assert not coverage.covers(1)  # a third stretch, of which nothing was ingested


def test_times_are_counted_back_from_the_last_write_and_then_by_what_was_least_delayed() -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    clock = [noon + timedelta(hours=1)]
    survey = Survey("x", 0, (), ((0, 100), (0, 50)), noon)
    times = WrittenTimes(survey, gap_s=100.0, now=lambda: clock[0])
    base = Fraction(1)
    assert times.of(0, base=base) == noon - timedelta(seconds=150)
    assert times.of(9, base=base) == noon - timedelta(seconds=141)
    assert times.of(100, base=base) == noon - timedelta(seconds=50)
    assert times.of(0, base=base) == noon - timedelta(seconds=50)
    assert times.of(50, base=base) == noon
    clock[0] = noon + timedelta(seconds=4)
    assert times.of(55, base=base) == noon + timedelta(seconds=4)  # not in the future
    clock[0] = noon + timedelta(minutes=5)  # the models were slow
    assert times.of(60, base=base) == noon + timedelta(seconds=9)
