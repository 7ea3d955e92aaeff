"""The committed rows of a lake as plain Arrow tables: times in seconds and UTC, boxes in four columns, no vectors."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.labels.label_table import HumanLabel, Judged, Labels, judged, label_rows
from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.row_leases import leases_of
from pipeline.lake.spans import SpanIndex
from pipeline.lake.stored_once import require_each_sighting
from pipeline.search.filters import source_matches
from pipeline.search.memory.decoding import int64_of
from schemas.errors import QueryError
from schemas.query import Moment
from schemas.recorder_names import camera_name
from schemas.tables import TableName, missing_columns, with_added_columns

_MOST_IDS = 2000  # in one condition; for more of them a table is read whole
_PLACED = frozenset({"frames", "regions"})  # tables whose rows count only within a done segment, under its lease


@dataclass(frozen=True, slots=True, eq=False)
class LakeRows:
    """A lake as it was at one moment, or the part of it that one may see.

    source: only sources whose path, URL or feed contains this, or matches it as a glob; None for all.
    allowed: ids of the only sources that count; None for all.
    since, until: the time of frames and regions, half-open: UTC, or seconds within each source; None for all.
    Raises QueryError where no source matches, or `since` is given and the lake stores once what stands: what stood
    before it would be missing.
    """

    lake: Lake
    source: str | None = None
    allowed: frozenset[str] | None = None
    since: Moment | None = None
    until: Moment | None = None
    _datasets: Mapping[TableName, lance.LanceDataset] = field(init=False, repr=False)
    _ids: tuple[str, ...] | None = field(init=False, repr=False)
    _done: tuple[dict[str, int], SpanIndex, NDArray[np.int64]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.since is not None:
            require_each_sighting(self.lake, "reading rows since a time")
        object.__setattr__(self, "_datasets", self.lake.snapshot())
        object.__setattr__(self, "_ids", None)
        object.__setattr__(self, "_ids", self._chosen())
        object.__setattr__(self, "_done", self._read_done())

    @property
    def state(self) -> tuple[object, ...]:
        """What is equal where two have the same rows of sources, segments, frames and regions."""
        versions = sorted((name, data.version) for name, data in self._datasets.items())
        return (self.lake.uri, self._ids, self.since, self.until, *versions)

    def count(self, name: TableName) -> int:
        """About how many rows `read` would read, without reading them: those of interrupted writes are among them."""
        dataset = self._datasets.get(name)
        if dataset is None:
            return 0
        with lake_errors(f"reading table {name} of {self.lake.uri}", lake=self.lake.uri):
            return int(dataset.count_rows(filter=self._condition(name)))

    def sources(self) -> pa.Table:
        """id, source, feed, kind, state, error, start_time, start_s, stop_s, width_px, height_px, frame_rate, codec."""
        names = ["id", "source", "kind", "state", "error", "start_time", "start", "stop", "time_base_num"]
        rows = self.read("sources", [*names, "time_base_den", "width_px", "height_px", "frame_rate", "codec"])
        tick_s = pc.divide(pc.cast(rows["time_base_num"], pa.float64()), rows["time_base_den"])
        for name in ("start", "stop"):
            rows = rows.append_column(f"{name}_s", pc.multiply(pc.cast(rows[name], pa.float64()), tick_s))
        # recordings of one camera, a recorder's files too, have one feed; of another source it is the source itself
        rows = rows.append_column("feed", pa.array(map(camera_name, rows["source"].to_pylist()), pa.string()))
        kept = ["id", "source", "feed", "kind", "state", "error", "start_time", "start_s", "stop_s"]
        return rows.select([*kept, "width_px", "height_px", "frame_rate", "codec"])

    def shots(self) -> pa.Table:
        """id, source_id, source, start_s, stop_s, kind."""
        return self.read("shots", ["id", "source_id", "source", "start_s", "stop_s", "kind"])

    def frames(self) -> pa.Table:
        """id, source_id, source, at_s, time, width_px, height_px, reason."""
        rows = self.read(
            "frames", ["id", "source_id", "source", "pts_s", "time", "width_px", "height_px", "reason", "pts"]
        )
        return rows.drop_columns(["pts"]).rename_columns({"pts_s": "at_s"})

    def regions(self) -> pa.Table:
        """id, frame, source_id, source, at_s, time, until_s, x0, y0, x1, y1, area, proposer, score, label, track,
        human_label, verdict."""
        names = ["id", "frame", "source_id", "source", "pts", "pts_s", "time", "until", "x0", "y0", "x1", "y1", "area"]
        rows = self.read("regions", [*names, "proposer", "score", "label", "track"])
        ticks = self.read("sources", ["id", "time_base_num", "time_base_den"])
        tick_s = pc.divide(pc.cast(ticks["time_base_num"], pa.float64()), ticks["time_base_den"])
        of_row = tick_s.take(pc.index_in(rows["source_id"], value_set=ticks["id"]))
        valid_s = pc.multiply(pc.cast(pc.subtract(rows["until"], rows["pts"]), pa.float64()), of_row)
        rows = rows.set_column(rows.schema.get_field_index("until"), "until_s", pc.add(rows["pts_s"], valid_s))
        rows = rows.drop_columns(["pts"]).rename_columns({"pts_s": "at_s"})
        known = self.judged()
        at = pc.index_in(rows["id"], value_set=pa.array(list(known), pa.string()))
        for name, values in (
            ("human_label", [each.label for each in known.values()]),
            ("verdict", [each.verdict for each in known.values()]),
        ):
            rows = rows.append_column(name, pa.array(values, pa.string()).take(at))
        return rows

    def labels(self) -> pa.Table:
        """id, region, frame, source_id, source, at_s, label, verdict, x0, y0, x1, y1, iou, labelled_by, labelled_at,
        imported_at, format."""
        return label_rows(self._labels())

    def judged(self) -> dict[str, Judged]:
        """What people say of regions, by their ids."""
        return judged(self._labels())

    def _labels(self) -> list[HumanLabel]:
        chosen = None if self._ids is None else set(self._ids)
        return [each for each in Labels(self.lake).read() if chosen is None or each.source_id in chosen]

    def read(self, name: TableName, columns: list[str], *, where: str | None = None) -> pa.Table:
        """The rows of a table that count. columns: of the stored table, `pts` among them for frames and regions.

        where: a further condition in Lance's SQL.
        """
        dataset = self._datasets.get(name)
        if dataset is None:
            return self.lake.schema(name).empty_table().select(columns)
        conditions = [each for each in (where, self._condition(name)) if each]
        extra = ["source_id", "lease"] if name in _PLACED else []
        wanted = list(dict.fromkeys([*columns, *extra]))
        missing = {each.name for each in missing_columns(dataset.schema, name, self.lake.space)}
        with lake_errors(f"reading table {name} of {self.lake.uri}", lake=self.lake.uri):
            stored = [column for column in wanted if column not in missing]
            rows = dataset.to_table(columns=stored, filter=" AND ".join(conditions) or None)
        rows = with_added_columns(rows, name, self.lake.space)
        if name in _PLACED:
            rows = rows.filter(pa.array(self._committed(rows)))
        rows = rows.select(columns).replace_schema_metadata(None)
        for at, each in enumerate(rows.schema):  # UTC without a time zone: DuckDB has zones in an extension alone
            if pa.types.is_timestamp(each.type):
                rows = rows.set_column(at, each.name, pc.cast(rows[at], pa.timestamp("us")))
        return rows

    def read_ids(self, name: TableName, columns: list[str], ids: Collection[str]) -> pa.Table:
        """As `read`, but only the rows with these ids, in any order."""
        return self.read_where(name, columns, "id", ids)

    def read_where(self, name: TableName, columns: list[str], key: str, values: Collection[str]) -> pa.Table:
        """As `read`, but only the rows in whose column `key` is one of the values, in any order."""
        if len(values) <= _MOST_IDS:
            return self.read(name, columns, where=sql.is_in(key, values))
        wanted = columns if key in columns else [*columns, key]
        found = self.read(name, wanted)
        return found.filter(pc.is_in(found[key], value_set=pa.array(values, pa.string()))).select(columns)

    def _condition(self, name: TableName) -> str | None:
        """Which rows of a table are of the chosen sources and time, in Lance's SQL; None for all."""
        conditions = []
        if self._ids is not None:
            conditions.append(sql.is_in("id" if name == "sources" else "source_id", self._ids))
        if name in _PLACED:
            conditions += sql.in_time(self.since, self.until)
        return sql.all_of(*conditions) if conditions else None

    def _chosen(self) -> tuple[str, ...] | None:
        """Ids of the sources that count; None for all."""
        if self.source is None and self.allowed is None:
            return None
        rows = self.read("sources", ["id", "source"])
        found = [
            (id, uri)
            for id, uri in zip(rows["id"].to_pylist(), rows["source"].to_pylist(), strict=True)
            if self.allowed is None or id in self.allowed
        ]
        if self.source is None:
            return tuple(id for id, _ in found)
        chosen = tuple(id for id, uri in found if source_matches(uri, self.source))
        if not chosen:
            raise QueryError(
                f"no source of {self.lake.uri} matches {self.source!r}: `source` is a part of a path, a URL or the "
                "name of a feed, or a glob that matches the whole of it"
            )
        return chosen

    def _read_done(self) -> tuple[dict[str, int], SpanIndex, NDArray[np.int64]]:
        rows = self.read("segments", ["source_id", "start", "stop", "lease"], where="state = 'done'")
        numbers = {id: number for number, id in enumerate(pc.unique(rows["source_id"]).to_pylist())}
        index = SpanIndex(
            source=_numbers(rows["source_id"], numbers), start=int64_of(rows["start"]), stop=int64_of(rows["stop"])
        )
        return numbers, index, leases_of(rows)

    def _committed(self, rows: pa.Table) -> NDArray[np.bool_]:
        """bool (N,): the rows in a done segment, written under the lease of that segment."""
        numbers, index, leases = self._done
        segment = index.find(source=_numbers(rows["source_id"], numbers), pts=int64_of(rows["pts"]))
        counts = segment >= 0
        counts[counts] = leases[segment[counts]] == leases_of(rows)[counts]
        return counts


TABLES: dict[str, Callable[[LakeRows], pa.Table]] = {
    "sources": LakeRows.sources,
    "shots": LakeRows.shots,
    "frames": LakeRows.frames,
    "regions": LakeRows.regions,
    "labels": LakeRows.labels,
}


def _numbers(ids: pa.ChunkedArray, numbers: Mapping[str, int]) -> NDArray[np.int64]:
    """int64 (N,): the number of each id; −1 for one that has none."""
    if not numbers:
        return np.full(len(ids), -1, np.int64)
    known = pa.array(list(numbers), pa.string())  # in order of their numbers
    found: NDArray[np.int64] = pc.fill_null(pc.index_in(ids, value_set=known), -1).to_numpy().astype(np.int64)
    return found
