"""Writes the tracks of complete sources: which of their regions are the same thing, keyframe after keyframe."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import lance
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from operators.tracking.links import Link, Linker
from operators.tracking.tracker import TrackFrame
from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.writing.keyframe_masks import KeyframeMasks
from schemas.boxes import Boxes
from schemas.errors import WorkerDiedError
from schemas.shots import Shot

_COLUMNS = ["id", "pts", "pts_s", "x0", "y0", "x1", "y1", "score", "proposer", "label", "vector"]
_ROWS_AT_ONCE = 4096  # of one source in memory with their vectors
_TRIES = 3  # for a source whose linker died
RowIds = NDArray[np.uint64]


class Tracker(Protocol):
    """Called with keyframes of one source in PTS order; returns each region's track, None where it has none."""

    def __call__(self, frame: TrackFrame, *, links: Sequence[Link] = ()) -> list[str | None]: ...

    def cut(self) -> None:
        """Ends all tracks: what comes next is another shot."""
        ...


NewTracker = Callable[[], Tracker]


def write_tracks(
    lake: Lake, shots_of: Mapping[str, Sequence[Shot]], new_tracker: NewTracker, *, linker: Linker | None = None
) -> None:
    """Writes the tracks of covered sources, by source id; repeated after a kill, they are the same.

    Call it with the writer's lock. Regions are processed in the order of PTS and id, so tracks do not depend on how a
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
        boxes=Boxes(np.stack([rows[c].to_numpy() for c in ("x0", "y0", "x1", "y1")], axis=1)),
        vectors=flat.astype(np.float32).reshape(len(rows), -1),
        score=rows["score"].to_numpy(),
        proposer=tuple(rows["proposer"].to_pylist()),
        label=tuple(rows["label"].to_pylist()),
    )


def write_column(lake: Lake, column: str, row_ids: RowIds, values: pa.Array) -> None:
    """Rewrites one column of `regions` in the fragments that hold these rows.

    A merge by id would rewrite whole rows, and read the whole table to find them: 3.9 s against 0.2 s among 300,000
    regions.
    """
    if not len(row_ids):
        return
    dataset = lake.table("regions").to_lance()
    fragment_of = row_ids >> np.uint64(32)
    new = pa.table({"_rowid": pa.array(row_ids), column: values})
    fragments: list[lance.FragmentMetadata] = []
    fields: set[int] = set()
    for fragment in dataset.get_fragments():
        here = np.flatnonzero(fragment_of == fragment.fragment_id)
        if not len(here):
            continue
        updated, modified = fragment.update_columns(new.take(pa.array(here)))
        fragments.append(updated)
        fields.update(modified)
    update = lance.LanceOperation.Update(updated_fragments=fragments, fields_modified=sorted(fields))
    lake.durability.sync_data([("regions", fragments)])
    lance.LanceDataset.commit(dataset, update, read_version=dataset.version)
    lake.make_durable("regions")
