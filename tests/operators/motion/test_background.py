"""Catches a background that depends on where reading began, a median that drifts, and memory that keeps growing."""

import math
import tracemalloc
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.motion.background import BackgroundConfig, MotionMap, WindowBackground, background_known
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray

CONFIG = BackgroundConfig(sample_interval_s=0.5, back_s=4.0, ahead_s=1.0, min_samples=3)
WIDTH, HEIGHT = 64, 48

# steps of 1/16 s, so that sums are exact; some frames are dropped, and there are gaps longer than a window
steps = st.one_of(st.integers(1, 12), st.integers(1, 40), st.sampled_from([100, 400]))
irregular = st.lists(steps, min_size=1, max_size=60)
regular = st.tuples(st.integers(1, 8), st.integers(30, 60)).map(lambda t: [t[0]] * t[1])  # fill every window
times = st.one_of(irregular, regular).map(lambda rows: [t / 16 for t in accumulate(rows)])
configs = st.builds(
    BackgroundConfig,
    sample_interval_s=st.sampled_from([0.25, 0.5, 0.75]),
    back_s=st.sampled_from([0.0, 1.0, 2.3, 4.0]),
    ahead_s=st.sampled_from([0.0, 0.4, 1.0, 2.0]),
    min_samples=st.integers(1, 4),
)


def noisy(count: int, *, seed: int = 0, shape: tuple[int, int] = (5, 7)) -> list[ImageArray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, *shape, 3), dtype=np.uint8))


def motion_maps(
    frames: Sequence[ImageArray],
    times_s: Sequence[float],
    config: BackgroundConfig,
    *,
    start: int = 0,
    asked: Sequence[ImageArray] | None = None,
    late: bool = False,
) -> dict[int, MotionMap | None]:
    """Frame index → map, as for a reader that decodes from frame `start` on; `asked`, if given, replaces the frames.

    late: calls `motion` after a frame beyond the window was added, not just before.
    """
    background = WindowBackground(config)
    maps: dict[int, MotionMap | None] = {}
    held: list[int] = []
    for i in range(start, len(frames)):
        if late:
            background.add(i, times_s[i], frames[i], first_of_source=i == 0)
        while held and times_s[held[0]] + config.ahead_s < times_s[i]:
            first = held.pop(0)
            maps[first] = background.motion((asked or frames)[first], times_s[first])
        if not late:
            background.add(i, times_s[i], frames[i], first_of_source=i == 0)
        if times_s[start] <= times_s[i] - config.back_s or start == 0:
            held.append(i)
    return maps | {i: background.motion((asked or frames)[i], times_s[i]) for i in held}


def sampled(times_s: Sequence[float], config: BackgroundConfig) -> list[int]:
    """The first frame, and each that is the first at or after a line of the grid."""
    cells = [math.floor(t / config.sample_interval_s) for t in times_s]
    return [i for i, cell in enumerate(cells) if i == 0 or cell > cells[i - 1]]


def windows(times_s: Sequence[float], config: BackgroundConfig) -> list[list[int]]:
    """Of each frame, the samples in its window."""
    samples = sampled(times_s, config)
    return [[i for i in samples if t - config.back_s < times_s[i] <= t + config.ahead_s] for t in times_s]


@settings(max_examples=60, deadline=None)
@given(times, configs, st.integers(0, 1000), st.booleans())
def test_the_background_is_the_lower_median_of_the_samples_in_the_window(
    times_s: list[float], config: BackgroundConfig, seed: int, late: bool
) -> None:
    frames = noisy(len(times_s), seed=seed)
    inside = windows(times_s, config)
    medians = [
        np.sort([frames[i] for i in window], axis=0)[(len(window) - 1) // 2] if window else frames[0]
        for window in inside
    ]
    # a frame that is the background has no motion, and frames of noise differ in some pixel from any other
    maps = motion_maps(frames, times_s, config, asked=medians, late=late)
    assert len(maps) == len(frames)
    for i, found in maps.items():
        if len(inside[i]) < config.min_samples:
            assert found is None
        else:
            assert found is not None
            np.testing.assert_array_equal(found, 0)


@settings(max_examples=60, deadline=None)
@given(times, configs, st.data())
def test_maps_are_the_same_wherever_reading_begins(
    times_s: list[float], config: BackgroundConfig, data: st.DataObject
) -> None:
    frames = noisy(len(times_s))
    start = data.draw(st.integers(0, len(times_s) - 1))
    whole = motion_maps(frames, times_s, config)
    for i, found in motion_maps(frames, times_s, config, start=start).items():
        np.testing.assert_array_equal(found, whole[i])


@settings(deadline=None)
@given(times, configs)
@example([0.7, 0.75, 1.5, 2.25, 2.95, 3.0], BackgroundConfig(0.75, 2.3, 0.4))  # five in 2.7 s
def test_no_window_holds_more_than_the_most_samples(times_s: list[float], config: BackgroundConfig) -> None:
    assert max(map(len, windows(times_s, config))) <= config.most_samples


def test_the_result_does_not_depend_on_earlier_calls() -> None:
    times_s = [i / 10 for i in range(200)]
    frames = noisy(200)
    often = motion_maps(frames, times_s, CONFIG)
    background = WindowBackground(CONFIG)
    for i in range(161):
        background.add(i, times_s[i], frames[i], first_of_source=i == 0)
        if i == 50:
            background.motion(frames[40], times_s[40])  # keeps sorted samples, none of which is in the next window
    np.testing.assert_array_equal(background.motion(frames[150], times_s[150]), often[150])


def test_with_too_few_samples_there_is_no_background() -> None:
    background = WindowBackground(CONFIG)
    frames = noisy(4)
    assert background.motion(frames[0], 0.0) is None
    for i, frame in enumerate(frames):
        background.add(i, i * 0.5, frame)
        # the first frame after a seek is no sample: its grid line may have been passed by a frame not seen
        assert (background.motion(frame, i * 0.5) is None) == (i < CONFIG.min_samples)


def test_after_a_gap_in_time_nothing_from_before_it_counts() -> None:
    times_s = [*(i / 10 for i in range(50)), *(100 + i / 10 for i in range(50))]
    before, after = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    after[::2] = 200  # so that it is not the same picture in another light
    maps = motion_maps([before] * 50 + [after] * 50, times_s, CONFIG)
    assert maps[49] is not None
    found = maps[50]
    assert found is not None  # of 100.0, 100.5 and 101.0 s
    assert not found.any()
    alone = motion_maps([before] * 50 + [after], times_s[:51], CONFIG)
    assert alone[50] is None


def test_frames_out_of_order_are_refused() -> None:
    background = WindowBackground(CONFIG)
    background.add(2, 2.0, noisy(1)[0])
    with pytest.raises(InvalidValueError, match=r"PTS order, got 1\.5 s \(pts 1\) after 2\.0 s"):
        background.add(1, 1.5, noisy(1)[0])


def test_the_caller_may_write_on_its_frames() -> None:
    background, kept = WindowBackground(CONFIG), noisy(1)[0]
    for i in range(6):
        frame = kept.copy()
        background.add(i, i * 0.5, frame, first_of_source=i == 0)
        frame[:] = 0
    found = background.motion(kept, 2.5)
    assert found is not None
    assert not found.any()


def test_memory_does_not_grow_with_the_video() -> None:
    frames = noisy(50, shape=(HEIGHT, WIDTH))
    background = WindowBackground(CONFIG)
    tracemalloc.start()
    for i in range(3000):
        background.add(i, i / 10, frames[i % 50])
        if i % 70 == 0:  # more than a window apart: the sorted samples are none of those that came since
            background.motion(frames[0], i / 10 - CONFIG.ahead_s)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    most = (3 * CONFIG.most_samples + 2) * frames[0].nbytes
    assert held_bytes < most + 20_000  # headers of arrays, a deque and dicts


def scene(place: tuple[int, int] | None, *, seed: int) -> ImageArray:
    """A street with sensor noise of ±4, and a square of 12 pixels whose upper left corner is at (x, y)."""
    picture = np.kron(np.random.default_rng(7).integers(60, 190, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.int16)
    if place is not None:
        x, y = place
        picture[y : y + 12, x : x + 12] = (picture[y : y + 12, x : x + 12] + 128) % 256
    noise = np.random.default_rng(seed).integers(-4, 5, picture.shape)
    image: ImageArray = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return image


def test_what_moves_is_far_from_the_background_and_the_rest_is_near() -> None:
    places = [(i % 52, 20) for i in range(100)]  # 10 pixels a second: it covers a place for 1.2 of 5.2 s
    times_s = [i / 10 for i in range(100)]
    maps = motion_maps([scene(p, seed=i) for i, p in enumerate(places)], times_s, CONFIG)
    for i in range(20, 90):
        found = maps[i]
        assert found is not None
        x, y = places[i]
        square = np.zeros(found.shape, bool)
        square[y : y + 12, x : x + 12] = True
        assert found[square].min() > 80  # it differs by 128 in each channel, less noise
        assert found[~square].max() <= 10  # ±4 of the frame, ±4 of the median, ±1 of the light


@pytest.mark.parametrize(("stood_s", "moves"), [(1.0, True), (6.0, False)])
def test_what_stands_longer_than_the_window_becomes_background(stood_s: float, moves: bool) -> None:
    times_s = [i / 10 for i in range(200)]
    frames = [scene((20, 20) if t >= 10 else None, seed=i) for i, t in enumerate(times_s)]
    found = motion_maps(frames, times_s, CONFIG)[round((10 + stood_s) * 10)]
    assert found is not None
    assert (found[20:32, 20:32].mean() > 60) == moves
    assert found[:18].max() <= 10


def test_a_change_of_light_is_no_motion() -> None:
    frames = [scene(None, seed=0)] * 60
    brighter = (frames[0] + 25).astype(np.uint8)
    found = motion_maps(frames, [i / 10 for i in range(60)], CONFIG, asked=[brighter] * 60)[30]
    assert found is not None
    assert not found.any()


@pytest.mark.parametrize(("pan_px", "known"), [(0, True), (3, False)])
def test_a_camera_that_turns_has_no_background(pan_px: int, known: bool) -> None:
    background = WindowBackground(BackgroundConfig(sample_interval_s=1.0, back_s=10.0, ahead_s=0.0))
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(0, 256, (12, 60, 3)), np.ones((4, 4, 1))).astype(np.int16)
    for second in range(12):
        # sensor noise of a dark camera: it must not look like a camera that turns
        view = scene[:, pan_px * second : pan_px * second + 64]
        frame = np.clip(view + rng.normal(0, 8, view.shape), 0, 255).astype(np.uint8)
        background.add(second, float(second), frame, first_of_source=second == 0)
    motion = background.motion(frame, 11.0)
    assert motion is not None
    assert background_known(motion) is known


@pytest.mark.parametrize("wrong", [{"sample_interval_s": 0.0}, {"back_s": -1.0}, {"ahead_s": -1.0}, {"min_samples": 0}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        BackgroundConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_frames_that_are_no_pictures_are_refused(wrong: ImageArray) -> None:
    with pytest.raises(InvalidValueError, match="small frame must be uint8"):
        WindowBackground(CONFIG).add(0, 0.0, wrong, first_of_source=True)
