"""Right answers to questions. Catches crowds and unknown pictures that count as mistakes, the query's own frame counted
as found, sizes of the wrong object, and places that nearly every frame matches."""

from pathlib import Path

import numpy as np
import pytest

from operators.readers.picture import read_picture
from pipeline.lab.datasets.dataset import ClassName, Dataset, Flag
from pipeline.lab.datasets.mot import read_sequence
from pipeline.lab.datasets.read import read_dataset
from pipeline.lab.evaluation.retrieval.by_box import box_questions
from pipeline.lab.evaluation.retrieval.by_caption import caption_questions
from pipeline.lab.evaluation.retrieval.by_class import ALL, RARE, class_questions
from pipeline.lab.evaluation.retrieval.by_roi import roi_questions
from pipeline.lab.evaluation.retrieval.by_zone import FEW, zone_questions
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from pipeline.lab.evaluation.retrieval.question import Question
from pipeline.lab.evaluation.subregion import Queries, SubregionEvaluation
from schemas.errors import InvalidValueError
from schemas.ids import frame_id
from schemas.query import Query
from tests.pipeline.lab.evaluation.retrieval.galleries import frame_of, gallery_of

CLASSES = (ClassName("cat"), ClassName("dog"), ClassName("bird"))
SUBSETS = (ALL, FEW)
LARGE, SMALL = (0.0, 0.0, 0.6, 0.6), (0.5, 0.5, 0.6, 0.6)  # 120² and 20² px²
ELSEWHERE = (0.7, 0.0, 1.0, 0.6)


def of(questions: list[Question], subset: str) -> dict[str | None, list[int]]:
    return {q.query.text: q.judged.tolist() for q in questions if q.subset == subset}


def test_a_class_is_asked_for_where_some_frame_shows_it_and_crowds_are_no_mistake() -> None:
    gallery = gallery_of(
        frame_of(0, [(0, LARGE), (1, LARGE)]),
        frame_of(1, [(0, LARGE, Flag.CROWD)]),
        frame_of(2, [(0, SMALL), (0, LARGE, Flag.DIFFICULT)]),
        frame_of(3, []),
    )
    questions = class_questions(gallery, CLASSES)
    assert of(questions, ALL) == {"cat": [1, -1, 1, 0], "dog": [1, 0, 0, 0]}
    (cat, _) = [q for q in questions if q.subset == ALL]
    assert cat.relevant == 2
    np.testing.assert_allclose(cat.places[2].xyxy, [SMALL])  # what does not count is no true box


def test_nothing_is_known_of_classes_that_nobody_looked_for() -> None:
    gallery = gallery_of(
        frame_of(0, [(0, LARGE)], absent=frozenset({1})), frame_of(1, [(1, LARGE)], absent=frozenset({0}))
    )
    third = gallery_of(*gallery.frames, frame_of(2, [], absent=frozenset()))
    assert of(class_questions(third, CLASSES), ALL) == {"cat": [1, 0, -1], "dog": [0, 1, -1]}


def test_sizes_are_those_of_the_largest_object_and_other_sizes_are_no_mistake() -> None:
    gallery = gallery_of(
        frame_of(0, [(0, LARGE)]), frame_of(1, [(0, SMALL)]), frame_of(2, [(0, SMALL), (0, LARGE)]), frame_of(3, [])
    )
    questions = class_questions(gallery, CLASSES)
    assert of(questions, "small") == of(questions, "small to medium") == {"cat": [-1, 1, -1, 0]}
    assert of(questions, "large") == {"cat": [1, -1, 1, 0]}


def test_rare_classes_are_those_that_the_data_set_names_else_those_in_fewest_frames() -> None:
    gallery = gallery_of(
        frame_of(0, [(0, LARGE), (1, LARGE), (2, LARGE)]),
        frame_of(1, [(0, LARGE), (2, LARGE)]),
        frame_of(2, [(2, LARGE)]),
    )
    assert of(class_questions(gallery, CLASSES), RARE) == {"dog": [1, 0, 0]}
    told = (ClassName("cat", "rare"), ClassName("dog", "common"), ClassName("bird", "rare"))
    assert list(of(class_questions(gallery, told), RARE)) == ["cat", "bird"]


def test_a_caption_is_answered_by_its_picture_alone() -> None:
    gallery = gallery_of(frame_of(0, [], captions=("One.", "A first.")), frame_of(1, [], captions=("Two.",)))
    assert of(caption_questions(gallery, most=9, seed=0), ALL) == {"One.": [1, 0], "A first.": [1, 0], "Two.": [0, 1]}


def test_a_place_is_answered_by_other_frames_with_that_class_there() -> None:
    gallery = gallery_of(
        frame_of(0, [(0, LARGE)]),
        frame_of(1, [(0, (0.0, 0.0, 0.6, 0.5))]),
        frame_of(2, [(1, LARGE)]),
        frame_of(3, [(0, ELSEWHERE), (0, LARGE, Flag.IGNORE)]),
        frame_of(4, []),
    )
    questions = box_questions(gallery, CLASSES, most=9, seed=0)
    assert [(q.query.text, q.judged.tolist()) for q in questions] == [
        ("cat", [-1, 1, 0, 0, 0]),
        ("cat", [1, -1, 0, 0, 0]),
    ]
    assert questions[0].query.box == pytest.approx(LARGE)
    assert questions[0].query.not_frames == (frame_id("0", 0),)
    np.testing.assert_allclose(questions[0].places[1].xyxy, [(0.0, 0.0, 0.6, 0.5)], rtol=1e-6)


def test_places_that_most_frames_answer_are_not_asked_for() -> None:
    everywhere = gallery_of(*(frame_of(n, [(0, LARGE)]) for n in range(5)))
    assert box_questions(everywhere, CLASSES, most=9, seed=0) == []


def test_a_zone_is_answered_by_frames_with_four_fifths_of_the_class_inside() -> None:
    small = (0.45, 0.45, 0.55, 0.55)
    outside = (0.0, 0.0, 0.1, 0.1)
    frames = [frame_of(n, [(0, small)]) for n in range(12)]
    frames += [frame_of(n, [(1, small)]) for n in range(12, 16)]
    frames += [frame_of(n, [(0, outside), (0, (0.4, 0.4, 0.6, 0.6), Flag.IGNORE)]) for n in range(16, 40)]
    questions = zone_questions(gallery_of(*frames), CLASSES, most=99, seed=3)
    own = {
        subset: [int(np.flatnonzero(q.judged == -1)[0]) for q in questions if q.subset == subset] for subset in SUBSETS
    }
    assert own[ALL] == [*range(12), *range(16, 40)], "three other frames with a dog are too few"
    assert own[FEW] == list(range(12)), "23 of 40 frames are not few"
    of_cats = [q for q in questions if q.subset == FEW]
    for number, question in enumerate(of_cats):
        (zone,) = question.query.areas
        x0, y0, x1, y1 = zone.bounds
        assert 2 - 1e-5 <= (x1 - x0) * (y1 - y0) / 0.01 <= 6 + 1e-5
        assert x0 <= 0.45 + 1e-6
        assert x1 >= 0.55 - 1e-6
        assert y0 <= 0.45 + 1e-6
        assert y1 >= 0.55 - 1e-6
        assert np.flatnonzero(question.judged == 1).tolist() == [n for n in range(12) if n != number]
        assert question.query.not_frames == (frame_id(str(number), 0),)
        np.testing.assert_allclose(question.places[(number + 1) % 12].xyxy, [small])
    again = zone_questions(gallery_of(*frames), CLASSES, most=99, seed=3)
    assert [q.query for q in again] == [q.query for q in questions]
    assert [q.query for q in zone_questions(gallery_of(*frames), CLASSES, most=99, seed=4)] != [q.query for q in again]


@pytest.mark.data
def test_zones_of_a_video_are_answered_where_somebody_is_inside(data_dir: Path) -> None:
    dataset = read_dataset(data_dir / "tud-stadtmitte")
    assert dataset.video is not None
    frames = dataset.frames[::3]
    gallery = Gallery(frames, {(dataset.video.id, f.pts or 0): n for n, f in enumerate(frames)}, copies=0)
    questions = zone_questions(gallery, dataset.classes, most=20, seed=0)
    assert sum(question.subset == ALL for question in questions) == 20
    assert {question.subset for question in questions} == {*SUBSETS}
    for question in questions:
        assert question.query.box is not None
        zx0, zy0, zx1, zy1 = question.query.box
        for number, judged in enumerate(question.judged.tolist()):
            boxes = frames[number].objects.boxes.xyxy[frames[number].objects.counted].tolist()
            shares = [
                max(0.0, min(x1, zx1) - max(x0, zx0)) * max(0.0, min(y1, zy1) - max(y0, zy0)) / ((x1 - x0) * (y1 - y0))
                for x0, y0, x1, y1 in boxes
            ]
            if judged >= 0:
                assert judged == (max(shares, default=0.0) >= 0.8)
        assert 10 <= question.relevant <= (1.0 if question.subset == ALL else 0.4) * len(gallery)


@pytest.mark.data
def test_places_of_a_video_are_those_of_the_sub_region_protocol(data_dir: Path) -> None:
    sequence, dataset = read_sequence(data_dir / "tud-stadtmitte"), read_dataset(data_dir / "tud-stadtmitte")
    frames = dataset.frames[::6]
    pts = np.array([frame.pts for frame in frames], np.int64)
    expected = Queries.drawn(sequence, pts, SubregionEvaluation(queries=10_000))
    gallery = Gallery(frames, {(sequence.source.id, int(p)): n for n, p in enumerate(pts)}, copies=0)
    questions = box_questions(gallery, dataset.classes, most=10_000, seed=0)
    np.testing.assert_allclose([q.query.box for q in questions], expected.boxes.xyxy)
    np.testing.assert_array_equal([q.judged == 1 for q in questions], expected.relevant)
    assert [int(np.flatnonzero(q.judged == -1)[0]) for q in questions] == expected.own.tolist()


def test_a_region_of_a_picture_is_answered_by_others_of_its_class(tmp_path: Path) -> None:
    frames = [frame_of(0, [(0, LARGE)]), frame_of(1, [(0, LARGE)]), frame_of(2, [(1, ELSEWHERE)])]
    frames += [frame_of(n, [(0, LARGE, Flag.CROWD)]) for n in range(3, 5)]
    gallery = gallery_of(*frames)
    dataset = Dataset("drawn", "coco", CLASSES, gallery.frames)
    questions = roi_questions(gallery, dataset, pictures=tmp_path, most=10, seed=0)
    # the dog is in no other frame
    assert [(q.query.image, q.judged.tolist()) for q in questions] == [
        ("/0.png", [-1, 1, 0, -1, -1]),
        ("/1.png", [1, -1, 0, -1, -1]),
    ]
    assert questions[0].query.roi == pytest.approx(LARGE)
    assert questions[1].query.not_frames == (frame_id("1", 0),)
    assert len(roi_questions(gallery, dataset, pictures=tmp_path, most=1, seed=0)) == 1


@pytest.mark.data
def test_individuals_of_a_video_are_asked_for_by_a_frame_of_it(data_dir: Path, tmp_path: Path) -> None:
    dataset = read_dataset(data_dir / "tud-stadtmitte")
    frames = dataset.frames[::10]
    assert dataset.video is not None
    gallery = Gallery(frames, {(dataset.video.id, f.pts or 0): n for n, f in enumerate(frames)}, copies=0)
    questions = roi_questions(gallery, dataset, pictures=tmp_path, most=3, seed=0)
    assert len(questions) == 3
    for question in questions:
        assert question.query.image is not None
        assert read_picture(question.query.image).shape == (480, 640, 3)
        assert (question.judged == -1).sum() == 1  # its own frame
        own = int(np.flatnonzero(question.judged == -1)[0])
        assert Path(question.query.image).stem == str(frames[own].pts)
        boxes = frames[own].objects.boxes.xyxy
        (index,) = np.flatnonzero(np.isclose(boxes, question.query.roi, atol=1e-6).all(axis=1))
        who = frames[own].objects.identities[index]
        seen = [n for n, f in enumerate(frames) if n != own and who in f.objects.identities[f.objects.counted]]
        assert np.flatnonzero(question.judged == 1).tolist() == seen == sorted(question.places)


def test_a_question_without_an_answer_is_refused_and_a_draw_is_repeated() -> None:
    with pytest.raises(InvalidValueError, match="no frame answers"):
        Question(Query(text="cat"), ALL, np.zeros(3, np.int8), {})
    gallery = gallery_of(*(frame_of(n, [], captions=(f"{n}",)) for n in range(20)))
    texts = [[q.query.text for q in caption_questions(gallery, most=most, seed=1)] for most in (5, 5, 50)]
    assert texts[0] == texts[1] == sorted(texts[0], key=lambda text: int(text or 0))
    assert texts[2] == [f"{n}" for n in range(20)]
