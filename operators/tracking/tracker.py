"""Follows regions from keyframe to keyframe: the same track for what is most likely the same thing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.tracking.association import CostArray, cheapest_pairs, geometry
from operators.tracking.motion import StateArray, corrected_velocity, predicted, state_of
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, PlanError
from schemas.regions import WHOLE_FRAME
from schemas.vectors import VectorArray, normalise

_FEWEST_PAIRS = 10  # of vectors, to tell how far apart those of different things lie


@dataclass(frozen=True, slots=True)
class ProposerRule:
    """How regions of one kind of proposer are tracked.

    kind: its name up to a number, so that "grid" means "grid-2" and "grid-4".
    tracked: false for windows that lie at the same place whatever is there.
    begin_score: a region that scores less begins no track, though it may go on with one.
    """

    kind: str
    tracked: bool = True
    begin_score: float = 0.0

    def __post_init__(self) -> None:
        if not self.kind:
            raise PlanError("a rule needs the kind of a proposer, e.g. 'moving', got ''")


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """When a region goes on with a track.

    A pair of a track and a region costs the weighted mean of four differences, each in [0, 1]: iou (1 − IoU of the
    predicted and the seen box), appearance (1 − cosine, as a share of how far apart things of the same frame are),
    distance (of the centres, as a share of its gate) and shape (of the sizes, as a share of its gate); further for
    another proposer or label, and for every keyframe that the track was not seen. The one-to-one choice of pairs with
    the least sum goes on.

    iou, appearance, distance, shape: the weights of the mean.
    other_proposer, other_label: added where both name one and not the same.
    asleep: added for every keyframe without the track, but never more than three times.
    link: taken away for a pair that a model of motion links with full score; gates do not hold for it.
    most_cost: a pair that costs this or more is none.
    gate_sides, gate_sides_per_s, most_gate_sides: how far a centre may lie from where it is predicted, in sides of the
        region (square root of its area): so much at once, so much more each second, never more than the last.
    gate_shape: how many times wider or higher it may be.
    gate_cosine: least cosine to the track's vector.
    memory: share of a track's vector that a new region leaves as it was.
    fade_s: a predicted speed falls to 1/e within this time.
    settle_s: of what a box moved within this time, 63 % are taken for motion, the rest for jitter.
    sleep_s, sleep_keyframes: a track ends once it was not seen for longer than both. Both, for keyframes come several
        times a second or, where nothing happens, once in a minute.
    new_sleep_keyframes: the same for a track of a single region, whatever the time.
    rules: of proposers; those without a rule are tracked from any score.
    """

    iou: float = 0.5
    appearance: float = 0.25
    distance: float = 0.15
    shape: float = 0.1
    other_proposer: float = 0.05
    other_label: float = 0.2
    asleep: float = 0.02
    link: float = 0.5
    most_cost: float = 0.6
    gate_sides: float = 0.5
    gate_sides_per_s: float = 1.5
    most_gate_sides: float = 3.0
    gate_shape: float = 2.0
    gate_cosine: float = 0.0
    memory: float = 0.7
    fade_s: float = 3.0
    settle_s: float = 0.5
    sleep_s: float = 3.0
    sleep_keyframes: int = 3
    new_sleep_keyframes: int = 1
    rules: tuple[ProposerRule, ...] = (
        ProposerRule("grid", tracked=False),
        ProposerRule("cover", tracked=False),
        ProposerRule(WHOLE_FRAME, tracked=False),
    )

    def __post_init__(self) -> None:
        weights = (self.iou, self.appearance, self.distance, self.shape)
        if min(weights) < 0 or not sum(weights) > 0:
            raise PlanError(f"iou, appearance, distance and shape must be >= 0, one above, got {weights}")
        extras = (self.other_proposer, self.other_label, self.asleep, self.link)
        if min(extras) < 0:
            raise PlanError(f"other_proposer, other_label, asleep and link must not be negative, got {extras}")
        if not 0 < self.most_cost <= 1:
            raise PlanError(f"most_cost must lie in (0, 1], got {self.most_cost}")
        if min(self.gate_sides, self.gate_sides_per_s) < 0 or not self.most_gate_sides > 0 or not self.gate_shape > 1:
            raise PlanError(f"gates of distance must be positive, and gate_shape above 1, got {self}")
        if not -1 <= self.gate_cosine <= 1 or not 0 <= self.memory < 1:
            raise PlanError(f"gate_cosine must lie in [-1, 1] and memory in [0, 1), got {self}")
        if min(self.fade_s, self.settle_s) <= 0:
            raise PlanError(f"fade_s and settle_s must be positive, got {self.fade_s} and {self.settle_s}")
        if min(self.sleep_s, self.sleep_keyframes, self.new_sleep_keyframes) < 0:
            raise PlanError(f"sleep_s, sleep_keyframes and new_sleep_keyframes must not be negative, got {self}")
        kinds = [rule.kind for rule in self.rules]
        if len(set(kinds)) != len(kinds):
            raise PlanError(f"each kind of proposer has one rule at most, got rules of {', '.join(kinds)}")

    def rule_of(self, proposer: str) -> ProposerRule:
        """The rule of the proposer's kind; one that tracks from any score where there is none."""
        kind, _, number = proposer.rpartition("-")
        name = kind if number.isdigit() else proposer
        return next((rule for rule in self.rules if rule.kind == name), ProposerRule(name))


@dataclass(frozen=True, slots=True, eq=False)
class TrackFrame:
    """The N regions of one keyframe.

    pts_s: its time in the source, in seconds.
    ids: of the regions, all different. vectors: float16 or float32 (N, D), L2-normalised.
    score: float32 (N,), in [0, 1]. proposer: N names. label: N names, None where there is none.
    """

    pts_s: float
    ids: tuple[str, ...]
    boxes: Boxes
    vectors: NDArray[np.float16] | VectorArray
    score: NDArray[np.float32]
    proposer: tuple[str, ...]
    label: tuple[str | None, ...]

    def __post_init__(self) -> None:
        n = len(self.ids)
        lengths = [len(getattr(self, name)) for name in ("boxes", "vectors", "score", "proposer", "label")]
        if set(lengths) != {n}:
            raise InvalidValueError(f"a frame of {n} ids has boxes, vectors, score, proposer, label of {lengths}")
        if len(set(self.ids)) != n:
            raise InvalidValueError(f"ids of regions must differ within a frame, got {n - len(set(self.ids))} twice")
        if not math.isfinite(self.pts_s):
            raise InvalidValueError(f"pts_s must be a number of seconds, got {self.pts_s}")
        if self.vectors.ndim != 2:
            raise InvalidValueError(f"vectors must be (N, D), got {self.vectors.shape}")

    def __repr__(self) -> str:
        return f"TrackFrame(pts_s={self.pts_s:g}, n={len(self.ids)})"


@dataclass(frozen=True, slots=True)
class Link:
    """A region of an earlier frame that a model of motion found again as a region of this one.

    start, stop: their ids. score: in [0, 1], e.g. IoU of the propagated mask and the region's.
    """

    start: str
    stop: str
    score: float

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise InvalidValueError(f"a link's score must lie in [0, 1], got {self.score}")


class Tracker:
    """The keyframes of one source in, in order of time; the track of each region out.

    A track is named by the id of the region with which it begins. A region has one track at most, a track one region a
    frame at most. Regions that show one thing several times (a person found by two proposers, and the head alone) have
    a track each, side by side: sizes and places keep these apart, for all of a frame are assigned at once.

    Tracks depend on the frames given and nothing else: not on how a source was cut into segments, nor on the order of
    regions in a frame. Memory: the tracks that may go on, at most the regions of the frames within which they sleep.
    """

    def __init__(self, config: TrackConfig) -> None:
        self._config = config
        self._weights = np.array([config.iou, config.appearance, config.distance, config.shape], np.float64)
        self._weights /= self._weights.sum()
        self._last_s = -math.inf
        self._spread = 0.5  # usual 1 − cosine of two things in one frame, until a frame tells
        self._tracks = _Tracks.none()

    @property
    def live(self) -> int:
        """How many tracks may still go on."""
        return len(self._tracks.ids)

    def cut(self) -> None:
        """The next frame is of another shot: no track goes on in it."""
        self._tracks = _Tracks.none()

    def __call__(self, frame: TrackFrame, *, links: Sequence[Link] = ()) -> list[str | None]:
        """The track of each region in the order of the frame's; None for those that are not tracked.

        links: from regions of earlier frames to regions of this one; those that name others are passed over.
        Raises InvalidValueError for a frame that is not later than the one before.
        """
        if frame.pts_s <= self._last_s:
            raise InvalidValueError(
                f"frames must come in order of time, got {frame.pts_s} s after {self._last_s} s; "
                "a new source needs a new Tracker"
            )
        self._last_s = frame.pts_s
        rules = {name: self._config.rule_of(name) for name in set(frame.proposer)}
        # by id: sums of floats and ties must not depend on the order in which regions come
        index = sorted((i for i, name in enumerate(frame.proposer) if rules[name].tracked), key=lambda i: frame.ids[i])
        seen = _Seen.of(frame, index)
        spread = _spread(seen)
        self._spread = self._spread if spread is None else spread
        pairs = cheapest_pairs(self._cost(seen, frame.pts_s, links), most=self._config.most_cost)
        found: list[str | None] = [None] * len(frame.ids)
        for track, region in pairs:
            found[index[region]] = self._tracks.ids[track]
        taken = {region for _, region in pairs}
        begun = [
            place
            for place, i in enumerate(index)
            if place not in taken and frame.score[i] >= rules[frame.proposer[i]].begin_score
        ]
        for place in begun:
            found[index[place]] = seen.ids[place]
        self._tracks = self._tracks.gone_on(pairs, begun, seen, now_s=frame.pts_s, config=self._config)
        return found

    def _cost(self, seen: "_Seen", now_s: float, links: Sequence[Link]) -> CostArray:
        """float64 (tracks, regions); inf where a gate is shut."""
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
        cost += config.other_proposer * (tracks.proposer[:, None] != seen.proposer[None])
        known = (tracks.label[:, None] != "") & (seen.label[None] != "")
        cost += config.other_label * (known & (tracks.label[:, None] != seen.label[None]))
        cost += config.asleep * np.minimum(tracks.missed, 3)[:, None]
        shut = (place.distance > reach) | (place.shape > gate_shape) | (cosine < config.gate_cosine)
        linked = self._links(seen, links)
        cost[shut & (linked == 0)] = np.inf
        return cost - config.link * linked

    def _links(self, seen: "_Seen", links: Sequence[Link]) -> CostArray:
        """float64 (tracks, regions): the best score of a link between each, 0 without one."""
        rows = {name: i for i, name in enumerate(self._tracks.last)}
        columns = {name: i for i, name in enumerate(seen.ids)}
        score = np.zeros((len(rows), len(columns)))
        for link in links:
            if link.start in rows and link.stop in columns:
                at = rows[link.start], columns[link.stop]
                score[at] = max(score[at], link.score)
        return score


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The N tracked regions of a frame, by id. label: "" where there is none."""

    ids: list[str]
    state: StateArray
    vectors: VectorArray
    proposer: NDArray[np.str_]
    label: NDArray[np.str_]

    @classmethod
    def of(cls, frame: TrackFrame, index: list[int]) -> "_Seen":
        return cls(
            [frame.ids[i] for i in index],
            state_of(frame.boxes.xyxy[index]),
            frame.vectors[index].astype(np.float32),
            np.array([frame.proposer[i] for i in index], np.str_),
            np.array([frame.label[i] or "" for i in index], np.str_),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Tracks:
    """The T tracks that may go on.

    last: id of the last region of each. seen_s: its time. missed: keyframes since. regions: how many it has.
    """

    ids: list[str]
    last: list[str]
    state: StateArray
    velocity: StateArray
    vectors: VectorArray
    proposer: NDArray[np.str_]
    label: NDArray[np.str_]
    seen_s: NDArray[np.float64]
    missed: NDArray[np.int64]
    regions: NDArray[np.int64]

    @classmethod
    def none(cls) -> "_Tracks":
        nothing, names = np.zeros((0, 4)), np.zeros(0, np.str_)
        count = np.zeros(0, np.int64)
        return cls([], [], nothing, nothing, np.zeros((0, 0), np.float32), names, names, np.zeros(0), count, count)

    def gone_on(
        self, pairs: list[tuple[int, int]], begun: list[int], seen: _Seen, *, now_s: float, config: TrackConfig
    ) -> "_Tracks":
        """The tracks after a frame: those with a region in it, those that sleep, and those that begin with it."""
        old, new = (np.array([pair[k] for pair in pairs], np.intp) for k in (0, 1))
        missed = self.missed + 1
        missed[old] = 0
        few = np.where(self.regions > 1, missed <= config.sleep_keyframes, missed <= config.new_sleep_keyframes)
        soon = (now_s - self.seen_s <= config.sleep_s) & (self.regions > 1)
        asleep = np.flatnonzero((missed > 0) & (few | soon))
        elapsed_s = now_s - self.seen_s[old]
        moved = seen.state[new] - self.state[old]
        velocity = corrected_velocity(self.velocity[old], moved, elapsed_s, settle_s=config.settle_s)
        if len(old):
            vectors = normalise(config.memory * self.vectors[old] + (1 - config.memory) * seen.vectors[new])
        else:
            vectors = seen.vectors[new]
        label = np.where(seen.label[new] != "", seen.label[new], self.label[old])
        parts = (
            _Tracks(
                [self.ids[i] for i in old],
                [seen.ids[i] for i in new],
                seen.state[new],
                velocity,
                vectors.astype(np.float32),
                seen.proposer[new],
                label,
                np.full(len(old), now_s),
                missed[old],
                self.regions[old] + 1,
            ),
            _Tracks(
                [self.ids[i] for i in asleep],
                [self.last[i] for i in asleep],
                self.state[asleep],
                self.velocity[asleep],
                self.vectors[asleep],
                self.proposer[asleep],
                self.label[asleep],
                self.seen_s[asleep],
                missed[asleep],
                self.regions[asleep],
            ),
            _Tracks(
                [seen.ids[i] for i in begun],
                [seen.ids[i] for i in begun],
                seen.state[begun],
                np.zeros((len(begun), 4)),
                seen.vectors[begun],
                seen.proposer[begun],
                seen.label[begun],
                np.full(len(begun), now_s),
                np.zeros(len(begun), np.int64),
                np.ones(len(begun), np.int64),
            ),
        )
        return _together([part for part in parts if part.ids])


def _together(parts: list[_Tracks]) -> _Tracks:
    if not parts:
        return _Tracks.none()
    return _Tracks(
        [name for part in parts for name in part.ids],
        [name for part in parts for name in part.last],
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("state", "velocity", "vectors", "proposer", "label", "seen_s", "missed", "regions")
        ),
    )


def _spread(seen: _Seen) -> float | None:
    """The median 1 − cosine of regions of one frame that do not touch; None where too few tell.

    Cosines of unlike things lie near 0 in one model and near 0.7 in another, so that 1 − cosine alone weighs
    differently with each.
    """
    if len(seen.ids) < 2:
        return None
    apart = (geometry(seen.state, seen.state).iou == 0) & np.tri(len(seen.ids), k=-1, dtype=np.bool_)
    if apart.sum() < _FEWEST_PAIRS:
        return None
    return max(float(np.median(1 - (seen.vectors @ seen.vectors.T)[apart])), 1e-3)
