"""Short vectors from the full ones that a lake already has: neither sources nor pictures are read."""

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from operators.encoders.reduction import Reduction
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.writing.extra_vector_column import ExtraVectorColumn, NewVectors
from schemas.clock import Span
from schemas.tables import TableName
from schemas.vectors import VectorArray


def shortened_vectors(
    lake: Lake, reduction: Reduction, column: ExtraVectorColumn, source_ids: list[str] | None
) -> Iterator[NewVectors]:
    """The vectors of frames that have none in `column`, from the lake's own; a few hundred frames at a time.

    source_ids: of these sources, or of all.
    """
    for frames in column.unseen(source_ids):
        span = Span(frames.pts[0], frames.pts[-1] + 1)
        where = sql.all_of(sql.equals("source_id", frames.source_id), sql.within("pts", span))
        regions = tuple(name for ids in frames.region_ids for name in ids)
        yield NewVectors(
            frame_ids=frames.frame_ids,
            frames=reduction(_stored(lake, "frames", where, frames.frame_ids)),
            region_ids=regions,
            regions=reduction(_stored(lake, "regions", where, regions)),
        )


def _stored(lake: Lake, name: TableName, where: str, ids: tuple[str, ...]) -> VectorArray:
    """float32 (N, D): the vectors of the rows with these ids, in their order."""
    rows = lake.read(name, columns=["id", "vector"], where=where).combine_chunks()
    at: NDArray[np.int64] = pc.index_in(list(ids), value_set=rows["id"].combine_chunks()).to_numpy()
    flat = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors: VectorArray = flat.reshape(-1, lake.space.dimension)[at].astype(np.float32)
    return vectors
