"""Learns codes from the data without gradient descent: iterative quantisation (ITQ).

Source: Gong and Lazebnik, "Iterative Quantization", CVPR 2011.
"""

import numpy as np
import torch

from operators.codes.hamming import CODE_BITS
from operators.codes.projection import Projection
from operators.runtime.torch_threads import one_torch_thread
from pipeline.lab.training.codes.random_projection import require_features
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray


@one_torch_thread()  # each small product would wait for all threads: 60 s on two busy cores, 2 s here
def itq(features: VectorArray, *, seed: int, rounds: int = 50) -> Projection:
    """The first 256 principal components of `features`, float32 (N, D), rotated towards the corners of a cube.

    rounds: each computes the signs of all rows, then the rotation that moves the rows nearest to their signs (the
    orthogonal Procrustes problem); the loss never grows. Needs D >= 256.
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
    return Projection.about(mean, (components @ rotation).T.numpy())
