"""Questions by a class name and a zone: which other frames show the class somewhere in it."""

from dataclasses import replace

import numpy as np

from operators.ranking.zones import share_inside
from pipeline.lab.datasets.dataset import ClassName
from pipeline.lab.evaluation.retrieval.by_box import MOST_RELEVANT
from pipeline.lab.evaluation.retrieval.by_class import ALL
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, Question, drawn
from schemas.query import BoxTuple, Query
from schemas.zones import Zone

FEW = "few"  # that are relevant: these questions are not answered by chance
LEAST_INSIDE = 0.8
LEAST_RELEVANT = 10  # frames; with fewer not all of the first ten could be right
LEAST_TIMES, MOST_TIMES = 2.0, 6.0


def zone_questions(gallery: Gallery, classes: tuple[ClassName, ...], *, most: int, seed: int) -> list[Question]:
    """At most `most` questions, drawn by the seed.

    A zone is a box of 2 to 6 times the area of a true box, which lies somewhere in it, and no shorter or narrower. A
    frame is relevant if at least 80 % of a true box of the same class lie in the zone. A zone gives a question if that
    is so for at least ten of the other frames, and is in the subset FEW as well if it is so for at most 40 %.
    """
    frame_of, boxes, labels = gallery.counted_objects()

    def question(box: int) -> Question | None:
        own, label = int(frame_of[box]), int(labels[box])
        x0, y0, x1, y1 = boxes.xyxy[box].tolist()
        zone = _around((x0, y0, x1, y1), np.random.default_rng((seed, box)))
        fits = (share_inside(boxes, Zone.of(zone)) >= LEAST_INSIDE) & (labels == label) & (frame_of != own)
        answers = np.unique(frame_of[fits])
        if len(answers) < LEAST_RELEVANT:
            return None
        judged = np.full(len(gallery), IRRELEVANT, np.int8)
        judged[answers], judged[own] = RELEVANT, UNJUDGED
        places = {number: boxes[fits & (frame_of == number)] for number in answers.tolist()}
        # a zone that is a box: methods with another geometry compare the same box by it
        query = Query(text=classes[label].name, box=zone, geometry="inside", not_frames=(gallery.frame_id(own),))
        return Question(query, ALL, judged, places)

    questions = drawn(range(len(boxes)), question, most=most, seed=seed)
    few = [replace(each, subset=FEW) for each in questions if each.relevant <= MOST_RELEVANT * len(gallery)]
    return questions + few


def _around(box: BoxTuple, draw: np.random.Generator) -> BoxTuple:
    """A box of 2 to 6 times the area of this one around it, at most as large as the frame."""
    x0, y0, x1, y1 = box
    times = draw.uniform(LEAST_TIMES, MOST_TIMES)
    wider = times ** draw.uniform(0, 1)
    width, height = min(1.0, (x1 - x0) * wider), min(1.0, (y1 - y0) * times / wider)
    left = draw.uniform(max(0.0, x1 - width), min(x0, 1.0 - width))
    top = draw.uniform(max(0.0, y1 - height), min(y0, 1.0 - height))
    return left, top, min(1.0, left + width), min(1.0, top + height)
