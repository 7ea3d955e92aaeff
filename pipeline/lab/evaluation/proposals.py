"""Measures the recall of proposals: the share of true boxes in keyframes or pictures that some proposal finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operators.proposals.frame_proposer import FrameProposer
from operators.readers.picture import read_picture
from pipeline.lab.datasets.mot import read_sequence
from pipeline.lab.datasets.read import read_dataset
from pipeline.plan.plan import Plan
from pipeline.reading.read_segment import SegmentReader
from schemas.boxes import Boxes, FloatArray
from schemas.errors import SourceError
from schemas.frames import Keyframe
from schemas.ids import segment_id
from schemas.sources import Segment

LEAST_IOU = 0.5
LEAST_PX = 32
# fixed shares of the frame's height, which do not depend on the clip as thirds of its true boxes would
SIZES = {"small, under 1/8 of the height": (0.0, 0.125), "up to 1/4": (0.125, 0.25), "larger": (0.25, 1.01)}


@dataclass(frozen=True, slots=True)
class ProposalRecall:
    """How many of a data set's true boxes the proposals of a plan find.

    frames: number of keyframes of a video, or of pictures.
    recall: share of the true boxes in keyframes that have IoU >= 0.5 with some proposal.
    precision: share of the proposals that have IoU >= 0.5 with some true box. per_box: mean number of such proposals
        for a true box that is found.
    by_proposer: recall with the proposals of one kind only. by_size: (recall, true boxes) by height, and of those with
        sides of at least 32 px.
    mean_boxes, most_boxes: mean and maximum number of proposals per frame.
    """

    clip: str
    frames: int
    true_boxes: int
    recall: float
    precision: float
    per_box: float
    mean_iou: float
    mean_boxes: float
    most_boxes: int
    by_proposer: dict[str, float]
    by_size: dict[str, tuple[float, int]]


def proposal_recall(folder: Path, plan: Plan, *, on_progress: Callable[[int], None] | None = None) -> ProposalRecall:
    """Reads the video or the pictures in `folder` (see `read_dataset`) as the plan says, and compares.

    on_progress: called with the number of frames decoded so far.
    Raises SourceError if the folder holds no such data.
    """
    propose = FrameProposer(plan.proposals)
    best: list[FloatArray] = []  # float32 (true boxes,) per frame: the best IoU of each
    by_proposer: dict[str, list[FloatArray]] = {}
    sides_px: list[FloatArray] = []
    heights: list[FloatArray] = []
    counts: list[int] = []
    right: list[FloatArray] = []  # (proposals,) per frame: the best IoU of each
    pairs = 0
    clip, frames = _frames(folder, plan, on_progress=on_progress)
    for keyframe, truth in frames:
        found = propose([keyframe])[0]
        counts.append(len(found))
        height_px, width_px, _ = keyframe.image.shape
        sides = truth.xyxy[:, 2:] - truth.xyxy[:, :2]
        heights.append(sides[:, 1])
        sides_px.append((sides * np.array([width_px, height_px], np.float32)).min(axis=1))
        best.append(_best_iou(truth, found.boxes))
        right.append(_best_iou(found.boxes, truth))
        pairs += int((truth.iou(found.boxes) >= LEAST_IOU).sum())
        for name in {_kind(p) for p in found.proposer}:
            own = np.array([_kind(p) == name for p in found.proposer])
            by_proposer.setdefault(name, []).append(_best_iou(truth, found.boxes[own]))
    if not sum(map(len, best)):
        raise SourceError(
            f"none of the {len(counts)} keyframes of {clip} has a true box; is {folder}/gt.txt for this video?"
        )
    iou, height, side_px = np.concatenate(best), np.concatenate(heights), np.concatenate(sides_px)
    hits, groups = iou >= LEAST_IOU, {name: (height >= low) & (height < high) for name, (low, high) in SIZES.items()}
    groups[f"at least {LEAST_PX} px a side"] = side_px >= LEAST_PX
    proposed = np.concatenate([np.zeros(0, np.float32), *right])
    return ProposalRecall(
        clip=Path(clip).name,
        frames=len(counts),
        true_boxes=len(iou),
        recall=float(hits.mean()),
        precision=float((proposed >= LEAST_IOU).mean()) if len(proposed) else 0.0,
        per_box=pairs / hits.sum() if hits.any() else 0.0,
        mean_iou=float(iou.mean()),
        mean_boxes=float(np.mean(counts)),
        most_boxes=max(counts),
        # a proposer that found nothing in a frame missed all of its true boxes
        by_proposer={
            n: float((np.concatenate(v) >= LEAST_IOU).sum() / len(iou)) for n, v in sorted(by_proposer.items())
        },
        by_size={n: (float(hits[inside].mean()), int(inside.sum())) for n, inside in groups.items() if inside.any()},
    )


def _frames(
    folder: Path, plan: Plan, *, on_progress: Callable[[int], None] | None
) -> tuple[str, Iterator[tuple[Keyframe, Boxes]]]:
    """The name of the clip or folder; its keyframes or pictures, and the true boxes of each."""
    dataset = read_dataset(folder)
    if dataset.video is None:

        def pictures() -> Iterator[tuple[Keyframe, Boxes]]:
            for place, frame in enumerate(dataset.frames):
                truth = frame.objects.boxes[frame.objects.counted]
                yield Keyframe(0, read_picture(str(frame.path)), None, "picture"), truth
                if on_progress is not None:
                    on_progress(place + 1)

        return str(folder), pictures()
    sequence = read_sequence(folder)
    source = sequence.source
    segment = Segment(source, source.span, segment_id(source.id, plan.hash, source.span))

    def keyframes() -> Iterator[tuple[Keyframe, Boxes]]:
        for keyframe in SegmentReader(plan.read)(segment, source.uri, on_progress=on_progress):
            if isinstance(keyframe, Keyframe):
                yield keyframe, sequence.boxes[keyframe.pts]

    return source.uri, keyframes()


def _best_iou(truth: Boxes, proposals: Boxes) -> FloatArray:
    if not len(proposals):
        return np.zeros(len(truth), np.float32)
    best: FloatArray = truth.iou(proposals).max(axis=1)
    return best


def _kind(proposer: str) -> str:
    """The kind of a proposer: "grid" for both "grid-4" and "grid-2"."""
    return proposer.rsplit("-", 1)[0] if proposer.rsplit("-", 1)[-1].isdigit() else proposer
