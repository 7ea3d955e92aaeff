"""Snapshots: catches an audit that reports problems in a sound lake because it is being written."""

from collections.abc import Callable
from threading import Event, Thread

import lance
import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from schemas.tables import TableName
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.synthetic import World
from tests.simulation import SimulatedTime

WORLD = World(0)
MANY_STEPS = 12  # more than a commit has changes of tables


class Stepped:
    """Runs a commit in a thread that advances by one change of a table at a time."""

    def __init__(self, writer: Committer, commit: Callable[[], object]) -> None:
        self._go, self._stands = Event(), Event()
        self.ended = False
        for name in ("append", "upsert", "delete"):
            setattr(writer._state.tables, name, self._after_a_step(getattr(writer._state.tables, name)))
        self._thread = Thread(target=self._run, args=(commit,))
        self._thread.start()
        self._stands.wait()

    def step(self) -> None:
        if not self.ended:
            self._stands.clear()
            self._go.set()
            self._stands.wait()

    def finish(self) -> None:
        while not self.ended:
            self.step()
        self._thread.join()

    def _run(self, commit: Callable[[], object]) -> None:
        try:
            commit()
        finally:
            self.ended = True
            self._stands.set()

    def _after_a_step(self, change: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*args: object) -> None:
            self._stands.set()
            self._go.wait()
            self._go.clear()
            change(*args)

        return wrapped


class WriterSteps(SimulatedTime):
    """Time stands still for the patience of a reader; while it sleeps the writer takes a step."""

    def __init__(self, stepped: Stepped) -> None:
        super().__init__()
        self._stepped = stepped

    def sleep(self, _: float) -> None:
        self._stepped.step()


class SteppingLake(Lake):
    """A reader during whose reads the writer advances: by one step at every `every`-th access to a table."""

    stepped: Stepped
    every: int
    looks = 0

    def dataset(self, name: TableName) -> lance.LanceDataset:
        self._look()
        return super().dataset(name)

    def version(self, name: TableName) -> int:
        self._look()
        return super().version(name)

    def _look(self) -> None:
        self.looks += 1
        if self.looks % self.every == 0:
            self.stepped.step()


@pytest.mark.parametrize("every", [1, 3, 5, 10_000])
@pytest.mark.parametrize("before", range(MANY_STEPS))
def test_an_audit_during_a_commit_finds_no_problem(
    before: int, every: int, lake: Lake, open_writer: OpenWriter
) -> None:
    with open_writer() as writer:
        first, second = WORLD.segments(2)
        writer.commit([WORLD.rows(first, patches=True)])
        stepped = Stepped(writer, lambda: writer.commit([WORLD.rows(second, patches=True)]))
        try:
            for _ in range(before):
                stepped.step()
            reader = SteppingLake.open(lake.uri)
            reader.stepped, reader.every = stepped, every
            # the audit waits for the writer, who takes a step meanwhile; its patience does not end
            reader.time = WriterSteps(stepped)
            assert check(reader).problems == ()
        finally:
            stepped.finish()
    assert check(lake).rows["shots"] == 4
