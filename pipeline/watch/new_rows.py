"""Reads the frames and regions of new segments as arrays that can be ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from operators.ranking.fusion import IdArray
from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.row_leases import has_several, leases_of
from pipeline.lake.spans import SpanIndex
from pipeline.lake.stored_once import seconds_of_ticks, stores_once
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.memory.columns import FragmentKey, fragment_key
from pipeline.search.memory.decoding import ids_of, int64_of, positions, vectors_of
from schemas.clock import Span
from schemas.query import Place
from schemas.regions import ONE_SCALE, is_static
from schemas.tables import TableName

_FRAME_COLUMNS = ["id", "source_id", "source", "pts", "pts_s", "time", "vector", "lease"]
_REGION_COLUMNS = [
    "id",
    "frame",
    "source_id",
    "pts",
    "lease",
    "x0",
    "y0",
    "x1",
    "y1",
    "proposer",
    "label",
    "track",
    "score",
    "until",
    "vector",
]
_TABLES: tuple[TableName, ...] = ("regions", "frames")
Spans = Mapping[str, Sequence[Span]]  # by source id
Fragments = Mapping[TableName, frozenset[FragmentKey]]


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """F frames with their regions.

    frame_id: bytes (F,). source: the URIs. regions, whole: the regions and the whole frames, as a search ranks them.
    """

    frame_id: IdArray
    source: list[str]
    source_ids: list[str]
    pts: list[int]
    pts_s: list[float]
    time: list[datetime | None]
    regions: BoxedVectors
    whole: BoxedVectors

    def __len__(self) -> int:
        return len(self.frame_id)

    def uri(self, frame: int) -> str:
        return self.source[frame]

    def source_id(self, frame: int) -> str:
        return self.source_ids[frame]

    def utc(self, frame: int) -> datetime | None:
        """When the frame was recorded; None where that is not known."""
        return self.time[frame]


class RowReader:
    """Reads the rows of segments, and skips fragments that cannot hold any of them."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._passed: Fragments = {name: frozenset() for name in _TABLES}

    def fragments(self) -> Fragments:
        """The fragments that the tables have."""
        with lake_errors(f"reading {self._lake.uri}", lake=self._lake.uri):
            return {name: frozenset(map(fragment_key, self._lake.dataset(name).get_fragments())) for name in _TABLES}

    def pass_over(self, fragments: Fragments) -> None:
        """Skips these fragments from now on.

        The caller makes sure that they hold nothing that is still to be read: they existed before a look at the ledger
        that found no commit under way, and all that was done then has been read. Compaction makes new fragments, which
        are not skipped.
        """
        self._passed = fragments

    def read(self, spans: Spans) -> NewRows | None:
        """Reads the rows of these spans of sources; None where there are none. Raises LakeError.

        Regions are read before frames, so that each region finds its frame.
        """
        regions = self._rows("regions", _REGION_COLUMNS, spans)
        frames = self._rows("frames", _FRAME_COLUMNS, spans)
        frames = frames.filter(_within(frames, spans))
        regions, frames = self._counted(regions), self._counted(frames)
        if not frames.num_rows:
            return None
        frame_id = ids_of(frames["id"])
        everywhere = np.ones(len(frame_id), np.bool_)
        return NewRows(
            frame_id,
            frames["source"].to_pylist(),
            frames["source_id"].to_pylist(),
            frames["pts"].to_pylist(),
            frames["pts_s"].to_pylist(),
            frames["time"].to_pylist(),
            _regions(regions, positions(ids_of(regions["frame"]), frame_id, everywhere), self._until_s(regions)),
            BoxedVectors.of_frames(vectors_of(frames["vector"])["vector"], alive=everywhere),
        )

    def _until_s(self, regions: pa.Table) -> NDArray[np.float64] | None:
        """float64 (R,): up to when each region is valid; None where what stands is not stored once."""
        if not regions.num_rows or not stores_once(self._lake):
            return None
        ids = pc.unique(regions["source_id"])
        ticks_s = seconds_of_ticks(self._lake, ids.to_pylist())[_codes(regions, ids)]
        return np.asarray(pc.coalesce(regions["until"], regions["pts"]).to_numpy(), np.float64) * ticks_s

    def _counted(self, rows: pa.Table) -> pa.Table:
        """Those rows that were written under the lease of their segment."""
        if not has_several(rows):
            return rows
        ids = pc.unique(rows["source_id"])
        where = sql.all_of("state = 'done'", sql.is_in("source_id", ids.to_pylist()))
        done = self._lake.read("segments", columns=["source_id", "start", "stop", "lease"], where=where)
        index = SpanIndex(source=_codes(done, ids), start=int64_of(done["start"]), stop=int64_of(done["stop"]))
        segment = index.find(source=_codes(rows, ids), pts=int64_of(rows["pts"]))
        counts = segment >= 0
        counts[counts] = leases_of(done)[segment[counts]] == leases_of(rows)[counts]
        return rows.filter(pa.array(counts))

    def _rows(self, name: TableName, columns: list[str], spans: Spans) -> pa.Table:
        with lake_errors(f"reading {name} of {self._lake.uri}", lake=self._lake.uri):
            dataset = self._lake.dataset(name)
            fragments = [f for f in dataset.get_fragments() if fragment_key(f) not in self._passed[name]]
            columns = [column for column in columns if column in dataset.schema.names]  # older lakes have no leases
            if not fragments:
                return dataset.schema.empty_table().select(columns)
            return dataset.scanner(columns=columns, filter=_hulls(spans), fragments=fragments).to_table()


def _hulls(spans: Spans) -> str:
    """An SQL filter for the span of each source that covers all its spans."""
    hulls = {source: Span(min(s.start for s in own), max(s.stop for s in own)) for source, own in spans.items()}
    return sql.any_of(sql.all_of(sql.equals("source_id", s), sql.within("pts", hull)) for s, hull in hulls.items())


def _within(rows: pa.Table, spans: Spans) -> pa.Array:
    places = zip(rows["source_id"].to_pylist(), rows["pts"].to_pylist(), strict=True)
    return pa.array([any(pts in span for span in spans[source]) for source, pts in places], pa.bool_())


def _codes(rows: pa.Table, ids: pa.Array) -> NDArray[np.int64]:
    """The place of each row's source among `ids`."""
    return np.asarray(pc.index_in(rows["source_id"], value_set=ids).to_numpy(), np.int64)


def _regions(rows: pa.Table, frame: NDArray[np.int64], until_s: NDArray[np.float64] | None) -> BoxedVectors:
    ids = ids_of(rows["id"])
    x0, y0, x1, y1 = (rows[side].to_numpy() for side in ("x0", "y0", "x1", "y1"))

    proposers = rows["proposer"].to_pylist()
    comparable = np.array([name in ONE_SCALE for name in proposers], np.bool_)
    score = np.where(comparable, rows["score"].to_numpy(), np.float32(np.nan))

    def place(row: int) -> Place:
        known: dict[str, Any] = rows.slice(row, 1).select(["proposer", "label", "track", "score"]).to_pylist()[0]
        return Place(
            box=(float(x0[row]), float(y0[row]), float(x1[row]), float(y1[row])),
            region_id=ids[row].decode(),
            until_s=None if until_s is None else float(until_s[row]),
            **known,
        )

    return BoxedVectors(
        vectors=vectors_of(rows["vector"])["vector"],
        frame=frame,
        boxes=(x0, y0, x1, y1),
        alive=np.ones(len(ids), np.bool_),
        ids=lambda rows: ids[rows],
        place=place,
        kind="region",
        static=np.array([is_static(name) for name in proposers], np.bool_),
        score=lambda rows: score[rows],
    )
