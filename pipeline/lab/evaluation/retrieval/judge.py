"""Judges the hits of a search by the answers of its question."""

from collections.abc import Sequence

import numpy as np

from pipeline.lab.evaluation.metrics import (
    average_precision_at,
    localisation,
    multiple_recall_at,
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
    "rois": ("R@10", "R@1", "R@5", "mAP@50", "MRR", "IoU"),
}
_LOCALISED = 10  # number of first hits for which the IoU is measured


def judge(hits: Sequence[Hit], question: Question, gallery: Gallery, *, task: Task) -> dict[str, float]:
    """The value of each measure of the task.

    `IoU` is that of the returned box with the best true one, as a mean over relevant hits among the first ten; it is
    missing if none of them is relevant.

    hits: all hits, best first; unjudged frames do not take a rank.
    """
    numbered = [(number, hit) for hit in hits if (number := gallery.number(hit)) is not None]
    numbered = [(number, hit) for number, hit in numbered if question.judged[number] != UNJUDGED]
    found = np.array([question.judged[number] == RELEVANT for number, _ in numbered], np.bool_)
    values = {name: _value(name, found, question.relevant) for name in MEASURES[task] if name != "IoU"}
    first = zip(numbered[:_LOCALISED], found[:_LOCALISED].tolist(), strict=True)
    overlaps = [
        localisation(Boxes(np.array([hit.place.box], np.float32)), question.places[number])
        for (number, hit), is_relevant in first
        if is_relevant and number in question.places
    ]
    if "IoU" in MEASURES[task] and overlaps:
        values["IoU"] = float(np.mean(overlaps))
    return values


def _value(name: str, found: np.ndarray[tuple[int], np.dtype[np.bool_]], relevant: int) -> float:
    measure, _, k = name.partition("@")
    match measure:
        case "mAP":
            return average_precision_at(found, relevant=relevant, k=int(k))
        case "R":
            return recall_at(found, relevant=relevant, k=int(k))
        case "Recall":
            return multiple_recall_at(found, relevant=relevant, k=int(k))
        case _:
            return reciprocal_rank(found)
