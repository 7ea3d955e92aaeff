"""Questions by a region of a frame (RIS): which other frames show the same object.

In a video it is the same individual, by the identities of the ground truth; among pictures, whose individuals are not
known, an object of the same class.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from operators.readers.random_access import DecordReader
from pipeline.lab.datasets.dataset import Dataset
from pipeline.lab.evaluation.retrieval.by_box import MOST_RELEVANT
from pipeline.lab.evaluation.retrieval.by_class import ALL, judged_for
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, Question, drawn
from schemas.boxes import Boxes
from schemas.query import Query

LEAST_AREA = 0.01  # share of the frame; less is hardly a patch of any model


def roi_questions(gallery: Gallery, dataset: Dataset, *, pictures: Path, most: int, seed: int) -> list[Question]:
    """At most `most` questions, drawn by the seed.

    An object gives a question if at least one and at most 40 % of the other frames show it again.
    pictures: folder to which the query frames of a video are written as PNG.
    """
    judged_of, shown = judged_for(gallery, len(dataset.classes))
    where = _whereabouts(gallery)
    picture = _Pictures(gallery, dataset, folder=pictures)

    def question(item: tuple[int, int]) -> Question | None:
        own, index = item
        objects = gallery.frames[own].objects
        label, identity = int(objects.labels[index]), int(objects.identities[index])
        everywhere = shown[label] if dataset.video is None else where.get(identity, {})
        places = {number: boxes for number, boxes in everywhere.items() if number != own}
        if not 0 < len(places) <= MOST_RELEVANT * len(gallery):
            return None
        if dataset.video is None:
            judged = judged_of[label].copy()
        else:
            judged = np.full(len(gallery), IRRELEVANT, np.int8)
            judged[list(places)] = RELEVANT
        judged[own] = UNJUDGED
        x0, y0, x1, y1 = objects.boxes.xyxy[index].tolist()
        query = Query(image=str(picture(own)), roi=(x0, y0, x1, y1), not_frames=(gallery.frame_id(own),))
        return Question(query, ALL, judged, places)

    large = [frame.objects.counted & (frame.objects.boxes.area() >= LEAST_AREA) for frame in gallery.frames]
    askable = [(own, index) for own, fits in enumerate(large) for index in np.flatnonzero(fits).tolist()]
    return drawn(askable, question, most=most, seed=seed)


def _whereabouts(gallery: Gallery) -> dict[int, dict[int, Boxes]]:
    """For each identity: number of a frame that shows it → its box there."""
    where: dict[int, dict[int, Boxes]] = {}
    for number, frame in enumerate(gallery.frames):
        objects = frame.objects
        for index in np.flatnonzero(objects.counted & (objects.identities >= 0)).tolist():
            where.setdefault(int(objects.identities[index]), {})[number] = objects.boxes[index : index + 1]
    return where


class _Pictures:
    """Maps the number of a frame to a file with its picture; frames of a video are written when they are needed."""

    def __init__(self, gallery: Gallery, dataset: Dataset, *, folder: Path) -> None:
        self._frames = gallery.frames
        self._reader = None if dataset.video is None else DecordReader(dataset.video.uri, dataset.video)
        self._folder = folder

    def __call__(self, number: int) -> Path:
        frame = self._frames[number]
        if self._reader is None or frame.pts is None:
            return frame.path
        path = self._folder / f"{frame.pts}.png"
        if not path.exists():
            (image,) = self._reader.frames_at([frame.pts])
            Image.fromarray(image).save(path, compress_level=1)
        return path
