"""Tracks of drawn regions: catches names that swap, are given twice in a frame, or depend on the order of regions."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.tracking.tracker import Link, TrackConfig, Tracker, TrackFrame
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, PlanError

RED, BLUE = np.eye(4, dtype=np.float32)[:2]


def frame(
    pts_s: float,
    boxes: list[tuple[float, float, float, float]],
    vectors: list[np.ndarray],
    *,
    proposer: str = "moving",
    label: list[str | None] | None = None,
) -> TrackFrame:
    return TrackFrame(
        pts_s=pts_s,
        ids=tuple(f"{pts_s}-{i}" for i in range(len(boxes))),
        boxes=Boxes.clipped(np.array(boxes).reshape(-1, 4)),
        vectors=np.stack(vectors) if vectors else np.zeros((0, 4), np.float32),
        score=np.ones(len(boxes), np.float32),
        proposer=(proposer,) * len(boxes),
        label=tuple(label) if label else (None,) * len(boxes),
    )


def at(x: float, y: float = 0.5, *, side: float = 0.1) -> tuple[float, float, float, float]:
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def run(frames: list[TrackFrame], config: TrackConfig | None = None) -> list[list[str | None]]:
    tracker = Tracker(config or TrackConfig())
    return [tracker(f) for f in frames]


def test_a_track_is_named_by_the_region_with_which_it_begins() -> None:
    found = run([frame(t, [at(0.2 + 0.02 * t)], [RED]) for t in range(4)])
    assert found == [["0-0"]] * 4


def test_things_that_cross_keep_their_names_by_what_they_look_like() -> None:
    frames = [frame(t, [at(0.3 + 0.1 * t), at(0.7 - 0.1 * t)], [RED, BLUE]) for t in range(5)]
    assert run(frames) == [["0-0", "0-1"]] * 5


def test_things_that_look_alike_and_cross_keep_their_names_by_how_they_move() -> None:
    frames = [frame(0.5 * t, [at(0.2 + 0.06 * t, 0.5), at(0.8 - 0.06 * t, 0.52)], [RED, RED]) for t in range(11)]
    assert run(frames) == [["0.0-0", "0.0-1"]] * 11


def test_a_thing_that_is_hidden_for_a_moment_goes_on_where_it_would_be() -> None:
    seen = [frame(0.5 * t, [at(0.2 + 0.05 * t)], [RED]) for t in range(4)]
    hidden = [frame(2.0, [], []), frame(2.5, [], [])]
    again = [frame(3.0, [at(0.45)], [RED])]
    assert run(seen + hidden + again)[-1] == ["0.0-0"]


def test_what_stays_away_too_long_or_appears_too_far_away_is_another_thing() -> None:
    first = [frame(t, [at(0.5)], [RED]) for t in range(2)]
    away = [frame(2 + t, [], []) for t in range(6)]
    assert run([*first, *away[:2], frame(9, [at(0.5)], [RED])])[-1] == ["0-0"], "few keyframes without it"
    assert run([*first, *away, frame(9, [at(0.5)], [RED])])[-1] == ["9-0"]
    assert run([*first, frame(2, [at(0.95)], [RED])])[-1] == ["2-0"]


def test_labels_decide_between_things_that_look_alike_side_by_side() -> None:
    frames = [
        frame(t, [at(0.50 + 0.03 * (t % 2)), at(0.53 - 0.03 * (t % 2))], [RED, RED], label=["person", "dog"])
        for t in range(4)
    ]
    assert run(frames) == [["0-0", "0-1"]] * 4


def test_a_link_of_a_motion_model_outweighs_place() -> None:
    tracker = Tracker(TrackConfig())
    assert tracker(frame(0, [at(0.1)], [RED])) == ["0-0"]
    assert tracker(frame(1, [at(0.9)], [RED]), links=[Link("0-0", "1-0", 0.9)]) == ["0-0"]


def test_no_track_goes_on_past_a_cut() -> None:
    tracker = Tracker(TrackConfig())
    assert tracker(frame(0, [at(0.5)], [RED])) == ["0-0"]
    tracker.cut()
    assert tracker(frame(1, [at(0.5)], [RED])) == ["1-0"]


@pytest.mark.parametrize("window", ["grid-4", "cover-2", "frame"])
def test_windows_that_follow_no_thing_have_no_track(window: str) -> None:
    assert run([frame(t, [at(0.5)], [RED], proposer=window) for t in range(2)]) == [[None], [None]]


@st.composite
def scenes(draw: st.DrawFn) -> list[TrackFrame]:
    seed, count = draw(st.integers(0, 10_000)), draw(st.integers(2, 6))
    rng = np.random.default_rng(seed)
    frames, now = [], 0.0
    for _ in range(count):
        n = int(rng.integers(0, 7))
        corners = np.sort(rng.random((n, 2, 2)), axis=1).reshape(n, 4)
        vectors = rng.normal(size=(n, 4)).astype(np.float32) + 2
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        frames.append(frame(now, [tuple(c) for c in corners], list(vectors)))  # type: ignore[misc]
        now += float(rng.uniform(0.04, 3))
    return frames


@settings(deadline=None)
@given(scenes(), st.randoms())
def test_the_order_of_regions_changes_nothing_and_no_track_has_two_in_a_frame(
    frames: list[TrackFrame], random: Random
) -> None:
    shuffled, orders = [], []
    for f in frames:
        order = list(range(len(f.ids)))
        random.shuffle(order)
        orders.append(order)
        shuffled.append(
            TrackFrame(
                f.pts_s,
                tuple(f.ids[i] for i in order),
                f.boxes[np.array(order, np.intp)],
                f.vectors[order],
                f.score[order],
                tuple(f.proposer[i] for i in order),
                tuple(f.label[i] for i in order),
            )
        )
    found, again = run(frames), run(shuffled)
    for tracks, mixed, order in zip(found, again, orders, strict=True):
        assert mixed == [tracks[i] for i in order]
        assert len(set(tracks)) == len(tracks)


def test_parts_of_different_lengths_and_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="a frame of 1 ids"):
        TrackFrame(0.0, ("a",), Boxes.empty(), np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), ())
    for wrong in (
        {"appearance": -0.1},
        {"gate_cosine": 1.5},
        {"sleep_s": -1.0},
        {"gate_shape": 1.0},
        {"most_cost": 0.0},
    ):
        with pytest.raises(PlanError):
            TrackConfig(**wrong)
