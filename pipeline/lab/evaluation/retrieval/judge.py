"""Judges the hits of a search by the answers of its question."""

from collections.abc import Sequence

import numpy as np

from operators.ranking.zones import share_inside
from pipeline.lab.evaluation.metrics import (
    average_precision_at,
    localisation,
    multiple_recall_at,
    precision_at,
    recall_at,
    reciprocal_rank,
)
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import RELEVANT, UNJUDGED, Question, Task
from schemas.boxes import Boxes
from schemas.query import Hit

# Measures of each task; methods are compared by the first.
MEASURES: dict[Task, tuple[str, ...]] = {
    "classes": ("mAP@50", "R@10", "Recall@1", "Recall@3", "Recall@5", "MRR", "IoU"),
    "captions": ("R@10", "R@1", "R@5", "MRR"),
    "boxes": ("R@10", "R@1", "R@5", "R@50", "MRR", "IoU"),
    "zones": ("P@10", "R@10", "R@1", "R@50", "MRR", "IoU", "inside"),
    "rois": ("R@10", "R@1", "R@5", "mAP@50", "MRR", "IoU"),
}
_LOCALISED = 10  # number of first hits whose boxes are measured
_MOSTLY = 0.5


def judge(hits: Sequence[Hit], question: Question, gallery: Gallery, *, task: Task) -> dict[str, float]:
    """The value of each measure of the task.

    `IoU` is that of the returned box with the best true one, as a mean over relevant hits among the first ten; it is
    missing if none of them is relevant. `inside` is the share of the first ten hits of which at least half of the
    returned box lies in the query's zone.

    hits: all hits, best first; unjudged frames do not take a rank.
    """
    numbered = [(number, hit) for hit in hits if (number := gallery.number(hit)) is not None]
    numbered = [(number, hit) for number, hit in numbered if question.judged[number] != UNJUDGED]
    found = np.array([question.judged[number] == RELEVANT for number, _ in numbered], np.bool_)
    ranked = [name for name in MEASURES[task] if name not in ("IoU", "inside")]
    values = {name: _value(name, found, question.relevant) for name in ranked}
    first = zip(numbered[:_LOCALISED], found[:_LOCALISED].tolist(), strict=True)
    overlaps = [
        localisation(Boxes(np.array([hit.place.box], np.float32)), question.places[number])
        for (number, hit), is_relevant in first
        if is_relevant and number in question.places
    ]
    if "IoU" in MEASURES[task] and overlaps:
        values["IoU"] = float(np.mean(overlaps))
    if "inside" in MEASURES[task] and numbered:
        boxes = Boxes(np.array([hit.place.box for _, hit in numbered[:_LOCALISED]], np.float32))
        values["inside"] = float(np.mean(share_inside(boxes, question.query.areas[0]) >= _MOSTLY))
    return values


def _value(name: str, found: np.ndarray[tuple[int], np.dtype[np.bool_]], relevant: int) -> float:
    measure, _, k = name.partition("@")
    match measure:
        case "mAP":
            return average_precision_at(found, relevant=relevant, k=int(k))
        case "P":
            return precision_at(found, k=int(k))
        case "R":
            return recall_at(found, relevant=relevant, k=int(k))
        case "Recall":
            return multiple_recall_at(found, relevant=relevant, k=int(k))
        case _:
            return reciprocal_rank(found)
