"""Catches cuts that differ from PySceneDetect's own, and rules on shot length that depend on frames without events."""

import csv
import random
import sys
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenedetect.__main__ import main as scenedetect_command_line
from scenedetect.common import FrameTimecode, Timecode
from scenedetect.detector import FlashFilter
from scenedetect.detectors import ThresholdDetector

from operators.readers.probe import probe
from operators.readers.video import VideoReader
from operators.shots.config import ShotConfig
from operators.shots.cuts import fold_shots
from schemas.clock import Clock, Span
from schemas.frames import ImageArray
from schemas.shots import CutEvent
from schemas.sources import Source
from tests.clips import Clips

COMMANDS: dict[str, str] = {
    "content": "detect-content",
    "adaptive": "detect-adaptive",
    "threshold": "detect-threshold",
    "histogram": "detect-hist",
    "hash": "detect-hash",
}
RATE = Fraction(25)


def cli_cuts(path: Path, folder: Path, *arguments: str, column: int = 1) -> list[float]:
    """First frames (column 1) or seconds (column 3) of all shots but the first.

    By `python -m scenedetect -i CLIP detect-… list-scenes`, in this process, which has imported what it needs.
    """
    command = ["scenedetect", "-q", "-i", str(path), "-o", str(folder), *arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*command, "list-scenes", "-q", "-f", "shots.csv"])
        scenedetect_command_line()
    with (folder / "shots.csv").open() as file:
        rows = [row for row in csv.reader(file) if row and row[0].isdigit()]
    starts = [float(row[column]) for row in rows][1:]
    return [start - 1 for start in starts] if column == 1 else starts


@lru_cache(maxsize=1)  # a clip is decoded once for all detectors
def decoded(path: Path) -> tuple[Source, list[tuple[int, ImageArray]]]:
    """PTS and small picture of every frame."""
    source = probe(str(path), uri=path.name)
    with VideoReader(str(path), source) as reader:
        return source, [(frame.pts, frame.small()) for frame in reader.frames(source.span.start)]


def our_cuts(path: Path, config: ShotConfig) -> list[int]:
    """PTS of the first frames of all shots but the first."""
    source, frames = decoded(path)
    detector = config.build(source, first_of_source=True)
    events: list[CutEvent] = []
    for pts, small in frames:
        events.extend(detector(pts, small))
    times = [pts for pts, _ in frames]
    shots = fold_shots(source, events, times[0], times[-1], config=config)
    assert shots[0].span.start == source.span.start
    assert shots[-1].span.stop == source.span.stop
    assert all(a.span.stop == b.span.start for a, b in pairwise(shots))
    assert all(shot.span.start in times for shot in shots if shot.kind == "cut")
    return [shot.span.start for shot in shots[1:]]


def frame_numbers(path: Path, cuts: list[int]) -> list[int]:
    source = probe(str(path), uri="x")
    return [round(source.clock.seconds(cut - source.span.start) * source.frame_rate) for cut in cuts]


@pytest.mark.data
@pytest.mark.parametrize("detector", COMMANDS)
@pytest.mark.parametrize("clip", ["testvideo.mp4", "fades.mp4"])
def test_cuts_equal_the_command_lines(data_dir: Path, tmp_path: Path, clip: str, detector: str) -> None:
    path = data_dir / "shot-clips" / clip
    cuts = frame_numbers(path, our_cuts(path, ShotConfig(detector)))
    assert cuts == cli_cuts(path, tmp_path, COMMANDS[detector])


# Away from thresholds so low that every frame is near one: our small frames are swscale's and not
# cv2's, and scores differ by 0.02 on average there (0.5 at most at a cut).
SETTINGS: list[tuple[ShotConfig, str, str]] = [
    (ShotConfig("content", threshold=4.0), "", "-t 4"),
    (ShotConfig("content", threshold=4.0, filter_mode="suppress"), "", "-t 4 -f suppress"),
    (ShotConfig("content", threshold=3.0, min_shot_s=2.0), "-m 2s", "-t 3"),
    (ShotConfig("content", threshold=12.0, weights=(1.0, 0.5, 1.0, 0.2)), "", "-t 12 -w 1 0.5 1 0.2"),
    (ShotConfig("adaptive", threshold=2.5, min_content=6.0, window_frames=4), "", "-t 2.5 -c 6 -f 4"),
    (ShotConfig("threshold", threshold=40.0, fade_bias=1.0, min_fade_s=0.5), "", "-t 40 -f 1 --min-out-length 0.5s"),
    (ShotConfig("histogram", threshold=0.3, bins=64), "", "-t 0.3 -b 64"),
    (ShotConfig("hash", threshold=0.2, hash_size=16, lowpass=3), "", "-t 0.2 -s 16 -l 3"),
]


@pytest.mark.data
@pytest.mark.parametrize(("config", "general", "own"), SETTINGS)
def test_cuts_equal_the_command_lines_with_other_settings(
    data_dir: Path, tmp_path: Path, config: ShotConfig, general: str, own: str
) -> None:
    path = data_dir / "shot-clips" / "testvideo.mp4"
    expected = cli_cuts(path, tmp_path, *general.split(), COMMANDS[config.detector], *own.split())
    assert frame_numbers(path, our_cuts(path, config)) == expected


@pytest.mark.parametrize(
    "name",
    ["vfr.mp4", "edit_list.mp4", "late_start.mkv", "rotated.mp4", "ten_bit.mp4", "wrapped.ts", "odd_size_large.mp4"],
)
def test_cuts_of_special_clips_equal_the_command_lines(clips: Clips, tmp_path: Path, name: str) -> None:
    path = clips(name)
    source = probe(str(path), uri=name)
    # in seconds from the first frame: the command line's frame numbers are rounded times
    ours = [round(source.clock.seconds(cut - source.span.start), 3) for cut in our_cuts(path, ShotConfig())]
    assert ours == cli_cuts(path, tmp_path, "detect-content", column=3)
    assert len(ours) >= 1  # where the clip changes scene


def source_of(frames: int) -> Source:
    return Source("x", "0" * 32, "video", Clock(1 / RATE), Span(0, frames), 320, 240, (0,), float(RATE), "h264")


def events_at(frames: list[int]) -> list[CutEvent]:
    return [CutEvent(f, f - 1, "cut") for f in sorted(frames)]


@settings(deadline=None)
@given(
    fired=st.sets(st.integers(1, 199)),
    mode=st.sampled_from(["merge", "suppress"]),
    min_shot_s=st.sampled_from([0.0, 0.04, 0.2, 0.6, 1.5]),
)
def test_the_content_filter_fed_with_events_gives_what_it_gives_fed_with_every_frame(
    fired: set[int], mode: str, min_shot_s: float
) -> None:
    config = ShotConfig("content", min_shot_s=min_shot_s, filter_mode=mode)  # type: ignore[arg-type]
    flash = FlashFilter(FlashFilter.Mode[mode.upper()], FrameTimecode(min_shot_s, RATE).frame_num)
    expected: list[int] = []
    for frame in range(200):
        timecode = FrameTimecode(Timecode(frame, 1 / RATE), RATE)
        expected += [cut.pts for cut in flash.filter(timecode, frame in fired)]
    shots = fold_shots(source_of(200), events_at(list(fired)), 0, 199, config=config)
    assert [shot.span.start for shot in shots[1:]] == sorted(set(expected))


@settings(deadline=None)
@given(
    dark=st.lists(st.booleans(), min_size=2, max_size=120),
    bias=st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0]),
    min_shot_s=st.sampled_from([0.0, 0.2, 0.6]),
    min_fade_s=st.sampled_from([0.0, 0.1, 0.4]),
    final=st.booleans(),
)
def test_fades_folded_from_events_are_those_of_the_threshold_detector(
    dark: list[bool], bias: float, min_shot_s: float, min_fade_s: float, final: bool
) -> None:
    config = ShotConfig(
        "threshold", fade_bias=bias, min_shot_s=min_shot_s, min_fade_s=min_fade_s, cut_at_final_fade=final
    )
    theirs = ThresholdDetector(
        min_scene_len=FrameTimecode(min_shot_s, RATE).frame_num,
        fade_bias=bias,
        add_final_scene=final,
        min_out_length=FrameTimecode(min_fade_s, RATE),
    )
    source = source_of(len(dark))
    ours = config.build(source, first_of_source=True)
    expected: list[FrameTimecode] = []
    events: list[CutEvent] = []
    timecode = FrameTimecode(0, RATE)
    for frame, is_dark in enumerate(dark):
        picture = np.full((4, 4, 3), 0 if is_dark else 200, np.uint8)
        timecode = FrameTimecode(Timecode(frame, 1 / RATE), RATE)
        expected += theirs.process_frame(timecode, picture)
        events.extend(ours(frame, picture))
    expected += theirs.post_process(timecode)
    shots = fold_shots(source, events, 0, len(dark) - 1, config=config)
    starts = {cut.frame_num for cut in expected}
    assert [shot.span.start for shot in shots[1:]] == sorted(s for s in starts if 0 < s < len(dark))


@given(fired=st.sets(st.integers(1, 99)), seed=st.integers(0, 99))
def test_the_order_in_which_segments_were_done_does_not_matter(fired: set[int], seed: int) -> None:
    events = events_at(list(fired))
    shuffled = random.Random(seed).sample(events, len(events))
    config = ShotConfig("adaptive")
    whole = fold_shots(source_of(100), events, 0, 99, config=config)
    assert fold_shots(source_of(100), shuffled, 0, 99, config=config) == whole
    for shot in whole[1:]:
        assert shot.span.start in fired
    lengths = [shot.span.stop - shot.span.start for shot in whole[:-1]]
    assert all(length >= 15 for length in lengths)  # 0.6 s at 25 frames/s


def test_a_picture_is_one_shot() -> None:
    picture = Source("x", "0" * 32, "picture", Clock(Fraction(1)), Span(0, 1), 8, 8, (0,), 0.0, "png")
    shots = fold_shots(picture, [], 0, 0, config=ShotConfig())
    assert [(shot.span, shot.kind) for shot in shots] == [(Span(0, 1), "start")]
