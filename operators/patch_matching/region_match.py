"""Finds a region of interest in other frames: score, partners, box and mask. Source: RIS; methods.md §5.6 and §5.7."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.patch_matching.config import GrowingConfig
from operators.patch_matching.growing import grow
from operators.patch_matching.pyramid import Level
from schemas.boxes import Boxes
from schemas.patches import PatchGrid


@dataclass(frozen=True, slots=True, eq=False)
class RegionMatch:
    """The match of the ROI in one target.

    score: similarity times coverage, at most 1; higher is better.
    scale: size of the subject in the target, relative to its size in the query.
    query_cells, target_cells: intp (m, 2), row and column of both cells of every pair, on the grid of the ROI at this
        scale and on that of the target.
    box: one box, the extent of the target's cells. mask: bool (rows, cols), these cells.
    """

    score: float
    scale: float
    query_cells: NDArray[np.intp]
    target_cells: NDArray[np.intp]
    box: Boxes
    mask: NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"RegionMatch({self.score:.3f}, {len(self.query_cells)} patches at scale {self.scale:g})"


def match_region(
    levels: Sequence[Level], targets: Sequence[PatchGrid], *, config: GrowingConfig | None = None
) -> list[RegionMatch | None]:
    """The best match of an ROI's patches in every target, over all levels of its pyramid; None if no patch matches.

    levels: the first level must be the unscaled ROI. The mean of fewer patches is longer. The similarity on another
        level is therefore scaled by the ratio of the ROI's similarity with itself on the first level to that on this
        level, and is limited to the former: a subject that is found completely has the same score at any size.
    """
    config = config or GrowingConfig()
    best: list[RegionMatch | None] = [None] * len(targets)
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, target in enumerate(targets):
        alike[target.rows, target.cols].append(i)
    itself = _with_itself(levels[0])
    for level in levels:
        most, scaled = (np.inf, 1.0) if level is levels[0] else (itself, itself / _with_itself(level))
        for shape, members in alike.items():
            found = _matches(level, [targets[i] for i in members], shape, most=most, scaled=scaled, config=config)
            for i, match in zip(members, found, strict=True):
                before = best[i]
                if match is not None and (before is None or match.score > before.score):
                    best[i] = match
    return best


def _matches(
    level: Level,
    targets: Sequence[PatchGrid],
    shape: tuple[int, int],
    *,
    most: float,
    scaled: float,
    config: GrowingConfig,
) -> list[RegionMatch | None]:
    """The matches on one level. targets: patch grids of one shape."""
    query = level.patches
    vectors = np.stack([t.flat() for t in targets])  # (N, P, D)
    count, cells, dimension = vectors.shape
    similarity = (vectors.reshape(-1, dimension) @ query.flat().T).reshape(count, cells, len(query))
    similarity = np.ascontiguousarray(similarity.transpose(0, 2, 1)).reshape(count, query.rows, query.cols, *shape)
    if level.inside is not None:
        similarity[:, ~level.inside] = -np.inf
    grown = grow(similarity, threshold=config.threshold, seeds=config.seeds)
    mean_query = level.vectors.mean(axis=0)
    found: list[RegionMatch | None] = []
    for target, target_vectors, members, shift in zip(targets, vectors, grown.members, grown.shift, strict=True):
        query_cells = np.argwhere(members)
        if len(query_cells) == 0:
            found.append(None)
            continue
        target_cells = query_cells + shift
        mean_target = target_vectors[target_cells[:, 0] * shape[1] + target_cells[:, 1]].mean(axis=0)
        coverage = len(query_cells) / len(level.vectors)
        score = min(most, scaled * float(mean_query @ mean_target)) * coverage**config.coverage_power
        mask = np.zeros(shape, np.bool_)
        mask[tuple(target_cells.T)] = True
        box = target.boxes_of(target_cells.min(axis=0)[None], target_cells.max(axis=0)[None])
        found.append(RegionMatch(score, level.scale, query_cells, target_cells, box, mask))
    return found


def _with_itself(level: Level) -> float:
    """The similarity of an ROI with itself: the squared length of the mean of its patches."""
    mean = level.vectors.mean(axis=0, dtype=np.float64)
    return max(float(mean @ mean), 1e-12)
