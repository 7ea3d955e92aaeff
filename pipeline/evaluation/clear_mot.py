"""CLEAR MOT and identity measures of tracks against true tracks, counted frame by frame."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError

LEAST_IOU = 0.5


@dataclass(frozen=True, slots=True)
class TrackCounts:
    """What was counted over a sequence.

    frames, true_boxes, tracked_boxes: how many were looked at. matched: true boxes with a tracked box of their own.
    switches: times that a true identity is matched with another track than the last time it was matched.
    taken: of these, how often its former track is by then on another true identity; the others went from one box around
        it to another.
    fragmentations: times that a true identity is matched again after frames in which it was there but not matched.
    identities, tracks: different ones. id_matched: boxes that the best one-to-one naming of identities by tracks
        explains (IDTP).
    """

    frames: int
    true_boxes: int
    tracked_boxes: int
    matched: int
    switches: int
    taken: int
    fragmentations: int
    identities: int
    tracks: int
    id_matched: int

    @property
    def recall(self) -> float:
        return self.matched / self.true_boxes

    @property
    def id_recall(self) -> float:
        """IDR: share of the true boxes that carry the one track that stands for their identity."""
        return self.id_matched / self.true_boxes

    @property
    def idf1(self) -> float:
        """Harmonic mean of IDR and of the share of tracked boxes that do so."""
        return 2 * self.id_matched / (self.true_boxes + self.tracked_boxes)


class TrackCounter:
    """Frames of true and tracked boxes in, in order of time; counts out.

    In each frame a true box first keeps the track with which its identity was matched last, if that is there with
    IoU >= 0.5; the rest are matched one-to-one, as many as possible, with the greatest sum of IoU (Bernardin and
    Stiefelhagen 2008, section 2.1.2). Identity measures after Ristani et al. 2016, section 3, on the same threshold.
    """

    def __init__(self) -> None:
        self._frames = self._true = self._tracked = self._matched = self._switches = self._taken = (
            self._fragmentations
        ) = 0
        self._last: dict[int, str] = {}  # identity → the track it was matched with last
        self._lost: set[int] = set()  # identities matched before, but not when they were there last
        self._tracks: set[str] = set()
        self._identities: set[int] = set()
        self._together: Counter[tuple[int, str]] = Counter()

    def add(self, identities: Sequence[int], truth: Boxes, tracks: Sequence[str], tracked: Boxes) -> None:
        """One frame: each true box with its identity, each tracked box with its track.

        Raises InvalidValueError where an identity or a track stands twice.
        """
        for names, boxes in ((identities, truth), (tracks, tracked)):
            if len(set(names)) != len(names) or len(names) != len(boxes):
                raise InvalidValueError(f"each box needs a name of its own in the frame, got {names} for {len(boxes)}")
        iou = truth.iou(tracked)
        near = iou >= LEAST_IOU
        self._together.update((identities[i], tracks[j]) for i, j in np.argwhere(near))
        matched: dict[int, int] = {}
        for i, identity in enumerate(identities):
            last = self._last.get(identity)
            j = tracks.index(last) if last in tracks else None
            if j is not None and near[i, j] and j not in matched.values():
                matched[i] = j
        near[list(matched)] = False
        near[:, list(matched.values())] = False
        # a pair too far apart costs more than all that are near, so that as many as possible are matched
        rows, columns = linear_sum_assignment(np.where(near, 1 - iou, 2.0 * min(near.shape) + 1))
        matched |= {int(i): int(j) for i, j in zip(rows, columns, strict=True) if near[i, j]}
        on_somebody = {tracks[j] for j in matched.values()}
        for i, identity in enumerate(identities):
            self._count(identity, None if i not in matched else tracks[matched[i]], on_somebody)
        self._frames += 1
        self._true += len(identities)
        self._tracked += len(tracks)
        self._matched += len(matched)
        self._identities.update(identities)
        self._tracks.update(tracks)

    def counts(self) -> TrackCounts:
        """Of all frames so far."""
        rows = {name: i for i, name in enumerate(sorted(self._identities))}
        columns = {name: i for i, name in enumerate(sorted({track for _, track in self._together}))}
        shared = np.zeros((len(rows), len(columns)))
        for (identity, track), count in self._together.items():
            shared[rows[identity], columns[track]] = count
        return TrackCounts(
            frames=self._frames,
            true_boxes=self._true,
            tracked_boxes=self._tracked,
            matched=self._matched,
            switches=self._switches,
            taken=self._taken,
            fragmentations=self._fragmentations,
            identities=len(self._identities),
            tracks=len(self._tracks),
            id_matched=int(shared[linear_sum_assignment(shared, maximize=True)].sum()),
        )

    def _count(self, identity: int, track: str | None, on_somebody: set[str]) -> None:
        before = self._last.get(identity)
        if track is None:
            if before is not None:
                self._lost.add(identity)
            return
        if before is not None and before != track:
            self._switches += 1
            self._taken += before in on_somebody
        self._fragmentations += identity in self._lost
        self._lost.discard(identity)
        self._last[identity] = track
