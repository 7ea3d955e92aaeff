"""Counts of people and of crossings against values by hand, and a bound on a real video. Catches errors that are too
small, and views of SQL that count tracks instead of people."""

from pathlib import Path

import pytest

from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.sql import run_sql
from pipeline.lab.evaluation.counts import CountsEvaluation, crossed, evaluate_counts, people_in_steps
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.plan.plan import Plan
from schemas.errors import QueryError
from tests.pipeline.analysis.street import HIDDEN, LENGTH, STEP, Street, add_street, walker_x
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored


def along(*points: tuple[float, float]) -> list[tuple[float, float, float]]:
    return [(float(at), x, y) for at, (x, y) in enumerate(points)]


def test_a_line_is_crossed_to_the_side_of_one_who_looks_along_it() -> None:
    to_the_right = along((0.2, 0.5), (0.8, 0.5))
    assert crossed(to_the_right, "0.5,1 0.5,0") == ["right"]
    assert crossed(to_the_right, "0.5,0 0.5,1") == ["left"]
    assert crossed(along((0.8, 0.5), (0.2, 0.5)), "0.5,0 0.5,1") == ["right"]


def test_who_walks_past_the_end_of_a_line_does_not_cross_it() -> None:
    assert crossed(along((0.2, 0.5), (0.8, 0.5)), "0.5,0 0.5,0.4") == []


def test_who_trembles_at_a_line_crosses_it_once() -> None:
    path = along((0.3, 0.5), (0.49, 0.5), (0.51, 0.5), (0.495, 0.5), (0.515, 0.5), (0.7, 0.5))
    assert crossed(path, "0.5,0 0.5,1") == ["left"]
    assert len(crossed(path, "0.5,0 0.5,1", band=0.0)) == 3


def test_people_are_counted_once_in_each_step_that_shows_them() -> None:
    paths = {1: along(*[(0.5, 0.5)] * 5), 2: [(3.0, 0.1, 0.1), (9.0, 0.1, 0.1)]}
    assert people_in_steps(paths, 2.0) == [1, 2, 1, 0, 1]
    assert people_in_steps({}, 2.0) == []


def test_sql_crosses_where_a_path_does(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        add_street(committer, Street(0))
    seconds = [tick / 10 for tick in range(0, LENGTH, STEP)]
    path = [(at_s, walker_x(at_s), 0.5) for at_s in seconds if not HIDDEN[0] <= at_s < HIDDEN[1]]
    lines = ("0.3,0 0.3,1", "0.7,1 0.6,0", "0.5,0 0.5,0.45", "0,0.4 1,0.6", "0.44,0.1 0.46,0.9", "0.9,0 0.9,1")
    query = " UNION ALL ".join(f"SELECT '{line}' AS line, direction, label FROM crossings('{line}')" for line in lines)
    found = [row for row in run_sql(LakeRows(lake), query).to_pylist() if row["label"] == "person"]
    assert {line: [row["direction"] for row in found if row["line"] == line] for line in lines} == {
        line: crossed(path, line) for line in lines
    }
    assert {len(crossed(path, line)) for line in lines} == {0, 1}


def test_a_line_that_is_none_is_refused_before_anything_is_ingested() -> None:
    with pytest.raises(QueryError, match="is no line"):
        CountsEvaluation(lines=("0.5,0",))


@pytest.mark.data
def test_errors_are_at_most_half_of_those_of_tracks(data_dir: Path, tmp_path: Path) -> None:
    table = evaluate_counts(data_dir / "tud-stadtmitte", Plan(), CountsEvaluation(), lake=tmp_path / "lake")
    every, tracks, views = table.rows
    assert (table.identities, table.people) == (10, (10.0, 10.0))
    assert every.things > tracks.things > views.things
    assert all(ours <= theirs / 2 for ours, theirs in zip(views.people, tracks.people, strict=True))
    assert views.crossings <= tracks.crossings / 2
