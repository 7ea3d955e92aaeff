"""Proposes static grids, the baseline, equal in every frame."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from operators.proposals.proposer import Proposer, one_by_one
from schemas import require
from schemas.boxes import Boxes
from schemas.frames import Keyframe
from schemas.regions import Proposals


@dataclass(frozen=True, slots=True)
class GridConfig:
    """cells: the scales; each n gives n×n cells that tile the frame."""

    name: ClassVar[str] = "grid"
    makes_masks: ClassVar[bool] = False

    cells: tuple[int, ...] = (2, 4)

    def __post_init__(self) -> None:
        require.not_empty(cells=self.cells)
        require.at_least(1, cells=self.cells)

    def build(self) -> Proposer:
        return one_by_one(StaticGrid(self))


class StaticGrid:
    """n×n cells at each scale, row by row; the proposer of a cell is "grid-n"."""

    def __init__(self, config: GridConfig) -> None:
        parts = [Proposals.of(_cells(n), score=1.0, proposer=f"grid-{n}") for n in sorted(set(config.cells))]
        self._proposals = Proposals.concat(parts)

    def __call__(self, keyframe: Keyframe) -> Proposals:  # noqa: ARG002 (a grid ignores pixels)
        return self._proposals


def _cells(n: int) -> Boxes:
    edges = np.linspace(0.0, 1.0, n + 1, dtype=np.float32)
    top, left = np.meshgrid(edges[:-1], edges[:-1], indexing="ij")
    bottom, right = np.meshgrid(edges[1:], edges[1:], indexing="ij")
    return Boxes(np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4))
