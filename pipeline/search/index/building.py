"""Builds an index of the regions whose columns are kept on disk."""

from shutil import rmtree
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from operators.runtime.file_sync import sync_files, sync_folder
from operators.runtime.own_folder import make_own_folder
from pipeline.search.index.clusters import Cells, k_means, nearest_centre
from pipeline.search.index.region_index import (
    BOX_STEPS,
    INDEX,
    Coarse,
    Written,
    coarse_file,
    record_index,
    save_coarse,
    shapes,
)
from pipeline.search.memory.kept_columns import KeptColumns
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.rounded_vectors import rounded
from schemas.boxes import FloatArray
from schemas.errors import LakeError

LEAST_REGIONS = 1000  # fewer have no clusters, and are compared in a millisecond
_SEED = 20
_SAMPLE = 2**17
_OF_CLUSTER = 64  # regions of the sample for each cluster, at least
_OF_GROUP = 3  # regions of a cluster and a cell, about: cells must be small to show how near their boxes are
_MOST_CELLS = 256
_SAMPLED_BOXES = 32
_AT_ONCE = 2**16


def build_index(columns: LakeCache, kept: KeptColumns) -> str:
    """Builds the index of all regions that are alive, and returns its id. It is used once it is tuned.

    Regions whose frame is not there yet, because a writer is in the middle of a commit, are in it too.

    columns: on disk, in `kept`. Vectors are read twice; memory is bounded by 20 bytes a region and the sample. Nothing
    counts before the record is written, so a build that is killed leaves files that the next one deletes.
    Raises LakeError where the columns were deleted or replaced meanwhile, as `regionlake forget` does.
    """
    id, folder, generation = uuid4().hex, kept.folder, columns.kept_generation
    held = folder / INDEX / id
    make_own_folder(folder / INDEX)
    make_own_folder(held)
    vectors = columns.region_vectors
    assert isinstance(vectors, np.ndarray)
    alive = np.flatnonzero(columns.region_alive)
    rng = np.random.default_rng(_SEED)
    sampled = np.sort(rng.choice(alive, min(_SAMPLE, len(alive)), replace=False))
    clusters, depth = _sizes(len(alive))
    centres = k_means(vectors[sampled].astype(np.float32), clusters=clusters, seed=_SEED)
    spread, within = _within(vectors[sampled].astype(np.float32), centres)
    cells = Cells.of(_features(columns, sampled), depth=depth)
    group = np.empty(len(alive), np.int32)
    for at in range(0, len(alive), _AT_ONCE):
        rows = alive[at : at + _AT_ONCE]
        cluster = nearest_centre(vectors[rows].astype(np.float32), centres)
        group[at : at + _AT_ONCE] = cluster * len(cells) + cells.assign(_features(columns, rows))
    rows = alive[np.argsort(group, kind="stable")]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=clusters * len(cells)))])
    low, high = np.full((len(cells), 4), np.inf, np.float32), np.full((len(cells), 4), -np.inf, np.float32)
    files = {name: (held / name).open("wb") for name in shapes(columns.dimension)}
    try:
        for at in range(0, len(rows), _AT_ONCE):
            chunk = rows[at : at + _AT_ONCE]
            sides = _features(columns, chunk)
            of_cell = cells.assign(sides)
            np.minimum.at(low, of_cell, sides[:, :4])
            np.maximum.at(high, of_cell, sides[:, :4])
            order = np.argsort(chunk)  # read in the order in which they lie
            in_order = np.empty((len(chunk), columns.dimension), np.float16)
            in_order[order] = vectors[chunk[order]]
            steps, step, _ = rounded(in_order)
            written = {
                "row": chunk.astype(np.uint32),
                "steps": steps,
                "step": step,
                "box": compact(sides[:, :4]),
                "score": columns.one_scale_score(chunk).astype(np.float16),
            }
            for name, values in written.items():
                files[name].write(np.ascontiguousarray(values).data)
    finally:
        for file in files.values():
            file.close()
    boxes, scores = _sampled(columns, cells, sampled)
    save_coarse(held, Coarse(centres, spread, within, offsets, low, high, boxes, scores))
    sync_files([*(held / name for name in files), coarse_file(held)])
    sync_folder(held)
    index = Written(
        id, generation, covered=len(columns.region_id), size=len(rows), dimension=columns.dimension, tuning=None
    )
    with kept.locked():
        if not kept.is_newest("regions", generation):
            rmtree(held, ignore_errors=True)
            raise LakeError(f"the columns in {folder} were replaced while their index was built; build it again")
        kept.make_durable()  # otherwise other rows may have these numbers after the next start of the machine
        record_index(folder, index)
    return id


def compact(boxes: NDArray[np.float32]) -> NDArray[np.uint16]:
    """uint16 (N, 4): sides in steps, rounded outwards, so that what overlaps a box overlaps it as steps too."""
    steps = boxes.astype(np.float64) * BOX_STEPS
    outwards = np.concatenate([np.floor(steps[:, :2]), np.ceil(steps[:, 2:])], axis=1)
    found: NDArray[np.uint16] = np.clip(outwards, 0, BOX_STEPS).astype(np.uint16)
    return found


def _within(sample: FloatArray, centres: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The spread of each cluster and the covariance within clusters; see Coarse."""
    nearest = nearest_centre(sample, centres)
    apart = sample - centres[nearest]
    counts = np.bincount(nearest, minlength=len(centres))
    squares = np.bincount(nearest, weights=(apart**2).sum(axis=1), minlength=len(centres))
    mean = squares.sum() / len(sample)
    spread = np.sqrt(squares / np.maximum(counts, 1) / max(mean, 1e-12)).astype(np.float32)
    return spread, (apart.T @ apart / np.float32(len(sample))).astype(np.float32)


def _sizes(regions: int) -> tuple[int, int]:
    """The number of clusters, and the depth of the tree of cells."""
    sample = min(_SAMPLE, regions)
    clusters = max(1, min(int(2 * regions**0.5), sample // _OF_CLUSTER))
    cells = min(_MOST_CELLS, max(1, regions // (clusters * _OF_GROUP)))
    return clusters, cells.bit_length() - 1


def _features(columns: LakeCache, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """float32 (N, 5): x0, y0, x1, y1 and the score, that of a typical region where it is not comparable."""
    score = np.nan_to_num(columns.one_scale_score(rows), nan=0.3)
    return np.stack([*(side[rows] for side in columns.boxes), score], axis=1)


def _sampled(
    columns: LakeCache, cells: Cells, sampled: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes, float32 (C, S, 4), and scores, float32 (C, S), of a few regions of each cell; NaN where it has fewer."""
    boxes = np.full((len(cells), _SAMPLED_BOXES, 4), np.nan, np.float32)
    scores = np.full((len(cells), _SAMPLED_BOXES), np.nan, np.float32)
    features = _features(columns, sampled)
    of_cell = cells.assign(features)
    comparable = columns.one_scale_score(sampled)
    for cell in range(len(cells)):
        some = np.flatnonzero(of_cell == cell)
        some = some[:: max(1, len(some) // _SAMPLED_BOXES)][:_SAMPLED_BOXES]
        boxes[cell, : len(some)] = features[some, :4]
        scores[cell, : len(some)] = comparable[some]
    return boxes, scores
