"""In which other frames such a thing stands at that place: a word and a true box of one frame (methods.md §1.5)."""

import numpy as np

from pipeline.lab.datasets.dataset import ClassName
from pipeline.lab.evaluation.retrieval.by_class import ALL
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, Question, drawn
from schemas.boxes import Boxes
from schemas.query import Query

LEAST_IOU = 0.5
MOST_RELEVANT = 0.4  # of the frames; such a place says nothing


def box_questions(gallery: Gallery, classes: tuple[ClassName, ...], *, most: int, seed: int) -> list[Question]:
    """At most so many, drawn by the seed, of the true boxes that some, and at most 40 %, of the other frames have at
    IoU ≥ 0.5, of the same class."""
    counted = [frame.objects.counted for frame in gallery.frames]
    frame_of = np.repeat(np.arange(len(gallery)), [int(c.sum()) for c in counted])
    boxes = Boxes.concat([f.objects.boxes[c] for f, c in zip(gallery.frames, counted, strict=True)])
    labels = np.concatenate([f.objects.labels[c] for f, c in zip(gallery.frames, counted, strict=True)])

    def question(asked: int) -> Question | None:
        own, label = int(frame_of[asked]), int(labels[asked])
        fits = (boxes.iou(boxes[asked : asked + 1])[:, 0] >= LEAST_IOU) & (labels == label) & (frame_of != own)
        answers = np.unique(frame_of[fits])
        if not 0 < len(answers) <= MOST_RELEVANT * len(gallery):
            return None
        judged = np.full(len(gallery), IRRELEVANT, np.int8)
        judged[answers], judged[own] = RELEVANT, UNJUDGED
        x0, y0, x1, y1 = boxes.xyxy[asked].tolist()
        places = {number: boxes[fits & (frame_of == number)] for number in answers.tolist()}
        query = Query(text=classes[label].name, box=(x0, y0, x1, y1), not_frames=(gallery.frame_id(own),))
        return Question(query, ALL, judged, places)

    return drawn(range(len(boxes)), question, most=most, seed=seed)
