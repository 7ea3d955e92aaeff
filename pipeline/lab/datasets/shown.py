"""Decides what a region of a labelled picture shows."""

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.datasets.dataset import Objects
from schemas.boxes import Boxes

HALF = 0.5
LEAST_SHARE = 0.1  # of a region that an object must fill, to be shown by it


def shown_classes(boxes: Boxes, objects: Objects, *, classes: int) -> NDArray[np.bool_]:
    """bool (N, classes): whether each box shows each class.

    It shows an object that covers half of it, or that has half of its own box in it and fills at least a tenth of it:
    a part of a bus shows a bus, and so does a street with one in it. Boxes with IoU ≥ 0.5 always show the object.
    """
    shows = np.zeros((len(boxes), classes), np.bool_)
    common = boxes.intersection(objects.boxes)
    area, of_object = boxes.area()[:, None], objects.boxes.area()[None]
    covered = common >= HALF * area
    inside = (common >= HALF * of_object) & (of_object >= LEAST_SHARE * area)
    shown = (covered | inside) & (common > 0)
    for number, label in enumerate(objects.labels.tolist()):
        shows[:, label] |= shown[:, number]
    return shows


def classes_in(objects: Objects, *, classes: int) -> NDArray[np.bool_]:
    """bool (classes,): which classes a whole picture shows, however small."""
    shows = np.zeros(classes, np.bool_)
    shows[objects.labels] = True
    return shows
