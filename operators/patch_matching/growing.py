"""Regions that match in step: grown on the grids of the query and of many targets at once.

Source: RIS, section 3.5.2; methods.md §5.6.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_WITHIN_ONE_PLANE = np.stack([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])


@dataclass(frozen=True, slots=True, eq=False)
class GrownRegions:
    """The largest region of each of N targets.

    members: bool (N, rows, cols), the cells of the query that belong to it; none where nothing matches.
    shift: intp (N, 2), rows and columns from a query cell to its partner in the target.
    """

    members: NDArray[np.bool_]
    shift: NDArray[np.intp]


def grow(likeness: NDArray[np.float32], *, threshold: float, seeds: int) -> GrownRegions:
    """likeness: float32 (N, rows, cols, target rows, target cols), cosines of every query cell and target cell.

    A pair of cells matches at `threshold`. Each query cell and its best partner are a possible seed; the `seeds` of
    them with the most matching neighbours in step, then of the highest cosine, are grown: a neighbour above, below,
    left or right joins with the neighbour of its partner in the same direction, if they match.

    Growing in step keeps the shift between the two grids, so a region is the connected part, around its seed, of the
    cells that match under the seed's shift: no growing step by step is needed.
    """
    count, rows, cols, target_rows, target_cols = likeness.shape
    flat = likeness.reshape(count, rows * cols, target_rows * target_cols)
    partner = flat.argmax(axis=2)  # (N, n)
    best = np.take_along_axis(flat, partner[:, :, None], axis=2)[:, :, 0]
    cell = np.arange(rows * cols)
    row, col = cell // cols, cell % cols
    partner_row, partner_col = partner // target_cols, partner % target_cols
    support = np.zeros(partner.shape, np.intp)
    everyone = np.arange(count)[:, None]
    for y, x in _STEPS:
        beside = _at(likeness, everyone, row + y, col + x, partner_row + y, partner_col + x)
        support += beside >= threshold
    support[best < threshold] = -1
    # float64 holds both: the support, and the cosine in [-1, 1] within a quarter of it
    order = np.argsort(-(support + best.astype(np.float64) / 4), axis=1, kind="stable")[:, :seeds]

    seed_row, seed_col = row[order], col[order]
    down = np.take_along_axis(partner_row, order, axis=1) - seed_row
    across = np.take_along_axis(partner_col, order, axis=1) - seed_col
    in_step = _at(
        likeness,
        everyone[:, :, None, None],
        np.arange(rows)[:, None],
        np.arange(cols),
        np.arange(rows)[:, None] + down[:, :, None, None],
        np.arange(cols) + across[:, :, None, None],
    )
    planes = (in_step >= threshold).reshape(-1, rows, cols)
    parts, _ = ndimage.label(planes, structure=_WITHIN_ONE_PLANE)
    grown_from = parts[np.arange(len(planes)), seed_row.ravel(), seed_col.ravel()]
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0  # cells that do not match
    size = sizes[grown_from].reshape(order.shape)
    largest = size.argmax(axis=1)
    own = np.arange(count)
    plane = own * order.shape[1] + largest
    members = (parts[plane] == grown_from[plane, None, None]) & planes[plane]
    return GrownRegions(members, np.stack([down[own, largest], across[own, largest]], axis=1))


def _at(
    likeness: NDArray[np.float32],
    target: NDArray[np.intp],
    row: NDArray[np.intp],
    col: NDArray[np.intp],
    target_row: NDArray[np.intp],
    target_col: NDArray[np.intp],
) -> NDArray[np.float32]:
    """The cosines at some cells, of any shapes that go together; −inf beyond a grid."""
    _, rows, cols, target_rows, target_cols = likeness.shape
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    inside = inside & (target_row >= 0) & (target_row < target_rows) & (target_col >= 0) & (target_col < target_cols)
    found = likeness[
        target,
        np.clip(row, 0, rows - 1),
        np.clip(col, 0, cols - 1),
        np.clip(target_row, 0, target_rows - 1),
        np.clip(target_col, 0, target_cols - 1),
    ]
    return np.where(inside, found, np.float32(-np.inf))
