"""What the process does whose power is cut: it makes a lake, commits, spools, joins, pins and removes, and says so."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.upkeep_changes import Removal
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.stored_plan import StoredPlan
from schemas.clock import Span
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.powerloss.calls.shim import Shim
from tests.waiting import wait_until

WORLDS = [World(number, length=60, step=15, regions=2) for number in range(8)]
PIECES = 2
LAST = WORLDS[-1]  # committed after the power cut
_REMOVED, _TRIMMED, _SPARED = WORLDS[0], WORLDS[1], WORLDS[5]
_KEPT = Span(30, 60)  # of the trimmed source: its second shot


class SwitchedCommitter(Committer):
    """A committer whose lake is in reach or not. reachable: whether it is."""

    reachable = True

    def commit(self, rows: Sequence[SegmentRows], *, plan: StoredPlan | None = None) -> int:
        if not self.reachable:
            raise LakeError("the lake does not answer")
        return super().commit(rows, plan=plan)


def open_writer(lake: Lake) -> SwitchedCommitter:
    return SwitchedCommitter(lake, plan=stored(), fold_shots=fold_shots)


def rows_of(world: World, *, pieces: int = PIECES) -> list[SegmentRows]:
    return [world.rows(segment, patches=True) for segment in world.segments(pieces)]


def work(shim: Shim, root: str, log: str) -> None:
    """Fills the lake `root`/lake; marks in the log are JSON: [what was promised, ids]."""
    shim.record(Path(root), Path(log))
    uri = str(Path(root) / "lake")

    def promise(what: str, ids: Sequence[str] = ()) -> None:
        shim.mark(json.dumps([what, list(ids)]))

    def commit(writer: Committer, rows: Sequence[SegmentRows]) -> None:
        writer.commit(rows)
        promise("committed", _ids(rows))

    lake = Lake.create_or_open(uri, SPACE)
    with open_writer(lake) as writer:
        promise("made")
        for world in WORLDS[:2]:
            writer.register(world.source)
            for rows in rows_of(world):
                commit(writer, [rows])
        failing = WORLDS[2].segments(PIECES)[0]
        writer.fail(failing, state="failed", error="a test")
        promise("failed", [failing.id])
        _spool(writer, uri, promise)
        commit(writer, [rows for world in WORLDS[5:7] for rows in rows_of(world)])
        places = [(_TRIMMED.source.id, _TRIMMED.source.uri, _KEPT), (_SPARED.source.id, _SPARED.source.uri, None)]
        promise("pinned", [pin.id for pin in Pins(lake).add(places)])
        promise("removing", [s.id for w in (_REMOVED, _TRIMMED) for s in w.segments(PIECES) if s.id not in _kept()])
        marked = [world.source.id for world in (_REMOVED, _TRIMMED, _SPARED)]
        chosen = Removal((_REMOVED.source.id,), {_TRIMMED.source.id: [_KEPT]})
        writer.upkeep.remove_unless_pinned(marked, lambda: chosen)
        promise("removed", [_REMOVED.source.id])
        config = UpkeepConfig(many_fragments=2, index_rows=1, keep_versions=timedelta(0))
        errors = Upkeep(writer, config).run_pass().errors
        assert not errors, errors
        promise("retrying", [failing.id])
        commit(writer, rows_of(WORLDS[2]))


def _spool(writer: SwitchedCommitter, uri: str, promise: Callable[[str, list[str]], None]) -> None:
    """Two batches wait on disk while the lake is out of reach, and are committed by the next sink."""
    batches = [Batch(tuple(rows_of(world))) for world in WORLDS[3:5]]
    folder = StateFolder.of(uri).spool
    writer.reachable = False
    away = Sink(writer, Spool(folder))
    for number, batch in enumerate(batches, 1):
        away.put(batch)
        wait_until(partial(_spooled, away, number))
        promise("spooled", _ids(batch.rows))
    away.close()
    writer.reachable = True
    back = Sink(writer, Spool(folder), on_commit=lambda batch: promise("committed", _ids(batch.rows)))
    wait_until(partial(_spooled, back, 0))
    back.close()


def _spooled(sink: Sink, count: int) -> bool:
    return sink.status().spooled == count


def _kept() -> list[str]:
    return [segment.id for segment in _TRIMMED.segments(PIECES) if segment.span == _KEPT]


def _ids(rows: Iterable[SegmentRows]) -> list[str]:
    return [item.segment.id for item in rows]
