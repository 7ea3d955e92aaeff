"""Cooldowns: catches a parked car that is reported every second, and one camera that silences another."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.watch.standing_hit import StandingHit
from pipeline.watch.watch_state import WatchState
from schemas.sources import recording_uri
from tests.pipeline.watch.test_deliveries import hit
from tests.pipeline.watch.watching import CAR, EVERYTHING

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> WatchState:
    return WatchState(tmp_path / "watch.sqlite")


def seen_at(second: float, *, source: str = "gate", timed: bool = True, watch: str = "everything") -> StandingHit:
    number = round(second * 10)
    time = NOON + timedelta(seconds=second) if timed else None
    found = replace(hit(number).hit, source=source, source_id=f"id of {source}", time=time, pts_s=second)
    found = replace(found, frame_id=f"{source} {number}")
    return StandingHit(replace(EVERYTHING, name=watch, cooldown_s=10.0), NOON, found)


def reported(state: WatchState, *hits: StandingHit) -> list[bool]:
    return [bool(state.record([each], seen={}, send=False)) for each in hits]


@pytest.mark.parametrize("timed", [True, False])
def test_one_hit_in_so_many_seconds(state: WatchState, timed: bool) -> None:
    hits = [seen_at(second, timed=timed) for second in (0, 4, 9.9, 10, 15, 21)]
    assert reported(state, *hits) == [True, False, False, True, False, True]


def test_segments_that_come_out_of_order_hold_it_too(state: WatchState) -> None:
    assert reported(state, *map(seen_at, (30, 12, 21, 15, 2, 19.9))) == [True, True, False, False, True, False]


def test_recordings_of_a_feed_are_one_place_and_other_feeds_are_others(state: WatchState) -> None:
    first, second = (recording_uri("gate", NOON + timedelta(minutes=m)) for m in (0, 10))
    hits = [seen_at(598, source=first), seen_at(601, source=second), seen_at(601, source="door")]
    hits += [seen_at(601, source=second, watch="other")]
    assert reported(state, *hits) == [True, False, True, True]


def test_a_restart_remembers_it(tmp_path: Path) -> None:
    for second, is_due in ((0, True), (5, False), (12, True)):
        state = WatchState(tmp_path / "watch.sqlite")
        assert reported(state, seen_at(second)) == [is_due]
        state.close()


def test_the_hits_of_one_question_have_ids_of_their_own() -> None:
    here = hit(0)
    nearer = replace(here, watch=replace(EVERYTHING, max_distance=0.1))
    other = replace(here, watch=replace(EVERYTHING, query=CAR.query))
    assert here.id == nearer.id
    assert len({here.id, other.id, hit(1).id}) == 3
