"""Tracks of a complete source: which of its regions are the same thing, keyframe after keyframe."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from operators.tracking.tracker import TrackFrame
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import sql_in
from schemas.boxes import Boxes
from schemas.clock import Span
from schemas.shots import Shot

_COLUMNS = ["id", "pts", "pts_s", "x0", "y0", "x1", "y1", "score", "proposer", "label", "vector"]


class Tracker(Protocol):
    """Keyframes of one source in PTS order; returns each region's track, None where it has none."""

    def __call__(self, frame: TrackFrame) -> list[str | None]: ...

    def cut(self) -> None:
        """Ends all tracks: what comes next is another shot."""
        ...


NewTracker = Callable[[], Tracker]


def track_regions(
    lake: Lake, source_id: str, tracker: Tracker, *, spans: Sequence[Span], shots: Sequence[Shot]
) -> pa.Table:
    """`id` and `track` of every region of a source that belongs to a track.

    Regions are read span by span (those of the ledger, in order) and seen in the order of PTS and id, so tracks do not
    depend on how the source was cut, nor on the order in which its segments were committed.
    """
    starts = np.array([shot.span.start for shot in shots], np.int64)
    ids: list[str] = []
    tracks: list[str] = []
    before: int | None = None
    for span in spans:
        for pts, frame in frames_of_regions(lake, source_id, span):
            if before is not None and np.searchsorted(starts, before, "right") != np.searchsorted(starts, pts, "right"):
                tracker.cut()
            before = pts
            for region, track in zip(frame.ids, tracker(frame), strict=True):
                if track is not None:
                    ids.append(region)
                    tracks.append(track)
    return pa.table({"id": pa.array(ids, pa.string()), "track": pa.array(tracks, pa.string())})


def frames_of_regions(lake: Lake, source_id: str, span: Span) -> Iterator[tuple[int, TrackFrame]]:
    """PTS and regions of every keyframe of a span that has any, in order; regions in the order of their ids."""
    where = f"{sql_in('source_id', [source_id])} AND pts >= {span.start} AND pts < {span.stop}"
    rows = lake.read("regions", columns=_COLUMNS, where=where).sort_by([("pts", "ascending"), ("id", "ascending")])
    pts = rows["pts"].to_numpy()
    edges = [0, *(np.flatnonzero(np.diff(pts)) + 1).tolist(), len(pts)]
    for start, stop in pairwise(edges):
        if stop > start:
            yield int(pts[start]), _frame(rows.slice(start, stop - start).combine_chunks())


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
