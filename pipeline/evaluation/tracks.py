"""How well tracks keep to true identities from keyframe to keyframe, beside trackers that look at less."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from operators.encoders.encoder import Encoder
from operators.proposals.proposer import FrameProposer
from operators.region_vectors import RegionVectors
from operators.tracking.tracker import TrackConfig, Tracker, TrackFrame
from pipeline.evaluation.clear_mot import LEAST_IOU, TrackCounter, TrackCounts
from pipeline.evaluation.mot import read_sequence
from pipeline.plan import Plan
from pipeline.read_segment import SegmentReader
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.frames import Keyframe
from schemas.ids import frame_id, region_ids, segment_id
from schemas.sources import Segment


@dataclass(frozen=True, slots=True, eq=False)
class TrueFrame:
    """A keyframe's regions, and who stands where in it by the ground truth."""

    regions: TrackFrame
    truth: Boxes
    identities: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TrackFigures:
    """What one tracker made of a sequence. name: of the tracker. ms_per_keyframe: of the tracker alone."""

    name: str
    counts: TrackCounts
    ms_per_keyframe: float


@dataclass(frozen=True, slots=True)
class TrackEvaluation:
    """Several trackers on the same regions of one video. median_gap_s: between its keyframes."""

    clip: str
    median_gap_s: float
    trackers: tuple[TrackFigures, ...]

    def to_json(self) -> dict[str, object]:
        """The counts of every tracker, and the shares that follow from them."""
        trackers = [
            {
                "name": t.name,
                **asdict(t.counts),
                "recall": t.counts.recall,
                "id_recall": t.counts.id_recall,
                "idf1": t.counts.idf1,
                "ms_per_keyframe": t.ms_per_keyframe,
            }
            for t in self.trackers
        ]
        return {"clip": self.clip, "median_gap_s": self.median_gap_s, "trackers": trackers}


def compared_trackers(config: TrackConfig) -> dict[str, TrackConfig]:
    """The tracker, and the same with fewer differences to look at: motion, gates and sleep are as in `config`.

    What these may cost at most is what makes the fewest switches on PETS09-S2L1.
    """
    bare = replace(
        config, distance=0.0, shape=0.0, other_score=0.0, other_label=0.0, other_proposer=0.0, young=0.0, asleep=0.0
    )
    return {
        "IoU only": replace(bare, iou=1.0, appearance=0.0, most_cost=0.95),
        "appearance only": replace(bare, iou=0.0, appearance=1.0, most_cost=0.8),
        "IoU + appearance": replace(bare, iou=0.5, appearance=0.5, most_cost=0.8),
        "default": config,
    }


def evaluate_tracks(
    folder: Path,
    plan: Plan,
    *,
    encoder: Encoder,
    config: TrackConfig | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> TrackEvaluation:
    """Reads the video in `folder` (MOT Challenge format: one clip and `gt.txt`) by the plan, and follows its regions.

    on_progress: told the frames decoded so far, and all. Raises SourceError where the folder holds no such data.
    """
    frames, clip = read_frames(folder, plan, encoder=encoder, on_progress=on_progress)
    gaps = np.diff([frame.regions.pts_s for frame in frames])
    return TrackEvaluation(
        clip=clip,
        median_gap_s=float(np.median(gaps)) if len(gaps) else 0.0,
        trackers=tuple(
            measured(name, frames, tracker) for name, tracker in compared_trackers(config or TrackConfig()).items()
        ),
    )


def read_frames(
    folder: Path,
    plan: Plan,
    *,
    encoder: Encoder,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[list[TrueFrame], str]:
    """The keyframes of the folder's video with their regions as they stand in a lake; and the video's name."""
    sequence = read_sequence(folder)
    source = sequence.source
    segment = Segment(source, source.span, segment_id(source.id, plan.hash, source.span))
    propose, embed = FrameProposer(plan.proposals), RegionVectors(plan.regions, encoder)
    frames = []
    for keyframe in SegmentReader(plan.read)(
        segment, source.uri, on_progress=lambda done: on_progress(done, len(sequence.boxes))
    ):
        if not isinstance(keyframe, Keyframe):
            continue
        found = propose([keyframe])[0]
        # float16 as in the lake, from which tracks are made
        vectors = embed([keyframe.image], [found.boxes])[0].astype(np.float16)
        regions = TrackFrame(
            pts_s=source.clock.seconds(keyframe.pts),
            ids=tuple(region_ids(frame_id(source.id, keyframe.pts), found.boxes, found.proposer)),
            boxes=found.boxes,
            vectors=vectors,
            score=found.score,
            proposer=found.proposer,
            label=found.label,
        )
        frames.append(TrueFrame(regions, sequence.boxes[keyframe.pts], sequence.identities[keyframe.pts]))
    if not any(len(frame.truth) for frame in frames):
        raise SourceError(
            f"none of the {len(frames)} keyframes of {source.uri} has a true box; is {folder}/gt.txt of it?"
        )
    return frames, Path(source.uri).name


def measured(name: str, frames: Sequence[TrueFrame], config: TrackConfig) -> TrackFigures:
    """Follows the regions with one tracker, and counts."""
    tracker, counter, busy_s = Tracker(config), TrackCounter(), 0.0
    for frame in frames:
        start = time.perf_counter()
        tracks = tracker(frame.regions)
        busy_s += time.perf_counter() - start
        tracked = [(i, track) for i, track in enumerate(tracks) if track is not None]
        boxes = frame.regions.boxes[np.array([i for i, _ in tracked], np.intp)]
        counter.add(frame.identities, frame.truth, [track for _, track in tracked], boxes)
    return TrackFigures(name, counter.counts(), 1000 * busy_s / max(1, len(frames)))


def tracks_table(evaluations: Iterable[TrackEvaluation]) -> str:
    """As a table in plain text, a clip after the other."""
    lines = []
    for e in evaluations:
        c = e.trackers[-1].counts
        lines += [
            f"{e.clip}: {c.true_boxes:,} true boxes of {c.identities} identities on {c.frames} keyframes, one every "
            f"{e.median_gap_s:.2f} s; recall {c.recall:.3f} by tracked regions at IoU ≥ {LEAST_IOU}",
            f"  {'tracker':<18}switches  taken  fragmentations  IDR    IDF1   tracks  ms a keyframe",
            *(
                f"  {t.name:<18}{t.counts.switches:<10}{t.counts.taken:<7}{t.counts.fragmentations:<16}"
                f"{t.counts.id_recall:<7.3f}{t.counts.idf1:<7.3f}{t.counts.tracks:<8}{t.ms_per_keyframe:.1f}"
                for t in e.trackers
            ),
        ]
    return "\n".join(lines)
