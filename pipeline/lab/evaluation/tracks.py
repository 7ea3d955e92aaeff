"""Compares tracks with the identities in a video's ground truth: who is followed, and how long on one track."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.tracking.tracker import TrackConfig, Tracker
from pipeline.ingest.progress import Progress
from pipeline.ingest.run import ingest
from pipeline.lab.datasets.mot import MotSequence, read_sequence
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.region_rows import corners_of
from pipeline.lake.writing.tracks import frames_of_regions
from pipeline.plan.plan import Plan
from schemas.boxes import Boxes
from schemas.errors import SourceError

LEAST_IOU = 0.5
_EVERYWHERE = 100.0  # sides of a box: the whole frame is within reach


@dataclass(frozen=True, slots=True)
class TrackScore:
    """How well the tracks of a lake follow the people of one video; only keyframes are looked at.

    recall: share of true boxes that a tracked region matches at IoU >= 0.5, one region per box. switches: how often a
    person continues on another track than before (CLEAR MOT; Bernardin and Stiefelhagen, 2008). fragments: how often
    a person is lost and found again. identity_recall: share of true boxes on the one track chosen for their person,
    each track for one person (IDR; Ristani et al., 2016). people: number of identities seen. tracks: number of tracks
    that match a person.

    Regions of other objects are not mistakes here, as proposals have no classes; so there is no precision.
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
    """One keyframe: true boxes with their identities, and regions with their tracks."""

    truth: Boxes
    people: NDArray[np.int64]
    regions: Boxes
    tracks: tuple[str, ...]


def evaluate_tracks(
    folder: Path, plan: Plan, *, lake: Path, on_progress: Callable[[Progress], None] = lambda _: None
) -> dict[str, TrackScore]:
    """Ingests the video in `folder` (MOT Challenge format) into `lake` and scores its tracks.

    The same regions are also tracked by position alone, by appearance alone and, if the plan carries masks, by both
    without the links of carried masks.
    Raises SourceError if the folder holds no such data, or the video cannot be read.
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
    """Scores the tracks in a lake by the ground truth of a video that it holds."""
    own = sql.equals("source_id", sequence.source.id)
    where = sql.all_of(own, "track IS NOT NULL")
    rows = lake.read("regions", columns=["pts", "x0", "y0", "x1", "y1", "track"], where=where)
    pts = rows["pts"].to_numpy()
    corners = corners_of(rows)
    tracks = np.array(rows["track"].to_pylist(), object)
    shown = lake.read("frames", columns=["pts"], where=own)["pts"].to_pylist()
    found = {at: (Boxes(corners[pts == at]), tuple(tracks[pts == at])) for at in shown}
    return _score(sequence, found)


def tracked_score(lake: Lake, sequence: MotSequence, config: TrackConfig) -> TrackScore:
    """Scores the tracks that `config` would have made of the regions in a lake, as if there were no cuts."""
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
    """frames: in order of time. Of several regions that match a person, that on their last track wins, then by IoU."""
    import motmetrics  # takes a second, as it imports pandas; only needed here

    number: dict[str, int] = {}  # motmetrics identifies tracks by numbers
    followed: set[str] = set()
    events = motmetrics.MOTAccumulator(auto_id=True)
    for frame in frames:
        iou = frame.truth.iou(frame.regions)
        near = iou >= LEAST_IOU
        followed |= set(compress(frame.tracks, np.any(near, axis=0).tolist()))
        tracks = [number.setdefault(track, len(number)) for track in frame.tracks]
        events.update(frame.people.tolist(), tracks, np.where(near, 1.0 - iou, np.nan))
    names = ["num_objects", "num_unique_objects", "recall", "num_switches", "num_fragmentations", "idr"]
    counts = motmetrics.metrics.create().compute(events, metrics=names, return_dataframe=False)
    return TrackScore(
        video=video,
        keyframes=len(frames),
        true_boxes=int(counts["num_objects"]),
        people=int(counts["num_unique_objects"]),
        tracks=len(followed),
        recall=float(counts["recall"]),
        switches=int(counts["num_switches"]),
        fragments=int(counts["num_fragmentations"]),
        identity_recall=float(counts["idr"]),
    )
