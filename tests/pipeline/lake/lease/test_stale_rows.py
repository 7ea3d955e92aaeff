"""Rows of a stale writer, as a release that is not fenced could add them: catches readers that show them, or that show
a region twice."""

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from pipeline.watch.new_rows import RowReader
from schemas.query import Query
from schemas.tables import TableName
from tests.pipeline.lake.synthetic import World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder

EVERYTHING = Query(text="anything", box=(0.1, 0.1, 0.9, 0.9), k=10_000)
WORLD = World(3)


def found(searcher: Searcher) -> list[tuple[object, ...]]:
    return [(h.frame_id, h.place.region_id, h.distance) for h in searcher.search(EVERYTHING).hits]


def watched(lake: Lake) -> tuple[int, int]:
    rows = RowReader(lake).read({WORLD.source.id: [WORLD.source.span]})
    assert rows is not None
    return len(rows), int((rows.regions.frame >= 0).sum())


@pytest.mark.parametrize("tables", [("frames", "regions"), ("frames",), ("regions",)])
def test_rows_of_another_lease_than_that_of_their_segment_are_not_read(
    tables: tuple[TableName, ...], lake: Lake
) -> None:
    for number in (1, 3):
        with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
            writer.commit([World(number).rows(each) for each in World(number).segments(2)])
    open_searcher = Searcher(Lake.open(lake.uri), DrawnEncoder())
    before, seen = found(open_searcher), watched(lake)
    [rows] = [WORLD.rows(each) for each in WORLD.segments()]
    for name in tables:
        table = getattr(rows, name)
        at = table.schema.get_field_index("lease")
        lake.table(name).add(table.set_column(at, "lease", [[1] * table.num_rows]).cast(table.schema))
    assert found(Searcher(Lake.open(lake.uri), DrawnEncoder())) == before
    assert found(open_searcher) == before
    assert watched(lake) == seen
    problems = [each for each in check(lake).problems if "had lost its lease" in each]
    assert len(problems) == 2 * len(tables)  # one for each segment
    assert "have lease 1, the segment has 2" in problems[0]
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:  # as the message says
        writer.register(WORLD.source, replace=True)
        writer.commit([WORLD.rows(each) for each in WORLD.segments(2)])
    assert check(lake).problems == ()
    assert sorted(map(str, found(open_searcher))) == sorted(map(str, before))
