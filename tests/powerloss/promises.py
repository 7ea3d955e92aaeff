"""Verifies a lake after a power cut: what was promised is there, once and as it was, and the lake goes on."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import load_entries
from pipeline.lake.upkeep.pins import Pins
from pipeline.live.commits.spool import Spool
from pipeline.live.status.state_folder import StateFolder
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE
from tests.powerloss.workload import LAST, WORLDS, open_writer, rows_of

_ROWS = {rows.segment.id: rows for world in WORLDS for rows in rows_of(world)}


@dataclass(slots=True)
class Promises:
    """What had been promised: ids of segments, pins and sources.

    made: the lake. removing: segments whose removal had begun; they may be there or not. removed: sources. retrying:
    segments that had failed and were about to be committed.
    """

    made: bool = False
    committed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    retrying: set[str] = field(default_factory=set)
    spooled: set[str] = field(default_factory=set)
    pinned: set[str] = field(default_factory=set)
    removing: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def add(self, mark: str) -> None:
        what, ids = json.loads(mark)
        if what == "made":
            self.made = True
        else:
            getattr(self, what).update(ids)


def verify(folder: Path, promises: Promises) -> Iterator[str]:
    """What is wrong in `folder`, which a power cut left; it is continued as the next writer does."""
    uri = str(folder / "lake")
    try:
        lake = Lake.create_or_open(uri, SPACE)
        writer = open_writer(lake)
    except LakeError as error:
        yield f"the lake cannot be opened: {error}"
        return
    with writer:
        yield from _kept(lake, promises)
        yield from check(lake).problems
        waiting = Spool(StateFolder.of(uri).spool)
        while (oldest := waiting.oldest()) is not None:
            writer.commit(oldest[1].rows)
            waiting.remove(oldest[0])
        writer.commit(rows_of(LAST))
        yield from _as_written(lake)
    yield from check(Lake.open(uri)).problems


def _kept(lake: Lake, promises: Promises) -> Iterator[str]:
    entries = load_entries(lake)
    by_state: dict[str, set[str]] = {}
    for entry in entries.values():
        for name, segment in entry.segments.items():
            by_state.setdefault(segment.state, set()).add(name)
    done = by_state.get("done", set())
    spooled = {segment.id for segment, _ in Spool(StateFolder.of(lake.uri).spool).segments}
    yield from _lost("committed segments", promises.committed - promises.removing - done)
    yield from _lost("spooled segments", promises.spooled - promises.removing - done - spooled)
    yield from _lost("failures", promises.failed - promises.retrying - by_state.get("failed", set()))
    yield from _lost("pins", promises.pinned - {pin.id for pin in Pins(lake).read()})
    back = promises.removed & entries.keys()
    if back:
        yield f"sources that had been removed are back: {sorted(back)}"


def _lost(what: str, ids: set[str]) -> Iterator[str]:
    if ids:
        yield f"{what} are lost: {sorted(ids)}"


def _as_written(lake: Lake) -> Iterator[str]:
    """Compares rows with those that were committed; retention may have removed rows, and then removed all of a span."""
    entries = load_entries(lake)
    done = {name for entry in entries.values() for name, each in entry.segments.items() if each.state == "done"}
    for table in ("frames", "regions"):
        found = {row["id"]: row["vector"] for row in lake.read(table, columns=["id", "vector"]).to_pylist()}
        expected = {id_: vector for rows in _of(done) for id_, vector in _vectors(rows, table)}
        if found != expected:
            wrong = [id_ for id_ in expected if found.get(id_) != expected[id_]]
            yield f"{table}: {len(found)} rows instead of {len(expected)}, {len(wrong)} of them are not as written"


def _of(segments: Iterable[str]) -> list[SegmentRows]:
    return [_ROWS[name] for name in segments]


def _vectors(rows: SegmentRows, table: str) -> Iterator[tuple[str, list[float]]]:
    found = rows.frames if table == "frames" else rows.regions
    yield from zip(found["id"].to_pylist(), found["vector"].to_pylist(), strict=True)
