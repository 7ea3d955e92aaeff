"""The ledger as the one writer of a lake holds it in memory, read once and updated with the writer's own changes."""

import threading
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.lease.held_lake import HeldLake
from pipeline.lake.ledger import SegmentState, SourceEntry, load_entries, load_segments, sources_table
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing import removal
from pipeline.lake.writing.removal import Stretch
from pipeline.lake.writing.repeats import recover_repeats
from pipeline.lake.writing.table_writer import TableWriter
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.sources import Source, feed_name


class LedgerIndex(UserDict[str, SourceEntry]):
    """Sources with their segments, by source id."""

    def __init__(self, entries: Iterable[tuple[str, SourceEntry]] = ()) -> None:
        self._ids_at: dict[str, set[str]] = {}  # by URI
        self._unwritten: dict[str, None] = {}  # ids of sources without a row
        super().__init__(entries)

    def __setitem__(self, source_id: str, entry: SourceEntry) -> None:
        self.pop(source_id, None)
        self._ids_at.setdefault(entry.uri, set()).add(source_id)
        if not entry.stored:
            self._unwritten[source_id] = None
        super().__setitem__(source_id, entry)

    def __delitem__(self, source_id: str) -> None:
        uri = self[source_id].uri
        self._ids_at[uri].remove(source_id)
        if not self._ids_at[uri]:
            del self._ids_at[uri]
        self._unwritten.pop(source_id, None)
        super().__delitem__(source_id)

    def ids_at(self, uri: str) -> list[str]:
        """Ids of the sources at a URI, from an index: a search through all sources for each would be quadratic."""
        return sorted(self._ids_at.get(uri, ()))

    def unwritten(self) -> list[tuple[Source, SourceEntry]]:
        """The sources that were registered and have no row yet, from an index: every commit asks for them."""
        entries = map(self.__getitem__, self._unwritten)
        return [(entry.source, entry) for entry in entries if entry.source is not None]

    def written(self) -> None:
        """Notes that the sources have rows now."""
        for name in [name for name in self._unwritten if self[name].source is not None]:
            self[name].stored = True
            del self._unwritten[name]

    def stretches(self, state: SegmentState) -> list[Stretch]:
        """All segments in a state."""
        return [
            (source_id, name, segment.span)
            for source_id, entry in self.items()
            for name, segment in entry.segments.items()
            if segment.state == state
        ]

    def complete(self, source_ids: Iterable[str]) -> list[str]:
        """Those of these sources that are complete."""
        return [name for name in source_ids if name in self and self[name].state == "complete"]

    def ledger_rows(self) -> dict[str, int]:
        """Number of rows in the ledger of each complete recording of a feed."""
        return {source.id: len(entry.segments) for source, entry in self._recordings() if entry.state == "complete"}

    def open_recordings(self) -> list[SourceEntry]:
        """The recordings of feeds that are not complete."""
        return [entry for _, entry in self._recordings() if entry.state == "open"]

    def recordings_of(self, feed: str) -> list[Source]:
        """The recordings of a feed that have segments, each with the span from its start to its last segment's end."""
        return [
            replace(source, span=Span(source.span.start, max(s.span.stop for s in entry.segments.values())))
            for source, entry in self._recordings()
            if entry.segments and feed_name(source.uri) == feed
        ]

    def _recordings(self) -> Iterable[tuple[Source, SourceEntry]]:
        for entry in self.values():
            if entry.source is not None and entry.source.kind == "feed":
                yield entry.source, entry


class LedgerState:
    """The sources of a lake with their segments, and the lock of the threads that change them.

    Code that changes the lake's tables does so within `with state.change():`, code that reads `sources` within
    `with state.reading():`. Both hold `turn`, so that they run one after the other, and both first recover from a
    failed change: what it wrote in part is undone, and `sources` is read again. So it is after the lease was lost and
    taken again, because another process may have written the lake meanwhile.
    finish: completes sources that a failed change left covered but open; called at the end of a recovery.
    """

    def __init__(
        self, lake: Lake, lease: HeldLake, *, finish: Callable[[], None], time: TimeSource = REAL_TIME
    ) -> None:
        self.lake = lake
        self.lease = lease
        self.time = time
        self.tables = TableWriter(lake, lease)
        self.sources = LedgerIndex()
        self.turn = threading.RLock()
        self._finish = finish
        self._changing = False
        self._sound = False  # until the first recovery

    @property
    def sound(self) -> bool:
        """Whether `sources` agrees with the tables."""
        return self._sound

    @contextmanager
    def reading(self) -> Iterator[LedgerIndex]:
        """Yields the sources as they are in the lake; no other thread changes them during the block."""
        with self.turn:
            if not self._changing:
                if self.lease.hold():
                    self._sound = False
                self._recover()
            yield self.sources

    @contextmanager
    def change(self) -> Iterator[LedgerIndex]:
        """Yields the sources for a change of them and of the tables; after an error, the state is recovered.

        A change within a change is a part of it.
        """
        with self.reading() as sources:
            if self._changing:
                yield sources
                return
            self._changing, self._sound = True, False
            try:
                yield sources
                self._sound = True
            finally:
                self._changing = False

    def write_registered(self) -> None:
        """Writes the sources that were registered and have no row yet. Call it within a change."""
        unwritten = self.sources.unwritten()
        if not unwritten:
            return
        self.forget_quarantined({source.uri for source, _ in unwritten})
        table = sources_table([(source, entry.plan, entry.state) for source, entry in unwritten])
        self.tables.upsert("sources", table)
        self.sources.written()

    def forget_quarantined(self, uris: Iterable[str]) -> None:
        """Deletes the rows of inputs that were unreadable and can be read now. Call it within a change.

        The id of such a row is a hash of its URI, or of other bytes.
        """
        held = [(name, self.sources[name]) for uri in uris for name in self.sources.ids_at(uri)]
        stale = [name for name, entry in held if entry.stored and entry.state == "quarantined"]
        self.tables.delete("sources", "id", stale)
        for name in stale:
            del self.sources[name]

    def reload(self, source_ids: Sequence[str]) -> None:
        """Reads the segments of these sources again, after a change of the tables that did not update `sources`."""
        for source_id, segments in load_segments(self.lake, source_ids).items():
            self.sources[source_id].segments = segments

    def _recover(self) -> None:
        if self._sound:
            return
        self.lake.roll_back_unsynced()
        registered = self.sources.unwritten()
        self.sources = LedgerIndex(load_entries(self.lake).items())
        self._end_removals()
        self._undo_commits()
        recover_repeats(self.lake, self.tables, complete=self.sources.complete(self.sources))
        self.tables.delete("shots", "source_id", [name for name, e in self.sources.items() if e.state == "open"])
        for source, entry in registered:
            known = self.sources.get(source.id)
            if known is None or known.source is None:
                entry.segments = known.segments if known is not None else {}
                self.sources[source.id] = entry
        self._sound = True
        self._finish()

    def _end_removals(self) -> None:
        """Finishes interrupted removals of sources and of parts of them.

        A source that was pinned before its deletion began is not removed, nor one of which a part was to be removed.
        """
        removing = [name for name, entry in self.sources.items() if entry.state == "removing"]
        spared = self._unmark_spared(removing) if removing else []
        removing = [name for name in removing if name not in spared]
        removal.finish_removals(self.tables, removing)
        for name in removing:
            del self.sources[name]
        trimmed = self.sources.stretches("removing")
        removal.finish_trims(self.lake, self.tables, trimmed)
        for source_id, name, _ in trimmed:
            self.sources[source_id].segments[name].state = "removed"

    def _unmark_spared(self, removing: Sequence[str]) -> list[str]:
        """Takes the mark of sources that stay back; returns their ids.

        Deletion has begun once the ledger has no rows of a source.
        """
        begun = {name for name in removing if not self.sources[name].segments}
        where = sql.all_of("state = 'removing'", sql.equals("error", removal.IN_PART))
        stay = {pin.source_id for pin in Pins(self.lake).read()} - begun
        stay |= set(self.lake.read("sources", columns=["id"], where=where)["id"].to_pylist())
        spared = [name for name in removing if name in stay]
        if spared:
            where = sql.is_in("source_id", spared)
            complete = set(self.lake.read("shots", columns=["source_id"], where=where)["source_id"].to_pylist())
            for name in spared:
                entry = self.sources[name]
                entry.state = "quarantined" if entry.source is None else "complete" if name in complete else "open"
            removal.unmark(self.tables, {name: self.sources[name].state for name in spared})
        return spared

    def _undo_commits(self) -> None:
        torn = self.sources.stretches("writing")
        removal.delete_rows(self.tables, torn)
        self.tables.delete("segments", "id", [name for _, name, _ in torn])
        for source_id, name, _ in torn:
            del self.sources[source_id].segments[name]
