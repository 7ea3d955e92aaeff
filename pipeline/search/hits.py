"""Hits, made in one place: of a search over what is in memory, and of a standing query over new rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from numpy.typing import NDArray

from operators.ranking.fusion import IdArray
from schemas.query import Hit, Place


class FrameRows(Protocol):
    """Frames by their rows, as far as a hit describes the frame in which something was found."""

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
    """The hit that `place` in the frame at row `frame` is."""
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
