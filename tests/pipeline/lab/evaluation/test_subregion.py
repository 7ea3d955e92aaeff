"""The evaluation of sub-region search. Catches truth read for the wrong frame, and figures that are too good."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from operators.encoders.catalogue import load_encoder
from operators.readers.probe import probe
from pipeline.lab.datasets.mot import MotSequence
from pipeline.lab.evaluation.subregion import (
    DEFAULT,
    Queries,
    SubregionEvaluation,
    _Candidates,
    _figures,
    evaluate_subregion,
)
from schemas.boxes import Boxes
from schemas.query import Geometry, Normalisation, Ranking
from tests.clips import Clips

LEFT, RIGHT = [0.0, 0.0, 0.2, 0.4], [0.8, 0.0, 1.0, 0.4]


@pytest.fixture
def sequence(clips: Clips) -> MotSequence:
    """Five frames; the thing stands left in frames 0, 10, 30, and right in 20, 40."""
    path = str(clips("b_frames.mp4"))
    where = {0: LEFT, 10: LEFT, 20: RIGHT, 30: LEFT, 40: RIGHT}
    return MotSequence(probe(path, uri=path), {pts: Boxes(np.array([box], np.float32)) for pts, box in where.items()})


def drawn(sequence: MotSequence, **settings: int) -> Queries:
    return Queries.drawn(sequence, np.array(sorted(sequence.boxes)), SubregionEvaluation(**settings))


def test_relevant_are_the_other_frames_with_a_thing_in_that_place(sequence: MotSequence) -> None:
    queries = drawn(sequence)
    assert queries.own.tolist() == [0, 1, 2, 3, 4]
    assert [np.flatnonzero(r).tolist() for r in queries.relevant] == [[1, 3], [0, 3], [4], [0, 1], [2]]


def test_queries_without_a_relevant_frame_or_with_too_many_are_dropped(sequence: MotSequence) -> None:
    alone = Boxes(np.array([RIGHT, [0.4, 0.4, 0.6, 0.6]], np.float32))
    assert len(drawn(MotSequence(sequence.source, {**sequence.boxes, 40: alone})).boxes) == 5
    everywhere = {pts: Boxes(np.array([LEFT], np.float32)) for pts in sequence.boxes}
    assert len(drawn(MotSequence(sequence.source, everywhere)).boxes) == 0


def test_as_many_queries_are_drawn_as_asked_for_and_always_the_same(sequence: MotSequence) -> None:
    assert len(drawn(sequence, queries=3).boxes) == 3
    assert drawn(sequence, queries=3).own.tolist() == drawn(sequence, queries=3).own.tolist()


def test_recall_is_normalised_by_what_can_be_found_and_frames_without_candidates_are_not_found() -> None:
    relevant = np.array([False, True, True, False, True])
    # frame 4 has no candidate; frame 1 is first by its nearer candidate, frame 2 third
    distance = np.array([0.9, 0.1, 0.2, 0.3], np.float32)
    frame = np.array([1, 1, 0, 2])
    recall_1, recall_5, recall_10, recall_50, reciprocal = _figures(distance, frame, relevant)
    assert recall_1 == 1.0
    assert [recall_5, recall_10, recall_50] == pytest.approx([2 / 3] * 3)
    assert reciprocal == 1.0


def test_a_box_finds_what_stands_there_and_words_alone_do_not(sequence: MotSequence) -> None:
    queries = drawn(sequence)
    boxes = np.array([LEFT, LEFT, RIGHT, LEFT, RIGHT, *[[0.0, 0.0, 1.0, 1.0]] * 5], np.float32)
    frame = np.array([0, 1, 2, 3, 4] * 2)
    candidates = _Candidates(np.full(10, 0.5, np.float32), boxes, frame)
    by_box, by_words = candidates.measured(queries, queries.boxes, [Ranking(), None])
    assert by_box.tolist() == [1.0] * 5
    assert by_words[0] < 1.0


def test_every_way_to_rank_is_measured_on_a_real_clip(clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(clips("b_frames.mp4").read_bytes())
    (folder / "gt.txt").write_text("1,1,0,0,40,80,1\n26,1,0,0,40,80,1\n51,1,110,30,50,80,1\n76,1,110,30,50,80,1\n")
    encoder = load_encoder("everyday")
    table = evaluate_subregion(folder, SubregionEvaluation(every=25), encoder=encoder, lakes=tmp_path / "lakes")
    encoder.close()
    assert (table.video, table.frames, table.queries) == ("clip.mp4", 4, 4)
    kinds = {row.candidates: len([r for r in table.rows if r.candidates == row.candidates]) for row in table.rows}
    all_rankings = 1 + len(get_args(Geometry)) * len(get_args(Normalisation)) * len(SubregionEvaluation().weights)
    assert kinds.pop("whole image") == 1
    assert set(kinds) == {"proposals", "proposals and frames", "grid 4+8", "grid 4+8 and frames"}
    assert set(kinds.values()) == {all_rankings}
    assert all(0 <= figure <= 1 for row in table.rows for figure in (*row.recall, row.reciprocal_rank))
    # three frames can be found, one is relevant: among five it always is, where every frame has a candidate
    assert all(row.recall[1] == 1 for row in table.rows if "frames" in row.candidates)
    default = next(r for r in table.rows if r.candidates == "proposals and frames" and r.ranking == DEFAULT)
    assert table.noise["exact"] == default.recall[2]
