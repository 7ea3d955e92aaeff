"""Vectors in memory as bytes, half of float16: they find the nearest, whose exact vectors are read from the lake."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray

STEPS = 127  # of each sign: a component is a whole number of steps of its row's own size


@dataclass(frozen=True, slots=True, eq=False)
class RoundedVectors:
    """N vectors, each of whole steps: the vector of a row is about `step * steps`.

    steps: int8 (N, D), contiguous. step: float32 (N,), the size of a step. error: float32 (N,), the length of the
    difference from the stored vector, so that no product with a query of unit length is further off.
    read: ascending rows → float16 (rows, D), as the lake stores them.
    """

    steps: NDArray[np.int8]
    step: FloatArray
    error: FloatArray
    read: Callable[[NDArray[np.intp]], NDArray[np.float16]]

    def __len__(self) -> int:
        return len(self.step)


def rounded(vectors: NDArray[np.float16]) -> tuple[NDArray[np.int8], FloatArray, FloatArray]:
    """The steps, the step and the error of each vector. vectors: float16 (N, D), finite."""
    wide = vectors.astype(np.float64)
    step = (np.abs(wide).max(axis=1, initial=0.0) / STEPS).astype(np.float32)
    steps = np.rint(wide / np.where(step > 0, step, 1)[:, None]).astype(np.int8)
    error = np.linalg.norm(wide - steps * step[:, None].astype(np.float64), axis=1)
    return steps, step, np.nextafter(error.astype(np.float32), np.float32(np.inf))
