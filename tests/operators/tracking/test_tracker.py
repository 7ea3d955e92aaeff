"""Catches tracks that swap, split or merge, that continue over a cut, or that depend on the order of regions."""

import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.tracking.tracker import Link, ProposerRule, TrackConfig, Tracker, TrackFrame
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.vectors import normalise

RED, BLUE, GREEN, PURPLE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.8, 0.0)


@dataclass(frozen=True)
class Thing:
    """One region of a frame: who it is, its centre, size and vector."""

    name: str
    x: float
    y: float
    w: float = 0.06
    h: float = 0.2
    look: tuple[float, ...] = RED
    score: float = 0.5
    proposer: str = "moving"
    label: str | None = None


def frame(pts_s: float, things: Sequence[Thing]) -> TrackFrame:
    """The regions in the order given; each is named by its thing and time."""
    rows = [[t.x - t.w / 2, t.y - t.h / 2, t.x + t.w / 2, t.y + t.h / 2] for t in things]
    return TrackFrame(
        pts_s=pts_s,
        ids=tuple(f"{t.name}@{pts_s:.3f}" for t in things),
        boxes=Boxes.clipped(np.array(rows, np.float32).reshape(-1, 4)),
        vectors=np.array([t.look for t in things], np.float16).reshape(
            len(things), len(things[0].look) if things else 3
        ),
        score=np.array([t.score for t in things], np.float32),
        proposer=tuple(t.proposer for t in things),
        label=tuple(t.label for t in things),
    )


def followed(
    frames: Sequence[tuple[float, Sequence[Thing]]],
    config: TrackConfig | None = None,
    *,
    tracker: Tracker | None = None,
) -> dict[str, list[str | None]]:
    """The tracks of each thing, frame by frame in which it is there."""
    tracker = tracker or Tracker(config or TrackConfig())
    tracks: dict[str, list[str | None]] = {}
    for pts_s, things in frames:
        for thing, track in zip(things, tracker(frame(pts_s, things)), strict=True):
            tracks.setdefault(thing.name, []).append(track)
    return tracks


def test_a_track_is_named_by_the_region_with_which_it_begins() -> None:
    tracks = followed([(0.5 * k, [Thing("a", 0.1 + 0.02 * k, 0.5)]) for k in range(10)])
    assert tracks == {"a": ["a@0.000"] * 10}


def test_things_that_look_unlike_keep_their_tracks_when_they_meet() -> None:
    tracks = followed(
        [(0.5 * k, [Thing("a", 0.2 + 0.04 * k, 0.5), Thing("b", 0.8 - 0.04 * k, 0.51, look=BLUE)]) for k in range(16)]
    )
    assert [set(t) for t in tracks.values()] == [{"a@0.000"}, {"b@0.000"}]


def test_things_that_look_alike_keep_their_tracks_when_they_cross_at_speed() -> None:
    # 0.05 a frame each: at frame 6 they stand 0.01 apart, and the nearest box of the frame before is the other's
    tracks = followed(
        [(0.25 * k, [Thing("a", 0.2 + 0.05 * k, 0.5), Thing("b", 0.81 - 0.05 * k, 0.5)]) for k in range(13)]
    )
    assert [set(t) for t in tracks.values()] == [{"a@0.000"}, {"b@0.000"}]


def test_irregular_times_are_part_of_the_motion() -> None:
    times = np.cumsum([0.1, 0.5, 0.5, 0.3, 1.0, 0.2, 2.0, 0.4, 0.5, 1.5])
    # two walk abreast, 0.1 apart, at 0.08 a second: after two seconds one is where the other was
    tracks = followed([(t, [Thing("a", 0.1 + 0.08 * t, 0.5), Thing("b", 0.2 + 0.08 * t, 0.5)]) for t in times])
    assert [set(t) for t in tracks.values()] == [{"a@0.100"}, {"b@0.100"}]


@pytest.mark.parametrize("missing", [{4}, {4, 5}, {4, 6, 7}])
def test_a_track_survives_frames_without_its_thing(missing: set[int]) -> None:
    other = Thing("b", 0.5, 0.8, look=BLUE)
    frames = [(0.5 * k, [other] if k in missing else [Thing("a", 0.1 + 0.03 * k, 0.3), other]) for k in range(12)]
    assert set(followed(frames)["a"]) == {"a@0.000"}


def test_a_track_survives_a_frame_with_no_region_at_all() -> None:
    frames = [(0.5 * k, [] if k == 3 else [Thing("a", 0.1 + 0.03 * k, 0.3)]) for k in range(6)]
    assert set(followed(frames)["a"]) == {"a@0.000"}


def test_what_never_moves_keeps_its_track_over_a_minute_between_keyframes() -> None:
    tracks = followed([(t, [Thing("car", 0.3, 0.6, w=0.2)]) for t in (0.0, 0.5, 60.0, 120.0, 120.5)])
    assert set(tracks["car"]) == {"car@0.000"}


def test_a_track_ends_when_it_sleeps_too_long_in_time_and_in_keyframes() -> None:
    config = TrackConfig(sleep_s=3.0, sleep_keyframes=4)
    there, gone = [Thing("a", 0.3, 0.6)], [Thing("b", 0.8, 0.6, look=BLUE)]

    def again(step_s: float, absent: int) -> bool:
        seen = [(step_s * k, there if k < 3 or k == 3 + absent else gone) for k in range(4 + absent)]
        return len(set(followed(seen, config)["a"])) == 1

    assert again(0.1, 10)  # eleven keyframes, but one second
    assert again(10.0, 4)  # fifty seconds, but four keyframes
    assert not again(2.0, 5)


def test_no_track_continues_over_a_cut() -> None:
    tracker = Tracker(TrackConfig())
    before = followed([(0.0, [Thing("a", 0.5, 0.5)]), (0.5, [Thing("a", 0.5, 0.5)])], tracker=tracker)
    assert tracker.live == 1
    tracker.cut()
    assert tracker.live == 0
    after = followed([(1.0, [Thing("a", 0.5, 0.5)]), (1.5, [Thing("a", 0.5, 0.5)])], tracker=tracker)
    assert (before["a"], after["a"]) == (["a@0.000"] * 2, ["a@1.000"] * 2)


def test_boxes_around_one_thing_keep_tracks_of_their_own() -> None:
    """A person found twice, and its head alone; all look alike and jitter."""
    jitter = np.random.default_rng(0).normal(0, 0.003, (20, 3, 2))
    frames = []
    for k in range(20):
        x = 0.1 + 0.03 * k
        parts = [
            Thing("whole", x, 0.5, w=0.08, h=0.3, score=0.8),
            Thing("loose", x + 0.012, 0.52, w=0.11, h=0.33, score=0.6),
            Thing("head", x, 0.38, w=0.05, h=0.07, score=0.3),
        ]
        moved = [replace(p, x=p.x + dx, y=p.y + dy) for p, (dx, dy) in zip(parts, jitter[k], strict=True)]
        frames.append((0.5 * k, moved))
    assert [set(t) for t in followed(frames).values()] == [{"whole@0.000"}, {"loose@0.000"}, {"head@0.000"}]


def test_windows_that_lie_still_are_not_tracked() -> None:
    still = [Thing(p, 0.5, 0.5, w=0.5, h=0.5, proposer=p) for p in ("grid-2", "grid-4", "cover-8", "frame")]
    tracks = followed([(0.5 * k, [*still, Thing("a", 0.5, 0.5, proposer="sam2")]) for k in range(3)])
    assert tracks.pop("a") == ["a@0.000"] * 3
    assert set().union(*tracks.values()) == {None}


def test_a_rule_says_from_which_score_regions_begin_a_track_but_lower_scores_continue_one() -> None:
    config = TrackConfig(rules=(ProposerRule("moving", begin_score=0.4),))
    scores = (0.3, 0.5, 0.3, 0.2)
    tracks = followed([(0.5 * k, [Thing("a", 0.5, 0.5, score=s)]) for k, s in enumerate(scores)], config)
    assert tracks["a"] == [None, "a@0.500", "a@0.500", "a@0.500"]
    assert config.rule_of("grid-4").tracked  # the given rules take the place of the default ones


def test_labels_distinguish_things_and_an_unknown_label_favours_none() -> None:
    def continued_by(nearer: str | None, farther: str | None) -> str:
        cat = Thing("cat", 0.5, 0.5, label="cat")
        both = [Thing("nearer", 0.503, 0.5, label=nearer), Thing("farther", 0.512, 0.5, label=farther)]
        tracks = followed([(0.0, [cat]), (0.5, [cat]), (1.0, both)])
        (found,) = (name for name in ("nearer", "farther") if tracks[name] == ["cat@0.000"])
        return found

    assert continued_by("cat", "cat") == continued_by(None, "cat") == continued_by("dog", "dog") == "nearer"
    assert continued_by("dog", "cat") == continued_by("dog", None) == "farther"


def test_a_link_of_a_motion_model_outweighs_looks_and_place() -> None:
    tracker = Tracker(TrackConfig())
    tracker(frame(0.0, [Thing("a", 0.1, 0.5), Thing("b", 0.9, 0.5, look=BLUE)]))
    swapped = frame(0.5, [Thing("a", 0.9, 0.5, look=BLUE), Thing("b", 0.1, 0.5)])
    links = [Link("a@0.000", "a@0.500", 1.0), Link("b@0.000", "b@0.500", 1.0), Link("unknown", "a@0.500", 1.0)]
    assert tracker(swapped, links=links) == ["a@0.000", "b@0.000"]
    with pytest.raises(InvalidValueError, match=r"score must lie in \[0, 1\]"):
        Link("a", "b", 1.5)


def test_frames_out_of_order_are_refused() -> None:
    tracker = Tracker(TrackConfig())
    tracker(frame(1.0, [Thing("a", 0.5, 0.5)]))
    with pytest.raises(InvalidValueError, match="in order of time"):
        tracker(frame(1.0, [Thing("a", 0.5, 0.5)]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ("a", "a")}, "ids must differ"),
        ({"ids": ("a",)}, "ids, boxes, .* of one length, got 1, 2"),
        ({"pts_s": float("nan")}, "pts_s"),
        ({"vectors": np.zeros(2, np.float32)}, r"\(N, D\)"),
    ],
)
def test_frames_that_contradict_themselves_are_refused(changes: dict[str, object], message: str) -> None:
    good = frame(0.0, [Thing("a", 0.1, 0.5), Thing("b", 0.9, 0.5)])
    with pytest.raises(InvalidValueError, match=message):
        replace(good, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"iou": -0.1},
        {"iou": 0.0, "appearance": 0.0, "distance": 0.0, "shape": 0.0},
        {"link": -1.0},
        {"most_cost": 0.0},
        {"gate_shape": 1.0},
        {"gate_cosine": 2.0},
        {"memory": 1.0},
        {"size_gain": 0.0},
        {"fade_s": 0.0},
        {"sleep_keyframes": -1},
        {"rules": (ProposerRule("grid"), ProposerRule("grid"))},
    ],
)
def test_settings_without_a_meaning_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError):
        TrackConfig(**changes)


@st.composite
def videos(draw: st.DrawFn) -> list[tuple[float, list[Thing]]]:
    """Up to eight frames of up to eight regions on a coarse raster, so that ties and twins are common."""
    frames, pts_s = [], 0.0
    for _ in range(draw(st.integers(1, 8))):
        pts_s += draw(st.sampled_from([0.04, 0.5, 2.0, 30.0]))
        things = []
        for i in range(draw(st.integers(0, 8))):
            side = st.sampled_from([0.0, 0.1, 0.2])
            look = draw(st.sampled_from([RED, BLUE, GREEN, PURPLE]))
            place = st.sampled_from([0.2, 0.3, 0.4, 0.5, 0.6])
            name = draw(st.sampled_from(["moving", "selective", "grid-2"]))
            label = draw(st.sampled_from([None, None, "cat", "dog"]))
            score = draw(st.sampled_from([0.2, 0.9]))
            box = (draw(place), draw(place), draw(side), draw(side))
            things.append(Thing(f"{draw(st.integers(0, 99)):02}-{i}", *box, look, score, name, label))
        frames.append((pts_s, things))
    return frames


def laid_out(video: list[tuple[float, list[Thing]]], config: TrackConfig | None = None) -> list[dict[str, str | None]]:
    """Region id → track, a frame each."""
    tracker = Tracker(config or TrackConfig())
    found = []
    for pts_s, things in video:
        given = frame(pts_s, things)
        found.append(dict(zip(given.ids, tracker(given), strict=True)))
    return found


@settings(deadline=None)
@given(videos(), st.randoms(use_true_random=False))
def test_tracks_do_not_depend_on_the_order_of_regions_in_a_frame(
    video: list[tuple[float, list[Thing]]], random_: random.Random
) -> None:
    shuffled = [(pts_s, random_.sample(things, len(things))) for pts_s, things in video]
    assert laid_out(shuffled) == laid_out(video)


@settings(deadline=None)
@given(videos())
def test_a_track_has_one_region_a_frame_and_begins_with_its_own(video: list[tuple[float, list[Thing]]]) -> None:
    begun: set[str] = set()
    for (_, things), found in zip(video, laid_out(video), strict=True):
        tracks = [track for track in found.values() if track is not None]
        assert len(set(tracks)) == len(tracks)
        for (region, track), thing in zip(found.items(), things, strict=True):
            assert (track is None) == (thing.proposer == "grid-2")
            assert track is None or track == region or track in begun
        begun |= {track for track in tracks if track in found}


@settings(deadline=None)
@given(videos(), st.integers(0, 8))
def test_a_pickled_tracker_continues_with_the_same_tracks(video: list[tuple[float, list[Thing]]], stop: int) -> None:
    tracker = Tracker(TrackConfig())
    found = [tracker(frame(*given)) for given in video[:stop]]
    tracker = pickle.loads(pickle.dumps(tracker))
    found += [tracker(frame(*given)) for given in video[stop:]]
    assert found == [list(tracks.values()) for tracks in laid_out(video)]


def test_memory_is_bounded_by_the_regions_of_the_frames_within_which_tracks_sleep() -> None:
    """Noise: 40 regions a frame that never come again, for 300 frames."""
    draw = np.random.default_rng(0)
    tracker, most = Tracker(TrackConfig(sleep_s=0.4, sleep_keyframes=4)), 0
    for k in range(300):
        looks = normalise(draw.normal(size=(40, 8)).astype(np.float32))
        places = draw.uniform(0.1, 0.9, (40, 2))
        things = [Thing(str(i), x, y, look=tuple(v)) for i, ((x, y), v) in enumerate(zip(places, looks, strict=True))]
        tracker(frame(0.1 * k, things))
        most = max(most, tracker.live)
    assert most <= 40 * 5
