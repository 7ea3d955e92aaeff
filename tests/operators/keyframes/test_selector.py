"""Catches keyframes that are missing, repeated, chosen during a flash, or that depend on where reading began."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.keyframes.selector import Choice, KeyframeConfig, KeyframeSelector
from schemas.clock import Clock
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.shots import CutEvent, EventKind

CLOCK = Clock(Fraction(1, 100))
CONFIG = KeyframeConfig(candidate_interval_s=0.5, longest_interval_s=2.0, settle_s=0.2)


def picture(scene: int, x: int = 0) -> ImageArray:
    """One of a few backgrounds, with a bright square at x."""
    random = np.random.default_rng(scene)
    image = np.kron(random.integers(30, 120, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    image[40:60, x % 100 : x % 100 + 16] = 255
    return image


def choose(
    frames: list[tuple[int, ImageArray]], events: dict[int, EventKind] | None = None, config: KeyframeConfig = CONFIG
) -> dict[int, Choice]:
    selector = KeyframeSelector(config, CLOCK, first_of_source=True)
    found = events or {}
    return {t: selector(t, image, [CutEvent(t, t - 1, found[t])] if t in found else []) for t, image in frames}


def kept(choices: dict[int, Choice]) -> list[tuple[int, str]]:
    return [(t, c.reason) for t, c in choices.items() if c.reason is not None]


def test_a_still_scene_gives_its_first_frame_and_counts_the_rest() -> None:
    choices = choose([(t, picture(0)) for t in range(0, 1000, 4)])
    assert kept(choices) == [(0, "shot")]
    assert sum(c.near_duplicate for c in choices.values()) == 19  # candidates at 0.5, 1.0, … 9.5 s


def test_what_moves_is_kept_at_candidates_and_on_lines() -> None:
    frames = [(t, picture(0, x=t)) for t in range(0, 410, 5)]
    assert kept(choose(frames)) == [
        *[(0, "shot"), (50, "change"), (100, "change"), (150, "change"), (200, "interval")],
        *[(250, "change"), (300, "change"), (350, "change"), (400, "interval")],
    ]


def test_dusk_is_kept_on_refresh_lines_though_no_two_lines_differ() -> None:
    """One luma level in ten seconds: less than noise from line to line, night in the end."""
    config = KeyframeConfig(refresh_interval_s=60.0)
    dusk = [(t, (picture(0).astype(int) - t // 1000).clip(0).astype(np.uint8)) for t in range(0, 18_100, 20)]
    assert kept(choose(dusk, config=config)) == [
        (0, "shot"),
        (6000, "interval"),
        (12_000, "interval"),
        (18_000, "interval"),
    ]


def test_a_small_change_waits_for_the_next_line() -> None:
    """More than a near-duplicate and less than a change."""
    moved = picture(0)
    moved[0:8, 0:8] = 255
    config = KeyframeConfig(change=0.9, near_duplicate=0.001)
    frames = [(t, picture(0) if t < 60 else moved) for t in range(0, 260, 10)]
    assert kept(choose(frames, config=config)) == [(0, "shot"), (200, "interval")]


def test_a_new_shot_is_pictured_once_it_has_settled() -> None:
    frames = [(t, picture(0 if t < 104 else 1)) for t in range(0, 190, 4)]
    assert kept(choose(frames, {104: "cut"})) == [(0, "shot"), (124, "shot")]


def test_a_flash_is_not_pictured() -> None:
    """Two events within settle_s: the shot is pictured after the second."""
    flash = np.full_like(picture(0), 255)
    frames = [(t, flash if 104 <= t < 112 else picture(0)) for t in range(0, 190, 4)]
    assert kept(choose(frames, {104: "cut", 112: "cut"})) == [(0, "shot"), (132, "shot")]


def test_a_fade_out_is_no_new_shot_and_a_fade_in_is() -> None:
    frames = [(t, picture(0)) for t in range(0, 190, 4)]
    assert kept(choose(frames, {60: "fade_out", 104: "fade_in"})) == [(0, "shot"), (124, "shot")]


def test_where_events_never_stop_a_frame_is_kept_on_each_line() -> None:
    frames = [(t, picture(t % 7)) for t in range(0, 1000, 4)]
    choices = choose(frames, dict.fromkeys(range(4, 1000, 4), "cut"))
    assert [t for t, _ in kept(choices)] == [0, 400, 600, 800]  # the line at 2 s waits for calm first


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_choices_are_the_same_wherever_reading_begins_once_settled(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.integers(1, 60), min_size=5, max_size=120))
    times = [int(t) - 300 for t in np.cumsum(steps)]
    frames = [(t, picture(data.draw(st.integers(0, 2)), x=data.draw(st.integers(0, 2)) * 30)) for t in times]
    events: dict[int, EventKind] = {t: "cut" for t in times[1:] if data.draw(st.integers(0, 5)) == 0}
    whole = choose(frames, events)
    begin = data.draw(st.integers(1, len(frames) - 1))
    late = KeyframeSelector(CONFIG, CLOCK, first_of_source=False)
    for i, (t, image) in enumerate(frames[begin:]):
        settled = late.settled
        known = i >= 3  # as after a detector that warms up for three frames
        at = [CutEvent(t, t - 1, "cut")] if t in events and known else []
        choice = late(t, image, at, events_known=known)
        if settled:
            assert choice == whole[t]


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.integers(1, 30), min_size=2, max_size=200), moving=st.booleans())
def test_no_more_frames_are_kept_than_there_are_lines_and_events(steps: list[int], moving: bool) -> None:
    times = [int(t) for t in np.cumsum(steps)]
    choices = choose([(t, picture(0, x=7 * t if moving else 0)) for t in times])
    lines = (times[-1] // 50) - (times[0] // 50) + 1
    assert 1 <= len(kept(choices)) <= lines + 1
    assert kept(choices)[0] == (times[0], "shot")


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidate_interval_s": 0.0},
        {"candidate_interval_s": 3.0},
        {"settle_s": -0.1},
        {"change": 0.001},
        {"near_duplicate": -1.0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError):
        KeyframeConfig(**wrong)
