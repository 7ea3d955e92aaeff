"""The vectors of regions that a user liked or not, by their ids."""

from collections.abc import Sequence

import numpy as np

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from schemas.errors import QueryError
from schemas.vectors import VectorArray, normalise


def vectors_of(lake: Lake, ids: Sequence[str], *, column: str) -> VectorArray:
    """float32 (N, D), of unit length, in the order of the ids; an id is that of a region or of a keyframe.

    Raises QueryError for one that the lake does not have, or that has no vector of this column yet.
    """
    found: dict[str, VectorArray] = {}
    for table in ("regions", "frames"):
        missing = [id for id in dict.fromkeys(ids) if id not in found]
        if missing:
            rows = lake.read(table, columns=["id", column], where=sql.is_in("id", missing))
            for id, vector in zip(rows["id"].to_pylist(), rows[column].to_pylist(), strict=True):
                if vector is not None:
                    found[id] = np.asarray(vector, np.float32)
    for id in ids:
        if id not in found:
            raise no_such_region(lake, id)
    return normalise(np.stack([found[id] for id in ids]))


def no_such_region(lake: Lake, id: str) -> QueryError:
    """What is raised for a region that the lake does not have."""
    return QueryError(f"{lake.uri} has no region {id} to compare with; `like` and `unlike` take the region_id of a hit")
