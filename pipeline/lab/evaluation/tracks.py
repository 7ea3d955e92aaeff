"""Tracks against the identities of a video's ground truth: who is followed, and for how long under one name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from operators.tracking.tracker import TrackConfig, Tracker
from pipeline.ingest.progress import Progress
from pipeline.ingest.run import ingest
from pipeline.lab.datasets.mot import MotSequence, read_sequence
from pipeline.lake.lake import Lake
from pipeline.lake.writing.tracks import frames_of_regions
from pipeline.plan.plan import Plan
from schemas.boxes import Boxes
from schemas.errors import SourceError

LEAST_IOU = 0.5
_EVERYWHERE = 100.0  # sides: all of the frame is in reach


@dataclass(frozen=True, slots=True)
class TrackScore:
    """How well the tracks of a lake follow the people of one video; only keyframes are looked at.

    recall: share of true boxes that a tracked region covers at IoU >= 0.5, one region a box. switches: how often a
    person goes on under another track than before (CLEAR MOT; Bernardin and Stiefelhagen, 2008). fragments: how often
    one is lost and found again. identity_recall: share of true boxes that lie on the one track chosen for their
    person, each track for one person (IDR; Ristani et al., 2016). people: identities seen. tracks: that touch one.

    Regions of other things are no mistake here: proposals know no people, so there is no precision.
    """

    video: str
    keyframes: int
    true_boxes: int
    people: int
    tracks: int
    recall: float
    switches: int
    fragments: int
    identity_recall: float


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """One keyframe: true boxes with who stands in each, and regions with the track of each."""

    truth: Boxes
    people: NDArray[np.int64]
    regions: Boxes
    tracks: tuple[str, ...]


def evaluate_tracks(
    folder: Path, plan: Plan, *, lake: Path, on_progress: Callable[[Progress], None] = lambda _: None
) -> dict[str, TrackScore]:
    """Ingests the video in `folder` (MOT Challenge format) into `lake` and scores the tracks that are there then.

    Beside them the same regions tracked by position alone and by appearance alone; and by both, without the links of
    carried masks, where the plan has those.
    Raises SourceError where the folder holds no such data, or the video cannot be read.
    """
    sequence = read_sequence(folder)
    report = ingest([sequence.source.uri], str(lake), plan, on_progress=on_progress)
    if not report.ok:
        raise SourceError("; ".join(f.error for f in (*report.quarantined, *report.failed)))
    opened = Lake.open(str(lake))
    position = replace(plan.tracks, appearance=0.0, gate_cosine=-1.0)
    appearance = replace(
        plan.tracks,
        iou=0.0,
        distance=0.0,
        shape=0.0,
        gate_sides=_EVERYWHERE,
        most_gate_sides=_EVERYWHERE,
        gate_shape=_EVERYWHERE,
    )
    both = "position and appearance"
    stored = stored_score(opened, sequence)
    if plan.tracks.propagation.model:
        first = {f"{both}, carried masks": stored, both: tracked_score(opened, sequence, plan.tracks)}
    else:
        first = {both: stored}
    return {
        **first,
        "position alone": tracked_score(opened, sequence, position),
        "appearance alone": tracked_score(opened, sequence, appearance),
    }


def stored_score(lake: Lake, sequence: MotSequence) -> TrackScore:
    """The tracks in a lake against the ground truth of a video that it holds."""
    where = f"source_id = '{sequence.source.id}' AND track IS NOT NULL"
    rows = lake.read("regions", columns=["pts", "x0", "y0", "x1", "y1", "track"], where=where)
    pts = rows["pts"].to_numpy()
    corners = np.stack([rows[c].to_numpy() for c in ("x0", "y0", "x1", "y1")], axis=1)
    tracks = np.array(rows["track"].to_pylist(), object)
    shown = lake.read("frames", columns=["pts"], where=f"source_id = '{sequence.source.id}'")["pts"].to_pylist()
    found = {at: (Boxes(corners[pts == at]), tuple(tracks[pts == at])) for at in shown}
    return _score(sequence, found)


def tracked_score(lake: Lake, sequence: MotSequence, config: TrackConfig) -> TrackScore:
    """The same for the tracks that `config` would have made of the regions in a lake, as if there were no cuts."""
    tracker = Tracker(config)
    found = {}
    for _, frames in frames_of_regions(lake, [sequence.source.id]):
        for pts, _, frame in frames:
            tracks = tracker(frame)
            kept = np.array([i for i, track in enumerate(tracks) if track is not None], np.intp)
            found[pts] = frame.boxes[kept], tuple(str(tracks[i]) for i in kept)
    return _score(sequence, found)


def _score(sequence: MotSequence, found: Mapping[int, tuple[Boxes, tuple[str, ...]]]) -> TrackScore:
    frames = [TrackedFrame(sequence.boxes[at], sequence.identities[at], *found[at]) for at in sorted(found)]
    return score_frames(Path(sequence.source.uri).name, frames)


def score_frames(video: str, frames: Sequence[TrackedFrame]) -> TrackScore:
    """Frames in order of time. Of several regions that fit a person, that of their last track is taken, then by IoU."""
    last: dict[int, str] = {}
    seen_before: dict[int, bool] = {}
    covered = switches = fragments = 0
    together: dict[tuple[int, str], int] = {}
    for frame in frames:
        iou = frame.truth.iou(frame.regions).astype(np.float64)
        goes_on = np.array([[last.get(int(p)) == t for t in frame.tracks] for p in frame.people], bool)
        # what goes on is worth more than any IoU of others
        worth = np.where(iou >= LEAST_IOU, iou + 2.0 * goes_on.reshape(iou.shape), 0.0)
        rows, columns = linear_sum_assignment(worth, maximize=True)
        found = {int(frame.people[r]): frame.tracks[c] for r, c in zip(rows, columns, strict=True) if worth[r, c] > 0}
        for r, c in zip(*np.nonzero(iou >= LEAST_IOU), strict=True):
            key = (int(frame.people[r]), frame.tracks[c])
            together[key] = together.get(key, 0) + 1
        for person in (int(p) for p in frame.people):
            track = found.get(person)
            if track is not None:
                covered += 1
                switches += last.get(person, track) != track
                fragments += seen_before.get(person) is False
                last[person] = track
                seen_before[person] = True
            elif person in seen_before:
                seen_before[person] = False
    true_boxes = sum(len(frame.people) for frame in frames)
    people = sorted({int(p) for frame in frames for p in frame.people})
    return TrackScore(
        video=video,
        keyframes=len(frames),
        true_boxes=true_boxes,
        people=len(people),
        tracks=len({track for _, track in together}),
        recall=covered / max(1, true_boxes),
        switches=switches,
        fragments=fragments,
        identity_recall=_most_together(together) / max(1, true_boxes),
    )


def _most_together(together: dict[tuple[int, str], int]) -> int:
    """Boxes on the right track, when every person is given one track of their own so that they are most."""
    people = sorted({person for person, _ in together})
    tracks = sorted({track for _, track in together})
    counts = np.zeros((len(people), len(tracks)))
    for (person, track), count in together.items():
        counts[people.index(person), tracks.index(track)] = count
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return int(counts[rows, columns].sum())
