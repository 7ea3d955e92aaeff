"""Readers of a lake in which what stands is stored once: catches answers that lack what stood, or say it too often.

Each is compared with what a lake answers that has the same street in every keyframe.
"""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.sql import SqlLimits, run_sql
from pipeline.export.selection import Everything, of_everything
from pipeline.lake.lake import Lake
from pipeline.lake.stored_once import sightings
from pipeline.redaction.tracks import regions_around
from pipeline.search.searcher import Searcher
from pipeline.watch.rehearsal import rehearsed
from pipeline.watch.watch import Watch
from schemas.clock import Span
from schemas.errors import QueryError
from schemas.query import Query
from schemas.query_json import hit_json
from tests.pipeline.lake.still_street import PARKED, WORLD, filled, writer
from tests.pipeline.lake.synthetic import SPACE

BEGAN = WORLD.source.clock.start_time


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Lake]:
    """The street once, and with its regions in every keyframe."""
    folder = tmp_path_factory.mktemp("street")
    return {
        once: filled(Lake.create_or_open(str(folder / str(once)), SPACE), WORLD.segments(3), once=once)
        for once in (True, False)
    }


def test_sightings_are_the_keyframes_in_which_a_region_is_valid(lakes: dict[bool, Lake]) -> None:
    def seen(lake: Lake) -> list[tuple[int, float]]:
        regions, frames = lake.read("regions"), lake.read("frames")
        row, frame = sightings(regions, frames)
        left = np.round(regions["x0"].to_numpy()[row], 1)
        return sorted(zip(frames["pts"].to_numpy()[frame].tolist(), left.tolist(), strict=True))

    assert lakes[True].count("regions") == 9
    assert lakes[False].count("regions") == 63
    assert seen(lakes[True]) == seen(lakes[False])


@pytest.mark.parametrize("by_clock", [False, True])
def test_a_search_finds_what_stood_since_before_its_time_and_nothing_that_was_gone(
    by_clock: bool, lakes: dict[bool, Lake]
) -> None:
    def places(once: bool, since_s: float, until_s: float) -> set[float]:
        assert BEGAN is not None
        since, until = (BEGAN + timedelta(seconds=s) if by_clock else s for s in (since_s, until_s))
        query = Query(box=(0.0, 0.0, 1.0, 1.0), k=100, since=since, until=until)
        hits = [
            hit
            for box in ((0.0, 0.4, 0.35, 0.9), (0.65, 0.0, 1.0, 0.7), (0.36, 0.3, 0.64, 0.8))
            for hit in Searcher(lakes[once]).search(Query(box=box, k=100, since=since, until=until)).hits
        ]
        assert Searcher(lakes[once]).search(query).hits
        return {round(hit.place.box[0], 1) for hit in hits}

    for since_s, until_s in ((31.0, 33.0), (41.0, 44.0), (38.0, 42.0), (20.0, 22.0), (91.0, 93.0)):
        wider = (since_s // 5 * 5, until_s)  # the keyframe that shows the time from which is asked
        assert places(True, since_s, until_s) == places(False, *wider)


def test_a_hit_says_up_to_when_it_stands_where_that_is_known(lakes: dict[bool, Lake]) -> None:
    query = Query(box=(0.0, 0.4, 0.35, 0.9), k=1, since=31.0, until=58.0)
    [hit] = Searcher(lakes[True]).search(query).hits
    assert (hit.pts_s, hit.place.until_s) == (0.0, 60.0)
    assert hit_json(hit)["until_s"] == 60.0
    [hit] = Searcher(lakes[False]).search(query).hits
    assert "until_s" not in hit_json(hit)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT label, keyframes, first_s, last_s FROM objects ORDER BY first_s, x0",
        "SELECT at_s, time, objects, most_at_once FROM counts(step_s := 7, least_confidence := 0)",
        "SELECT enter_s, leave_s, dwell_s, objects FROM visits(least_confidence := 0)",
        "SELECT enter_s, leave_s, dwell_s FROM stays(least_confidence := 0) ORDER BY ALL",
        "SELECT cell_x, cell_y, objects, round(seconds) FROM heat(across := 3, down := 2, least_confidence := 0)",
        "SELECT * EXCLUDE (object, frame, region) FROM crossings('0.5,0 0.5,1', least_confidence := 0)",
    ],
)
def test_views_count_what_stands_as_if_it_were_in_every_keyframe(query: str, lakes: dict[bool, Lake]) -> None:
    found = {once: run_sql(LakeRows(lake), query).to_pylist() for once, lake in lakes.items()}
    assert found[True] == found[False]
    assert found[True] or "crossings" in query


def test_more_sightings_than_fit_are_refused_before_they_are_made(lakes: dict[bool, Lake]) -> None:
    limits = SqlLimits(table_bytes=90_000)  # enough for nine regions, which are seen 63 times
    for query in ("FROM visits()", "FROM counts()"):
        with pytest.raises(QueryError, match=r"9 regions .*\(63 sightings\), which take about"):
            run_sql(LakeRows(lakes[True]), query, limits=limits)
        with pytest.raises(QueryError, match="63 regions"):
            run_sql(LakeRows(lakes[False]), query, limits=limits)
    assert run_sql(LakeRows(lakes[True]), "SELECT id FROM regions", limits=limits).num_rows == 9


def test_what_stands_is_covered_in_every_keyframe_of_a_span(lakes: dict[bool, Lake]) -> None:
    def shown(lake: Lake) -> list[tuple[float, float]]:
        found = regions_around(lake, WORLD.source.id, start_s=30.0, stop_s=45.0, column="vector")
        rows = found.rows.select(["pts_s", "x0"]).to_pylist()
        return sorted((row["pts_s"], round(row["x0"], 1)) for row in rows)

    assert shown(lakes[True]) == shown(lakes[False])


def test_a_stay_lasts_as_long_as_the_thing_stands(lakes: dict[bool, Lake]) -> None:
    for stay_s, alarms in ((50.0, 1), (1000.0, 0)):
        watch = Watch("car", Query(box=PARKED), stay_s=stay_s, max_distance=1.0)
        hits = Searcher(lakes[True]).search(Query(box=PARKED, k=100, until=60.0)).hits
        assert len(rehearsed(watch, hits)) == alarms


def test_what_needs_the_regions_of_every_keyframe_is_refused(lakes: dict[bool, Lake]) -> None:
    with pytest.raises(QueryError, match=r"validity\.store_once"):
        of_everything(LakeRows(lakes[True]), Everything(), label="thing")
    assert of_everything(LakeRows(lakes[False]), Everything(), label="thing")


def test_a_region_does_not_outlive_the_beginning_of_a_span_that_is_forgotten(tmp_path: Path) -> None:
    lake = filled(Lake.create_or_open(str(tmp_path / "lake"), SPACE), WORLD.segments())
    with writer(lake) as committer:
        committer.upkeep.erase([], {WORLD.source.id: Span(300, 350)}, pinned=list)
    rows = lake.read("regions", columns=["pts", "until"], where="pts < 300").to_pylist()
    assert {row["until"] for row in rows} == {300}
