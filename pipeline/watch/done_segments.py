"""Finds the segments that have become done in the ledger since the last look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake.lake import Lake, lake_errors
from pipeline.search.memory.columns import FragmentKey, fragment_key
from schemas.clock import Span

_COLUMNS = ["id", "source_id", "source", "start", "stop", "keyframes", "regions", "state"]


@dataclass(frozen=True, slots=True)
class DoneSegment:
    """A row of the ledger. source: the URI. rows: keyframes and regions together."""

    id: str
    source_id: str
    source: str
    span: Span
    rows: int


class DoneSegments:
    """Follows the ledger: each look reads only those fragments of the table `segments` that have changed.

    It remembers the ids of the segments that are in the ledger, so that memory shrinks when upkeep joins its rows. Ids
    and not times: segments of several feeds come in any order, and a segment that failed may be done later.
    settled: whether no commit was under way at the last look.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._version: int | None = None
        self._done: dict[FragmentKey, pa.Array] = {}  # ids
        self._writing: dict[FragmentKey, int] = {}
        self.settled = False

    def changed(self) -> bool:
        """Whether the ledger has changed since the last call of `new`; all that an idle watcher has to check."""
        return self._lake.version("segments") != self._version

    def new(self) -> list[DoneSegment]:
        """Segments that have become done since the last call; at the first, all that are done. Raises LakeError."""
        with lake_errors(f"reading the ledger of {self._lake.uri}", lake=self._lake.uri):
            dataset = self._lake.dataset("segments")
            if dataset.version == self._version:
                return []
            fragments = {fragment_key(f): f for f in dataset.get_fragments()}
            rows = {
                key: fragment.to_table(columns=_COLUMNS, filter="state IN ('done', 'writing')")
                for key, fragment in fragments.items()
                if key not in self._done
            }
        done = {key: table.filter(pc.equal(table["state"], "done")) for key, table in rows.items()}
        known = self._ids()
        new: list[DoneSegment] = []
        for table in done.values():
            unknown = table.filter(pc.invert(pc.is_in(table["id"], value_set=known)))
            new += [_segment(row) for row in unknown.to_pylist()]
        kept = self._done.keys() & fragments.keys()
        self._writing = {key: self._writing[key] for key in kept} | {
            key: rows[key].num_rows - table.num_rows for key, table in done.items()
        }
        self._done = {key: self._done[key] for key in kept} | {
            key: table["id"].combine_chunks() for key, table in done.items()
        }
        self._version = dataset.version
        self.settled = not any(self._writing.values())
        return new

    def still_done(self, segments: Sequence[DoneSegment]) -> list[DoneSegment]:
        """Those of the segments that were still done at the last call of `new`; it returns the others again once they
        are done again."""
        if not segments:
            return []
        done = pc.is_in(pa.array([segment.id for segment in segments]), value_set=self._ids())
        return [segment for segment, is_done in zip(segments, done.to_pylist(), strict=True) if is_done]

    def _ids(self) -> pa.Array:
        return pa.concat_arrays([pa.array([], pa.string()), *self._done.values()])


def _segment(row: dict[str, Any]) -> DoneSegment:
    start, stop, keyframes, regions = (row[name] for name in ("start", "stop", "keyframes", "regions"))
    return DoneSegment(row["id"], row["source_id"], row["source"], Span(start, stop), keyframes + regions)
