"""Which files of rings show what lies around keyframes with moving regions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.region_rows import corners_of
from pipeline.ring.feed_ring import FeedRing, PartFile
from pipeline.ring.retention import shows
from schemas.boxes import box_iou
from schemas.clock import Span

_SAME_PLACE = 0.7  # IoU of a thing's boxes in two keyframes, below which it moved: detectors jitter above it
_IDS_AT_ONCE = 500


class MovingVideo:
    """Says of files of a ring whether something moves in them, each once: rows of a file that is old do not change."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._known: dict[Path, bool] = {}

    def __call__(self, ring: FeedRing, parts: Sequence[PartFile]) -> set[Path]:
        """The files, among these of one ring, that show something moving, or what a clip shows around it. Raises
        LakeError, OSError."""
        new = [part for part in parts if part.path not in self._known]
        if new:
            runs = {part.run for part in new}
            sources = {each.source_id: each.run for each in ring.recordings.read() if each.run in runs}
            spans: dict[int, list[Span]] = {}
            for source_id, moving in moving_spans(self._lake, sorted(sources)).items():
                spans.setdefault(sources[source_id], []).extend(moving)
            self._known |= {part.path: shows(part, spans.get(part.run, ())) for part in new}
        return {part.path for part in parts if self._known[part.path]}

    def forget_others(self, rings: Path) -> None:
        """Forgets files that are no longer there, of those below `rings`."""
        there = [path for path in self._known if path.is_relative_to(rings) and path.exists()]
        self._known = {path: self._known[path] for path in there}


def moving_spans(lake: Lake, source_ids: Sequence[str]) -> Mapping[str, list[Span]]:
    """The spans of each source in which something moves: keyframes with a region of the proposer `moving`, and from one
    keyframe to the next wherever a thing that was followed (`track`) changed its place. Raises LakeError."""
    found: dict[str, list[Span]] = {}
    columns = ["source_id", "pts", "proposer", "track", "x0", "y0", "x1", "y1"]
    for at in range(0, len(source_ids), _IDS_AT_ONCE):
        where = sql.is_in("source_id", source_ids[at : at + _IDS_AT_ONCE])
        where = f"({where}) AND (proposer = 'moving' OR track IS NOT NULL)"
        rows = lake.read("regions", columns=columns, where=where).combine_chunks()
        ids, tracks = (rows[name].to_pylist() for name in ("source_id", "track"))
        pts = rows["pts"].to_numpy()
        moves = [proposer == "moving" for proposer in rows["proposer"].to_pylist()]
        boxes = corners_of(rows).reshape(-1, 4)
        last: dict[tuple[str, str], int] = {}
        for row in np.argsort(pts, kind="stable").tolist():
            if moves[row]:
                found.setdefault(ids[row], []).append(Span(int(pts[row]), int(pts[row]) + 1))
            if tracks[row] is None:
                continue
            before = last.get((ids[row], tracks[row]))
            last[ids[row], tracks[row]] = row
            if before is not None and pts[before] < pts[row] and not _same_place(boxes[before], boxes[row]):
                found.setdefault(ids[row], []).append(Span(int(pts[before]), int(pts[row]) + 1))
    return found


def _same_place(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """one, other: float32 (4,), boxes."""
    return float(box_iou(one, other)) >= _SAME_PLACE
