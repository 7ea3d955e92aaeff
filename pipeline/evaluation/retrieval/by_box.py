"""In which other frames such a thing stands at that place: a word and a true box of one frame (methods.md §1.5)."""

import numpy as np

from pipeline.evaluation.datasets.dataset import ClassName
from pipeline.evaluation.retrieval.by_class import ALL
from pipeline.evaluation.retrieval.gallery import Gallery
from pipeline.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, Question
from schemas.boxes import Boxes
from schemas.query import Query

LEAST_IOU = 0.5
MOST_RELEVANT = 0.4  # of the frames; such a place says nothing


def box_questions(gallery: Gallery, classes: tuple[ClassName, ...]) -> list[Question]:
    """A question a true box that some, and at most 40 %, of the other frames have at IoU ≥ 0.5, of the same class."""
    questions = []
    for label, name in enumerate(classes):
        shown = [
            frame.objects.boxes[frame.objects.counted & (frame.objects.labels == label)] for frame in gallery.frames
        ]
        for own, asked in enumerate(shown):
            near = [boxes.iou(asked) >= LEAST_IOU for boxes in shown]  # (boxes there, boxes asked for)
            for index, box in enumerate(asked.xyxy):
                places = {
                    number: shown[number][fits[:, index]]
                    for number, fits in enumerate(near)
                    if number != own and fits[:, index].any()
                }
                if not 0 < len(places) <= MOST_RELEVANT * len(gallery):
                    continue
                x0, y0, x1, y1 = box.tolist()
                questions.append(_question(name, (x0, y0, x1, y1), own, places, len(gallery)))
    return questions


def _question(
    name: ClassName, box: tuple[float, float, float, float], own: int, places: dict[int, Boxes], frames: int
) -> Question:
    judged = np.full(frames, IRRELEVANT, np.int8)
    judged[list(places)] = RELEVANT
    judged[own] = UNJUDGED
    return Question(Query(text=name.name, box=box), ALL, judged, places)
