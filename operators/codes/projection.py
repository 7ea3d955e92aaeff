"""Hashes vectors by the signs of a projection."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.codes.hamming import CODE_BITS, CodeArray, pack_signs
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Hashes a vector to the signs of `weight · x + bias`. weight: float32 (256, D). bias: float32 (256,)."""

    weight: VectorArray
    bias: VectorArray

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.weight.shape[0] != CODE_BITS or self.bias.shape != (CODE_BITS,):
            raise InvalidValueError(
                f"a projection needs weight ({CODE_BITS}, D) and bias ({CODE_BITS},), "
                f"got {self.weight.shape} and {self.bias.shape}"
            )

    def __call__(self, features: VectorArray) -> CodeArray:
        """Hashes each row: float32 (N, D) → uint8 (N, 32)."""
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise InvalidValueError(f"features must be (N, {self.dimension}), got {features.shape}")
        # float64: BLAS picks other kernels for other batch sizes, and no bit may depend on the batch
        return pack_signs(features.astype(np.float64) @ self.weight.T.astype(np.float64) + self.bias)

    @classmethod
    def about(cls, mean: Doubles, directions: Doubles) -> "Projection":
        """A projection onto 256 directions, (256, D), relative to the mean, (D,)."""
        return cls(directions.astype(np.float32), (-directions @ mean).astype(np.float32))

    @property
    def dimension(self) -> int:
        """D, the dimension of the vectors that are hashed."""
        return int(self.weight.shape[1])
