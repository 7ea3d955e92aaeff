"""Finds where the patches of a region of interest (ROI) fit best in other frames: soft votes, counted over every shift.

RIS's votes know which patches are alike and forget where they are; its growing knows where, but counts a patch only if
its cosine passes a threshold. Here the ROI is moved over the target, every patch votes for a shift by how well it fits
there, and the shift with the most votes wins: growing in step (methods.md §5.6), from the best of all shifts.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.patch_matching.config import CorrelationConfig
from operators.patch_matching.pyramid import Level
from operators.patch_matching.region_match import RegionMatch
from schemas.patches import PatchGrid


def correlate(
    levels: Sequence[Level], targets: Sequence[PatchGrid], *, config: CorrelationConfig | None = None
) -> list[RegionMatch]:
    """The best place of an ROI in every target, over all shifts and all levels of its pyramid.

    The score is the mean over the ROI's patches of exp((cosine − 1) / width), where patches beyond the target's border
    count 0, times `fewer` to the power of the level's number: 1 for the ROI itself. Fewer patches fit more easily, so
    that a smaller level must fit clearly better. The box is that of the ROI, moved and scaled; the pairs are the
    patches whose cosine there is at least `threshold`.
    """
    config = config or CorrelationConfig()
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, target in enumerate(targets):
        alike[target.rows, target.cols].append(number)
    best: dict[int, RegionMatch] = {}
    for number, level in enumerate(levels):
        for members in alike.values():
            matches = _on_level(level, [targets[i] for i in members], config.fewer**number, config)
            for i, match in zip(members, matches, strict=True):
                if i not in best or match.score > best[i].score:
                    best[i] = match
    return [best[i] for i in range(len(targets))]


def _on_level(level: Level, targets: Sequence[PatchGrid], share: float, config: CorrelationConfig) -> list[RegionMatch]:
    """targets: patch grids of one shape. share: what the scores are multiplied by."""
    cosine = _cosines(level, targets)
    fit = np.exp((cosine - 1) / config.width)
    if level.inside is not None:
        fit[:, ~level.inside] = 0
    votes = _votes(fit) / len(level.vectors)
    flat = votes.reshape(len(targets), -1)
    peak = flat.argmax(axis=1)
    score = share * flat[np.arange(len(peak)), peak]
    shift = np.stack(np.divmod(peak, votes.shape[2]), axis=1) - np.array(cosine.shape[1:3]) + 1
    return [
        _match(level, target, cosine[number], shift[number], float(score[number]), config.threshold)
        for number, target in enumerate(targets)
    ]


def _cosines(level: Level, targets: Sequence[PatchGrid]) -> NDArray[np.float32]:
    """float32 (N, rows, cols, target rows, target cols)."""
    shape = (len(targets), level.patches.rows, level.patches.cols, targets[0].rows, targets[0].cols)
    found = np.empty(shape, np.float32)
    query = level.patches.flat()
    for own, target in zip(found, targets, strict=True):
        np.matmul(query, target.flat().T, out=own.reshape(len(query), -1))
    return found


def _votes(fit: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (N, target rows + rows − 1, target cols + cols − 1): the sum of the fits for every shift; the first shift
    puts the last patch of the ROI on the first of the target."""
    count, rows, cols, target_rows, target_cols = fit.shape
    votes = np.zeros((count, target_rows + rows - 1, target_cols + cols - 1), np.float32)
    for y in range(rows):
        for x in range(cols):
            top, left = rows - 1 - y, cols - 1 - x
            votes[:, top : top + target_rows, left : left + target_cols] += fit[:, y, x]
    return votes


def _match(
    level: Level,
    target: PatchGrid,
    cosine: NDArray[np.float32],
    shift: NDArray[np.intp],
    score: float,
    threshold: float,
) -> RegionMatch:
    """cosine: (rows, cols, target rows, target cols), of one target. shift: intp (2,), from a patch of
    the ROI to its partner."""
    inside = np.ones((level.patches.rows, level.patches.cols), np.bool_) if level.inside is None else level.inside
    query_cells = np.argwhere(inside)
    target_cells = query_cells + shift
    kept = ((target_cells >= 0) & (target_cells < (target.rows, target.cols))).all(axis=1)
    query_cells, target_cells = query_cells[kept], target_cells[kept]
    box = target.boxes_of(target_cells.min(axis=0)[None], target_cells.max(axis=0)[None])
    alike = cosine[(*query_cells.T, *target_cells.T)] >= threshold
    mask = np.zeros((target.rows, target.cols), np.bool_)
    mask[tuple(target_cells[alike].T)] = True
    return RegionMatch(score, level.scale, query_cells[alike], target_cells[alike], box, mask)
