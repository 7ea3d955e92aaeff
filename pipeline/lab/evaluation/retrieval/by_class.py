"""Which frames show a class: the questions of Cluster-CLIP and DetailCLIP, over all objects, small ones and rare ones.

A frame that shows the class only by objects that do not count (crowds, difficult ones, ones of another size), or for
which nobody looked, is left out of the ranking: it is neither an answer nor a mistake.
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
    """Objects of one class that count, in one frame: the area of the largest, in px², and where they are."""

    largest_px: float
    boxes: Boxes


def class_questions(gallery: Gallery, classes: tuple[ClassName, ...]) -> list[Question]:
    """A question a class that some frame shows, for all objects, then for each size; the rare classes once more."""
    judged, shown = _judged(gallery, len(classes))
    asked = [number for number in range(len(classes)) if (judged[number] == RELEVANT).any()]
    questions = [_question(classes[n], ALL, judged[n], shown[n]) for n in asked]
    for size, (low, high) in SIZES.items():
        for n in asked:
            fits = {frame: s for frame, s in shown[n].items() if low <= s.largest_px < high}
            if fits:
                others = judged[n].copy()
                others[[frame for frame in shown[n] if frame not in fits]] = UNJUDGED
                questions.append(_question(classes[n], size, others, fits))
    rare = _rare(classes, asked, judged)
    return questions + [_question(classes[n], RARE, judged[n], shown[n]) for n in rare]


def judged_for(gallery: Gallery, classes: int) -> tuple[JudgementArray, list[dict[int, Boxes]]]:
    """int8 (classes, F), and of every class: number of a frame that shows it → its boxes there."""
    judged, shown = _judged(gallery, classes)
    return judged, [{frame: s.boxes for frame, s in of_class.items()} for of_class in shown]


def _judged(gallery: Gallery, classes: int) -> tuple[JudgementArray, list[dict[int, _Shown]]]:
    judged = np.full((classes, len(gallery)), IRRELEVANT, np.int8)
    shown: list[dict[int, _Shown]] = [{} for _ in range(classes)]
    for number, frame in enumerate(gallery.frames):
        if frame.absent is not None:
            judged[:, number] = UNJUDGED
            judged[sorted(frame.absent), number] = IRRELEVANT
        judged[frame.objects.labels, number] = UNJUDGED  # unless one of them counts
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


def _rare(classes: tuple[ClassName, ...], asked: list[int], judged: JudgementArray) -> list[int]:
    """As the data set says; where it says nothing, the third of the classes that the fewest frames show."""
    if any(name.frequency is not None for name in classes):
        return [n for n in asked if classes[n].frequency == "rare"]
    by_count = sorted(asked, key=lambda n: (int((judged[n] == RELEVANT).sum()), n))
    return sorted(by_count[: len(asked) // 3])
