"""Questions by a class name and a true box: which other frames show the class at that place (methods.md §1.5)."""

import numpy as np

from pipeline.lab.datasets.dataset import ClassName
from pipeline.lab.evaluation.retrieval.by_class import ALL
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, Question, drawn
from schemas.query import Query

LEAST_IOU = 0.5
MOST_RELEVANT = 0.4  # share of the frames; a place with more answers is not informative


def box_questions(gallery: Gallery, classes: tuple[ClassName, ...], *, most: int, seed: int) -> list[Question]:
    """At most `most` questions, drawn by the seed.

    A true box gives a question if at least one and at most 40 % of the other frames have a box of the same class at
    IoU ≥ 0.5.
    """
    frame_of, boxes, labels = gallery.counted_objects()

    def question(box: int) -> Question | None:
        own, label = int(frame_of[box]), int(labels[box])
        fits = (boxes.iou(boxes[box : box + 1])[:, 0] >= LEAST_IOU) & (labels == label) & (frame_of != own)
        answers = np.unique(frame_of[fits])
        if not 0 < len(answers) <= MOST_RELEVANT * len(gallery):
            return None
        judged = np.full(len(gallery), IRRELEVANT, np.int8)
        judged[answers], judged[own] = RELEVANT, UNJUDGED
        x0, y0, x1, y1 = boxes.xyxy[box].tolist()
        places = {number: boxes[fits & (frame_of == number)] for number in answers.tolist()}
        query = Query(text=classes[label].name, box=(x0, y0, x1, y1), not_frames=(gallery.frame_id(own),))
        return Question(query, ALL, judged, places)

    return drawn(range(len(boxes)), question, most=most, seed=seed)
