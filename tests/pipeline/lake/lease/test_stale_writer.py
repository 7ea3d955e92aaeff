"""A writer that was stopped in the middle of a change, lost its lease, and continues: catches rows that it then adds,
doubles or deletes, at steps of a commit and of a removal."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.lease import held_lake
from pipeline.lake.lease.bucket_lease import BucketLease
from pipeline.lake.writing.committer import Committer
from schemas.errors import LakeError, LeaseLostError
from schemas.tables import TableName
from tests.pipeline.lake.lease.shared_object import Bucket, take
from tests.pipeline.lake.synthetic import PLAN, SPACE, World, fold_shots, stored
from tests.simulation import Simulation

KEPT, NEW = World(1), World(2)


class Stopped(Lake):
    """A lake whose process is stopped after it has opened a table for its n-th change, until `meanwhile` has run."""

    stop_at = -1
    changes = 0
    meanwhile: Callable[[], None]

    def table(self, name: TableName) -> Any:
        return self._after_opening(super().table(name))

    def writable(self, name: TableName) -> Any:
        return self._after_opening(super().writable(name))

    def _after_opening(self, opened: Any) -> Any:
        self.changes += 1
        if self.changes == self.stop_at:
            self.meanwhile()
        return opened


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Bucket, Simulation]]:
    """A folder whose lease is that of a bucket, in simulated time."""
    bucket, simulation = Bucket(), Simulation(0)
    names = iter(("stale", "second", "third"))

    def taken(_: str, *, above: Callable[[], int], **_others: object) -> BucketLease:
        return take(bucket, simulation, next(names), above=above())

    monkeypatch.setattr(held_lake, "take_lease", taken)
    return bucket, simulation


def open_writer(lake: Lake, plan: str = PLAN) -> Committer:
    return Committer(lake, plan=stored(plan), fold_shots=fold_shots)


@pytest.mark.parametrize(
    ("change", "step"), [*(("commit", n) for n in (1, 3, 5, 7)), *(("remove", n) for n in (2, 4, 6))]
)
def test_what_a_stopped_writer_continues_after_its_lease_was_taken_changes_nothing(
    change: str, step: int, simulated: tuple[Bucket, Simulation], tmp_path: Path
) -> None:
    bucket, simulation = simulated
    uri = str(tmp_path / "lake")

    def run() -> None:
        lake = Stopped.create_or_open(uri, SPACE)
        stale = open_writer(lake)
        stale.commit([KEPT.rows(each) for each in KEPT.segments()])

        def another_writes() -> None:
            bucket.cut_off.add("stale")
            with open_writer(Lake.open(uri)) as second:  # waits until the lease has expired
                second.commit([NEW.rows(each) for each in NEW.segments(2)])
                second.commit([KEPT.rows(each) for each in KEPT.segments()])  # again, if it was removed
            bucket.cut_off.clear()

        lake.meanwhile, lake.stop_at = another_writes, lake.changes + step
        changes: dict[str, Callable[[], object]] = {
            "commit": lambda: stale.commit([NEW.rows(each) for each in NEW.segments(2)]),
            "remove": lambda: stale.upkeep.remove_sources([KEPT.source.id]),
        }
        with pytest.raises(LakeError):
            changes[change]()
        assert lake.changes >= lake.stop_at
        report = check(Lake.open(uri))
        assert report.problems == ()
        assert report.rows["frames"] == 40
        # it may continue under a new number, with the lake as it is now
        assert stale.commit([NEW.rows(each) for each in NEW.segments(2)]) == 0
        stale.close()

    simulation.run(run)


def test_a_stopped_writer_is_told_that_its_lease_is_lost(simulated: tuple[Bucket, Simulation], tmp_path: Path) -> None:
    bucket, simulation = simulated

    def run() -> None:
        lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
        writer = open_writer(lake)
        bucket.cut_off.add("stale")
        simulation.sleep(60)
        with pytest.raises(LeaseLostError, match="could not be renewed in time"):
            writer.commit([NEW.rows(each) for each in NEW.segments()])
        bucket.cut_off.clear()
        assert writer.commit([NEW.rows(each) for each in NEW.segments()]) == 1
        writer.close()

    simulation.run(run)


def test_rows_have_the_number_of_the_lease_under_which_they_were_written(lake: Lake) -> None:
    for world in (KEPT, NEW):
        with open_writer(lake) as writer:
            writer.commit([world.rows(each) for each in world.segments()])
    for name in ("segments", "sources", "shots", "frames", "regions"):
        rows = lake.read(name, columns=["lease"])["lease"].to_pylist()  # type: ignore[arg-type]
        assert set(rows) == {1, 2}, name
