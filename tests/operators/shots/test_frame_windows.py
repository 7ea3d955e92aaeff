"""Catches windows that depend on where reading began, omit a frame, or differ from those of TransNetV2's package."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from operators.shots.frame_windows import BEFORE_FRAMES, FrameWindow, FrameWindows
from schemas.clock import Clock, Span
from schemas.sources import Source

TICKS_PER_S = 1000


def source(times: Sequence[int], *, rate: float) -> Source:
    span = Span(times[0], times[-1] + 1)
    return Source("x", "0" * 32, "video", Clock(Fraction(1, TICKS_PER_S)), span, 8, 8, (times[0],), rate, "h264")


def windows_of(times: Sequence[int], clip: Source, *, begin: int = 0) -> tuple[list[FrameWindow], FrameWindows]:
    """The windows of the frames from number `begin` on; a picture is one pixel that holds its frame's number."""
    windows = FrameWindows(clip, first_of_source=begin == 0)
    found: list[FrameWindow] = []
    for i in range(begin, len(times)):
        for window in windows(times[i], picture(i)):
            assert i - times.index(window.pts[0]) == 74, "later than the delay, or before its frames were there"
            found.append(window)
    return [*found, *windows.flush()], windows


def picture(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array([[[number >> 16, number >> 8 & 255, number & 255]]], np.uint8)


def numbers(window: FrameWindow) -> list[int]:
    return [int(p[0, 0] @ np.array([65536, 256, 1])) for p in window.pictures.astype(int)]


# bursts, holes and jitter; in ms
steps = st.lists(st.one_of(st.just(40), st.integers(30, 50), st.integers(1, 8), st.integers(500, 5000)), max_size=12)
uneven = st.builds(
    lambda start, runs: list(accumulate([start, *(step for steps, count in runs for step in steps * count)])),
    st.integers(-5000, 5000),
    st.lists(st.tuples(steps, st.integers(1, 40)), min_size=1, max_size=5),
)


@settings(max_examples=150, deadline=None)
@given(times=uneven, share=st.floats(0, 1), rate=st.sampled_from([1.0, 12.5, 25.0, 29.97002997, 120.0, 1000.0]))
def test_windows_are_the_same_wherever_reading_begins(times: list[int], share: float, rate: float) -> None:
    clip = source(times, rate=rate)
    whole = {w.pts: w for w in windows_of(times, clip)[0]}
    begin = int(share * (len(times) - 1))
    assume(begin > 0)
    part, windows = windows_of(times, clip, begin=begin)
    for window in part:
        np.testing.assert_array_equal(window.pictures, whole[window.pts].pictures)
    told = [pts for window in part for pts in window.pts]
    assert told == ([] if windows.settled_pts is None else times[times.index(windows.settled_pts) :])


@settings(max_examples=100, deadline=None)
@given(times=uneven, rate=st.sampled_from([1.0, 25.0, 1000.0]))
def test_every_frame_is_what_one_window_is_about_and_its_neighbours_are_around_it(
    times: list[int], rate: float
) -> None:
    found, _ = windows_of(times, source(times, rate=rate))
    assert [pts for window in found for pts in window.pts] == times
    for window in found:
        first = times.index(window.pts[0]) - BEFORE_FRAMES
        assert numbers(window) == [min(max(0, first + i), len(times) - 1) for i in range(100)]
        assert len(window.pts) <= 60


def test_at_a_constant_rate_blocks_have_fifty_frames_though_times_are_rounded() -> None:
    for rate in (Fraction(30000, 1001), Fraction(25), Fraction(24000, 1001), Fraction(60000, 1001)):
        times = [-7 + round(i * TICKS_PER_S / rate) for i in range(5001)]  # in ms, as in Matroska
        found, _ = windows_of(times, source(times, rate=float(rate)))
        assert [len(w.pts) for w in found] == [50] * 100 + [1], rate


def test_warming_up_takes_no_longer_than_it_says_at_a_constant_rate() -> None:
    for rate in (10.0, 25.0, 240.0):
        times = [round(i * TICKS_PER_S / rate) for i in range(700)]
        clip = source(times, rate=rate)
        for begin in range(1, 260, 7):
            _, windows = windows_of(times, clip, begin=begin)
            assert windows.settled_pts is not None
            assert times.index(windows.settled_pts) - begin <= BEFORE_FRAMES + windows.cell_frames, (rate, begin)


def test_a_rate_guessed_too_high_costs_no_window_for_every_frame() -> None:
    times = list(range(0, 40_000, 40))
    found, _ = windows_of(times, source(times, rate=1000.0))
    assert len(found) <= 1 + 40 * 60 / 50  # one in 5/6 s
