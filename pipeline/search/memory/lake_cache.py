"""The columns of a lake that ranking needs, in memory or mapped from files: boxes, ids, times and vectors."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from operators.ranking.fusion import IdArray
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.row_leases import leases_of
from pipeline.lake.spans import SpanIndex
from pipeline.lake.stored_once import seconds_of_ticks, stores_once
from pipeline.search.memory.buffers import Buffers, Columns, FileBuffers, MemoryBuffers, Shapes
from pipeline.search.memory.columns import ColumnStore
from pipeline.search.memory.decoding import codes_of, ids_of, int64_of, numbers_of, positions, vectors_of
from pipeline.search.memory.kept_columns import KeptColumns
from pipeline.search.memory.part import Part
from pipeline.search.memory.resident import KEPT, Resident, can_keep, choose_resident
from pipeline.search.memory.rounded_vectors import RoundedVectors, rounded
from pipeline.search.memory.shapes import FRAMES, REGIONS, vector_shapes
from schemas.errors import LakeError
from schemas.query import Place
from schemas.regions import ONE_SCALE
from schemas.tables import TableName

NO_TIME = np.iinfo(np.int64).min
_ROW_IDS = 4096  # in one condition
_FOLLOWED: tuple[TableName, ...] = ("segments", "shots", "regions", "frames")


class LakeCache:
    """The lake's frames and regions as arrays, kept up to date by `refresh()`.

    Frames, F rows: frame_id bytes (F,), source int64 (F,) into `uris` and `source_ids`, pts int64, pts_s float64, time
    int64 in µs of UTC (NO_TIME where unknown), frame_vectors float16 (F, D), visible bool (F,).
    Regions, R rows: region_id bytes (R,), frame int64 (R,) row of its frame or −1, boxes float32 (4, R),
    proposer int64 (R,) into `proposers`, region_vectors float16 (R, D); `place` has all that a hit shows of a region.

    A row is visible when its segment is done by the ledger (rows that a writer is about to commit, or left when it
    was killed, are not found), under the lease that wrote the row (a writer that had lost its lease left others), and
    when it has a vector in `column`: the lake's own "vector", or one that was filled later.
    resident: how vectors of regions are held: "float16" as they are stored; "int8" rounded, in half the memory, beside
        the row ids by which exact ones are read from the lake; "disk" as they are stored, in files of the lake's folder
        `.search` that are mapped, like all other columns, and which other processes share. None chooses, see
        `choose_resident`; the attribute is what was chosen.
    part: the part of the lake whose frames are visible, and whose rows are held where they are in memory; None for all.
        Files have all, for every part and for who searches all.
    without_vector: number of frames whose segment is done and that have no vector.
    generation: changes with every refresh that found a change; rows may have moved.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        column: str = "vector",
        resident: Resident | None = None,
        part: Part | None = None,
    ) -> None:
        self._lake = lake
        self._part = part
        self._column = column
        self._versions: dict[TableName, int] = {}
        self._ticks_s: tuple[int, NDArray[np.float64] | None] = (-1, None)  # generation; seconds of a tick, by source
        self.uris: list[str] = []
        self.source_ids: list[str] = []
        self._source_codes: dict[str, int] = {}
        self.proposers: list[str] = []
        self._proposer_codes: dict[str, int] = {}
        self.labels: list[str] = []
        self._label_codes: dict[str, int] = {}
        self.dimension = dimension = lake.spaces()[column].dimension
        self.resident = resident = resident or choose_resident(lake, dimension=dimension)
        frames, regions = (
            FRAMES | {"vector": (np.float16, (dimension,))},
            REGIONS | vector_shapes(resident, dimension),
        )
        self._kept = _kept(lake, f"{column}-{dimension}", frames, regions) if resident == "disk" else None
        held = part if self._kept is None else None
        self._frames = ColumnStore(
            buffers=self._buffers("frames", frames),
            decode=self._decode_frames,
            read=["id", "source_id", "source", "pts", "pts_s", "time", "lease", column],
            part=held,
        )
        self._region_buffers = self._buffers("regions", regions)
        self._regions = ColumnStore(
            buffers=self._region_buffers,
            decode=self._decode_regions,
            read=[
                "id",
                "frame",
                "lease",
                "x0",
                "y0",
                "x1",
                "y1",
                "score",
                "proposer",
                "label",
                "track",
                "until",
                "code",
                column,
            ],
            row_ids=resident == "int8",
            part=held,
        )
        self._stores = {"frames": self._frames, "regions": self._regions}
        self._frame_of_region = np.zeros(0, np.int64)
        self._shots: tuple[SpanIndex, NDArray[np.float64]] | None = None
        self.visible: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.without_vector = 0
        self.generation = 0

    def refresh(self) -> bool:
        """Updates the columns to the newest versions of the lake; returns whether anything had changed.

        The order matters: the ledger first, then regions, then frames. All rows of a segment that was
        done when the ledger was read are then in memory, and every region finds its frame.
        Raises LakeError when the lake cannot be read; the next refresh that can read it updates the columns.
        """
        versions = {name: self._lake.version(name) for name in _FOLLOWED}
        if versions == self._versions:
            return False
        # unset until all is done: after a refresh that failed half-way, the next one must look at everything again
        before, self._versions = self._versions, {}
        with (
            lake_errors(f"loading the columns of {self._lake.uri}", lake=self._lake.uri),
            nullcontext() if self._kept is None else self._kept.locked(),
        ):
            moved = self._adopt()
            done, done_leases = self._read_done()
            moved |= self._regions.refresh(self._lake.dataset("regions"))
            moved |= self._frames.refresh(self._lake.dataset("frames"))
            if versions["shots"] != before.get("shots") or moved:
                self._shots = self._read_shots()
            self._record()
        segment = done.find(source=self.source, pts=self.pts)
        stale = segment >= 0
        stale[stale] = done_leases[segment[stale]] != self._frames["lease"][stale]
        committed = self._frames.alive & (segment >= 0) & ~stale
        if self._part is not None:
            committed &= self._part.holds(self.source, self.pts_s, ids=self.source_ids)
        start = len(self._frame_of_region) if before and not (moved or stale.any()) else 0
        found = positions(self._regions["frame_id"][start:], self._frames["id"], self._frames.alive & ~stale)
        of_frame = found >= 0
        of_frame[of_frame] = self._regions["lease"][start:][of_frame] == self._frames["lease"][found[of_frame]]
        found[~of_frame] = -1
        self._frame_of_region = np.concatenate([self._frame_of_region[:start], found])
        self.visible = committed & self._frames["embedded"]
        self.without_vector = int(committed.sum() - self.visible.sum())
        self._versions = versions
        self.generation += 1
        return True

    @property
    def frame_id(self) -> IdArray:
        return self._frames["id"]

    @property
    def source(self) -> NDArray[np.int64]:
        return self._frames["source"]

    @property
    def pts(self) -> NDArray[np.int64]:
        return self._frames["pts"]

    @property
    def pts_s(self) -> NDArray[np.float64]:
        return self._frames["pts_s"]

    @property
    def time(self) -> NDArray[np.int64]:
        return self._frames["time"]

    @property
    def frame_vectors(self) -> NDArray[np.float16]:
        return self._frames["vector"]

    @property
    def region_id(self) -> IdArray:
        return self._regions["id"]

    @property
    def region_alive(self) -> NDArray[np.bool_]:
        alive: NDArray[np.bool_] = self._regions.alive & self._regions["embedded"]
        return alive

    @property
    def frame(self) -> NDArray[np.int64]:
        return self._frame_of_region

    @property
    def boxes(self) -> tuple[NDArray[np.float32], ...]:
        """x0, y0, x1, y1: float32 (R,) each, because filters compare columns."""
        return tuple(self._regions[name] for name in ("x0", "y0", "x1", "y1"))

    @property
    def proposer(self) -> NDArray[np.int64]:
        return self._regions["proposer"]

    @property
    def score(self) -> NDArray[np.float32]:
        """float32 (R,): with which each region was proposed."""
        return self._regions["score"]

    @property
    def stores_once(self) -> bool:
        """Whether regions may be valid in later keyframes than their own, and are not stored again there."""
        return self._seconds_of_ticks() is not None

    def valid_s(self, regions: NDArray[np.intp]) -> NDArray[np.float64]:
        """float64 (N,): for how long after its keyframe each of these regions is valid; 0 where that is not known."""
        ticks_s, frame, until = self._seconds_of_ticks(), self.frame[regions], self._regions["until"][regions]
        if ticks_s is None:
            return np.zeros(len(regions))
        known = (until != NO_TIME) & (frame >= 0)
        ticks = np.where(known, until - self.pts[frame], 0)
        return ticks * ticks_s[self.source[frame]]

    def _seconds_of_ticks(self) -> NDArray[np.float64] | None:
        """float64 (S,): seconds of a tick of each source; None where no plan of the lake stores once what stands."""
        if self._ticks_s[0] != self.generation:
            found = seconds_of_ticks(self._lake, self.source_ids) if stores_once(self._lake) else None
            self._ticks_s = (self.generation, found)
        return self._ticks_s[1]

    def alive_at(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """bool (N,): which of these rows of regions are alive, without looking at the others."""
        alive: NDArray[np.bool_] = self._regions.alive[rows] & self._regions["embedded"][rows]
        return alive

    def one_scale_score(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """float32 (N,): the expected IoU of each of these regions with one thing, NaN where its proposer scores
        otherwise."""
        comparable = np.array([name in ONE_SCALE for name in self.proposers] + [False])
        return np.where(comparable[self.proposer[rows]], self.score[rows], np.float32(np.nan))

    @property
    def kept(self) -> KeptColumns | None:
        """The columns on disk; None where they are in memory."""
        return self._kept

    @property
    def kept_generation(self) -> str:
        """That of the columns of regions on disk: rows keep their numbers as long as it is the same."""
        return self._region_buffers.generation if isinstance(self._region_buffers, FileBuffers) else ""

    @property
    def fragments(self) -> int:
        """Number of fragments of the table of regions that are held."""
        return len(self._regions.slices())

    def place(self, region: int) -> Place:
        """What a hit shows of a region, by its row."""
        x0, y0, x1, y1 = (float(side[region]) for side in self.boxes)
        label = int(self._regions["label"][region])
        return Place(
            box=(x0, y0, x1, y1),
            proposer=self.proposers[self.proposer[region]],
            region_id=self.region_id[region].decode(),
            label=None if label < 0 else self.labels[label],
            track=self._regions["track"][region].decode() or None,
            score=float(self.score[region]),
            until_s=self._until_s(region),
        )

    def _until_s(self, region: int) -> float | None:
        if not self.stores_once:
            return None
        return float(self.pts_s[self.frame[region]] + self.valid_s(np.array([region]))[0])

    @property
    def region_vectors(self) -> NDArray[np.float16] | RoundedVectors:
        if self.resident != "int8":
            return self._regions["vector"]
        store = self._regions
        return RoundedVectors(store["steps"], store["step"], store["error"], self._read_vectors)

    @property
    def region_codes(self) -> NDArray[np.uint8]:
        """uint8 (R, 32); zeros for a region without a code."""
        return self._regions["code"]

    @property
    def region_coded(self) -> NDArray[np.bool_]:
        """bool (R,): regions that have a code."""
        return self._regions["coded"]

    def shots_s(self, frames: NDArray[np.intp]) -> list[tuple[float, float] | None]:
        """Start and stop in seconds of the shot of each of these frames; None while the source is not complete."""
        if self._shots is None:
            return [None] * len(frames)
        index, seconds = self._shots
        found = index.find(source=self.source[frames], pts=self.pts[frames])
        return [(float(seconds[i, 0]), float(seconds[i, 1])) if i >= 0 else None for i in found]

    def uri(self, frame: int) -> str:
        """The URI of a frame's source, by the frame's row."""
        return self.uris[int(self.source[frame])]

    def source_id(self, frame: int) -> str:
        return self.source_ids[int(self.source[frame])]

    def utc(self, frame: int) -> datetime | None:
        """When a frame was recorded, by its row; None where that is not known."""
        micros = int(self.time[frame])
        return None if micros == NO_TIME else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)

    # -- files that others share -----------------------------------------------------------------

    def _buffers(self, table: str, shapes: Shapes) -> Buffers:
        return MemoryBuffers(shapes) if self._kept is None else self._kept.buffers(table, shapes)

    def _adopt(self) -> bool:
        """Takes over what other processes read into the files; returns whether rows may have moved."""
        content = None if self._kept is None else self._kept.adopt(self._stores)
        if content is None:
            return False
        self.uris, self.source_ids = list(content.get("uris", ())), list(content.get("source_ids", ()))
        self.proposers, self.labels = list(content.get("proposers", ())), list(content.get("labels", ()))
        self._source_codes = {name: number for number, name in enumerate(self.source_ids)}
        self._proposer_codes = {name: number for number, name in enumerate(self.proposers)}
        self._label_codes = {name: number for number, name in enumerate(self.labels)}
        return True

    def _record(self) -> None:
        if self._kept is not None:
            names = ("uris", "source_ids", "proposers", "labels")
            self._kept.write(self._stores, {name: list(getattr(self, name)) for name in names})

    # -- reading ---------------------------------------------------------------------------------

    def _read_vectors(self, rows: NDArray[np.intp]) -> NDArray[np.float16]:
        """float16 (N, D): the vectors of these rows of regions, ascending, from the version that is in memory."""
        ids = self._regions["row_id"][rows]
        with lake_errors(f"reading vectors of {self._lake.uri}", lake=self._lake.uri):
            found = [
                self._regions.dataset.to_table(
                    columns=[self._column],
                    filter=f"_rowid IN ({', '.join(map(str, ids[at : at + _ROW_IDS].tolist()))})",
                    with_row_id=True,
                )
                for at in range(0, len(ids), _ROW_IDS)
            ]
        if not found:
            return np.zeros((0, self.dimension), np.float16)
        table = pa.concat_tables(found)
        order = np.argsort(table["_rowid"].to_numpy())
        place = order[np.searchsorted(table["_rowid"].to_numpy(), ids, sorter=order)]
        vectors: NDArray[np.float16] = vectors_of(table[self._column])["vector"][place]
        return vectors

    def _read_done(self) -> tuple[SpanIndex, NDArray[np.int64]]:
        """The done segments, and the lease of each."""
        columns = ["source_id", "source", "start", "stop", "lease"]
        rows = self._lake.read("segments", columns=columns, where="state = 'done'")
        # the ledger is read whole each time, so its paths are the newest, as a new searcher would show them
        codes = self._codes(rows, renew_uris=True)
        index = SpanIndex(source=codes, start=int64_of(rows["start"]), stop=int64_of(rows["stop"]))
        return index, leases_of(rows)

    def _read_shots(self) -> tuple[SpanIndex, NDArray[np.float64]]:
        columns = ["source_id", "source", "start", "stop", "start_s", "stop_s"]
        rows = self._lake.read("shots", columns=columns)
        index = SpanIndex(source=self._codes(rows), start=int64_of(rows["start"]), stop=int64_of(rows["stop"]))
        return index, np.stack([rows["start_s"].to_numpy(), rows["stop_s"].to_numpy()], axis=1)

    def _codes(self, rows: pa.Table, *, renew_uris: bool = False) -> NDArray[np.int64]:
        """The number of each row's source; new sources get the next numbers.

        renew_uris: whether known sources take their paths from these rows: a source may be replaced from another path.
        """
        ids = pc.dictionary_encode(rows["source_id"].combine_chunks())
        first = pc.index_in(ids.dictionary, value_set=rows["source_id"]).to_pylist()
        for source_id, row in zip(ids.dictionary.to_pylist(), first, strict=True):
            uri = rows["source"][row].as_py()
            if source_id not in self._source_codes:
                self._source_codes[source_id] = len(self.uris)
                self.uris.append(uri)
                self.source_ids.append(source_id)
            elif renew_uris:
                self.uris[self._source_codes[source_id]] = uri
        codes = np.array([self._source_codes[name] for name in ids.dictionary.to_pylist()], np.int64)
        return codes[ids.indices.to_numpy()] if len(ids) else np.zeros(0, np.int64)

    def _decode_frames(self, rows: pa.Table) -> Columns:
        time = pc.fill_null(rows["time"].cast(pa.int64()), NO_TIME)
        return {
            "id": ids_of(rows["id"]),
            "source": self._codes(rows),
            "pts": int64_of(rows["pts"]),
            "pts_s": rows["pts_s"].to_numpy(),
            "time": int64_of(time),
            "lease": leases_of(rows),
            **vectors_of(rows[self._column]),
        }

    def _decode_regions(self, rows: pa.Table) -> Columns:
        return {
            "id": ids_of(rows["id"]),
            "frame_id": ids_of(rows["frame"]),
            "lease": leases_of(rows),
            **{name: rows[name].to_numpy() for name in ("x0", "y0", "x1", "y1", "score")},
            "proposer": numbers_of(rows["proposer"], self.proposers, self._proposer_codes),
            "label": numbers_of(rows["label"], self.labels, self._label_codes),
            **codes_of(rows["code"]),
            "until": _until_of(rows),
            "track": ids_of(pc.fill_null(rows["track"], "")),
            **self._vectors_of_regions(rows),
        }

    def _vectors_of_regions(self, rows: pa.Table) -> Columns:
        held = vectors_of(rows[self._column])
        if self.resident != "int8":
            return held
        steps, step, error = rounded(held["vector"])
        row_id = rows["_rowid"].to_numpy()
        return {"steps": steps, "step": step, "error": error, "row_id": row_id, "embedded": held["embedded"]}


def _until_of(rows: pa.Table) -> NDArray[np.int64]:
    if "until" not in rows.schema.names:  # an older lake
        return np.full(rows.num_rows, NO_TIME, np.int64)
    return int64_of(pc.fill_null(rows["until"], NO_TIME))


def _kept(lake: Lake, column: str, *shapes: Shapes) -> KeptColumns:
    if lake.folder is None or not can_keep(lake):
        raise LakeError(
            f"{lake.uri} is no folder that this user may write to, so no columns can be kept there; hold them in "
            "memory: --resident float16 or int8"
        )
    return KeptColumns(lake.folder / KEPT / column, columns=repr(shapes))
