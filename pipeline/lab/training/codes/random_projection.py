"""Makes codes without training, by a random projection, the baseline of all others.

Source: Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002.
"""

import numpy as np

from operators.codes.hamming import CODE_BITS
from operators.codes.projection import Projection
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray


def random_projection(features: VectorArray, *, seed: int) -> Projection:
    """256 directions drawn from a normal distribution, applied to `features`, float32 (N, D), minus their mean.

    Two vectors at an angle θ, seen from the mean, differ in a bit with probability θ / π.
    """
    require_features(features)
    directions = np.random.default_rng(seed).normal(size=(CODE_BITS, features.shape[1]))
    return Projection.about(features.mean(axis=0, dtype=np.float64), directions)


def require_features(features: VectorArray) -> None:
    """Raises InvalidValueError unless features are float (N, D), finite, with at least two rows."""
    if features.ndim != 2 or len(features) < 2 or not np.isfinite(features).all():
        raise InvalidValueError(f"a hash is made from finite features (N >= 2, D), got {features.shape}")
