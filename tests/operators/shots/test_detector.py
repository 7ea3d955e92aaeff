"""Catches events that depend on where reading began, or that PySceneDetect would not report."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenedetect.common import FrameTimecode
from scenedetect.detectors import ContentDetector

from operators.shots.config import ShotConfig
from operators.shots.content_score import FastAdaptiveDetector, FastContentDetector
from schemas.clock import Clock, Span
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.shots import CutEvent
from schemas.sources import Source

DETECTORS: tuple[str, ...] = ("content", "adaptive", "threshold", "histogram", "hash")
FRAMES = 60
START = -7  # PTS may be negative


def source() -> Source:
    span = Span(START, START + FRAMES)
    return Source("x", "0" * 32, "video", Clock(Fraction(1, 25)), span, 64, 48, (START,), 25.0, "h264")


def pictures(seed: int) -> list[ImageArray]:
    """Scenes of a few frames each, some dark, with noise."""
    random = np.random.default_rng(seed)
    frames: list[ImageArray] = []
    while len(frames) < FRAMES:
        scene = random.integers(0, random.choice([8, 255]), (6, 8, 3))
        scene = np.kron(scene, np.ones((8, 8, 1)))
        noise = random.integers(-4, 5, (random.integers(1, 12), *scene.shape))
        frames.extend(np.clip(scene + noise, 0, 255).astype(np.uint8))
    return frames[:FRAMES]


def events_of(frames: list[ImageArray], config: ShotConfig, *, start: int = 0) -> list[CutEvent]:
    detector = config.build(source(), first_of_source=start == 0)
    return [e for i in range(start, FRAMES) for e in detector(START + i, frames[i])]


@pytest.mark.parametrize("name", DETECTORS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), start=st.integers(0, FRAMES - 1))
def test_events_are_the_same_wherever_reading_begins(name: str, seed: int, start: int) -> None:
    frames, config = pictures(seed), ShotConfig(name)
    first_known = START + start + config.build(source(), first_of_source=False).warm_up_frames
    whole = [e for e in events_of(frames, config) if e.pts >= first_known]
    assert [e for e in events_of(frames, config, start=start) if e.pts >= first_known] == whole


@pytest.mark.parametrize("name", DETECTORS)
def test_an_event_comes_at_most_delay_frames_late_and_knows_the_frame_before(name: str) -> None:
    detector, found = ShotConfig(name).build(source(), first_of_source=True), 0
    for i, frame in enumerate(pictures(3)):
        for event in detector(START + i, frame):
            assert 0 <= START + i - event.pts <= detector.delay_frames
            assert event.previous_pts == event.pts - 1 or event.pts == START
            found += 1
    assert found > 3


WEIGHTS = st.tuples(*[st.floats(-2, 4)] * 3).filter(lambda w: sum(map(abs, w)) > 0.1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), weights=WEIGHTS)
def test_the_fast_content_score_is_pyscenedetects_to_the_last_bit(
    seed: int, weights: tuple[float, float, float]
) -> None:
    components = ContentDetector.Components(*weights, 0.0)
    theirs, ours = ContentDetector(weights=components), FastContentDetector(threshold=27.0, weights=components)
    adaptive = FastAdaptiveDetector(threshold=3.0, weights=components, window_frames=2, min_content=15.0)
    for i, frame in enumerate(pictures(seed)):
        timecode = FrameTimecode(i, 25.0)
        expected = theirs._calculate_frame_score(timecode, frame)
        assert ours._calculate_frame_score(timecode, frame) == expected
        assert adaptive._calculate_frame_score(timecode, frame) == expected


def test_a_source_that_begins_in_the_dark_begins_with_a_fade_out() -> None:
    detector = ShotConfig("threshold").build(source(), first_of_source=True)
    dark, light = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 99, np.uint8)
    events = [e for i, f in enumerate((dark, dark, light)) for e in detector(START + i, f)]
    assert [(e.pts, e.kind) for e in events] == [(START, "fade_out"), (START + 2, "fade_in")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"detector": "magic"},
        {"filter_mode": "both"},
        {"min_shot_s": -1.0},
        {"fade_bias": 2.0},
        {"weights": (0.0, 0.0, 0.0, 0.0)},
        {"kernel_size": 4},
        {"window_frames": 0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        ShotConfig(**wrong)  # type: ignore[arg-type]
