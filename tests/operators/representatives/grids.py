"""Patch grids made for tests."""

from collections.abc import Sequence

import numpy as np

from schemas.patches import PatchGrid
from schemas.vectors import normalise


def random_grid(*, rows: int, cols: int, dimension: int = 16, seed: int = 0) -> PatchGrid:
    """Independent directions: no two patches alike."""
    rng = np.random.default_rng(seed)
    return PatchGrid(normalise(rng.standard_normal((rows, cols, dimension)).astype(np.float32)))


def painted_grid(picture: Sequence[str], *, noise: float = 0.05, dimension: int = 16, seed: int = 0) -> PatchGrid:
    """One direction a letter, a little noise on each patch: `painted_grid(["aab", "aab"])` shows two things."""
    rng = np.random.default_rng(seed)
    letters = sorted(set("".join(picture)))
    clean = np.stack([[np.eye(dimension)[letters.index(letter)] for letter in row] for row in picture])
    return PatchGrid(normalise((clean + noise * rng.standard_normal(clean.shape)).astype(np.float32)))
