"""Random projections and ITQ. Catches bits whose differences do not depend on the angle, a matrix that is not a
rotation, rounds in which the loss grows, and results that change from run to run."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from operators.codes.hamming import hamming_distances
from operators.codes.projection import Projection
from pipeline.lab.training.codes.itq import itq
from pipeline.lab.training.codes.random_projection import random_projection
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray, normalise


def features(seed: int, n: int = 400, dimension: int = 320) -> VectorArray:
    """Unit vectors about a mean, with a spectrum that falls as real features' does."""
    rng = np.random.default_rng(seed)
    spread = (1.0 + np.arange(dimension)) ** -0.5
    return normalise((rng.normal(size=(n, dimension)) * spread + 0.2).astype(np.float32))


def test_a_bit_of_a_random_projection_differs_as_often_as_the_angle_says() -> None:
    x = features(0)
    codes = random_projection(x, seed=0)(x)
    about = normalise(x - x.mean(axis=0))
    angle = np.arccos(np.clip(about @ about[0], -1, 1)) / np.pi
    share = hamming_distances(codes, codes[0]) / 256
    # 256 draws: a standard error of at most 0.031 each, and of the mean over 400 rows far less
    assert abs((share - angle).mean()) < 0.02
    assert np.abs(share - angle).max() < 0.15


def test_bits_are_about_the_mean() -> None:
    x = features(1)
    for projection in (random_projection(x, seed=0), itq(x, seed=0, rounds=5)):
        values = x @ projection.weight.T + projection.bias
        assert abs(values.mean()) < 1e-3


def test_itq_rotates_principal_components() -> None:
    x = features(2)
    weight = itq(x, seed=0, rounds=10).weight.astype(np.float64)
    np.testing.assert_allclose(weight @ weight.T, np.eye(256), atol=1e-5)
    _, _, components = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    # the rows span what the first 256 components span
    np.testing.assert_allclose(np.linalg.norm(weight @ components[:256].T.astype(np.float64), axis=1), 1.0, atol=1e-4)


def quantisation_loss(features: VectorArray, projection: Projection) -> float:
    """Mean squared distance of the projected rows from their signs, which ITQ minimises."""
    values = features.astype(np.float64) @ projection.weight.T.astype(np.float64) + projection.bias
    return float(np.mean((values - np.where(values > 0, 1.0, -1.0)) ** 2))


def test_every_round_of_itq_lowers_the_loss_or_keeps_it() -> None:
    x = features(3)
    losses = [quantisation_loss(x, itq(x, seed=0, rounds=rounds)) for rounds in (0, 1, 2, 5, 20)]
    assert all(after <= before + 1e-6 for before, after in pairwise(losses))
    assert losses[-1] < losses[0]


def test_itq_keeps_neighbours_better_than_random_projections() -> None:
    x, y = features(4, 1200), features(5)
    true = np.argsort(-(y @ y.T), axis=1)[:, 1:11]
    found = []
    for projection in (random_projection(x, seed=0), itq(x, seed=0, rounds=20)):
        codes = projection(y)
        near = np.stack([np.argsort(hamming_distances(codes, c), kind="stable")[1:11] for c in codes])
        found.append(np.mean([len(set(a) & set(b)) for a, b in zip(true.tolist(), near.tolist(), strict=True)]))
    assert found[1] > 1.1 * found[0]


def test_a_seed_gives_the_same_bits_and_another_seed_others() -> None:
    x = features(6)
    for make in (random_projection, partial(itq, rounds=3)):
        first, again, other = (make(x, seed=seed).weight for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_what_cannot_be_hashed_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="needs as many dimensions, got 100"):
        itq(features(0, dimension=100), seed=0)
    with pytest.raises(InvalidValueError, match="finite features"):
        random_projection(np.full((3, 300), np.nan, np.float32), seed=0)
    with pytest.raises(InvalidValueError, match=r"weight \(256, D\)"):
        Projection(np.zeros((128, 4), np.float32), np.zeros(128, np.float32))
