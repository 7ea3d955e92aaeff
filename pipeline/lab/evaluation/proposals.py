"""Measures the recall of proposals: the share of true boxes in keyframes that some proposal finds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operators.proposals.frame_proposer import FrameProposer
from pipeline.lab.datasets.mot import read_sequence
from pipeline.plan.plan import Plan
from pipeline.reading.read_segment import SegmentReader
from schemas.boxes import Boxes, FloatArray
from schemas.errors import SourceError
from schemas.frames import Keyframe
from schemas.ids import segment_id
from schemas.sources import Segment

LEAST_IOU = 0.5
# fixed shares of the frame's height, which do not depend on the clip as thirds of its true boxes would
SIZES = {"small, under 1/8 of the height": (0.0, 0.125), "up to 1/4": (0.125, 0.25), "larger": (0.25, 1.01)}


@dataclass(frozen=True, slots=True)
class ProposalRecall:
    """How many of a video's true boxes the proposals of a plan find.

    recall: share of the true boxes in keyframes that have IoU >= 0.5 with some proposal.
    by_proposer: the same with the proposals of one kind only. by_size: (recall, true boxes) by height.
    mean_boxes, most_boxes: mean and maximum number of proposals per frame.
    """

    clip: str
    frames: int
    true_boxes: int
    recall: float
    mean_iou: float
    mean_boxes: float
    most_boxes: int
    by_proposer: dict[str, float]
    by_size: dict[str, tuple[float, int]]


def proposal_recall(folder: Path, plan: Plan, *, on_progress: Callable[[int], None] | None = None) -> ProposalRecall:
    """Reads the video in `folder` (MOT Challenge format: one clip and `gt.txt`) as the plan says, and compares.

    on_progress: called with the number of frames decoded so far.
    Raises SourceError if the folder holds no such data.
    """
    sequence = read_sequence(folder)
    source = sequence.source
    segment = Segment(source, source.span, segment_id(source.id, plan.hash, source.span))
    propose = FrameProposer(plan.proposals)
    best: list[FloatArray] = []  # float32 (true boxes,) per frame: the best IoU of each
    by_proposer: dict[str, list[FloatArray]] = {}
    heights: list[FloatArray] = []
    counts: list[int] = []
    for keyframe in SegmentReader(plan.read)(segment, source.uri, on_progress=on_progress):
        if not isinstance(keyframe, Keyframe):
            continue
        truth, found = sequence.boxes[keyframe.pts], propose([keyframe])[0]
        counts.append(len(found))
        heights.append(truth.xyxy[:, 3] - truth.xyxy[:, 1])
        best.append(_best_iou(truth, found.boxes))
        for name in {_kind(p) for p in found.proposer}:
            own = np.array([_kind(p) == name for p in found.proposer])
            by_proposer.setdefault(name, []).append(_best_iou(truth, found.boxes[own]))
    if not sum(map(len, best)):
        raise SourceError(
            f"none of the {len(counts)} keyframes of {source.uri} has a true box; is {folder}/gt.txt for this video?"
        )
    iou, height = np.concatenate(best), np.concatenate(heights)
    return ProposalRecall(
        clip=Path(source.uri).name,
        frames=len(counts),
        true_boxes=len(iou),
        recall=float((iou >= LEAST_IOU).mean()),
        mean_iou=float(iou.mean()),
        mean_boxes=float(np.mean(counts)),
        most_boxes=max(counts),
        # a proposer that found nothing in a frame missed all of its true boxes
        by_proposer={
            n: float((np.concatenate(v) >= LEAST_IOU).sum() / len(iou)) for n, v in sorted(by_proposer.items())
        },
        by_size={
            name: (float((iou[inside] >= LEAST_IOU).mean()), int(inside.sum()))
            for name, (low, high) in SIZES.items()
            if (inside := (height >= low) & (height < high)).any()
        },
    )


def _best_iou(truth: Boxes, proposals: Boxes) -> FloatArray:
    if not len(proposals):
        return np.zeros(len(truth), np.float32)
    best: FloatArray = truth.iou(proposals).max(axis=1)
    return best


def _kind(proposer: str) -> str:
    """The kind of a proposer: "grid" for both "grid-4" and "grid-2"."""
    return proposer.rsplit("-", 1)[0] if proposer.rsplit("-", 1)[-1].isdigit() else proposer
