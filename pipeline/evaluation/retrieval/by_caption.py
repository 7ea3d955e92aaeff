"""Which picture a sentence was written for."""

import numpy as np

from pipeline.evaluation.retrieval.by_class import ALL
from pipeline.evaluation.retrieval.gallery import Gallery
from pipeline.evaluation.retrieval.question import IRRELEVANT, RELEVANT, Question
from schemas.query import Query


def caption_questions(gallery: Gallery) -> list[Question]:
    """A question a caption; its own picture is the only answer."""
    questions = []
    for number, frame in enumerate(gallery.frames):
        judged = np.full(len(gallery), IRRELEVANT, np.int8)
        judged[number] = RELEVANT
        questions += [Question(Query(text=text), ALL, judged, {}) for text in frame.captions]
    return questions
