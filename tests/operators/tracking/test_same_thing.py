"""Doubles and continued tracks: catches a thing that is counted twice, and two things that are taken for one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.tracking.same_thing import SameThingConfig, Sightings, continued, doubles
from schemas.boxes import Boxes

CONFIG = SameThingConfig()
Row = tuple[int, float, tuple[float, float, float, float], float]  # track, time, box, score


def seen(rows: list[Row], *, vectors: dict[int, int] | None = None) -> Sightings:
    """vectors: number of a track → the axis of its vectors; by default all have the same."""
    rows = sorted(rows, key=lambda row: row[1])
    at_s = np.array([row[1] for row in rows])
    axis = [(vectors or {}).get(row[0], 0) for row in rows]
    return Sightings(
        track=np.array([row[0] for row in rows], np.intp),
        frame=np.unique(at_s, return_inverse=True)[1],
        at_s=at_s,
        boxes=Boxes(np.array([row[2] for row in rows], np.float32)),
        score=np.array([row[3] for row in rows]),
        vectors=np.eye(4, dtype=np.float32)[axis],
    )


def walk(
    track: int, *, start_s: float, stop_s: float, x: float = 0.1, speed: float = 0.02, score: float = 0.5
) -> list[Row]:
    """A box of 0.05 by 0.1 that is at `x` at second 0."""
    times = np.arange(start_s, stop_s, 0.5)
    return [(track, t, (x + speed * t, 0.4, x + speed * t + 0.05, 0.5), score) for t in times.tolist()]


def same(tracks: int) -> np.ndarray:
    return np.zeros(tracks, np.intp)


def test_the_weaker_of_two_boxes_around_one_thing_is_its_double() -> None:
    rows = walk(0, start_s=0, stop_s=5, score=0.4) + walk(1, start_s=0, stop_s=5, x=0.105, score=0.9)
    assert doubles(seen(rows), same(2), config=CONFIG).tolist() == [True, False]


def test_things_of_two_classes_in_one_place_are_no_doubles() -> None:
    rows = walk(0, start_s=0, stop_s=5) + walk(1, start_s=0, stop_s=5)
    assert doubles(seen(rows), np.array([0, 1]), config=CONFIG).tolist() == [False, False]


def test_things_that_meet_for_a_moment_are_two() -> None:
    rows = walk(0, start_s=0, stop_s=10, x=0.1, speed=0.05) + walk(1, start_s=0, stop_s=10, x=0.6, speed=-0.05)
    assert not doubles(seen(rows), same(2), config=CONFIG).any()


def test_a_double_covers_nothing() -> None:
    """1 lies on 0, and 2 on 1 alone: without 1, 2 is a thing."""
    shift = 0.02
    parts = [walk(i, start_s=0, stop_s=5, x=0.1 + shift * i, score=0.9 - 0.1 * i) for i in range(3)]
    rows = [row for part in parts for row in part]
    assert doubles(seen(rows), same(3), config=CONFIG).tolist() == [False, True, False]


def test_a_track_continues_one_that_ended_where_it_begins() -> None:
    rows = walk(0, start_s=0, stop_s=4) + walk(1, start_s=6, stop_s=9)
    assert continued(seen(rows), same(2), config=CONFIG).tolist() == [0, 0]


def test_three_parts_are_one_thing_under_its_first_number() -> None:
    rows = walk(2, start_s=0, stop_s=3) + walk(0, start_s=4, stop_s=6) + walk(1, start_s=8, stop_s=9)
    assert continued(seen(rows), same(3), config=CONFIG).tolist() == [2, 2, 2]


def test_a_track_continues_none_that_looks_different_is_far_away_or_ended_long_ago() -> None:
    rows = walk(0, start_s=0, stop_s=4) + walk(1, start_s=5, stop_s=9)
    looks = {0: 0, 1: 1}
    assert continued(seen(rows, vectors=looks), same(2), config=CONFIG).tolist() == [0, 1]
    far = walk(0, start_s=0, stop_s=4) + walk(1, start_s=5, stop_s=9, x=0.7)
    assert continued(seen(far), same(2), config=CONFIG).tolist() == [0, 1]
    late = walk(0, start_s=0, stop_s=4, speed=0) + walk(1, start_s=20, stop_s=22, speed=0)
    assert continued(seen(late), same(2), config=CONFIG).tolist() == [0, 1]


def test_two_that_are_seen_at_once_are_two() -> None:
    rows = walk(0, start_s=0, stop_s=5) + walk(1, start_s=4, stop_s=9)
    assert continued(seen(rows), same(2), config=CONFIG).tolist() == [0, 1]


def test_the_nearer_of_two_continues() -> None:
    rows = walk(0, start_s=0, stop_s=4) + walk(1, start_s=5, stop_s=9, x=0.13) + walk(2, start_s=5, stop_s=9, x=0.11)
    assert continued(seen(rows), same(3), config=CONFIG).tolist() == [0, 1, 0]


@given(st.data())
def test_numbers_of_tracks_change_nothing_but_the_names(data: st.DataObject) -> None:
    spans = data.draw(
        st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10), st.integers(0, 8)), min_size=1, max_size=6)
    )
    parts = [walk(i, start_s=a / 2, stop_s=(a + n) / 2, x=0.1 * x, speed=0.001) for i, (a, n, x) in enumerate(spans)]
    parts = [[(*row[:3], 0.5 + 0.01 * i) for row in part] for i, part in enumerate(parts)]  # no two are as strong
    order = data.draw(st.permutations(range(len(parts))))
    renamed = [[(order[track], *rest) for track, *rest in part] for part in parts]
    first = doubles(seen([row for part in parts for row in part]), same(len(parts)), config=CONFIG)
    second = doubles(seen([row for part in renamed for row in part]), same(len(parts)), config=CONFIG)  # type: ignore[misc]
    assert [bool(second[order[i]]) for i in range(len(parts))] == first.tolist()


def doubles_one_by_one(found: Sightings, group: np.ndarray) -> list[bool]:
    """The definition: a region counts once, however many regions of stronger tracks it lies on."""
    strength = np.bincount(found.track, found.score, minlength=len(group))
    iou = found.boxes.iou(found.boxes)
    kept: set[int] = set()
    for track in sorted(range(len(group)), key=lambda each: (-strength[each], each)):
        stronger = [row for row, of in enumerate(found.track) if of in kept and group[of] == group[track]]
        own = np.flatnonzero(found.track == track)
        covered = sum(
            any(found.frame[row] == found.frame[over] and iou[row, over] >= CONFIG.double_iou for over in stronger)
            for row in own
        )
        if covered < CONFIG.double_share * max(1, len(own)):
            kept.add(track)
    return [track not in kept for track in range(len(group))]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 6), st.integers(1, 3)), max_size=60),
    st.lists(st.integers(0, 1), min_size=6, max_size=6),
)
def test_a_track_is_a_double_by_how_many_of_its_regions_are_covered(
    rows: list[tuple[int, int, int, int]], groups: list[int]
) -> None:
    corners = [(0.05 * x, 0.4, 0.05 * x + 0.2, 0.6) for _, _, x, _ in rows]  # neighbours have an IoU of 0.6
    found = Sightings(
        track=np.array([track for track, *_ in rows], np.intp),
        frame=np.array([frame for _, frame, *_ in rows], np.intp),
        at_s=np.array([float(frame) for _, frame, *_ in rows]),
        boxes=Boxes(np.array(corners, np.float32).reshape(-1, 4)),
        score=np.array([score / 4 for *_, score in rows]),
        vectors=np.zeros((len(rows), 4), np.float32),
    )
    group = np.array(groups, np.intp)
    assert doubles(found, group, config=CONFIG).tolist() == doubles_one_by_one(found, group)


def test_no_tracks_are_no_things() -> None:
    empty = Sightings(same(0), same(0), np.zeros(0), Boxes.empty(), np.zeros(0), np.zeros((0, 4)))
    assert not len(doubles(empty, same(0), config=CONFIG))
    assert not len(continued(empty, same(0), config=CONFIG))
