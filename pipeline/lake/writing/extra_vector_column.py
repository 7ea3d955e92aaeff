"""A column of another model's vectors besides the lake's own: created, filled in batches, continued after a kill."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.held_lake import HeldLake
from pipeline.lake.region_rows import corners_of
from pipeline.lake.upkeep.compaction import compact
from pipeline.lake.writing.table_writer import staged
from schemas.boxes import Boxes
from schemas.clock import Span
from schemas.tables import TableName, further_vector
from schemas.vectors import VectorArray, VectorSpace

if TYPE_CHECKING:
    from pipeline.lake.writing.committer import Committer

FRAMES_AT_ONCE = 1024  # of one source: their boxes are in memory together
COLUMN_TABLES: tuple[TableName, ...] = ("regions", "frames")  # in this order: a frame with a vector is done


@dataclass(frozen=True, slots=True, eq=False)
class UnseenFrames:
    """Frames of one source that the model has not embedded yet, in PTS order, with the regions of each.

    frame_ids, pts: one per frame. region_ids: one tuple per frame. boxes: one `Boxes` per frame.
    """

    source_id: str
    uri: str
    frame_ids: tuple[str, ...]
    pts: tuple[int, ...]
    region_ids: tuple[tuple[str, ...], ...]
    boxes: tuple[Boxes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NewVectors:
    """Vectors of some frames and of all their regions: float32 (frames, D) and (regions, D)."""

    frame_ids: tuple[str, ...]
    frames: VectorArray
    region_ids: tuple[str, ...]
    regions: VectorArray


class ColumnWriter(Protocol):
    """Changes one column, in this process or in that of the lake's writer. Every method may be repeated."""

    def add(self, space: VectorSpace) -> None:
        """Adds the column of a space to `frames` and `regions` where it is missing."""
        ...

    def fill(self, name: TableName, rows: pa.Table) -> None:
        """Writes the column `rows[1]` of the rows with the ids `rows[0]`."""
        ...

    def close(self) -> None: ...


class OwnColumnWriter:
    """Changes a column of a lake, under its own lease, or beside the commits of a committer of this process."""

    def __init__(self, lake: Lake, *, wait_s: float = 10.0, beside: "Committer | None" = None) -> None:
        """Raises LakeError if another process writes the lake."""
        self._lake = lake
        self._beside = beside
        self._lease = HeldLake(lake, wait_s=wait_s) if beside is None else beside.lease
        self._turn: AbstractContextManager[object] = nullcontext() if beside is None else beside.upkeep.turn
        if beside is not None:
            self._lease.share(lake)

    def add(self, space: VectorSpace) -> None:
        field = further_vector(space)
        with self._turn:
            self._lease.hold()
            for name in COLUMN_TABLES:
                if field.name not in self._lake.dataset(name).schema.names:
                    with lake_errors(
                        f"adding the column {field.name} to {name} of {self._lake.uri}", lake=self._lake.uri
                    ):
                        self._lake.table(name).add_columns(field)

    def fill(self, name: TableName, rows: pa.Table) -> None:
        doing = f"filling {rows.schema.names[1]} of {name} of {self._lake.uri}"
        with self._turn, lake_errors(doing, lake=self._lake.uri):
            self._lease.hold()
            merge = self._lake.writable(name).merge_insert("id").when_matched_update_all()
            transaction, _ = merge.execute_uncommitted(rows)
            # durable before a frame says that its regions are filled
            self._lake.durability.commit([staged(self._lake, name, transaction)])

    def close(self) -> None:
        """Joins the small fragments that filling left, and releases the lake; beside a committer, upkeep joins them."""
        if self._beside is None:
            try:
                compact(self._lake)
            finally:
                self._lease.release()


class ExtraVectorColumn:
    """Fills the column of `space` in `frames` and `regions`.

    Filled values are kept, and other columns are not written. A frame is done when it has its own vector, which is
    written after those of its regions: after a kill, the same call continues with the remaining frames.
    Raises LakeError if another writer has the lake, or the storage fails.
    """

    def __init__(
        self, lake: Lake, space: VectorSpace, *, writer: ColumnWriter | None = None, wait_s: float = 10.0
    ) -> None:
        """writer: closed with the column; by default one that holds the lake's lease."""
        self._lake = lake
        self._field = further_vector(space)
        self._writer = OwnColumnWriter(lake, wait_s=wait_s) if writer is None else writer
        try:
            self._writer.add(space)
        except BaseException:
            self._writer.close()
            raise

    @property
    def column(self) -> str:
        return str(self._field.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._writer.close()

    def count_unseen(self, source_ids: Sequence[str] | None = None) -> int:
        """Number of frames without a vector, of these sources or of all."""
        return self._lake.count("frames", where=self._unseen(source_ids))

    def unseen(self, source_ids: Sequence[str] | None = None) -> Iterator[UnseenFrames]:
        """The frames without a vector at the time of the call, source by source."""
        columns = ["id", "source_id", "source", "pts"]
        frames = self._lake.read("frames", columns=columns, where=self._unseen(source_ids))
        rows = frames.sort_by([("source_id", "ascending"), ("pts", "ascending")]).to_pylist()
        for source_id, group in groupby(rows, key=lambda row: row["source_id"]):
            of_source = list(group)
            for start in range(0, len(of_source), FRAMES_AT_ONCE):
                yield self._with_regions(source_id, of_source[start : start + FRAMES_AT_ONCE])

    def fill(self, batches: Sequence[NewVectors]) -> None:
        """Writes vectors to the rows with these ids; it may be repeated."""
        if not batches:
            return
        for name in COLUMN_TABLES:
            ids = [i for b in batches for i in (b.frame_ids if name == "frames" else b.region_ids)]
            vectors = np.concatenate([b.frames if name == "frames" else b.regions for b in batches])
            if not ids:
                continue
            half = pa.array(np.ascontiguousarray(vectors, np.float16).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(half, self._field.type.list_size)
            rows = pa.table({"id": ids, self.column: column}, schema=pa.schema([("id", pa.string()), self._field]))
            self._writer.fill(name, rows)

    def _with_regions(self, source_id: str, frames: list[dict[str, object]]) -> UnseenFrames:
        span = Span(int(str(frames[0]["pts"])), int(str(frames[-1]["pts"])) + 1)
        where = sql.all_of(sql.equals("source_id", source_id), sql.within("pts", span))
        columns = ["id", "frame", "x0", "y0", "x1", "y1"]
        regions = self._lake.read("regions", columns=columns, where=where)
        place = pc.index_in(regions["frame"], value_set=pa.array([str(f["id"]) for f in frames])).to_numpy()
        corners = corners_of(regions)
        ids = regions["id"].to_numpy()
        of_frame = [np.flatnonzero(place == k) for k in range(len(frames))]
        return UnseenFrames(
            source_id=source_id,
            uri=str(frames[0]["source"]),
            frame_ids=tuple(str(f["id"]) for f in frames),
            pts=tuple(int(str(f["pts"])) for f in frames),
            region_ids=tuple(tuple(ids[k].tolist()) for k in of_frame),
            boxes=tuple(Boxes(corners[k]) for k in of_frame),
        )

    def _unseen(self, source_ids: Sequence[str] | None) -> str:
        missing = f"{self.column} IS NULL"
        return missing if source_ids is None else sql.all_of(missing, sql.is_in("source_id", source_ids))
