"""Grows matching regions in step on the grid of the query and on those of many targets at once.

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
    """The largest matching region in each of N targets.

    members: bool (N, rows, cols), the query cells that belong to the region; all False if nothing matches.
    shift: intp (N, 2), offset in rows and columns from a query cell to its partner in the target.
    """

    members: NDArray[np.bool_]
    shift: NDArray[np.intp]


def grow(similarity: NDArray[np.float32], *, threshold: float, seeds: int) -> GrownRegions:
    """Grows the largest region of matching cells in each target.

    A pair of cells matches if its cosine is at least `threshold`. Each query cell and its best partner are a possible
    seed. Of these, `seeds` pairs are grown: those with the most matching neighbours in step, then those with the
    highest cosine. The neighbour above, below, left or right joins the region together with its partner's neighbour in
    the same direction, if they match.

    Growing in step keeps the shift between the two grids. A region is therefore the connected component, around its
    seed, of the cells that match under the seed's shift, and is computed without growing step by step.

    similarity: float32 (N, rows, cols, target rows, target cols), the cosine of every query cell and target cell.
    """
    count, rows, cols, target_rows, target_cols = similarity.shape
    flat = similarity.reshape(count, rows * cols, target_rows * target_cols)
    partner = flat.argmax(axis=2)  # (N, n)
    best = np.take_along_axis(flat, partner[:, :, None], axis=2)[:, :, 0]
    cell = np.arange(rows * cols)
    row, col = cell // cols, cell % cols
    partner_row, partner_col = partner // target_cols, partner % target_cols
    support = np.zeros(partner.shape, np.intp)
    everyone = np.arange(count)[:, None]
    for y, x in _STEPS:
        beside = _at(similarity, everyone, row + y, col + x, partner_row + y, partner_col + x)
        support += beside >= threshold
    support[best < threshold] = -1
    # a sort key in float64: first the integer support, then the cosine, which is scaled to [-1/4, 1/4]
    order = np.argsort(-(support + best.astype(np.float64) / 4), axis=1, kind="stable")[:, :seeds]

    seed_row, seed_col = row[order], col[order]
    down = np.take_along_axis(partner_row, order, axis=1) - seed_row
    across = np.take_along_axis(partner_col, order, axis=1) - seed_col
    in_step = _at(
        similarity,
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
    similarity: NDArray[np.float32],
    target: NDArray[np.intp],
    row: NDArray[np.intp],
    col: NDArray[np.intp],
    target_row: NDArray[np.intp],
    target_col: NDArray[np.intp],
) -> NDArray[np.float32]:
    """The cosines at the given cells, whose arrays are broadcast together; −inf outside a grid."""
    _, rows, cols, target_rows, target_cols = similarity.shape
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    inside = inside & (target_row >= 0) & (target_row < target_rows) & (target_col >= 0) & (target_col < target_cols)
    found = similarity[
        target,
        np.clip(row, 0, rows - 1),
        np.clip(col, 0, cols - 1),
        np.clip(target_row, 0, target_rows - 1),
        np.clip(target_col, 0, target_cols - 1),
    ]
    return np.where(inside, found, np.float32(-np.inf))
