"""Who is found again: figures by hand, and on a drawn clip. Catches neighbouring moments that count as answers, and
true boxes of the wrong frame or person."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from operators.encoders.region_vectors import RegionVectorsConfig
from pipeline.lab.evaluation.identities import IdentitiesEvaluation, IdentitiesRow, evaluate_identities, rankings
from pipeline.plan.plan import Plan
from schemas.errors import SourceError
from schemas.vectors import normalise

SIDE, FRAMES, PER_SECOND = 96, 24, 8
Folder = Callable[..., Path]


def angles(*degrees: float) -> np.ndarray:
    at = np.deg2rad(degrees)
    return np.stack([np.cos(at), np.sin(at)], axis=1).astype(np.float32)


def test_precision_of_rankings_by_hand() -> None:
    people = np.array([1, 2, 1, 1])
    ranked = rankings(angles(0, 10, 20, 50), people, ~np.eye(4, dtype=np.bool_))
    # 0: 2, 1, 1 by distance; box 1 is alone, so no question; 2: 2, 1, 1; 3: 1, 2, 1
    assert [found.tolist() for found in ranked.found] == [[False, True, True], [False, True, True], [True, False, True]]
    assert ranked.first() == [0.0, 0.0, 1.0]
    assert ranked.precision() == pytest.approx([(1 / 2 + 2 / 3) / 2, (1 / 2 + 2 / 3) / 2, (1 + 2 / 3) / 2])


def test_boxes_that_are_not_apart_are_neither_answers_nor_mistakes() -> None:
    people, at = np.array([1, 2, 1, 2, 1]), np.array([0, 0, 1, 9, 9])
    apart = np.abs(at[:, None] - at) >= 5
    ranked = rankings(angles(0, 1, 2, 3, 40), people, apart)
    assert [found.tolist() for found in ranked.found] == [
        *([False, True], [True, False], [False, True]),  # they see the two boxes at 9 alone
        *([False, True, False], [True, False, True]),  # these see the three before
    ]


def test_of_equals_the_earlier_box_is_first() -> None:
    ranked = rankings(normalise(np.ones((3, 2), np.float32)), np.array([1, 2, 1]), ~np.eye(3, dtype=np.bool_))
    assert [found.tolist() for found in ranked.found] == [[False, True], [True, False]]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A clip of a striped and a chequered square that change sides, and its gt.txt."""
    cell = np.indices((SIDE, SIDE)) // 12
    striped, chequered = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    striped[cell[1] % 2 == 0] = (230, 40, 30)
    chequered[cell.sum(axis=0) % 2 == 0] = (30, 90, 240)

    def make(*, exchanged_from: int = FRAMES) -> Path:
        rows = []
        with av.open(str(tmp_path / "clip.mp4"), "w") as target:
            stream = target.add_stream("libx264", rate=Fraction(PER_SECOND))
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            stream.options = {"bf": "2", "crf": "18"}
            for i in range(FRAMES):
                picture = np.full((240, 320, 3), 120, np.uint8)
                across = round(200 * i / (FRAMES - 1))
                for number, (left, top, shown) in enumerate(
                    [(8 + across, 12, striped), (208 - across, 130, chequered)]
                ):
                    picture[top : top + SIDE, left : left + SIDE] = shown
                    person = number if i < exchanged_from else 1 - number
                    rows.append(f"{i + 1},{person},{left},{top},{SIDE},{SIDE},1,-1,-1,-1")
                target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            target.mux(stream.encode(None))
        (tmp_path / "gt.txt").write_text("\n".join(rows) + "\n")
        return tmp_path

    return make


POOL = {"pool": Plan(regions=RegionVectorsConfig(mode="pool"))}
EVALUATION = IdentitiesEvaluation(every=6, apart_s=1.5)


def only(rows: tuple[IdentitiesRow, ...]) -> IdentitiesRow:
    (row,) = rows
    return row


def test_things_that_look_different_are_found_again_at_the_other_side(folder: Folder) -> None:
    plans = {"both": Plan(regions=RegionVectorsConfig(mode="both")), **POOL}
    table = evaluate_identities(folder(), plans, EVALUATION)
    # frames 0, 6, 12, 18; each sees those 12 frames away: 12, 18, 0, 6 and 18 from 0
    assert (table.frames, table.boxes, table.people, table.questions) == (4, 8, 2, 8)
    assert [row.vectors for row in table.rows] == ["both", "pool"]
    assert [(row.first.value, row.precision.value) for row in table.rows] == [(1.0, 1.0), (1.0, 1.0)]
    assert table.rows[0].gain is None
    assert table.rows[1].gain is not None
    assert table.rows[1].gain.value == 0
    assert table.regions == 32
    # 32 crops cost more than one map, on any machine
    assert table.rows[0].cpu_ms > table.rows[1].cpu_ms > 0


def test_truth_that_exchanges_the_two_is_answered_wrong(folder: Folder) -> None:
    row = only(evaluate_identities(folder(exchanged_from=12), POOL, EVALUATION).rows)
    assert row.first.value == 0  # all pairs that are apart lie on both sides of the exchange
    assert row.precision.value == pytest.approx((2 * (1 / 3 + 2 / 4) / 2 + 2 * 1 / 2) / 4)


def test_a_video_in_which_nobody_is_seen_again_is_refused(folder: Folder) -> None:
    with pytest.raises(SourceError, match="no person is seen again after 60 s"):
        evaluate_identities(folder(), POOL, IdentitiesEvaluation(every=6, apart_s=60))
