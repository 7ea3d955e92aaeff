"""Catches pairs of frames in the wrong order, of two sources, too far apart, or one event found again and again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.search.sequences import followed


def brute_force(
    first: list[float], second: list[float], source: list[int], pts_s: list[float], within_s: float
) -> dict[int, tuple[float, float]]:
    """Row of a frame → mean distance and the distance of the best follower; several may share a follower."""
    found = {}
    for i, t in enumerate(pts_s):
        after = [second[j] for j, u in enumerate(pts_s) if source[j] == source[i] and t < u <= t + within_s]
        if after and np.isfinite(first[i]) and np.isfinite(min(after)):
            found[i] = (np.float32(first[i]) + np.float32(min(after))) / 2, min(after)
    return found


numbers = st.one_of(st.integers(0, 8).map(lambda n: n / 8), st.just(np.inf))
frames = st.lists(st.tuples(numbers, numbers, st.integers(0, 2), st.integers(0, 12).map(float)), max_size=25)


@given(frames, st.integers(1, 8))
def test_as_all_pairs_tried_one_by_one(rows: list[tuple[float, float, int, float]], within_s: int) -> None:
    rows = list({(row[2], row[3]): row for row in rows}.values())  # a source has one frame at a time
    first, second, source, pts_s = ([row[i] for row in rows] for i in range(4))
    distance, follower = followed(
        np.array(first, np.float32),
        np.array(second, np.float32),
        source=np.array(source, np.int64),
        pts_s=np.array(pts_s, np.float64),
        within_s=float(within_s),
    )
    expected = brute_force(first, second, source, pts_s, within_s)
    kept = np.flatnonzero(np.isfinite(distance))
    assert len(set(follower[kept].tolist())) == len(kept)  # an event once
    for row in kept.tolist():
        after = int(follower[row])
        assert source[after] == source[row]
        assert 0 < pts_s[after] - pts_s[row] <= within_s
        assert (distance[row], second[after]) == expected[row]
    if expected:  # the best pair of all is there
        assert distance.min() == min(d for d, _ in expected.values())
    else:
        assert not len(kept)
    assert (follower[~np.isfinite(distance)] == -1).all()


def test_an_event_is_found_by_the_frame_that_fits_best() -> None:
    first = np.array([0.5, 0.1, 0.3, 0.9], np.float32)
    second = np.array([1, 1, 1, 0.2], np.float32)
    source: NDArray[np.int64] = np.zeros(4, np.int64)
    distance, follower = followed(first, second, source=source, pts_s=np.arange(4.0), within_s=10)
    assert follower[1] == 3
    assert np.isinf(distance[[0, 3]]).all()
    assert follower.tolist().count(3) == 1
