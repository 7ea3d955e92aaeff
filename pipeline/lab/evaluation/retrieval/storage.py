"""The size of what a method of search stores for a frame in the lake."""

from collections.abc import Sequence
from typing import get_args

from pipeline.lake.lake import Lake
from schemas.query import MethodName, WeightedMethod
from schemas.tables import TableName

_COLUMNS: dict[str, tuple[tuple[TableName, str], ...]] = {
    "global": (("frames", "vector"),),
    "regions": (("regions", "vector"), ("frames", "vector")),
    "representatives": (("frames", "parts"),),
    "representatives-global": (("frames", "parts"), ("frames", "vector")),
    "patches": (("patches", "vectors"),),
    **{name: (("patches", "vectors"),) for name in get_args(MethodName) if name.startswith("votes")},
    "growing": (("patches", "vectors"),),
    "correlation": (("patches", "vectors"), ("frames", "vector")),
    "detail": (("frames", "detail"),),
    "codes": (("regions", "code"),),
}


def bytes_a_frame(lake: Lake, methods: Sequence[WeightedMethod]) -> float:
    """Mean size of the vectors and codes that these methods of ranking read, without ids, boxes and thumbnails.

    A column that several methods read counts once. What re-rankers take from the first search counts for that search.
    """
    columns = dict.fromkeys(column for each in methods for column in _COLUMNS.get(each.name, ()))
    total = 0
    for table, name in columns:
        if name in lake.schema(table).names:
            total += int(lake.read(table, columns=[name])[name].nbytes)
    return total / max(1, lake.count("frames"))
