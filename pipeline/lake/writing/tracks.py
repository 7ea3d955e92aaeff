"""Writes the tracks of complete sources: which of their regions are the same thing, keyframe after keyframe."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from operators.readers.picture import decode_thumbnail
from operators.tracking.links import Link, Linker, MaskedFrame
from operators.tracking.tracker import TrackFrame
from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.region_rows import corners_of, masks_of
from pipeline.lake.writing.table_writer import RowIds, write_column
from schemas.boxes import Boxes
from schemas.errors import WorkerDiedError
from schemas.shots import Shot

_COLUMNS = ["id", "pts", "pts_s", "x0", "y0", "x1", "y1", "score", "proposer", "label", "vector"]
_ROWS_AT_ONCE = 4096  # of one source in memory with their vectors
_TRIES = 3  # for a source whose linker died


class Tracker(Protocol):
    """Called with keyframes of one source in PTS order; returns each region's track, None where it has none."""

    def __call__(self, frame: TrackFrame, *, links: Sequence[Link] = ()) -> list[str | None]: ...

    def cut(self) -> None:
        """Ends all tracks: what comes next is another shot."""
        ...


NewTracker = Callable[[], Tracker]


class KeyframeMasks:
    """The keyframes of one source that have masks, each read on demand.

    The picture is the keyframe's thumbnail, so that no frame is decoded twice; models see squares of 1024 px or less.
    """

    def __init__(self, lake: Lake, source_id: str) -> None:
        self._lake = lake
        with lake_errors(f"reading the frames of {lake.uri}", lake=lake.uri):
            places = lake.dataset("frames").to_table(
                columns=["pts"], filter=sql.equals("source_id", source_id), with_row_id=True
            )
        self._frame_at = dict(zip(places["pts"].to_pylist(), places["_rowid"].to_pylist(), strict=True))

    def at(self, pts: int, regions: NDArray[np.uint64]) -> MaskedFrame | None:
        """The keyframe at a PTS; None if it has no mask. regions: row ids of its regions."""
        with lake_errors(f"reading masks of {self._lake.uri}", lake=self._lake.uri):
            query = self._lake.table("regions").take_row_ids(regions.tolist())
            rows = query.select(["id", "mask", "mask_area"]).to_arrow()
            masks = masks_of(rows)
            if not masks:
                return None
            frame = self._lake.table("frames").take_row_ids([self._frame_at[pts]]).select(["thumbnail"]).to_arrow()
        image = decode_thumbnail(frame["thumbnail"][0].as_py())
        ids = sorted(masks)
        return MaskedFrame(image, tuple(ids), tuple(masks[name] for name in ids))


def write_tracks(
    lake: Lake, shots_of: Mapping[str, Sequence[Shot]], new_tracker: NewTracker, *, linker: Linker | None = None
) -> None:
    """Writes the tracks of covered sources, by source id; repeated after a kill, they are the same.

    Call it with the writer's lease. Regions are processed in the order of PTS and id, so tracks do not depend on how a
    source was cut into segments, nor on the order in which these were committed.
    linker: finds which masks of a keyframe continue earlier ones; it gets the thumbnails of keyframes with masks.
    """
    rows: list[RowIds] = []
    tracks: list[str] = []
    for source_id, frames in frames_of_regions(lake, list(shots_of)):
        masks = None if linker is None else KeyframeMasks(lake, source_id)
        for tried in range(1, _TRIES + 1):
            try:
                found = list(_tracks(frames, shots_of[source_id], new_tracker(), linker, masks))
            except WorkerDiedError:  # its state is lost: start the source again
                if tried == _TRIES:
                    raise
            else:
                break
        rows.append(np.array([row for row, _ in found], np.uint64))
        tracks += [track for _, track in found]
    with lake_errors(f"writing the tracks of {len(shots_of)} sources to {lake.uri}", lake=lake.uri):
        write_column(lake, "track", np.concatenate([*rows, np.zeros(0, np.uint64)]), pa.array(tracks, pa.string()))


def _tracks(
    frames: "SourceFrames",
    shots: Sequence[Shot],
    tracker: Tracker,
    linker: Linker | None,
    masks: KeyframeMasks | None,
) -> Iterator[tuple[int, str]]:
    """Row id and track of each region of one source that has a track."""
    starts = np.array([shot.span.start for shot in shots], np.int64)
    shot = -1
    for pts, row_ids, frame in frames:
        before, shot = shot, int(np.searchsorted(starts, pts, "right"))
        if shot != before:
            tracker.cut()
        links: list[Link] = []
        if linker is not None and masks is not None:
            masked = masks.at(pts, row_ids)
            if shot != before or masked is None:
                linker.cut()
            if masked is not None:
                links = linker(masked)
        for row, track in zip(row_ids.tolist(), tracker(frame, links=links), strict=True):
            if track is not None:
                yield row, track


class SourceFrames:
    """The keyframes of one source in order of time: PTS, row ids of the regions, and the regions in the order of ids.

    Each iteration reads them again. Row ids are those of Lance, which are valid until the table is compacted.
    """

    def __init__(self, lake: Lake, places: pa.Table) -> None:
        """places: pts and _rowid of the source's regions, by pts."""
        self._lake = lake
        self._places = places

    def __iter__(self) -> Iterator[tuple[int, RowIds, TrackFrame]]:
        return _frames(self._lake, self._places)


def frames_of_regions(lake: Lake, source_ids: Sequence[str]) -> Iterator[tuple[str, SourceFrames]]:
    """The keyframes of each source that has regions, by source id."""
    if not source_ids:
        return
    with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
        # one scan of the light columns for all sources; vectors are read later, by row id
        places = lake.dataset("regions").to_table(
            columns=["source_id", "pts"], filter=sql.is_in("source_id", source_ids), with_row_id=True
        )
        places = places.sort_by([("source_id", "ascending"), ("pts", "ascending")]).combine_chunks()
    sources = places["source_id"].to_pylist()
    edges = [0, *(i for i in range(1, len(sources)) if sources[i] != sources[i - 1]), len(sources)]
    for start, stop in pairwise(edges):
        if stop > start:
            yield sources[start], SourceFrames(lake, places.slice(start, stop - start))


def _frames(lake: Lake, places: pa.Table) -> Iterator[tuple[int, RowIds, TrackFrame]]:
    """places: pts and _rowid of one source, by pts."""
    ids, edges = places["_rowid"].to_numpy(), _edges(places["pts"].to_numpy())
    first = 0
    while first < len(edges) - 1:
        last = first + 1  # whole frames
        while last < len(edges) - 1 and edges[last + 1] - edges[first] <= _ROWS_AT_ONCE:
            last += 1
        with lake_errors(f"reading the regions of {lake.uri}", lake=lake.uri):
            query = lake.table("regions").take_row_ids(ids[edges[first] : edges[last]].tolist())
            rows = query.select(_COLUMNS).with_row_id().to_arrow()
        rows = rows.sort_by([("pts", "ascending"), ("id", "ascending")])
        for start, stop in pairwise(_edges(rows["pts"].to_numpy())):
            part = rows.slice(start, stop - start).combine_chunks()
            yield part["pts"][0].as_py(), part["_rowid"].to_numpy(), _frame(part)
        first = last


def _edges(pts: NDArray[np.int64]) -> list[int]:
    """Indices at which frames begin in sorted PTS, and the length."""
    return [0, *(np.flatnonzero(np.diff(pts)) + 1).tolist(), len(pts)] if len(pts) else [0]


def _frame(rows: pa.Table) -> TrackFrame:
    vectors: Any = rows["vector"].combine_chunks()
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    return TrackFrame(
        pts_s=rows["pts_s"][0].as_py(),
        ids=tuple(rows["id"].to_pylist()),
        boxes=Boxes(corners_of(rows)),
        vectors=flat.astype(np.float32).reshape(len(rows), -1),
        score=rows["score"].to_numpy(),
        proposer=tuple(rows["proposer"].to_pylist()),
        label=tuple(rows["label"].to_pylist()),
    )
