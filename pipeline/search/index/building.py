"""Builds an index of the regions whose columns are kept on disk, or adds to it what is new."""

from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import numpy as np

from operators.runtime.own_folder import make_own_folder
from pipeline.search.index.chunk_files import CHUNK, ChunkFiles, building_alone, read_chunk
from pipeline.search.index.layout import find_layout
from pipeline.search.index.merging import Ordered, merge
from pipeline.search.index.region_index import INDEX, RegionIndex, Written, record_index
from pipeline.search.memory.kept_columns import KeptColumns
from pipeline.search.memory.lake_cache import LakeCache
from schemas.errors import LakeError

LEAST_REGIONS = 1000  # fewer have no clusters, and are compared in a millisecond
_OUTGROWN = 2.0  # an index of so many times the regions that its clusters were found from gets new clusters


def build_index(
    columns: LakeCache, kept: KeptColumns, *, on_share: Callable[[float], None] | None = None
) -> RegionIndex:
    """Builds the index of all regions that are alive. It is used once it is tuned.

    Regions whose frame is not there yet, because a writer is in the middle of a commit, are in it too. An index of the
    same columns keeps its clusters and gets what is new, until it has grown too much for them.

    columns: on disk, in `kept`. Their rows are read once, in order, and memory is bounded by the sample and one chunk.
    A build that is killed changes nothing, and the next one continues with the chunks that it finished.
    on_share: called with the share of the rows that is done.
    Raises LakeError where the columns were deleted or replaced meanwhile, as `regionlake forget` does, and where
    another process builds.
    """
    folder = kept.folder / INDEX
    with building_alone(folder):
        _keep_numbers(columns, kept)
        earlier = _to_extend(columns, kept)
        chunks, first = _begun(columns, folder, earlier)
        covered = len(columns.region_id)
        paths = []
        for at in range(first, covered, CHUNK):
            paths.append(chunks.write(columns, at, min(at + CHUNK, covered)))
            if on_share is not None:
                on_share((at - first) / (covered - first))
        id = uuid4().hex
        make_own_folder(folder / id)
        size = merge(folder / id, chunks.layout, _parts(columns, earlier, paths), dimension=columns.dimension)
        counts = covered, chunks.trained, size
        _record(kept, Written(id, columns.kept_generation, *counts, columns.dimension, tuning=None))
        chunks.delete()
        found = RegionIndex.open(kept.folder, dimension=columns.dimension)
        assert found is not None
        return found


def _to_extend(columns: LakeCache, kept: KeptColumns) -> RegionIndex | None:
    """The index of these columns, if its clusters suit as many regions as there are now."""
    try:
        index = RegionIndex.open(kept.folder, dimension=columns.dimension)
    except ValueError:  # what is damaged is replaced
        return None
    if index is None or index.generation != columns.kept_generation:
        return None
    if len(columns.region_id) > _OUTGROWN * index.trained or index.covered >= len(columns.region_id):
        return None
    return index


def _begun(columns: LakeCache, folder: Path, earlier: RegionIndex | None) -> tuple[ChunkFiles, int]:
    """The chunks of this build, with those of a build that was killed, and the row with which the first begins."""
    generation, rows = columns.kept_generation, len(columns.region_id)
    chunks = ChunkFiles.resume(folder, generation)
    if earlier is not None:
        layout = earlier.coarse.layout
        if chunks is None or not np.array_equal(chunks.layout.centres, layout.centres):
            chunks = ChunkFiles.begin(folder, generation, layout, trained=earlier.trained)
        return chunks, earlier.covered
    if chunks is None or rows > _OUTGROWN * chunks.trained:
        chunks = ChunkFiles.begin(folder, generation, find_layout(columns), trained=rows)
    return chunks, 0


def _parts(columns: LakeCache, earlier: RegionIndex | None, paths: Sequence[Path]) -> list[Ordered]:
    """What is merged: what the earlier index has that is still alive, then the chunks."""
    parts: list[Ordered] = [read_chunk(path) for path in paths]
    if earlier is None:
        return parts
    group = np.repeat(np.arange(earlier.coarse.layout.groups, dtype=np.int32), np.diff(earlier.coarse.offsets))
    of_earlier = {"group": group, **earlier.columns}
    alive = columns.alive_at(earlier.columns["row"].astype(np.intp))
    if not alive.all():
        of_earlier = {name: values[alive] for name, values in of_earlier.items()}
    return [of_earlier, *parts]


def _keep_numbers(columns: LakeCache, kept: KeptColumns) -> None:
    """Makes the rows durable before a chunk names them: after the next start of the machine, others would have their
    numbers, and a build that continues with such a chunk would find the wrong regions."""
    with kept.locked():
        _require_newest(kept, columns.kept_generation)
        kept.make_durable()


def _require_newest(kept: KeptColumns, generation: str) -> None:
    if not kept.is_newest("regions", generation):
        raise LakeError(f"the columns in {kept.folder} were replaced while their index was built; build it again")


def _record(kept: KeptColumns, index: Written) -> None:
    with kept.locked():
        try:
            _require_newest(kept, index.generation)
        except LakeError:
            rmtree(kept.folder / INDEX / index.id, ignore_errors=True)
            raise
        record_index(kept.folder, index)
