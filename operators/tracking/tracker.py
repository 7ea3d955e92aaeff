"""From regions of keyframes to tracks: which of them show the same thing, keyframe after keyframe."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from schemas.boxes import Boxes, FloatArray
from schemas.errors import InvalidValueError, PlanError
from schemas.regions import WHOLE_FRAME
from schemas.vectors import VectorArray

_STATIC = ("grid-", "cover-", WHOLE_FRAME)  # windows that follow no thing
_LEAST_SIDE = 1e-4  # of the frame: a box without area has a size to divide by, too


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """How regions of two keyframes are told to be the same.

    appearance: share of what a region looks like in the score of a pair; the rest is where it is.
    reach: how far a region may be from where it is expected, in sides (the root of its area in the frame), and
        `reach_per_s` further for each second since it was seen.
    least_cosine: of two vectors; below it two regions look like different things. A cosine of 1 scores 1, this one 0.
    least_score: of a pair, in [0, 1].
    sleep_s: a track that was not seen for longer has ended.
    fade_s: how long a speed is believed: it fades by 1/e in this time.
    """

    appearance: float = 0.5
    reach: float = 0.5
    reach_per_s: float = 1.0
    least_cosine: float = 0.3
    least_score: float = 0.3
    sleep_s: float = 4.0
    fade_s: float = 2.0

    def __post_init__(self) -> None:
        for name in ("appearance", "least_score"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise PlanError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not -1.0 <= self.least_cosine < 1.0:
            raise PlanError(f"least_cosine must lie in [-1, 1), got {self.least_cosine}")
        if min(self.reach, self.reach_per_s) < 0 or min(self.sleep_s, self.fade_s) <= 0:
            raise PlanError(f"reach must not be negative, sleep_s and fade_s must be positive, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class TrackFrame:
    """The regions of one keyframe.

    ids: of the N regions. boxes, score, proposer, label: as in `Proposals`. vectors: float32 (N, D), L2-normalised.
    """

    pts_s: float
    ids: tuple[str, ...]
    boxes: Boxes
    vectors: VectorArray
    score: FloatArray
    proposer: tuple[str, ...]
    label: tuple[str | None, ...]

    def __post_init__(self) -> None:
        lengths = [len(v) for v in (self.ids, self.boxes, self.vectors, self.score, self.proposer, self.label)]
        if len(set(lengths)) != 1:
            raise InvalidValueError(f"all parts of a frame of regions must be of one length, got {lengths}")


@dataclass(slots=True, eq=False)
class _Track:
    """id: of its first region. box: float64 (4,), centre x, y, width, height, when it was last seen; speed: of the
    centre, a second."""

    id: str
    box: NDArray[np.float64]
    vector: VectorArray
    label: str | None
    seen_s: float
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))


class Tracker:
    """Keyframes of one source in PTS order; returns the track of each region, None for windows that follow no thing.

    A track is named by the id of the region with which it begins. A keyframe gives each track at most one region, and
    each region at most one track: the pairs of the highest total score, where a score is the mean of how much two
    regions look alike and how well one lies where the other is expected by now. Labels that differ make no pair.
    Overlapping regions of one thing (the person, and the person with a bicycle) are tracks of their own.

    What it remembers are the tracks seen in the last `sleep_s`; the result does not depend on the order of the regions
    of a keyframe.
    """

    def __init__(self, config: TrackConfig) -> None:
        self._config = config
        self._live: list[_Track] = []

    def cut(self) -> None:
        """Ends all tracks: what comes next is another shot."""
        self._live = []

    def __call__(self, frame: TrackFrame) -> list[str | None]:
        config = self._config
        self._live = [t for t in self._live if frame.pts_s - t.seen_s <= config.sleep_s]
        things = sorted(
            (i for i, name in enumerate(frame.proposer) if not name.startswith(_STATIC)), key=frame.ids.__getitem__
        )
        boxes = _centred(frame.boxes.xyxy[things])
        vectors = frame.vectors[things]
        labels = [frame.label[i] for i in things]
        found: list[str | None] = [None] * len(frame.ids)
        score = self._scores(frame.pts_s, boxes, vectors, labels)
        rows, columns = linear_sum_assignment(score, maximize=True)
        of_region = {int(c): self._live[r] for r, c in zip(rows, columns, strict=True) if score[r, c] > 0}
        for k, i in enumerate(things):
            track = of_region.get(k)
            if track is None:
                track = _Track(frame.ids[i], boxes[k], vectors[k], labels[k], frame.pts_s)
                self._live.append(track)
            else:
                self._move(track, frame.pts_s, boxes[k], vectors[k], labels[k])
            found[i] = track.id
        return found

    def _scores(
        self, now_s: float, boxes: NDArray[np.float64], vectors: VectorArray, labels: list[str | None]
    ) -> NDArray[np.float64]:
        """float64 (tracks, regions), 0 where a pair is out of the question."""
        config = self._config
        if not self._live or not len(boxes):
            return np.zeros((len(self._live), len(boxes)))
        elapsed_s = np.array([now_s - t.seen_s for t in self._live])
        expected = np.stack([t.box for t in self._live])
        speed = np.stack([t.speed for t in self._live])
        expected[:, :2] += speed * (config.fade_s * -np.expm1(-elapsed_s / config.fade_s))[:, None]
        near = _nearness(expected, boxes, reach=config.reach + config.reach_per_s * elapsed_s)
        cosine = np.stack([t.vector for t in self._live]).astype(np.float64) @ vectors.T.astype(np.float64)
        alike = np.clip((cosine - config.least_cosine) / (1.0 - config.least_cosine), 0.0, 1.0)
        score = config.appearance * alike + (1.0 - config.appearance) * near
        known = np.array([[t.label is None or name is None or t.label == name for name in labels] for t in self._live])
        score[(near <= 0) | (cosine < config.least_cosine) | ~known | (score < config.least_score)] = 0.0
        return np.asarray(score, np.float64)

    def _move(
        self, track: _Track, now_s: float, box: NDArray[np.float64], vector: VectorArray, label: str | None
    ) -> None:
        elapsed_s = now_s - track.seen_s
        if elapsed_s > 0:
            # half of what was seen just now: the edges of a region jitter, and a short time makes much of that
            track.speed = (track.speed + (box[:2] - track.box[:2]) / elapsed_s) / 2
        blend = track.vector + vector  # half of it new: one bad view (hidden, cut off) is not all that is remembered
        track.vector = blend / max(float(np.linalg.norm(blend)), 1e-9)
        track.box, track.seen_s = box, now_s
        track.label = track.label or label


def _centred(xyxy: FloatArray) -> NDArray[np.float64]:
    """float32 (N, 4) corners → float64 (N, 4) centre x, y, width, height."""
    x = np.asarray(xyxy, np.float64).reshape(-1, 4)
    return np.concatenate([(x[:, :2] + x[:, 2:]) / 2, np.maximum(x[:, 2:] - x[:, :2], _LEAST_SIDE)], axis=1)


def _nearness(a: NDArray[np.float64], b: NDArray[np.float64], *, reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 (N, M) in [0, 1]: 1 for equal boxes, 0 where one is out of reach of the other.

    Centres may be `reach` (N,) sides apart (of the square of a box's area: who walks upright moves by several widths a
    second), and sides may differ by a factor of two. Both fall off linearly, unlike the IoU of two boxes, which says
    nothing once a small one has moved by its own width.
    """
    side = (np.sqrt(a[:, 2] * a[:, 3])[:, None] + np.sqrt(b[:, 2] * b[:, 3])[None]) / 2
    away = np.linalg.norm(a[:, None, :2] - b[None, :, :2], axis=2) / side
    size = np.abs(np.log2(a[:, None, 2:] / b[None, :, 2:])).max(axis=2)
    close = np.clip(1.0 - away / np.maximum(reach[:, None], 1e-9), 0.0, 1.0)
    same: NDArray[np.float64] = close * np.clip(1.0 - size, 0.0, 1.0)
    return same
