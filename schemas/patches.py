"""Patch grids: the vectors of a frame cell by cell, in the space of its model, and the boxes of the cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

Extent = tuple[float, float, float, float]


def cell_boxes(*, rows: int, cols: int, extent: Extent = (0.0, 0.0, 1.0, 1.0)) -> Boxes:
    """The boxes of all cells of a grid, row by row, cut to the frame. extent: where the grid lies in the frame."""
    row, col = np.divmod(np.arange(rows * cols), cols)
    first = np.stack([row, col], axis=1)
    return _boxes(_edges(rows, cols, extent), first, first)


@dataclass(frozen=True, slots=True, eq=False)
class PatchGrid:
    """Vectors of a frame, or of a part of it, on a regular grid.

    vectors: float32 (rows, cols, D), L2-normalised.
    extent: where the grid lies in the frame, `(x0, y0, x1, y1)` in fractions of the frame; it reaches
        beyond [0, 1] where the model's input was padded.
    """

    vectors: VectorArray
    extent: Extent = (0.0, 0.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.vectors.dtype != np.float32 or self.vectors.ndim != 3 or 0 in self.vectors.shape:
            raise InvalidValueError(
                f"vectors must be float32 (rows, cols, D), none of them 0, got {self.vectors.dtype} "
                f"{self.vectors.shape}"
            )
        x0, y0, x1, y1 = self.extent
        if not (x0 < x1 and y0 < y1):
            raise InvalidValueError(f"extent must have x0 < x1 and y0 < y1, got {self.extent}")

    @property
    def rows(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def cols(self) -> int:
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        """Number of patches."""
        return self.rows * self.cols

    def __repr__(self) -> str:
        return f"PatchGrid({self.rows}x{self.cols}, {self.vectors.shape[2]}-d)"

    def flat(self) -> VectorArray:
        """float32 (rows * cols, D), row by row."""
        return self.vectors.reshape(len(self), -1)

    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Borders of the cells in fractions of the frame: float64 (cols + 1,) along x and (rows + 1,) along y."""
        return _edges(self.rows, self.cols, self.extent)

    def part(self, rows: slice, cols: slice) -> "PatchGrid":
        """The grid of some neighbouring rows and columns, with their extent in the frame."""
        x, y = self.edges()
        down, across = range(self.rows)[rows], range(self.cols)[cols]
        if not down or not across or down.step != 1 or across.step != 1:
            raise InvalidValueError(f"a part needs neighbouring rows and columns, got {rows} and {cols} of {self}")
        extent = (float(x[across[0]]), float(y[down[0]]), float(x[across[-1] + 1]), float(y[down[-1] + 1]))
        return PatchGrid(self.vectors[rows, cols], extent)

    def boxes_of(self, first: NDArray[np.intp], last: NDArray[np.intp]) -> Boxes:
        """Boxes from a first to a last cell, cut to the frame. first, last: intp (N, 2), row and column, inclusive."""
        return _boxes(self.edges(), first, last)


def _edges(rows: int, cols: int, extent: Extent) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x0, y0, x1, y1 = extent
    return np.linspace(x0, x1, cols + 1), np.linspace(y0, y1, rows + 1)


def _boxes(
    edges: tuple[NDArray[np.float64], NDArray[np.float64]], first: NDArray[np.intp], last: NDArray[np.intp]
) -> Boxes:
    x, y = edges
    corners = [x[first[:, 1]], y[first[:, 0]], x[last[:, 1] + 1], y[last[:, 0] + 1]]
    return Boxes.clipped(np.stack(corners, axis=1))
