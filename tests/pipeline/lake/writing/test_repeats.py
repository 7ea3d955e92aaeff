"""What stands is stored once: catches repeats that depend on segments, lost regions, kills that lose count, a repair
that takes rows for damaged which a killed writer was about to delete, and what is forgotten and still said."""

from typing import cast

import pyarrow as pa
import pytest

from pipeline.labels.label_table import Labels
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.repair.repair import repair
from pipeline.lake.writing import completion, repeats
from pipeline.lake.writing.table_writer import TableWriter
from schemas.clock import Span
from schemas.tables import TableName
from tests.pipeline.labels.label_of import label_of
from tests.pipeline.lake.still_street import WORLD, Street, filled, writer
from tests.pipeline.lake.synthetic import SPACE


def kept(lake: Lake) -> list[tuple[int, int, float]]:
    """PTS, `until` and left side of each region, in order."""
    rows = lake.read("regions", columns=["pts", "until", "x0"]).to_pylist()
    return sorted((row["pts"], row["until"], round(row["x0"], 1)) for row in rows)


def test_what_stands_is_stored_once_until_it_changes_or_the_grid_ends_it(lake: Lake) -> None:
    filled(lake, WORLD.segments())
    assert kept(lake) == [
        (0, 600, 0.1),
        (0, 600, 0.7),
        (250, 400, 0.4),  # what arrives, until it leaves
        (600, 900, 0.1),
        (600, 900, 0.7),
        (900, 1200, 0.1),  # the light is another
        (900, 1200, 0.7),
        (1200, 1500, 0.1),
        (1200, 1500, 0.7),
    ]
    assert lake.count("frames") == 30  # time is a fact
    assert check(lake).problems == ()
    assert lake.read("segments", columns=["regions", "error"]).to_pylist() == [{"regions": 9, "error": None}]


@pytest.mark.parametrize("pieces", [2, 7, 30])
def test_what_is_kept_depends_on_no_segment_and_no_order_of_commits(
    pieces: int, lake: Lake, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = Lake.create_or_open(str(tmp_path_factory.mktemp("whole") / "lake"), SPACE)
    filled(whole, WORLD.segments())
    filled(lake, list(reversed(WORLD.segments(pieces))))
    columns = ["id", "until", "track"]
    assert lake.read("regions", columns=columns).sort_by("id") == whole.read("regions", columns=columns).sort_by("id")
    assert check(lake).problems == ()


class KilledError(Exception):
    pass


_STEPS = {
    "before the validity": (repeats, "write_column"),
    "before the ledger": (TableWriter, "replace"),
    "before the source is complete": (completion, "sources_table"),
    "before the deletion": (TableWriter, "delete_where"),
    "before the mark goes": (TableWriter, "update"),
}


def killed_at(step: str, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The street is committed by a writer that is killed there."""
    where, name = _STEPS[step]
    real = getattr(where, name)
    killed = []

    def kill(*given: object, **named: object) -> object:
        if name == "update" and named.get("error", "") is not None:  # the end of the commit itself
            return real(*given, **named)
        killed.append(True)
        raise KilledError

    with monkeypatch.context() as patch:
        committer = writer(lake)
        patch.setattr(where, name, kill)
        patch.setattr(committer._state, "_recover", lambda: None)  # the dead repair nothing
        with pytest.raises(KilledError):
            committer.commit([Street().rows(WORLD.segments()[0])])
        committer.lease.release()
    assert any(killed)


@pytest.mark.parametrize("step", _STEPS)
def test_a_kill_between_two_steps_is_made_good_by_the_next_writer(
    step: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(step, lake, monkeypatch)
    writer(lake).close()
    assert len(kept(lake)) == 9
    assert kept(lake)[0] == (0, 600, 0.1)
    assert check(lake).problems == ()
    assert lake.read("sources", columns=["state"])["state"].to_pylist() == ["complete"]


_UNFINISHED = ("before the source is complete", "before the deletion", "before the mark goes")


@pytest.mark.parametrize("step", _UNFINISHED)
def test_a_repair_after_a_kill_takes_nothing_for_damaged_and_a_check_says_what_finishes_it(
    step: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(step, lake, monkeypatch)
    problems = check(lake).problems
    assert any("repeat earlier ones" in each for each in problems)
    assert not [each for each in problems if "--replace" in each]
    assert repair(lake.uri).gone == ()
    assert lake.read("segments", columns=["state", "error"]).to_pylist() == [{"state": "done", "error": None}]
    writer(lake).close()  # what was open becomes complete, without its file
    assert len(kept(lake)) == 9
    assert check(lake).problems == ()


def test_what_somebody_labels_between_a_kill_and_the_next_writer_stays_and_is_counted(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at("before the source is complete", lake, monkeypatch)
    repeat = (
        lake.read("regions", where="until = pts").sort_by([("pts", "ascending"), ("id", "ascending")]).to_pylist()[0]
    )
    Labels(lake).add([label_of(repeat, "a car")])
    writer(lake).close()
    assert repeat["id"] in lake.read("regions", columns=["id"])["id"].to_pylist()
    assert len(kept(lake)) == 10
    assert check(lake).problems == ()


def test_nothing_is_valid_in_a_span_that_was_forgotten_before_its_source_was_complete(lake: Lake) -> None:
    first, second, third = WORLD.segments(3)
    with writer(lake) as committer:
        committer.commit([Street().rows(first), Street().rows(second)])
        committer.upkeep.erase([], {WORLD.source.id: Span(520, 580)}, pinned=list)
        committer.commit([Street().rows(third)])
    assert lake.read("sources", columns=["state"])["state"].to_pylist() == ["complete"]
    assert {until for pts, until, _ in kept(lake) if pts < 520} == {400, 520}  # what leaves at 400, and the others
    assert check(lake).problems == ()


def test_rows_of_a_writer_that_had_lost_its_lease_are_neither_counted_nor_in_the_way(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "write_tracks", lambda *_, **__: None)  # a tracker refuses equal ids
    first, second, third = WORLD.segments(3)
    with writer(lake) as committer:
        committer.commit([Street().rows(first), Street().rows(second)])
    stale = Street().rows(first)
    for name, table in (("frames", stale.frames), ("regions", stale.regions)):
        at = table.schema.get_field_index("lease")
        numbered = table.set_column(at, "lease", pa.array([99] * table.num_rows, pa.int64())).cast(table.schema)
        lake.table(cast("TableName", name)).add(numbered)
    with writer(lake) as committer:
        committer.commit([Street().rows(third)])
    assert lake.read("sources", columns=["state"])["state"].to_pylist() == ["complete"]
    own = lake.count("regions", where="lease != 99")
    assert sum(lake.read("segments", columns=["regions"])["regions"].to_pylist()) == own < 63
    assert lake.count("regions", where="lease = 99") == stale.regions.num_rows
