"""Upkeep: catches lost or changed rows, commits that fail because of it, and passes that end early."""

import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep import upkeep as upkeep_module
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.indexes import refresh_index
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.upkeep.upkeep_status import UpkeepStatus, read_upkeep_status, write_upkeep_status
from pipeline.search.searcher import Searcher
from schemas.errors import InvalidValueError, LakeError
from schemas.query import Query
from schemas.tables import TABLE_NAMES
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.upkeep.feeds import Recording
from tests.simulation import Simulation

NOW = datetime.now(UTC)
EAGER = UpkeepConfig(every_s=0.01, many_fragments=4, keep_versions=timedelta(0), join_after_s=0)


def ledger(lake: Lake) -> list[tuple[str, str, int, int, int]]:
    rows = lake.read("segments").sort_by([("source", "ascending"), ("start", "ascending")]).to_pylist()
    return [(r["source"], r["state"], r["start"], r["stop"], r["lost"]) for r in rows]


def test_a_pass_leaves_few_files_a_short_ledger_and_every_row(
    lake: Lake, open_writer: OpenWriter, tmp_path: Path
) -> None:
    gate, yard = Recording(0, feed="gate"), Recording(1, feed="yard")
    with open_writer() as writer:
        gate.record(writer, lost=(4,))
        yard.record(writer)
        before = Lake.open(shutil.copytree(lake.uri, str(tmp_path / "before")))
        report = Upkeep(writer, EAGER).run_pass()
    assert report.errors == ()
    assert ledger(lake) == [
        (gate.source.uri, "done", 0, 40, 0),
        (gate.source.uri, "failed", 40, 50, 7),
        (gate.source.uri, "done", 50, 100, 0),
        (yard.source.uri, "done", 0, 100, 0),
    ]
    assert report.joined_rows == 20 - 4
    assert all(len(lake.table(name).to_lance().get_fragments()) <= 2 for name in TABLE_NAMES)
    assert {t.table: (t.fragments_before, t.fragments_after) for t in report.tables}["frames"] == (19, 1)
    assert all(t.freed_bytes > 0 for t in report.tables)
    assert len(list((Path(lake.uri) / "frames.lance" / "data").iterdir())) == 1
    assert check(lake).problems == ()
    assert compare(before, lake) == ()


def test_a_writer_that_was_told_before_and_one_that_opens_after_go_on_alike(
    lake: Lake, open_writer: OpenWriter
) -> None:
    recording = Recording(0)
    segments = recording.segments(10)
    with open_writer() as writer:
        recording.record(writer)
        Upkeep(writer, EAGER).run_pass()
        # a batch of which nobody knows whether it got through is handed in again
        assert writer.commit([recording.rows_at(segments[3])]) == 0
        writer.end(recording.source)
    with open_writer() as writer:
        assert writer.done_spans(recording.source.id) == [recording.source.span]
        assert writer.commit([recording.rows_at(segments[3])]) == 0
    assert check(lake).problems == ()
    assert lake.count("segments") == 1


def test_rows_of_a_recording_that_goes_on_or_is_fresh_are_left_alone(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        Recording(0).record(writer)
        for segment in Recording(1, hour=1).segments(5):
            writer.commit([Recording(1, hour=1).rows_at(segment)])
        assert Upkeep(writer, replace(EAGER, join_after_s=60)).run_pass().joined_rows == 0
        assert Upkeep(writer, EAGER).run_pass().joined_rows == 9
    assert lake.count("segments", where="state = 'done'") == 1 + 5


def test_searches_find_the_same_before_and_after(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        Recording(0).record(writer)
        searcher = Searcher(lake)
        query = Query(box=(0.05, 0.05, 0.95, 0.95), k=20)  # regions of every frame overlap it
        before = searcher.search(query).hits
        Upkeep(writer, EAGER).run_pass()
        assert len(before) == 20
        assert searcher.search(query).hits == before
        assert Searcher(lake).search(query).hits == before
        searcher.close()


def test_a_thread_beside_commits_fails_none_and_loses_nothing(lake: Lake, open_writer: OpenWriter) -> None:
    recordings = [Recording(n, hour=n, feed="gate", regions=2) for n in range(3)]
    told: list[UpkeepStatus] = []
    with open_writer() as writer:
        upkeep = Upkeep(writer, EAGER, on_status=told.append)
        upkeep.start()
        for recording in recordings:
            recording.record(writer, lost=(7,))
        deadline = time.monotonic() + 10
        while lake.count("segments") > 3 * len(recordings) and time.monotonic() < deadline:
            time.sleep(0.05)
        upkeep.close()
        status = upkeep.status()
    assert status.passes == len(told) > 2
    assert status.last_error is None
    assert lake.count("segments") == 3 * len(recordings)
    assert lake.count("frames") == sum(20 - 2 for _ in recordings)
    assert check(lake).problems == ()


def test_a_step_that_fails_is_told_and_the_others_go_on(
    lake: Lake, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise LakeError("the disk is full")

    with open_writer() as writer:
        Recording(0).record(writer)
        monkeypatch.setattr(writer.upkeep, "join_ledger", refuse)
        upkeep = Upkeep(writer, EAGER)
        report = upkeep.run_pass()
        assert report.errors == ("the disk is full",)
        assert {t.table: t.fragments_after for t in report.tables}["frames"] == 1
        assert "the disk is full" in str(upkeep.status().last_error)
        monkeypatch.undo()
        assert upkeep.run_pass().errors == ()
    assert lake.count("segments") == 1


def test_fragments_that_are_changed_meanwhile_are_left_to_the_next_pass(
    lake: Lake, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fragments are treated like large ones, which are joined while commits continue."""
    monkeypatch.setattr("pipeline.lake.upkeep.compaction._AT_ONCE_BYTES", 0)
    with open_writer() as writer:
        Recording(0).record(writer)
        Recording(1, hour=1).record(writer)

        class Turn:
            """Somebody removes a source between the reading and the change."""

            times = 0

            def __enter__(self) -> None:
                Turn.times += 1
                if Turn.times == 2:
                    writer.upkeep.remove_sources([Recording(0).source.id])

            def __exit__(self, *_: object) -> None: ...

        upkeep = Upkeep(writer, replace(EAGER, join_after_s=60))
        steps = list(upkeep_module.compaction_steps(Lake.open(lake.uri), "frames", many=4, turn=Turn()))
        assert steps == [False]
        assert check(lake).problems == ()
        assert upkeep.run_pass().put_off == 0
    assert lake.count("frames") == 20
    assert check(lake).problems == ()


def test_an_index_is_made_once_there_are_many_rows_and_told_of_new_ones(lake: Lake, open_writer: OpenWriter) -> None:
    with open_writer() as writer:
        Recording(0).record(writer)
        assert not refresh_index(lake, "frames", rows=1000)
        assert refresh_index(lake, "frames", rows=10)
        assert not refresh_index(lake, "frames", rows=10)
        Recording(1, hour=1).record(writer)
        ids = [Recording(n).source.id for n in range(2)]
        found = [lake.count("frames", where=f"source_id = '{source_id}'") for source_id in ids]
        report = Upkeep(writer, replace(EAGER, index_rows=10)).run_pass()
        assert report.errors == ()
        assert set(report.indexed) == {"frames", "regions", "patches"}
        assert found == [
            lake.count("frames", where=f"source_id = '{Recording(n, hour=n).source.id}'") for n in range(2)
        ]
        writer.upkeep.remove_sources([Recording(0).source.id])
        assert Upkeep(writer, replace(EAGER, index_rows=10)).run_pass().errors == ()
    assert check(lake).problems == ()
    assert lake.count("frames", where=f"source_id = '{Recording(1, hour=1).source.id}'") == lake.count("frames") == 20


def test_status_outlives_its_process(open_writer: OpenWriter, tmp_path: Path) -> None:
    path = tmp_path / "state" / "upkeep.json"
    assert read_upkeep_status(path) is None
    with open_writer() as writer:
        Recording(0).record(writer)
        upkeep = Upkeep(writer, EAGER, on_status=lambda status: write_upkeep_status(path, status))
        upkeep.run_pass()
    read = read_upkeep_status(path)
    assert read is not None
    assert replace(read, at=NOW) == replace(upkeep.status(), at=NOW)


def test_a_thread_ends_with_its_committer_and_outlives_a_status_that_cannot_be_written(
    lake: Lake, open_writer: OpenWriter
) -> None:
    def refuse(_: UpkeepStatus) -> None:
        raise OSError("no space left on device")

    simulation = Simulation(0, began=NOW)

    def run() -> None:
        writer = open_writer()
        upkeep = Upkeep(writer, EAGER, on_status=refuse, time=simulation, threads=simulation)
        upkeep.start()
        Recording(0).record(writer)
        simulation.sleep(3.5 * EAGER.every_s)
        writer.close()
        passes = upkeep.status().passes
        assert passes >= 3
        simulation.sleep(100 * EAGER.every_s)
        assert upkeep.status().passes == passes

    simulation.run(run)
    assert check(lake).problems == ()


@pytest.mark.parametrize(
    "wrong",
    [{"every_s": 0}, {"many_fragments": 1}, {"max_age": timedelta(0)}, {"max_bytes_per_feed": 0}, {"index_rows": 0}],
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError):
        UpkeepConfig(**wrong)  # type: ignore[arg-type]
