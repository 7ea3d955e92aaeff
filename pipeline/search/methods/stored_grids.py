"""Reads the patch grids of some frames from the lake."""

from collections.abc import Sequence

import numpy as np

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.search.methods.method import SearchState
from schemas.errors import QueryError
from schemas.patches import PatchGrid


def read_grids(lake: Lake, frame_ids: Sequence[str]) -> dict[str, PatchGrid]:
    """The patch grids of those of the frames that have one, by frame id."""
    columns = ["frame", "rows", "cols", "extent", "vectors"]
    rows = lake.read("patches", columns=columns, where=sql.is_in("frame", frame_ids))
    found = {}
    for row in range(rows.num_rows):
        place = rows.slice(row, 1)
        flat = place["vectors"].combine_chunks().flatten().flatten().to_numpy(zero_copy_only=False)
        shape = (place["rows"][0].as_py(), place["cols"][0].as_py(), lake.space.dimension)
        extent = tuple(place["extent"][0].as_py())
        found[place["frame"][0].as_py()] = PatchGrid(np.asarray(flat, np.float32).reshape(shape), extent)
    return found


def require_space(state: SearchState) -> None:
    """Raises QueryError where the searcher's model is not the one that made the lake's patches and representatives."""
    if state.encoder is not None and not state.lake.space.comparable(state.encoder.space):
        raise QueryError(
            f"patches and representatives of this lake are of {state.lake.space}: search them with "
            f"--model {state.lake.space.model}, for --reembed does not fill them"
        )


def no_patches() -> QueryError:
    return QueryError("this lake holds no patches; make one that does: regionlake ingest … --set patches=true")
