"""Functions of SQL for what people draw: how much of a box lies in a zone, and the ends of a line."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from operators.ranking.zones import share_inside
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.zones import Zone

_LINE = (
    'a line is written "x,y x,y", its first and its second end, in fractions of the frame from its upper left corner'
)


def share_in_zones(
    x0: pa.ChunkedArray, y0: pa.ChunkedArray, x1: pa.ChunkedArray, y1: pa.ChunkedArray, zone: pa.ChunkedArray
) -> pa.Array:
    """float32 (N,): the share of each box that lies in its zone, which is written as for `--zone`.

    Raises QueryError for a text that is no zone.
    """
    boxes = Boxes.clipped(np.stack([np.asarray(side.to_numpy(), np.float32) for side in (x0, y0, x1, y1)], axis=1))
    coded = zone.combine_chunks().dictionary_encode()
    share = np.zeros(len(boxes), np.float32)
    for number, text in enumerate(coded.dictionary.to_pylist()):
        rows = np.flatnonzero(coded.indices.to_numpy(zero_copy_only=False) == number)
        share[rows] = share_inside(boxes[rows], _zone(text))
    return pa.array(share)


def ends_of_lines(line: pa.ChunkedArray) -> pa.Array:
    """Lists of four numbers, x and y of the first end of each line and of its second. Raises QueryError."""
    return pa.array([ends_of(text) for text in line.to_pylist()], pa.list_(pa.float64()))


@lru_cache(maxsize=64)
def ends_of(text: str) -> Sequence[float]:
    """`x0, y0, x1, y1` of a line that is written "x,y x,y". Raises QueryError."""
    try:
        ends = [tuple(map(float, point.split(","))) for point in text.split()]
    except ValueError:
        raise QueryError(f"{text!r} is no line: {_LINE}") from None
    if len(ends) != 2 or any(len(end) != 2 for end in ends) or ends[0] == ends[1]:
        raise QueryError(f"{text!r} is no line: {_LINE}")
    if not all(0.0 <= value <= 1.0 for end in ends for value in end):
        raise QueryError(f"an end of the line {text!r} is outside the frame: {_LINE}")
    return [value for end in ends for value in end]


@lru_cache(maxsize=64)
def _zone(text: str) -> Zone:
    zone = Zone.parse(text)
    if zone.source is not None:
        raise QueryError(f"the zone {text!r} names a source: choose that by WHERE, and write the corners alone")
    return zone
