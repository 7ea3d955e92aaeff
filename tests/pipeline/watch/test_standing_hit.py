"""Ids of hits of watches: catches an id that changes, after which a receiver has a hit twice, or a watch starts again.

The ids are those of release 0.1.0; a change of the query makes another id, and nothing else may.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.watch.standing_hit import StandingHit
from pipeline.watch.watch import Watch
from schemas.query import Hit, Place, Query
from schemas.zones import Zone

CAR = Query(text="red car", box=(0.2, 0.3, 0.6, 0.8), weight=0.7, geometry="giou", not_text=("a bus",), source="gate")
DOOR = Query(
    image="/doors/door.png",
    roi=(0, 0, 0.5, 0.5),
    text="a door",
    text_weight=0.25,
    not_rois=((0.5, 0.5, 1.0, 1.0),),
    not_weight=0.75,
)
HANDLE = Query(
    frame="0123",
    points=((0.25, 0.5),),
    not_points=((0.75, 0.5),),
    prompt_box=(0.0, 0.0, 0.5, 1.0),
    prompt="a handle",
)


@pytest.mark.parametrize(
    ("query", "question"),
    [
        (CAR, "2a5920a50f3a6bdb741bdeddb4d99fbd"),
        (DOOR, "850bf4d6b506ffdf77141ccf060781dd"),
        (HANDLE, "f6aeebe64c432ae16db11a241e51d5d0"),
        (Query(box=(0, 0, 1, 1)), "107ba0f8bff66b7a34de4b793c8f722f"),
    ],
)
def test_a_question_keeps_its_id(query: Query, question: str) -> None:
    assert Watch("x", query, 0.5).question == question


def test_limits_may_change_under_one_name_without_making_another_watch() -> None:
    plain = Watch("x", CAR, 0.5).question
    assert Watch("x", replace(CAR, min_confidence=0.25)).question == plain
    assert Watch("x", replace(CAR, min_confidence=0.75), 0.1).question == plain
    assert Watch("x", replace(CAR, min_inside=0.75), 0.1).question == plain


def test_a_zone_is_part_of_the_question() -> None:
    zone = Query(text="red car", zones=((0, 0, 0.5, 1),))
    assert Watch("x", zone, 0.5).question == "c8a3c855f8eedb318991568a10a3e081"
    for other in ((0, 0, 0.5, 0.9), ((0, 0), (0.5, 0), (0, 1)), Zone.parse("gate=0,0,.5,1")):
        assert Watch("x", replace(zone, zones=(other,)), 0.5).question != Watch("x", zone, 0.5).question


def test_a_hit_keeps_its_id_whenever_it_is_found_and_however_near() -> None:
    hit = Hit(1, 0.5, Place(semantic=0.5), "gate", "gate", 0, 0.0, None, None, "f1")
    for each in (hit, replace(hit, distance=0.25)):
        found = StandingHit(Watch("car", CAR, 0.5, cooldown_s=9.0), datetime.now(UTC), each)
        assert found.id == "343427b9348c24f1ee3256aa73f121f5"
