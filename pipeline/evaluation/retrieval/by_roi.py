"""In which other frames the thing in a box of one frame is seen again: queries by a picture and a region of it (RIS).

In a video it is the same individual, by the identities of its ground truth; among pictures the same class, for nobody
says which individuals they show.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from operators.readers.random_access import DecordReader
from pipeline.evaluation.datasets.dataset import Dataset
from pipeline.evaluation.retrieval.by_box import MOST_RELEVANT
from pipeline.evaluation.retrieval.by_class import ALL, judged_for
from pipeline.evaluation.retrieval.gallery import Gallery
from pipeline.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, JudgementArray, Question, drawn
from schemas.boxes import Boxes
from schemas.query import Query

LEAST_AREA = 0.01  # of the frame: less is hardly a patch of any model


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The object number `index` of frame `own`, and where it is seen again."""

    own: int
    index: int
    judged: JudgementArray
    places: Mapping[int, Boxes]


def roi_questions(gallery: Gallery, dataset: Dataset, *, pictures: Path, most: int, seed: int) -> list[Question]:
    """At most so many, drawn by the seed, of objects that some, and at most 40 %, of the other frames show again.

    pictures: folder for the frames of a video that are asked with, as PNG.
    """
    seen = _by_identity(gallery) if dataset.video is not None else _by_class(gallery, len(dataset.classes))
    chosen = drawn(seen, most=most, seed=seed)
    paths = _pictures(gallery, dataset, sorted({each.own for each in chosen}), folder=pictures)
    questions = []
    for each in chosen:
        x0, y0, x1, y1 = gallery.frames[each.own].objects.boxes.xyxy[each.index].tolist()
        query = Query(image=str(paths[each.own]), roi=(x0, y0, x1, y1))
        questions.append(Question(query, ALL, each.judged, each.places))
    return questions


def _by_identity(gallery: Gallery) -> list[_Seen]:
    where: dict[int, dict[int, Boxes]] = {}
    for number, frame in enumerate(gallery.frames):
        objects = frame.objects
        for index in np.flatnonzero(objects.counted & (objects.identities >= 0)).tolist():
            where.setdefault(int(objects.identities[index]), {})[number] = objects.boxes[index : index + 1]
    seen = []
    for own, index in _askable(gallery):
        everywhere = where.get(int(gallery.frames[own].objects.identities[index]), {})
        places = {number: boxes for number, boxes in everywhere.items() if number != own}
        if not 0 < len(places) <= MOST_RELEVANT * len(gallery):
            continue
        judged = np.full(len(gallery), IRRELEVANT, np.int8)
        judged[list(places)] = RELEVANT
        judged[own] = UNJUDGED
        seen.append(_Seen(own, index, judged, places))
    return seen


def _by_class(gallery: Gallery, classes: int) -> list[_Seen]:
    judged, shown = judged_for(gallery, classes)
    seen = []
    for own, index in _askable(gallery):
        label = int(gallery.frames[own].objects.labels[index])
        places = {number: boxes for number, boxes in shown[label].items() if number != own}
        if 0 < len(places) <= MOST_RELEVANT * len(gallery):
            others = judged[label].copy()
            others[own] = UNJUDGED
            seen.append(_Seen(own, index, others, places))
    return seen


def _askable(gallery: Gallery) -> list[tuple[int, int]]:
    """Frame and number of the objects that count and are large enough."""
    return [
        (own, index)
        for own, frame in enumerate(gallery.frames)
        for index in np.flatnonzero(frame.objects.counted & (frame.objects.boxes.area() >= LEAST_AREA)).tolist()
    ]


def _pictures(gallery: Gallery, dataset: Dataset, numbers: list[int], *, folder: Path) -> dict[int, Path]:
    """Number of a frame → a file with its picture."""
    frames = {number: gallery.frames[number] for number in numbers}
    if dataset.video is None:
        return {number: frame.path for number, frame in frames.items()}
    reader = DecordReader(dataset.video.uri, dataset.video)
    paths = {}
    for number, frame in frames.items():  # one by one: a long video at full size would not fit into memory
        assert frame.pts is not None
        paths[number] = folder / f"{frame.pts}.png"
        (image,) = reader.frames_at([frame.pts])
        Image.fromarray(image).save(paths[number], compress_level=1)
    return paths
