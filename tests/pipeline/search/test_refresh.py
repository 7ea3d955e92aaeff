"""Catches a searcher that misses new rows, keeps deleted ones, shows half a commit, or reads all again each time."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.ledger import done_table
from pipeline.lake.writing.committer import Committer
from pipeline.search.memory import lake_cache
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query, SearchResult
from schemas.sources import Source
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder, add

EVERYTHING = Query(text="anything", box=(0.1, 0.1, 0.9, 0.9), k=10_000)


@pytest.fixture(autouse=True, params=["float16", "disk"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """In every test, columns are held in this way."""
    monkeypatch.setattr(lake_cache, "choose_resident", lambda *_, **__: request.param)
    return str(request.param)


def answers(result: SearchResult) -> list[tuple[object, ...]]:
    return [(h.frame_id, h.place.region_id, h.distance, h.place.box, h.shot_s, h.source, h.pts) for h in result.hits]


def require_like_a_fresh_one(searcher: Searcher, lake: Lake) -> None:
    fresh = Searcher(Lake.open(lake.uri), DrawnEncoder())
    assert answers(searcher.search(EVERYTHING)) == answers(fresh.search(EVERYTHING))


class MovedWorld(World):
    """The same source, by its bytes, at another place."""

    @property
    def source(self) -> Source:
        return replace(World.source.fget(self), uri=f"/moved/clip-{self.number}.mp4")  # type: ignore[attr-defined]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create_or_open(str(tmp_path / "lake"), SPACE)


def committer(lake: Lake) -> Committer:
    return Committer(lake, plan=stored(), fold_shots=fold_shots)


def test_an_empty_lake_has_no_hits(lake: Lake) -> None:
    result = Searcher(lake, DrawnEncoder()).search(EVERYTHING)
    assert (result.hits, result.candidates) == ((), 0)


def test_rows_are_found_once_they_are_committed(lake: Lake) -> None:
    reader = Lake.open(lake.uri)
    searcher = Searcher(reader, DrawnEncoder())
    with committer(lake) as writer:
        for number in range(4):
            add(writer, World(number), pieces=2)
            assert len(searcher.search(EVERYTHING).hits) == 20 * (number + 1)
    require_like_a_fresh_one(searcher, lake)


def test_refresh_tells_whether_there_was_anything_new(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder())
    assert searcher.refresh()
    assert not searcher.refresh()
    with committer(lake) as writer:
        add(writer, World(0))
    assert searcher.refresh()
    assert not searcher.refresh()


def test_a_searcher_that_may_be_behind_looks_when_it_is_told_to(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder(), max_age_s=3600)
    assert searcher.search(EVERYTHING).hits == ()
    with committer(lake) as writer:
        add(writer, World(0))
    assert searcher.search(EVERYTHING).hits == ()
    assert searcher.refresh()
    assert len(searcher.search(EVERYTHING).hits) == 20


def test_a_source_that_is_taken_out_is_not_found(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder())
    with committer(lake) as writer:
        for number in range(5):
            add(writer, World(number))
        searcher.refresh()
        writer.upkeep.remove_sources([World(1).source.id])
        assert {h.source for h in searcher.search(EVERYTHING).hits} == {World(n).source.uri for n in (0, 2, 3, 4)}
        require_like_a_fresh_one(searcher, lake)
        for number in (0, 2, 3):  # most rows are dead now, and memory is read again
            writer.upkeep.remove_sources([World(number).source.id])
            require_like_a_fresh_one(searcher, lake)
        add(writer, World(1, length=60))
    require_like_a_fresh_one(searcher, lake)
    assert len(searcher.search(EVERYTHING).hits) == 20 + 12


def test_a_source_that_was_replaced_from_another_place_is_shown_and_found_there(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder())
    world, moved = World(0), MovedWorld(0)
    with committer(lake) as writer:
        add(writer, world)
        add(writer, World(1))
        assert {h.source for h in searcher.search(EVERYTHING).hits} == {world.source.uri, World(1).source.uri}
        writer.upkeep.remove_sources([world.source.id])
        add(writer, moved)
    assert {h.source for h in searcher.search(EVERYTHING).hits} == {moved.source.uri, World(1).source.uri}
    assert len(searcher.search(replace(EVERYTHING, source="/moved")).hits) == 20
    assert searcher.search(replace(EVERYTHING, source=world.source.uri)).hits == ()
    require_like_a_fresh_one(searcher, lake)


def test_compaction_changes_no_answer(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder())
    with committer(lake) as writer:
        for number in range(3):
            add(writer, World(number), pieces=3)
        before = answers(searcher.search(EVERYTHING))
        writer.upkeep.compact(many=2)
        lake.table("frames").to_lance().cleanup_old_versions(older_than=timedelta(0))
    assert answers(searcher.search(EVERYTHING)) == before
    require_like_a_fresh_one(searcher, lake)


def test_rows_of_a_commit_under_way_are_not_found(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder())
    with committer(lake) as writer:
        add(writer, World(0))
    rows = World(1).rows(World(1).segments()[0])
    # by hand what a commit does, step by step
    lake.table("segments").add(done_table([rows], state="writing"))
    lake.table("frames").add(rows.frames)
    assert len(searcher.search(EVERYTHING).hits) == 20
    lake.table("regions").add(rows.regions)
    assert len(searcher.search(EVERYTHING).hits) == 20
    merge = lake.table("segments").merge_insert("id").when_matched_update_all()
    merge.execute(done_table([rows], state="done"))
    assert len(searcher.search(EVERYTHING).hits) == 40
    require_like_a_fresh_one(searcher, lake)


def test_rows_that_a_killed_writer_left_are_never_found(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder())
    rows = World(1).rows(World(1).segments()[0])
    lake.table("segments").add(done_table([rows], state="writing"))
    lake.table("regions").add(rows.regions.slice(0, 50))
    lake.table("frames").add(rows.frames.slice(0, 5))
    assert searcher.search(EVERYTHING).candidates == 0
    with committer(lake) as writer:
        assert searcher.search(EVERYTHING).candidates == 0
        add(writer, World(1))
    require_like_a_fresh_one(searcher, lake)
    assert len(searcher.search(EVERYTHING).hits) == 20


def test_a_refresh_reads_only_what_is_new(lake: Lake) -> None:
    columns = LakeCache(lake, resident="float16")  # on disk rows have no place in memory: see test_kept_columns
    with committer(lake) as writer:
        for number in range(4):
            add(writer, World(number))
        columns.refresh()
        ids, place = columns.region_id.copy(), columns.region_vectors.ctypes.data
        add(writer, World(9))
        columns.refresh()
    # rows keep their place, and there was room for the new ones
    assert np.array_equal(columns.region_id[: len(ids)], ids)
    assert len(columns.region_id) == len(ids) + 120
    assert columns.region_vectors.ctypes.data == place


def test_every_answer_during_an_ingest_holds_whole_segments(lake: Lake) -> None:
    """Catches a refresh that reads a table before or after the commit that another table already shows."""
    searcher = Searcher(Lake.open(lake.uri), DrawnEncoder())
    everything = Query(text="anything", k=10_000)
    errors: list[BaseException] = []

    def ingest() -> None:
        try:
            with committer(lake) as writer:
                for number in range(8):
                    add(writer, World(number), pieces=2)
                    if number % 3 == 2:
                        writer.upkeep.compact(many=2)
        except BaseException as error:
            errors.append(error)

    writing = threading.Thread(target=ingest)
    writing.start()
    seen = []
    while writing.is_alive() or not seen:
        result = searcher.search(everything)
        frames = Counter((h.source, h.pts < 50) for h in result.hits)
        assert set(frames.values()) <= {10}
        assert result.candidates == len(result.hits) * 7
        seen.append(len(result.hits))
    writing.join()
    assert not errors
    assert seen == sorted(seen)
    assert len(set(seen)) > 3  # it did look in between
    require_like_a_fresh_one(searcher, lake)
    assert len(searcher.search(everything).hits) == 8 * 20


@pytest.mark.parametrize("table", ["frames", "regions", "segments", "shots"])
def test_a_refresh_that_failed_is_made_good_by_the_next(lake: Lake, table: str, tmp_path: Path) -> None:
    searcher = Searcher(Lake.open(lake.uri), DrawnEncoder())
    with committer(lake) as writer:
        for number in range(3):
            add(writer, World(number))
        searcher.refresh()
        for number in range(2):  # most rows die, so that all are read again
            writer.upkeep.remove_sources([World(number).source.id])
        add(writer, World(5))
    files = tmp_path / "lake" / f"{table}.lance" / "data"
    files.rename(tmp_path / "away")
    with pytest.raises(LakeError, match=rf"(?s){lake.uri}.* failed: .* is damaged"):
        searcher.search(EVERYTHING)
    (tmp_path / "away").rename(files)
    require_like_a_fresh_one(searcher, lake)
    assert len(searcher.search(EVERYTHING).hits) == 40


def test_a_searcher_that_may_be_behind_does_not_answer_from_columns_that_were_read_in_part(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = Searcher(Lake.open(lake.uri), DrawnEncoder(), max_age_s=1e6)
    with committer(lake) as writer:
        for number in range(3):
            add(writer, World(number))
        searcher.refresh()
        add(writer, World(5))

    def away(_: object) -> bool:
        raise LakeError("the lake is away")

    with monkeypatch.context() as patch:
        patch.setattr(searcher._columns._frames, "refresh", away)  # the regions are read by then
        with pytest.raises(LakeError, match="away"):
            searcher.refresh()
    require_like_a_fresh_one(searcher, lake)


def test_shots_are_known_when_their_source_is_complete(lake: Lake) -> None:
    searcher = Searcher(lake, DrawnEncoder())
    first, second = World(0).segments(2)
    with committer(lake) as writer:
        writer.register(World(0).source)
        writer.commit([World(0).rows(first)])
        assert {h.shot_s for h in searcher.search(EVERYTHING).hits} == {None}
        writer.commit([World(0).rows(second)])
    shots = {h.pts_s: h.shot_s for h in searcher.search(EVERYTHING).hits}
    assert shots[0.0] == (0.0, 3.0)
    assert shots[2.5] == (0.0, 3.0)
    assert shots[3.0] == (3.0, 6.0)
    assert shots[9.5] == (9.0, 10.0)
