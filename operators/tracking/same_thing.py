"""Decides which tracks show one and the same thing: a second box around it, or its later part after a gap.

Tracks are many more than things. A proposer puts several boxes around one thing, each of which becomes a track, and a
thing that is hidden for a moment begins a new one. Whoever counts tracks counts both. Here the weaker of two tracks
that lie on each other is its double, and a track that begins where and when another one ended continues it, as
tracklets are joined by motion and appearance (Huang, Wu and Nevatia, "Robust Object Tracking by Hierarchical
Association of Detection Responses", ECCV 2008, sections 3 and 4).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from schemas import require
from schemas.boxes import Boxes
from schemas.vectors import VectorArray

IndexArray = NDArray[np.intp]
_RECENT = 4  # last sightings by which a track's speed is estimated
_AHEAD_S = 2.0  # for so long a thing is expected to continue at its speed


@dataclass(frozen=True, slots=True)
class SameThingConfig:
    """double_iou: a region lies on another one of its frame if their IoU is at least this.
    double_share: a track is a double if at least this share of its regions lie on those of stronger tracks.
    most_gap_s: longest time between the end of a track and the beginning of the one that continues it.
    reach_per_s: how far from where it is expected a track may begin for each second of the gap, and for half a second
        more, in heights of the larger box.
    most_height_ratio: of the two boxes.
    most_cost: of a pair: half the distance, relative to that reach, half the difference of appearance (1 − cosine, of
        vectors from which the mean of all was subtracted), and `gap_cost` for each second of the gap.
    """

    double_iou: float = 0.4
    double_share: float = 0.5
    most_gap_s: float = 6.0
    reach_per_s: float = 0.8
    most_height_ratio: float = 2.0
    gap_cost: float = 0.02
    most_cost: float = 0.7

    def __post_init__(self) -> None:
        require.within("(0, 1]", double_iou=self.double_iou, double_share=self.double_share)
        require.at_least(0, most_gap_s=self.most_gap_s, reach_per_s=self.reach_per_s, gap_cost=self.gap_cost)
        require.at_least(1, most_height_ratio=self.most_height_ratio)
        require.above(0, most_cost=self.most_cost)


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """The N tracked regions of one source, in order of time.

    track: int (N,), number of each region's track, 0 to T − 1. frame: int (N,), number of its keyframe.
    at_s: float64 (N,). boxes: N. score: float (N,), of the proposer. vectors: float (N, D), L2-normalised.
    """

    track: IndexArray
    frame: IndexArray
    at_s: NDArray[np.float64]
    boxes: Boxes
    score: NDArray[np.floating]
    vectors: NDArray[np.floating]

    def __post_init__(self) -> None:
        names = ("track", "frame", "at_s", "boxes", "score", "vectors")
        require.same_length(**{name: getattr(self, name) for name in names})


def doubles(seen: Sightings, group: IndexArray, *, config: SameThingConfig) -> NDArray[np.bool_]:
    """bool (T,): the tracks that are doubles of stronger ones of their group; strength is the sum of scores.

    group: int (T,); tracks of two groups, such as classes, are never doubles of each other.
    """
    tracks = len(group)
    strength = np.bincount(seen.track, seen.score, minlength=tracks)
    length = np.bincount(seen.track, minlength=tracks)
    one, other = _pairs_on_each_other(seen, group[seen.track], config.double_iou)
    turn = np.argsort(seen.track[one], kind="stable")  # the pairs of each track together
    one, other = one[turn], seen.track[other[turn]]
    edges = np.searchsorted(seen.track[one], np.arange(tracks + 1))
    kept = np.zeros(tracks, np.bool_)
    for track in np.lexsort((np.arange(tracks), -strength)).tolist():
        here = slice(edges[track], edges[track + 1])
        covered = len(np.unique(one[here][kept[other[here]]]))
        kept[track] = covered < config.double_share * max(1, length[track])
    return ~kept


def continued(seen: Sightings, group: IndexArray, *, config: SameThingConfig) -> IndexArray:
    """int (T,): the number of the first track of the thing that each track shows; its own, where it continues none.

    Pairs are chosen by their cost, cheapest first; each track continues at most one other, and is continued by at most
    one. group: as in `doubles`; a track only continues one of its group, and none continues one of a negative group.
    """
    tracks = len(group)
    before = np.full(tracks, -1, np.intp)
    if not len(seen.track):
        return np.arange(tracks)
    rows = np.argsort(seen.track, kind="stable")
    edges = np.concatenate([[0], np.cumsum(np.bincount(seen.track, minlength=tracks))])
    of_track = [rows[a:b] for a, b in pairwise(edges.tolist())]
    known = np.array([track for track in range(tracks) if len(of_track[track]) and group[track] >= 0], np.intp)
    starts = np.array([seen.at_s[of_track[track][0]] for track in known])
    order = np.argsort(starts, kind="stable")
    known, starts = known[order], starts[order]
    appearance = _appearance(seen.vectors, of_track)
    found: list[tuple[float, int, int]] = []
    for track in known.tolist():
        last = seen.at_s[of_track[track][-1]]
        begin = np.searchsorted(starts, last, side="right")
        end = np.searchsorted(starts, last + config.most_gap_s, side="right")
        for later in known[begin:end].tolist():
            if group[later] == group[track]:
                cost = _cost(seen, of_track[track], of_track[later], config)
                cost += 0.5 * (1.0 - float(appearance[track] @ appearance[later]))
                if cost <= config.most_cost:
                    found.append((cost, track, later))
    taken = np.zeros(tracks, np.bool_)
    for _, track, later in sorted(found):
        if not taken[track] and before[later] < 0:
            before[later], taken[track] = track, True
    first = np.arange(tracks)
    for track in known.tolist():  # in order of their beginnings, so that what is continued has its number already
        if before[track] >= 0:
            first[track] = first[before[track]]
    return first


def _pairs_on_each_other(seen: Sightings, group: IndexArray, least_iou: float) -> tuple[IndexArray, IndexArray]:
    """Pairs of rows of one frame, one group and two tracks, in both orders, whose boxes have at least this IoU."""
    found: list[tuple[IndexArray, IndexArray]] = []
    order = np.argsort(seen.frame, kind="stable")
    edges = np.flatnonzero(np.diff(seen.frame[order])) + 1
    for rows in np.split(order, edges):
        on = seen.boxes[rows].iou(seen.boxes[rows]) >= least_iou
        on &= (group[rows][:, None] == group[rows]) & (seen.track[rows][:, None] != seen.track[rows])
        one, other = np.nonzero(on)
        found.append((rows[one], rows[other]))
    empty = np.zeros(0, np.intp)
    return (
        np.concatenate([empty, *(one for one, _ in found)]),
        np.concatenate([empty, *(other for _, other in found)]),
    )


def _appearance(vectors: NDArray[np.floating], of_track: list[IndexArray]) -> VectorArray:
    """float32 (T, D): the mean of each track's vectors minus that of all, of unit length, or 0."""
    means = np.zeros((len(of_track), vectors.shape[1]), np.float32)
    for track, rows in enumerate(of_track):
        if len(rows):
            means[track] = vectors[rows].mean(axis=0, dtype=np.float32)
    means -= vectors.mean(axis=0, dtype=np.float32)
    length = np.linalg.norm(means, axis=1, keepdims=True)
    unit: VectorArray = np.divide(means, length, out=np.zeros_like(means), where=length > 1e-6)
    return unit


def _cost(seen: Sightings, ended: IndexArray, begun: IndexArray, config: SameThingConfig) -> float:
    """The cost of a pair of tracks without that of their appearance; inf where one cannot continue the other."""
    recent = ended[-_RECENT:]
    # only these rows: a cast of every box of the source costs more than all that follows
    before, last, first = seen.boxes.xyxy[[recent[0], recent[-1], begun[0]]].astype(np.float64)
    heights = last[3] - last[1], first[3] - first[1]
    if min(heights) <= 0 or max(heights) > config.most_height_ratio * min(heights):
        return float("inf")
    gap_s = float(seen.at_s[begun[0]] - seen.at_s[ended[-1]])
    took_s = float(seen.at_s[recent[-1]] - seen.at_s[recent[0]])
    speed = (_centre(last) - _centre(before)) / took_s if took_s > 0 else np.zeros(2)
    expected = _centre(last) + speed * min(gap_s, _AHEAD_S)
    apart = min(np.linalg.norm(_centre(first) - expected), np.linalg.norm(_centre(first) - _centre(last)))
    reach = config.reach_per_s * (0.5 + gap_s) * max(heights)
    if apart > reach:
        return float("inf")
    return float(0.5 * apart / reach + config.gap_cost * gap_s)


def _centre(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
