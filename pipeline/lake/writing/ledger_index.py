"""The sources of a ledger in memory, by id and by URI: read once, and updated with the writer's own changes."""

from collections import UserDict
from collections.abc import Iterable
from dataclasses import replace

from pipeline.lake.ledger import SegmentState, SourceEntry
from pipeline.lake.writing.removal import Stretch
from schemas.clock import Span
from schemas.sources import Source, feed_name


class LedgerIndex(UserDict[str, SourceEntry]):
    """Sources with their segments, by source id."""

    def __init__(self, entries: Iterable[tuple[str, SourceEntry]] = ()) -> None:
        self._ids_at: dict[str, set[str]] = {}  # by URI
        super().__init__(entries)

    def __setitem__(self, source_id: str, entry: SourceEntry) -> None:
        self.pop(source_id, None)
        self._ids_at.setdefault(entry.uri, set()).add(source_id)
        super().__setitem__(source_id, entry)

    def __delitem__(self, source_id: str) -> None:
        uri = self[source_id].uri
        self._ids_at[uri].remove(source_id)
        if not self._ids_at[uri]:
            del self._ids_at[uri]
        super().__delitem__(source_id)

    def ids_at(self, uri: str) -> list[str]:
        """Ids of the sources at a URI, from an index: a search through all sources for each would be quadratic."""
        return sorted(self._ids_at.get(uri, ()))

    def unwritten(self) -> list[tuple[Source, SourceEntry]]:
        """The sources that were registered and have no row yet."""
        return [(entry.source, entry) for entry in self.values() if not entry.stored and entry.source is not None]

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
