"""Vectors, and the space in which two of them may be compared."""

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidValueError, ModelError

VectorArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """The model and preprocessing that made a vector: only vectors of equal spaces may be compared.

    model: name on the model card. revision: of its weights. dimension: length of a vector.
    preprocessing: how pixels became model input, e.g. "rgb/128-0.992, 224 px, squashed".
    """

    model: str
    revision: str
    dimension: int
    preprocessing: str

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "VectorSpace":
        return cls(**json.loads(text))

    def comparable(self, other: "VectorSpace") -> bool:
        """Whether vectors of both may be compared: they have the same weights and preprocessing, whatever the name."""
        return replace(self, model="") == replace(other, model="")

    def require_same(self, other: "VectorSpace", *, lake: str) -> None:
        """Raises ModelError when vectors of `other` cannot be compared with those of `lake`."""
        if not self.comparable(other):
            raise ModelError(
                f"{lake} holds vectors of {self}, which cannot be compared with vectors of {other}: use the "
                "model that wrote the lake, fill a column of this one (regionlake ingest --reembed --model …), or "
                "ingest into another lake"
            )

    def __str__(self) -> str:
        return f"{self.model}@{self.revision} ({self.dimension}-d, {self.preprocessing})"


def normalise(vectors: VectorArray) -> VectorArray:
    """L2-normalised vectors, float32 (..., D); a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: VectorArray = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """Features of a frame cell by cell, before they are projected into the vector space.

    levels: grids of the same extent, float32 (rows, cols, C) each, with rows, cols and C of their own: the depths of a
        network whose features of a place are joined. Most models have one.
    extent: box of the grids in the frame, `(x0, y0, x1, y1)` in fractions of the frame; it reaches
        beyond [0, 1] where the model's input was padded.
    grid: the level whose cells are the patches of the frame.
    least_cells: a narrower box is widened to so many cells of a level before it is pooled, so that something small
        between two cells is the mean of both.
    """

    levels: tuple[VectorArray, ...]
    extent: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    grid: int = 0
    least_cells: float = 1e-3

    def __post_init__(self) -> None:
        if not self.levels or any(level.dtype != np.float32 or level.ndim != 3 for level in self.levels):
            raise InvalidValueError(f"levels must be float32 (rows, cols, C) each, got {self!r}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows and columns of the frame's patches, and the number of features of a place."""
        rows, cols, _ = self.levels[self.grid].shape
        return rows, cols, sum(level.shape[2] for level in self.levels)

    def __repr__(self) -> str:
        return f"FeatureMap({', '.join(f'{level.dtype} {level.shape}' for level in self.levels)})"
