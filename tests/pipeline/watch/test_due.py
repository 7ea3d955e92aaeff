"""Least stays: catches an alarm at a passer-by, several alarms of one stay, and stays that depend on the order in which
segments come."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

from pipeline.watch.due import STAYS, TOLD, is_due
from pipeline.watch.watch import Watch
from pipeline.watch.watch_state import WatchState
from schemas.query import Hit
from tests.pipeline.watch.test_deliveries import hit
from tests.pipeline.watch.watching import EVERYTHING

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
STAYING = replace(EVERYTHING, stay_s=20.0)


def at(second: float, *, source: str = "gate") -> Hit:
    time = NOON + timedelta(seconds=second)
    return replace(hit(0).hit, source=source, time=time, pts_s=second, frame_id=f"{source} {second}")


def due(hits: Iterable[Hit], watch: Watch = STAYING) -> list[float]:
    """The seconds of those that are reported."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as file:
        file.execute(TOLD)
        file.execute(STAYS)
        return [hit.pts_s for hit in hits if is_due(file, watch, hit)]


def test_a_stay_is_reported_once_when_it_has_lasted_so_long() -> None:
    assert due(map(at, (0, 10, 19, 21, 30, 40))) == [21]


def test_what_passes_by_is_not_reported_and_what_returns_is_another_stay() -> None:
    assert due(map(at, (0, 10, 31, 45, 60, 100, 110, 121))) == [60, 121]


def test_each_source_has_stays_of_its_own() -> None:
    hits = [at(0), at(15, source="yard"), at(25, source="yard"), at(15), at(20)]
    assert due(hits) == [20]


def test_hits_in_any_order_make_the_same_stays() -> None:
    for hits in permutations([0, 12, 24, 36]):
        assert len(due(map(at, hits))) == 1
    for hits in permutations([0, 12, 40, 55]):
        assert due(map(at, hits)) == []


def test_a_cooldown_holds_back_the_next_stay_and_not_the_stay_that_outlasts_it() -> None:
    watch = replace(STAYING, cooldown_s=100.0)
    assert due(map(at, (0, 20, 50, 70)), watch) == [20]
    assert due(map(at, (0, 20, *range(50, 140, 10))), watch) == [20, 120]


def test_a_restart_remembers_a_stay(tmp_path: Path) -> None:
    found = []
    for second in (0, 10, 20, 30):
        state = WatchState(tmp_path / "watch.sqlite")
        found.append(state.record([replace(hit(second), watch=STAYING, hit=at(second))], seen={}, send=False))
        state.close()
    assert found == [0, 0, 1, 0]
