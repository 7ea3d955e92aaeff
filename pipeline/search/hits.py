"""Makes the hits of a search over the columns in memory, and those of a watch over new rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from numpy.typing import NDArray

from operators.ranking.fusion import IdArray
from schemas.query import Hit, Place


class FrameRows(Protocol):
    """What a hit shows of a frame, by its row."""

    @property
    def frame_id(self) -> IdArray: ...
    @property
    def pts(self) -> "NDArray[Any] | Sequence[int]": ...
    @property
    def pts_s(self) -> "NDArray[Any] | Sequence[float]": ...
    def uri(self, frame: int) -> str: ...
    def source_id(self, frame: int) -> str: ...
    def utc(self, frame: int) -> datetime | None: ...


def make_hit(
    frames: FrameRows,
    frame: int,
    place: Place,
    *,
    distance: float,
    rank: int = 1,
    shot_s: tuple[float, float] | None = None,
    then: Hit | None = None,
) -> Hit:
    """Makes the hit of a place in a frame. frame: row of the frame in `frames`."""
    return Hit(
        rank=rank,
        distance=distance,
        place=place,
        source=frames.uri(frame),
        source_id=frames.source_id(frame),
        pts=int(frames.pts[frame]),
        pts_s=float(frames.pts_s[frame]),
        time=frames.utc(frame),
        shot_s=shot_s,
        frame_id=frames.frame_id[frame].decode(),
        then=then,
    )
