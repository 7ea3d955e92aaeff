"""Questions by class: which frames show it, as in Cluster-CLIP and DetailCLIP, for all, small and rare objects.

A frame is excluded from the ranking, as neither an answer nor a mistake, if it shows the class only by objects that do
not count (crowds, difficult ones, ones of another size), or if it is not known whether it shows the class.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.lab.datasets.dataset import ClassName, LabelledFrame
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, JudgementArray, Question
from schemas.boxes import Boxes
from schemas.query import Query

ALL, RARE = "all", "rare"
# COCO's sizes: px² of the largest object of the class in the frame, [low, high)
SIZES = {"small": (0.0, 32.0**2), "small to medium": (0.0, 96.0**2), "large": (96.0**2, np.inf)}


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """The objects of one class in one frame that count: the area of the largest, in px², and their boxes."""

    largest_px: float
    boxes: Boxes


def class_questions(gallery: Gallery, classes: tuple[ClassName, ...]) -> list[Question]:
    """One question for each class that some frame shows: for all objects, then for each size, then for rare classes."""
    judged, shown = _judged(gallery, len(classes))
    queried = [number for number in range(len(classes)) if (judged[number] == RELEVANT).any()]
    questions = [_question(classes[n], ALL, judged[n], shown[n]) for n in queried]
    for size, (low, high) in SIZES.items():
        for n in queried:
            fits = {frame: s for frame, s in shown[n].items() if low <= s.largest_px < high}
            if fits:
                others = judged[n].copy()
                others[[frame for frame in shown[n] if frame not in fits]] = UNJUDGED
                questions.append(_question(classes[n], size, others, fits))
    rare = _rare(classes, queried, judged)
    return questions + [_question(classes[n], RARE, judged[n], shown[n]) for n in rare]


def judged_for(gallery: Gallery, classes: int) -> tuple[JudgementArray, list[dict[int, Boxes]]]:
    """Judgements, int8 (classes, F), and for every class: number of a frame that shows it → its boxes there."""
    judged, shown = _judged(gallery, classes)
    return judged, [{frame: s.boxes for frame, s in of_class.items()} for of_class in shown]


def _judged(gallery: Gallery, classes: int) -> tuple[JudgementArray, list[dict[int, _Shown]]]:
    judged = np.full((classes, len(gallery)), IRRELEVANT, np.int8)
    shown: list[dict[int, _Shown]] = [{} for _ in range(classes)]
    for number, frame in enumerate(gallery.frames):
        if frame.absent is not None:
            judged[:, number] = UNJUDGED
            judged[sorted(frame.absent), number] = IRRELEVANT
        judged[frame.objects.labels, number] = UNJUDGED  # replaced below if one of them counts
        for label in np.unique(frame.objects.labels[frame.objects.counted]).tolist():
            judged[label, number] = RELEVANT
            shown[label][number] = _of_class(frame, label)
    return judged, shown


def _of_class(frame: LabelledFrame, label: int) -> _Shown:
    objects = frame.objects
    own = objects.counted & (objects.labels == label)
    return _Shown(float(objects.area_px[own].max()), objects.boxes[own])


def _question(name: ClassName, subset: str, judged: JudgementArray, shown: dict[int, _Shown]) -> Question:
    return Question(Query(text=name.name), subset, judged, {frame: s.boxes for frame, s in shown.items()})


def _rare(classes: tuple[ClassName, ...], queried: list[int], judged: JudgementArray) -> list[int]:
    """The rare classes of the data set; without frequencies, the third of the classes that the fewest frames show."""
    if any(name.frequency is not None for name in classes):
        return [n for n in queried if classes[n].frequency == "rare"]
    by_count = sorted(queried, key=lambda n: (int((judged[n] == RELEVANT).sum()), n))
    return sorted(by_count[: len(queried) // 3])
