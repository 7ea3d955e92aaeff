"""The fence: catches a change that an earlier writer began before the lease was taken from it, and that lands later."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import lance
import lancedb
import pyarrow as pa
import pytest
from lance.optimize import Compaction, CompactionOptions

from pipeline.lake.lease.fence import fence_table

ROWS = pa.table({"id": ["a", "b"], "x": [1, 2]})
Table = lancedb.table.LanceTable


def rewrite(table: Table) -> None:
    merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    merge.when_not_matched_by_source_delete("x > 0").execute(ROWS.slice(0, 1))


def update_columns(table: Table) -> None:
    """As tracks are written."""
    dataset = table.to_lance()
    new = pa.table({"id": ["a"], "x": [7]})
    fragment, _ = dataset.get_fragments()
    updated, modified = fragment.update_columns(new, left_on="id", right_on="id")
    change = lance.LanceOperation.Update(updated_fragments=[updated], fields_modified=modified)
    lance.LanceDataset.commit(dataset, change, read_version=dataset.version)


def compact(table: Table) -> None:
    """As upkeep joins fragments: in two parts, between which it lets commits pass."""
    dataset = table.to_lance()
    plan = Compaction.plan(dataset, CompactionOptions(target_rows_per_fragment=100))
    Compaction.commit(dataset, [task.execute(dataset) for task in plan.tasks])


CHANGES: dict[str, Callable[[Table], object]] = {
    "append": lambda table: table.add(ROWS),
    "upsert": lambda table: table.merge_insert("id").when_matched_update_all().execute(ROWS),
    "replace": rewrite,
    "delete": lambda table: table.delete("id = 'a'"),
    "update": lambda table: table.update(where="id = 'a'", values={"x": 9}),
    "track": update_columns,
    "compact": compact,
    "add a column": lambda table: table.add_columns(pa.field("y", pa.int64())),
}


@pytest.fixture
def place(tmp_path: Path) -> str:
    table = lancedb.connect(tmp_path).create_table("rows", ROWS.slice(0, 1))
    table.add(ROWS.slice(1))
    return str(tmp_path / "rows.lance")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_was_begun_before_the_fence_is_refused_after_it(change: str, place: str) -> None:
    stale = cast("Table", lancedb.connect(Path(place).parent).open_table("rows"))
    stale.checkout_latest()  # type: ignore[no-untyped-call]
    before = lance.dataset(place)
    fence_table(lance.dataset(place))
    with pytest.raises((OSError, RuntimeError, ValueError), match=r"[Ii]ncompatible|conflict"):
        CHANGES[change](stale)
    after = lance.dataset(place)
    assert after.to_table() == before.to_table()
    assert [f.metadata for f in after.get_fragments()] == [f.metadata for f in before.get_fragments()]


class Racing:
    """A dataset between whose opening and fence another writer appends."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._first = True
        self.latest_version = lance.dataset(place).latest_version

    def checkout_version(self, version: int) -> lance.LanceDataset:
        opened = lance.dataset(self._place, version=version)
        if self._first:
            self._first = False
            lance.write_dataset(ROWS, self._place, mode="append")
        return opened

    def read_transaction(self, version: int) -> object:
        return lance.dataset(self._place).read_transaction(version)


def test_a_change_that_lands_while_the_fence_is_raised_is_kept(place: str) -> None:
    fence_table(Racing(place))  # type: ignore[arg-type]
    assert lance.dataset(place).count_rows() == 4


def test_a_fence_that_was_killed_after_it_took_a_change_away_is_finished(place: str) -> None:
    opened = lance.dataset(place)
    lance.write_dataset(ROWS, place, mode="append")
    opened.restore()  # type: ignore[no-untyped-call]  # and the process is killed
    assert lance.dataset(place).count_rows() == 2
    fence_table(lance.dataset(place), unfinished=True)
    assert lance.dataset(place).count_rows() == 4
    fence_table(lance.dataset(place), unfinished=True)
    assert lance.dataset(place).count_rows() == 4


def test_a_lake_that_somebody_restored_on_purpose_stays_so(place: str) -> None:
    lance.write_dataset(ROWS, place, mode="append")
    lance.dataset(place, version=2).restore()  # type: ignore[no-untyped-call]
    fence_table(lance.dataset(place))
    assert lance.dataset(place).count_rows() == 2
