"""Follows regions from keyframe to keyframe: regions that are most likely the same thing get the same track."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.tracking.association import CostArray, cheapest_pairs, geometry
from operators.tracking.config import ProposerRule, TrackConfig
from operators.tracking.links import Link
from operators.tracking.live import LiveTracks, Seen
from operators.tracking.motion import predicted, state_of
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

__all__ = ["Link", "ProposerRule", "TrackConfig", "TrackFrame", "Tracker"]

_FEWEST_PAIRS = 10  # pairs of vectors needed to estimate how far apart different things are


@dataclass(frozen=True, slots=True, eq=False)
class TrackFrame:
    """The N regions of one keyframe.

    pts_s: time of the keyframe in the source, in seconds.
    ids: distinct ids of the regions. vectors: float16 or float32 (N, D), L2-normalised.
    score: float32 (N,), in [0, 1]. proposer: N names. label: N names, None for a region without a label.
    """

    pts_s: float
    ids: tuple[str, ...]
    boxes: Boxes
    vectors: NDArray[np.float16] | VectorArray
    score: NDArray[np.float32]
    proposer: tuple[str, ...]
    label: tuple[str | None, ...]

    def __post_init__(self) -> None:
        require.same_length(
            ids=self.ids,
            boxes=self.boxes,
            vectors=self.vectors,
            score=self.score,
            proposer=self.proposer,
            label=self.label,
        )
        require.distinct(ids=self.ids)
        require.within("(-inf, inf)", pts_s=self.pts_s)
        if self.vectors.ndim != 2:
            raise InvalidValueError(f"vectors must be (N, D), got {self.vectors.shape}")

    def __repr__(self) -> str:
        return f"TrackFrame(pts_s={self.pts_s:g}, n={len(self.ids)})"


class Tracker:
    """Assigns tracks to the regions of the keyframes of one source, which must come in order of time.

    The id of a track is that of its first region. A region has at most one track, and a track has at most one region
    per frame. Regions that show one thing several times (a person found by two proposers, and the head alone) have
    separate tracks. Their sizes and places keep the tracks apart, because all regions of a frame are assigned together.

    Tracks depend only on the frames given, not on how a source was divided into segments, nor on the order of the
    regions in a frame. Memory holds the tracks that may continue: at most as many as there are regions in the frames
    of the time for which a track sleeps.
    """

    def __init__(self, config: TrackConfig) -> None:
        self._config = config
        self._weights = np.array([config.iou, config.appearance, config.distance, config.shape], np.float64)
        self._weights /= self._weights.sum()
        self._last_s = -math.inf
        self._spread = 0.5  # typical 1 − cosine of two things in one frame, until a frame gives an estimate
        self._tracks = LiveTracks.none()

    @property
    def live(self) -> int:
        """Number of tracks that may still continue."""
        return len(self._tracks.ids)

    def cut(self) -> None:
        """Announces that the next frame is of another shot: all tracks end."""
        self._tracks = LiveTracks.none()

    def __call__(self, frame: TrackFrame, *, links: Sequence[Link] = ()) -> list[str | None]:
        """The track of each region, in the order of the frame's regions; None for regions that are not tracked.

        links: links from regions of earlier frames to regions of this one. Links of other regions are ignored.
        Raises InvalidValueError for a frame that is not later than the previous one.
        """
        if frame.pts_s <= self._last_s:
            raise InvalidValueError(
                f"frames must come in order of time, got {frame.pts_s} s after {self._last_s} s; "
                "a new source needs a new Tracker"
            )
        self._last_s = frame.pts_s
        rules = {name: self._config.rule_of(name) for name in set(frame.proposer)}
        # sorted by id: sums of floats and ties must not depend on the order of the regions
        index = sorted((i for i, name in enumerate(frame.proposer) if rules[name].tracked), key=lambda i: frame.ids[i])
        seen = _seen(frame, index)
        spread = _spread(seen)
        self._spread = self._spread if spread is None else spread
        pairs = cheapest_pairs(self._cost(seen, frame.pts_s, links), most=self._config.most_cost)
        found: list[str | None] = [None] * len(frame.ids)
        for track, region in pairs:
            found[index[region]] = self._tracks.ids[track]
        assigned = {region for _, region in pairs}
        begun = [
            place
            for place, i in enumerate(index)
            if place not in assigned and frame.score[i] >= rules[frame.proposer[i]].begin_score
        ]
        for place in begun:
            found[index[place]] = seen.ids[place]
        self._tracks = self._tracks.advanced(pairs, begun, seen, now_s=frame.pts_s, config=self._config)
        return found

    def _cost(self, seen: "Seen", now_s: float, links: Sequence[Link]) -> CostArray:
        """float64 (tracks, regions): the cost of each pair; inf for pairs outside a gate."""
        config, tracks = self._config, self._tracks
        if not tracks.ids or not seen.ids:
            return np.zeros((len(tracks.ids), len(seen.ids)))
        elapsed_s = now_s - tracks.seen_s
        place = geometry(predicted(tracks.state, tracks.velocity, elapsed_s, fade_s=config.fade_s), seen.state)
        cosine = (tracks.vectors @ seen.vectors.T).astype(np.float64)
        reach = np.minimum(config.gate_sides + config.gate_sides_per_s * elapsed_s, config.most_gate_sides)[:, None]
        gate_shape = math.log(config.gate_shape)
        parts = [
            1 - place.iou,
            np.clip((1 - cosine) / self._spread, 0, 1),
            np.minimum(place.distance / reach, 1),
            np.minimum(place.shape / gate_shape, 1),
        ]
        cost: CostArray = sum(weight * part for weight, part in zip(self._weights, parts, strict=True))
        same = tracks.proposer[:, None] == seen.proposer[None]
        cost += np.where(
            same, config.other_score * np.abs(tracks.score[:, None] - seen.score[None]), config.other_proposer
        )
        known = (tracks.label[:, None] != "") & (seen.label[None] != "")
        cost += config.other_label * (known & (tracks.label[:, None] != seen.label[None]))
        cost += config.asleep * np.minimum(tracks.missed, 3)[:, None]
        cost += config.young * (1 - np.minimum(tracks.regions - 1, 4) / 4)[:, None]
        shut = (place.distance > reach) | (place.shape > gate_shape) | (cosine < config.gate_cosine)
        linked = self._links(seen, links)
        cost[shut & (linked == 0)] = np.inf
        return cost - config.link * linked

    def _links(self, seen: "Seen", links: Sequence[Link]) -> CostArray:
        """float64 (tracks, regions): the best score of the links between each pair; 0 without a link."""
        rows = {name: i for i, name in enumerate(self._tracks.last)}
        columns = {name: i for i, name in enumerate(seen.ids)}
        score = np.zeros((len(rows), len(columns)))
        for link in links:
            if link.start in rows and link.stop in columns:
                at = rows[link.start], columns[link.stop]
                score[at] = max(score[at], link.score)
        return score


def _spread(seen: Seen) -> float | None:
    """The median of 1 − cosine over the regions of one frame that do not overlap; None if there are too few of them.

    The cosine of different things is near 0 in one model and near 0.7 in another, so the weight of 1 − cosine
    alone would depend on the model.
    """
    if len(seen.ids) < 2:
        return None
    apart = (geometry(seen.state, seen.state).iou == 0) & np.tri(len(seen.ids), k=-1, dtype=np.bool_)
    if apart.sum() < _FEWEST_PAIRS:
        return None
    return max(float(np.median(1 - (seen.vectors @ seen.vectors.T)[apart])), 1e-3)


def _seen(frame: TrackFrame, index: list[int]) -> Seen:
    return Seen(
        [frame.ids[i] for i in index],
        state_of(frame.boxes.xyxy[index]),
        frame.vectors[index].astype(np.float32),
        np.array([frame.proposer[i] for i in index], np.str_),
        np.array([frame.label[i] or "" for i in index], np.str_),
        frame.score[index].astype(np.float64),
    )
