"""Joins chunks of regions, each in the order of groups, to the files of one index."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from operators.runtime.file_sync import sync_files, sync_folder
from pipeline.search.index.layout import Layout
from pipeline.search.index.region_index import SIDES, Coarse, coarse_file, save_coarse, shapes

_AT_ONCE = 2**18  # regions that are in memory together, about
Ordered = Mapping[str, NDArray[Any]] | NDArray[np.void]


def merge(folder: Path, layout: Layout, parts: Sequence[Ordered], *, dimension: int) -> int:
    """Writes the index of all regions of the parts, and syncs it; returns their number.

    parts: columns of an index and "group", int32, ascending. They are read once, from the first group to the last.
    Regions of one group are in the order of the parts.
    """
    groups = [np.asarray(part["group"]) for part in parts]
    counts = np.zeros(layout.groups, np.int64)
    for each in groups:
        counts += np.bincount(each, minlength=layout.groups)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    low, high = np.full((layout.cells, 4), np.inf, np.float32), np.full((layout.cells, 4), -np.inf, np.float32)
    names = list(shapes(dimension))
    files = {name: (folder / name).open("wb") for name in names}
    try:
        for first, stop in _ranges(offsets):
            cuts = [np.searchsorted(each, [first, stop]).tolist() for each in groups]
            group = np.concatenate([each[a:b] for each, (a, b) in zip(groups, cuts, strict=True)])
            order = np.argsort(group, kind="stable")
            sides = []
            for name in names:
                values = np.concatenate([part[name][a:b] for part, (a, b) in zip(parts, cuts, strict=True)])[order]
                _write(files[name], values)
                if name in SIDES:
                    sides.append(values)
            boxes, cell = np.stack(sides, axis=1), group[order] // layout.clusters
            np.minimum.at(low, cell, boxes)
            np.maximum.at(high, cell, boxes)
    finally:
        for file in files.values():
            file.close()
    save_coarse(folder, Coarse(layout, offsets, low, high))
    sync_files([*(folder / name for name in names), coarse_file(folder)])
    sync_folder(folder)
    return int(offsets[-1])


def _ranges(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of groups which have about as many regions as are joined at once; a group is never divided."""
    found, first = [], 0
    while first < len(offsets) - 1:
        stop = int(np.searchsorted(offsets, offsets[first] + _AT_ONCE, "right")) - 1
        found.append((first, max(stop, first + 1)))
        first = found[-1][1]
    return found


def _write(file: IO[bytes], values: NDArray[Any]) -> None:
    if len(values):
        file.write(np.ascontiguousarray(values).data)
