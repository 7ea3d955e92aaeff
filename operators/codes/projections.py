"""Codes without gradient descent: the signs of random projections, and iterative quantisation (ITQ).

Sources: Charikar, STOC 2002; Gong and Lazebnik, "Iterative Quantization", CVPR 2011.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from operators.codes.hamming import CODE_BITS
from operators.torch_threads import one_torch_thread
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The hash of a vector: the signs of `weight · x + bias`. weight: float32 (256, D). bias: float32 (256,)."""

    weight: VectorArray
    bias: VectorArray

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.weight.shape[0] != CODE_BITS or self.bias.shape != (CODE_BITS,):
            raise InvalidValueError(
                f"a projection needs weight ({CODE_BITS}, D) and bias ({CODE_BITS},), "
                f"got {self.weight.shape} and {self.bias.shape}"
            )

    @property
    def dimension(self) -> int:
        """D, of the vectors that are hashed."""
        return int(self.weight.shape[1])


def random_projection(features: VectorArray, *, seed: int) -> Projection:
    """256 directions drawn from a normal distribution, about the mean of `features`, float32 (N, D).

    Two vectors at an angle θ about the mean differ in a bit with probability θ / π.
    """
    require_features(features)
    directions = np.random.default_rng(seed).normal(size=(CODE_BITS, features.shape[1]))
    return _about(features.mean(axis=0, dtype=np.float64), directions)


@one_torch_thread()  # NumPy's threads wait for each other in every small product: 60 s on two busy cores, 2 s here
def itq(features: VectorArray, *, seed: int, rounds: int = 50) -> Projection:
    """The first 256 principal components of `features`, float32 (N, D), rotated to lie near the corners of a cube.

    rounds: each takes the signs of all rows, then the rotation that brings the rows nearest to them (the orthogonal
    Procrustes problem); the loss never grows. Needs D >= 256.
    """
    require_features(features)
    if features.shape[1] < CODE_BITS:
        raise InvalidValueError(f"ITQ to {CODE_BITS} bits needs as many dimensions, got {features.shape[1]}")
    mean = features.mean(axis=0, dtype=np.float64)
    centred = torch.from_numpy(features - mean)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    components = vectors[:, -CODE_BITS:]
    projected = centred @ components
    drawn = np.random.default_rng(seed).normal(size=(CODE_BITS, CODE_BITS))
    rotation, _ = torch.linalg.qr(torch.from_numpy(drawn))
    for _ in range(rounds):
        signs = torch.where(projected @ rotation > 0, 1.0, -1.0).double()
        left, _, right = torch.linalg.svd(projected.T @ signs)
        rotation = left @ right
    return _about(mean, (components @ rotation).T.numpy())


def quantisation_loss(features: VectorArray, projection: Projection) -> float:
    """Mean squared distance of the projected rows to their signs: what ITQ makes small."""
    values = features.astype(np.float64) @ projection.weight.T.astype(np.float64) + projection.bias
    return float(np.mean((values - np.where(values > 0, 1.0, -1.0)) ** 2))


def require_features(features: VectorArray) -> None:
    """Raises InvalidValueError unless features are float (N, D), finite, of at least two rows."""
    if features.ndim != 2 or len(features) < 2 or not np.isfinite(features).all():
        raise InvalidValueError(f"a hash is made from finite features (N >= 2, D), got {features.shape}")


def _about(mean: Doubles, directions: Doubles) -> Projection:
    return Projection(directions.astype(np.float32), (-directions @ mean).astype(np.float32))
