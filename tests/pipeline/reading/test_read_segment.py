"""Catches keyframes and events that depend on where a segment begins or ends, and damage that goes unnoticed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from operators.keyframes.selector import KeyframeConfig
from operators.motion.background import BackgroundConfig
from operators.readers.probe import probe
from operators.shots.config import ShotConfig
from operators.shots.cuts import fold_shots
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.read_segment import SegmentReader
from schemas.clock import Span
from schemas.errors import DecodeError
from schemas.frames import Keyframe
from schemas.shots import CutEvent
from schemas.sources import Segment, SegmentReport, Source
from tests.clips import Clips, ffmpeg, ffprobe_pts

SHORT = ReadConfig(
    shots=ShotConfig("content"),
    keyframes=KeyframeConfig(candidate_interval_s=0.2, longest_interval_s=0.7),
    background=BackgroundConfig(sample_interval_s=0.3, back_s=0.8, ahead_s=0.4, min_samples=3),
)


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    keyframes: list[Keyframe]
    reports: list[SegmentReport]

    @property
    def events(self) -> list[CutEvent]:
        return [e for r in self.reports for e in r.cut_events]


def read(source: Source, path: Path, config: ReadConfig, borders: Sequence[int] = ()) -> Read:
    """The source in segments that meet at `borders`, each read by a reader of its own."""
    edges = [source.span.start, *sorted(set(borders)), source.span.stop]
    keyframes: list[Keyframe] = []
    reports: list[SegmentReport] = []
    for start, stop in pairwise(edges):
        *found, report = SegmentReader(config)(Segment(source, Span(start, stop), "s"), str(path))
        assert isinstance(report, SegmentReport)
        keyframes += [k for k in found if isinstance(k, Keyframe)]
        assert all(start <= k.pts < stop for k in keyframes[len(keyframes) - len(found) :])
        reports.append(report)
    return Read(keyframes, reports)


def require_equal(one: Read, other: Read) -> None:
    assert [(k.pts, k.reason) for k in one.keyframes] == [(k.pts, k.reason) for k in other.keyframes]
    assert one.events == other.events
    for a, b in zip(one.keyframes, other.keyframes, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert (a.motion is None) == (b.motion is None)
        if a.motion is not None and b.motion is not None:
            np.testing.assert_array_equal(a.motion, b.motion)
    for counter in ("frames_decoded", "near_duplicates"):
        assert sum(getattr(r, counter) for r in one.reports) == sum(getattr(r, counter) for r in other.reports)


CLIPS = ("plain.mp4", "vfr.mp4", "b_frames.mp4", "edit_list.mp4", "late_start.mkv", "wrapped.ts", "intra_refresh.mp4")


@pytest.mark.parametrize("detector", ["content", "adaptive", "threshold", "histogram", "hash"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(CLIPS), shares=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=4))
def test_a_source_in_pieces_gives_what_it_gives_whole(
    clips: Clips, detector: str, name: str, shares: list[float]
) -> None:
    path = clips(name)
    source = probe(str(path), uri=name)
    length = source.span.stop - source.span.start
    borders = [source.span.start + max(1, int(share * length)) for share in shares]
    config = ReadConfig(ShotConfig(detector), SHORT.keyframes, SHORT.background)
    require_equal(read(source, path, config), read(source, path, config, borders))


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["shot-clips/testvideo.mp4", "tud-stadtmitte/TUD-Stadtmitte.mp4", "street-clips/car-detection.mp4"]
)
def test_a_real_clip_in_pieces_gives_what_it_gives_whole(data_dir: Path, name: str) -> None:
    """With the default configuration, whose windows are longer than most of these clips."""
    path = data_dir / name
    source = probe(str(path), uri=name)
    chance = random.Random(name)
    span = source.span
    borders = [chance.randrange(span.start + 1, span.stop) for _ in range(2)] + [source.sync_pts[-1]]
    require_equal(read(source, path, ReadConfig()), read(source, path, ReadConfig(), borders))


def test_a_sparse_source_is_read_from_further_back_until_its_windows_are_full(tmp_path: Path, clips: Clips) -> None:
    """A time-lapse: a frame every two seconds, so that no frame lies in a window of one second."""
    path = tmp_path / "sparse.mp4"
    slow = "setpts=50*N/TB/25"
    ffmpeg("-i", str(clips("plain.mp4")), "-vf", slow, "-fps_mode", "vfr", "-g", "5", "-c:v", "libx264", str(path))
    source = probe(str(path), uri="x")
    length = source.span.stop - source.span.start
    borders = [source.span.start + length * i // 7 + 3 for i in range(1, 7)]
    require_equal(read(source, path, SHORT), read(source, path, SHORT, borders))


def test_every_frame_is_counted_once(clips: Clips) -> None:
    path = clips("b_frames.mp4")
    source = probe(str(path), uri="x")
    reports = read(source, path, SHORT, borders=[5000, 20_000, 20_001, 44_444]).reports
    times = ffprobe_pts(path)
    assert sum(r.frames_decoded for r in reports) == len(times)
    assert reports[0].first_pts == times[0]
    assert reports[-1].last_pts == times[-1]
    empty = reports[2]  # one tick long, between two frames
    assert (empty.frames_decoded, empty.first_pts, empty.last_pts) == (0, None, None)


@pytest.mark.data
def test_every_shot_that_lasts_has_a_keyframe(data_dir: Path) -> None:
    path = data_dir / "shot-clips" / "testvideo.mp4"
    source = probe(str(path), uri="x")
    for detector in ("content", "adaptive", "histogram", "hash"):
        config = ReadConfig(ShotConfig(detector), background=None)  # type: ignore[arg-type]
        result = read(source, path, config)
        first, last = result.reports[0].first_pts, result.reports[0].last_pts
        assert first is not None
        assert last is not None
        for shot in fold_shots(source, result.events, first, last, config=config.shots):
            if source.clock.seconds(shot.span.stop - shot.span.start) > config.keyframes.settle_s + 0.1:
                assert any(k.pts in shot.span for k in result.keyframes), (detector, shot)


@pytest.mark.data
def test_a_fixed_camera_gives_enough_keyframes_and_no_two_alike(data_dir: Path) -> None:
    path = data_dir / "pets09-s2l1" / "vtest.avi"
    source = probe(str(path), uri="x")
    keyframes = read(source, path, ReadConfig(background=None)).keyframes
    assert len(keyframes) >= 40
    for before, after in pairwise(keyframes):
        # an independent measure: pixels of the full frame that moved by 25 levels, 1 in 500 or more
        # (one person at the far end of the square covers 1 in 250)
        moved = (np.abs(before.image.astype(int) - after.image).max(axis=2) > 25).mean()
        assert moved > 0.002, (before.pts, after.pts)


def test_frames_around_the_segment_are_decoded_and_progress_tells_it(clips: Clips) -> None:
    path = clips("plain.mp4")
    source = probe(str(path), uri="x")
    told: list[int] = []
    segment = Segment(source, Span(source.span.stop // 2, source.span.stop), "s")
    *_, report = SegmentReader(SHORT)(segment, str(path), on_progress=told.append)
    assert isinstance(report, SegmentReport)
    assert told == sorted(told)
    assert told[-1] > report.frames_decoded


def test_a_picture_is_one_keyframe(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (40, 20), (9, 8, 7)).save(path)
    source = probe(str(path), uri="x")
    keyframe, report = SegmentReader(ReadConfig())(Segment(source, source.span, "s"), str(path))
    assert isinstance(keyframe, Keyframe)
    assert (keyframe.pts, keyframe.reason, keyframe.motion) == (0, "picture", None)
    assert keyframe.image[0, 0].tolist() == [9, 8, 7]
    assert report == SegmentReport(1, 0, 0, 0, ())


def test_a_clip_that_breaks_off_fails_where_it_does_and_is_read_before(clips: Clips, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    ffmpeg("-i", str(clips("plain.mp4")), "-c", "copy", "-movflags", "faststart", str(whole))
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.7)])
    source = probe(str(path), uri="cut.mp4")
    first = Segment(source, Span(0, source.sync_pts[1]), "s")
    expected = SegmentReader(SHORT)(Segment(probe(str(whole), uri="x"), first.span, "s"), str(whole))
    assert len(list(SegmentReader(SHORT)(first, str(path)))) == len(list(expected))
    with pytest.raises(DecodeError, match=r"cut\.mp4"):
        list(SegmentReader(SHORT)(Segment(source, Span(first.span.stop, source.span.stop), "s"), str(path)))


def test_held_frames_stay_few_where_the_detector_never_rests(tmp_path: Path) -> None:
    """A strobe: an event at every frame, yet a keyframe on each line of the longest interval."""
    path = tmp_path / "strobe.mp4"
    strobe = "geq=lum='if(mod(N,2),235,16)':cb=128:cr=128"
    ffmpeg(
        "-f", "lavfi", "-i", f"color=size=64x48:rate=25:duration=6,{strobe}", "-c:v", "libx264", "-g", "5", str(path)
    )
    source = probe(str(path), uri="x")
    result = read(source, path, SHORT)
    assert len(result.events) > 100
    assert 4 <= len(result.keyframes) <= 10  # on 8 lines in 6 s, less those that meet the same phase again
    require_equal(result, read(source, path, SHORT, borders=[source.span.stop // 3, source.span.stop // 2]))
