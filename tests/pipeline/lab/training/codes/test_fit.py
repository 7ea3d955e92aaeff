"""Learning codes. Catches a training that a kill changes, that resumes from another run's checkpoint or learns nothing,
and parts of the loss without effect."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operators.codes.hamming import hamming_distances, unpack_signs
from operators.codes.projection import Projection
from pipeline.lab.training.codes.fit import CodeEpoch, CodeTraining, train_codes
from pipeline.lab.training.codes.itq import itq
from pipeline.lab.training.codes.random_projection import random_projection
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import VectorArray, normalise

SMALL = CodeTraining(epochs=4, batch=128, itq_rounds=2)


def features(seed: int, n: int) -> VectorArray:
    """Unit vectors about a mean, with a spectrum that falls as real features' does."""
    x = np.random.default_rng(seed).normal(size=(n, 320)) * (1.0 + np.arange(320)) ** -0.5
    return normalise((x + 0.2).astype(np.float32))


def average_precision(
    projection: Projection, y: VectorArray, *, seen: VectorArray | None = None, neighbours: int = 10
) -> float:
    """Mean over the rows of y of the AP of their float neighbours in the order of Hamming distance.

    seen: the rows as neighbours are judged by, y itself by default."""
    codes = projection(y)
    near = y if seen is None else seen
    precisions = []
    for i in range(len(y)):
        others = np.delete(np.arange(len(y)), i)
        true = np.zeros(len(others), bool)
        true[np.argsort(-(near[others] @ near[i]), kind="stable")[:neighbours]] = True
        hit = true[np.argsort(hamming_distances(codes[others], codes[i]), kind="stable")]
        precisions.append((np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean())
    return float(np.mean(precisions))


def test_learnt_codes_keep_neighbours_better_than_itq_and_that_better_than_random_projections() -> None:
    x, y = features(0, 1500), features(1, 200)
    learnt = train_codes(x, replace(SMALL, epochs=16, batch=256, itq_rounds=50, learning_rate=3e-3)).projection
    scores = [average_precision(p, y) for p in (random_projection(x, seed=0), itq(x, seed=0), learnt)]
    assert scores[0] < scores[1] < scores[2]


def test_a_training_that_was_killed_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    x = features(2, 300)
    whole = train_codes(x, SMALL)

    class KilledError(Exception):
        pass

    def kill(number: int, _: CodeEpoch) -> None:
        if number == 2:
            raise KilledError

    checkpoint = tmp_path / "codes.checkpoint"
    with pytest.raises(KilledError):
        train_codes(x, SMALL, checkpoint=checkpoint, on_epoch=kill)
    told: list[int] = []
    resumed = train_codes(x, SMALL, checkpoint=checkpoint, on_epoch=lambda number, _: told.append(number))
    assert told == [3, 4]
    np.testing.assert_array_equal(resumed.projection.weight, whole.projection.weight)
    np.testing.assert_array_equal(resumed.projection.bias, whole.projection.bias)
    assert resumed.epochs == whole.epochs
    assert not list(tmp_path.glob("*.part"))


def test_a_seed_gives_the_same_weights_and_another_seed_others() -> None:
    x = features(3, 300)
    first, again, other = (train_codes(x, replace(SMALL, epochs=1, seed=s)).projection for s in (0, 0, 1))
    np.testing.assert_array_equal(first.weight, again.weight)
    assert not np.array_equal(first.weight, other.weight)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "codes.checkpoint"
    x = features(4, 300)
    train_codes(x, replace(SMALL, epochs=1), checkpoint=checkpoint)
    with pytest.raises(ModelError, match="of other features or settings"):
        train_codes(x, SMALL, checkpoint=checkpoint)
    with pytest.raises(ModelError, match="of other features or settings"):
        train_codes(x + np.float32(1e-3), replace(SMALL, epochs=1), checkpoint=checkpoint)
    checkpoint.write_bytes(b"half a file")
    with pytest.raises(ModelError, match="is not a checkpoint of codes"):
        train_codes(x, SMALL, checkpoint=checkpoint)


def test_the_loss_falls_and_its_curve_is_kept() -> None:
    # one batch of all rows: who shares a batch changes its loss by more than some steps do
    config = replace(SMALL, epochs=20, batch=400, steepest=1.0)
    epochs = train_codes(features(5, 400), config).epochs
    assert len(epochs) == 20
    assert epochs[-1].neighbours < epochs[0].neighbours
    assert epochs[-1].loss < epochs[0].loss


def test_neighbours_are_those_by_cosine_or_those_about_the_mean_as_the_share_says() -> None:
    # rows of unlike length about a mean that all share: by cosine others are near than as seen from the mean
    rng = np.random.default_rng(8)
    x = rng.normal(size=(500, 320)) * (1.0 + np.arange(320)) ** -0.5 * rng.uniform(0.3, 3.0, (500, 1))
    x = normalise((x + 0.3 * rng.normal(size=320)).astype(np.float32))
    about_mean = normalise(x - x.mean(axis=0))
    config = replace(SMALL, epochs=12, learning_rate=3e-3)
    by_cosine, from_mean = (train_codes(x, replace(config, about_mean=share)).projection for share in (0.0, 1.0))
    assert average_precision(from_mean, x, seen=about_mean) > average_precision(by_cosine, x, seen=about_mean)
    assert average_precision(by_cosine, x) > average_precision(from_mean, x)


def test_each_part_of_the_loss_pulls_where_it_should() -> None:
    x = features(6, 300)

    def ends(config: CodeTraining) -> CodeEpoch:
        return train_codes(x, replace(config, epochs=4, steepest=1.0)).epochs[-1]

    free = ends(replace(SMALL, quantisation=0.0, balance=0.0, decorrelation=0.0))
    assert ends(replace(SMALL, quantisation=10.0)).quantisation < free.quantisation
    assert ends(replace(SMALL, balance=100.0)).balance < free.balance
    assert ends(replace(SMALL, decorrelation=10.0)).decorrelation < free.decorrelation


def test_a_steep_tanh_leaves_bits() -> None:
    x = features(7, 400)
    steep = train_codes(x, replace(SMALL, steepest=20.0))
    assert steep.epochs[-1].quantisation < 0.1
    balance = np.abs(unpack_signs(steep.projection(x)).mean(axis=0))
    assert balance.mean() < 0.2


def test_settings_out_of_range_are_refused() -> None:
    for wrong in (
        {"epochs": 0},
        {"batch": 1},
        {"temperature": 0.0},
        {"about_mean": 1.5},
        {"steepest": 0.5},
        {"balance": -1.0},
    ):
        with pytest.raises(InvalidValueError):
            CodeTraining(**wrong)  # type: ignore[arg-type]
