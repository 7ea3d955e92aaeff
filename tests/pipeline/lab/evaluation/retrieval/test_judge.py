"""Hits against right answers. Catches unjudged or unknown frames that take a rank, and boxes that are compared with
those of another frame."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.lab.evaluation.retrieval.judge import MEASURES, judge
from pipeline.lab.evaluation.retrieval.question import Question, Task
from schemas.boxes import Boxes
from schemas.query import BoxTuple, Hit, Place, Query
from tests.pipeline.lab.evaluation.retrieval.galleries import frame_of, gallery_of

GALLERY = gallery_of(*(frame_of(number, []) for number in range(6)))
LEFT, RIGHT, WIDE = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 0.75, 1.0)


def hits(*frames: tuple[str, BoxTuple]) -> list[Hit]:
    return [
        Hit(rank, 0.1 * rank, Place(box), source, source, 0, 0.0, None, None, source)
        for rank, (source, box) in enumerate(frames, start=1)
    ]


def question(judged: list[int]) -> Question:
    places = {n: Boxes(np.array([LEFT], np.float32)) for n, j in enumerate(judged) if j == 1}
    return Question(Query(text="cat"), "all", np.array(judged, np.int8), places)


def test_unjudged_and_foreign_frames_take_no_rank() -> None:
    # frame 5 is not found; 2 is unjudged; "x" belongs to another data set
    found = hits(("2", LEFT), ("x", LEFT), ("0", LEFT), ("1", LEFT), ("3", LEFT), ("4", LEFT))
    values = judge(found, question([0, 1, -1, 0, 1, 1]), GALLERY, task="classes")
    # in ranks: no, yes, no, yes of 3
    assert values["MRR"] == 1 / 2
    assert values["mAP@50"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert values["R@10"] == pytest.approx(2 / 3)
    assert [values[f"Recall@{k}"] for k in (1, 3, 5)] == pytest.approx([1 / 3, 2 / 3, 2 / 3])


def test_localisation_is_of_relevant_hits_with_their_own_boxes() -> None:
    asked = question([1, 0, 1, 0, 0, 0])
    assert judge(hits(("0", LEFT), ("1", LEFT), ("2", RIGHT)), asked, GALLERY, task="boxes")["IoU"] == 0.5
    assert "IoU" not in judge(hits(("1", LEFT)), asked, GALLERY, task="boxes")


def test_precision_counts_what_was_returned_and_inside_is_of_every_hit() -> None:
    judged = question([1, 0, 1, 0, 1, -1])
    zone = Question(replace(judged.query, box=LEFT, geometry="inside"), "all", judged.judged, judged.places)
    values = judge(hits(("0", LEFT), ("1", WIDE), ("5", RIGHT), ("2", RIGHT)), zone, GALLERY, task="zones")
    # in ranks: yes, no, yes; all of LEFT, two thirds of WIDE and nothing of RIGHT lie in the left half
    assert values["P@10"] == pytest.approx(2 / 3)
    assert values["R@10"] == pytest.approx(2 / 3)
    assert values["inside"] == pytest.approx(2 / 3)
    assert judge([], zone, GALLERY, task="zones")["P@10"] == 0


def test_an_answer_without_hits_has_every_measure_but_localisation() -> None:
    tasks: tuple[Task, ...] = ("classes", "captions", "boxes", "rois")
    for task in tasks:
        values = judge([], question([1, 0, 0, 0, 0, 0]), GALLERY, task=task)
        assert values == {name: 0.0 for name in MEASURES[task] if name != "IoU"}
