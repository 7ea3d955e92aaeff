"""Questions by caption: which picture a caption describes."""

import numpy as np

from pipeline.lab.evaluation.retrieval.by_class import ALL
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, Question, drawn
from schemas.query import Query


def caption_questions(gallery: Gallery, *, most: int, seed: int) -> list[Question]:
    """At most `most` questions, drawn by the seed; the only answer to a caption is its own picture."""

    def question(item: tuple[int, str]) -> Question:
        number, text = item
        judged = np.full(len(gallery), IRRELEVANT, np.int8)
        judged[number] = RELEVANT
        return Question(Query(text=text), ALL, judged, {})

    captions = [(number, text) for number, frame in enumerate(gallery.frames) for text in frame.captions]
    return drawn(captions, question, most=most, seed=seed)
