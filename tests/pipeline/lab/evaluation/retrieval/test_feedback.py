"""The measurement of relevance feedback. Catches judged frames that count as found, a user who likes a close-up that
does not show it, and a regression that forgets its query."""

import numpy as np
import pytest

from operators.ranking.feedback import Rocchio
from pipeline.lab.evaluation.retrieval.feedback import Logistic, SimulatedUser, _judge, _measured
from pipeline.lab.evaluation.retrieval.question import IRRELEVANT, RELEVANT, UNJUDGED, Question
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.query import Hit, Place, Query
from schemas.vectors import normalise
from tests.pipeline.lab.evaluation.retrieval.galleries import frame_of, gallery_of

LEFT, RIGHT = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0)
GALLERY = gallery_of(*(frame_of(number, [(0, LEFT)]) for number in range(6)))
NONE = np.zeros((0, 8), np.float32)


def hits(*boxes: tuple[float, float, float, float]) -> list[Hit]:
    """One for each frame of the gallery, in its order."""
    return [
        Hit(n + 1, 0.1 * n, Place(box, region_id=f"r{n}"), f"/{n}.png", str(n), 0, 0.0, None, None, f"f{n}")
        for n, box in enumerate(boxes)
    ]


def question(*judged: int) -> Question:
    places = {n: Boxes([LEFT]) for n, each in enumerate(judged) if each == RELEVANT}
    return Question(Query(text="a thing"), "all", np.array(judged, np.int8), places)


def test_a_user_likes_what_shows_it_and_judged_frames_count_no_more() -> None:
    asked = question(RELEVANT, RELEVANT, IRRELEVANT, UNJUDGED, RELEVANT, IRRELEVANT)
    found = hits(RIGHT, LEFT, LEFT, LEFT, LEFT, LEFT)
    judged = _judge(found, asked, GALLERY, SimulatedUser(likes=1, dislikes=1), "classes")
    assert judged is not None
    assert (judged.liked, judged.unliked) == (("r1",), ("r2",))  # the close-up of r0 shows something else
    assert judged.rest.judged.tolist() == [RELEVANT, UNJUDGED, UNJUDGED, UNJUDGED, RELEVANT, IRRELEVANT]
    assert _measured(found, judged.rest, GALLERY, "classes") == (1.0, 1.0)
    assert _measured(found[::-1], judged.rest, GALLERY, "classes") == (1.0, pytest.approx((1 / 2 + 2 / 3) / 2))


def test_of_individuals_a_hit_counts_where_it_is_that_one() -> None:
    asked = question(RELEVANT, RELEVANT, RELEVANT, RELEVANT, IRRELEVANT, IRRELEVANT)
    found = hits(RIGHT, LEFT, LEFT, RIGHT, RIGHT, RIGHT)
    judged = _judge(found, asked, GALLERY, SimulatedUser(likes=1, dislikes=1), "individuals")
    assert judged is not None
    assert (judged.liked, judged.unliked) == (("r1",), ("r0",))
    recall, _ = _measured(found, judged.rest, GALLERY, "individuals")
    assert recall == 0.5  # of frames 2 and 3, the hit of 3 is somebody else


def test_nothing_liked_or_nothing_left_is_no_question() -> None:
    assert _judge(hits(*[RIGHT] * 6), question(*[RELEVANT] * 6), GALLERY, SimulatedUser(), "classes") is None
    one = question(RELEVANT, *[IRRELEVANT] * 5)
    assert _judge(hits(*[LEFT] * 6), one, GALLERY, SimulatedUser(), "classes") is None
    with pytest.raises(InvalidValueError, match="looks_at"):
        SimulatedUser(looks_at=0)


def test_the_regression_separates_the_judged_and_stays_near_its_query() -> None:
    vectors = normalise(np.random.default_rng(0).normal(size=(7, 8)).astype(np.float32))
    query, good, bad = vectors[0], vectors[1:4], vectors[4:]
    strong, weak = (Logistic(c)(query, good, bad) for c in (1000.0, 1e-6))
    assert (good @ strong).min() > (bad @ strong).max()
    np.testing.assert_allclose(weak, query, atol=1e-3)
    assert np.linalg.norm(Logistic()(None, good, bad)) == pytest.approx(1, rel=1e-4)
    assert (good @ Rocchio()(query, good, bad)).mean() > (good @ query).mean()
