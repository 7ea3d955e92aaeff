"""Calibrations: catches chances that fall where the likeness grows, bounds that are none, and a calibration that is
used for the vectors of another revision."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.encoders.calibration import (
    QUERY_KINDS,
    VECTOR_KINDS,
    Calibration,
    LogisticWeights,
    QueryKind,
    VectorKind,
    calibration_of,
    chance,
)
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import VectorArray, normalise
from tests.pipeline.search.drawn import CalibratedEncoder, DrawnEncoder

D = 16
weights = st.builds(
    LogisticWeights,
    offset=st.floats(-20, 20),
    cosine=st.floats(0, 50),
    region=st.floats(0, 5),
    query=st.floats(-5, 5),
)
seeds = st.integers(0, 10_000)


def drawn(seed: int, count: int) -> VectorArray:
    return normalise(np.random.default_rng(seed).normal(size=(count, D)).astype(np.float32))


def calibration(
    own: LogisticWeights, *, query: QueryKind = "words", vector: VectorKind = "region", scale: float = 12.0
) -> Calibration:
    """Every other kind has weights that give another chance."""
    others = LogisticWeights(50.0, 1.0, 1.0, 1.0)
    weights = {(q, v): own if (q, v) == (query, vector) else others for q in QUERY_KINDS for v in VECTOR_KINDS}
    shares = np.random.default_rng(3).uniform(0.1, 1.0, 40)
    return Calibration(drawn(1, 40), (shares / shares.sum()).astype(np.float32), scale, weights)


WEIGHTS = LogisticWeights(-3.0, 20.0, 1.0, 0.5)


@pytest.mark.parametrize("query_kind", QUERY_KINDS)
@pytest.mark.parametrize("vector_kind", VECTOR_KINDS)
def test_log_odds_are_those_of_the_definition(query_kind: QueryKind, vector_kind: VectorKind) -> None:
    made, regions, query = calibration(WEIGHTS, query=query_kind, vector=vector_kind), drawn(5, 7), drawn(6, 1)[0]

    def partition(v: VectorArray) -> float:
        terms = zip(made.shares, made.nouns, strict=True)
        return float(np.log(sum(share * np.exp(12.0 * np.dot(noun, v)) for share, noun in terms)))

    evidence = made.evidence(query, query_kind)
    odds = evidence.log_odds(regions.astype(np.float64) @ query, made.log_partition(regions), kind=vector_kind)
    for odd, region in zip(odds, regions, strict=True):
        expected = -3.0 + 20.0 * np.dot(region, query) - 1.0 * partition(region) - 0.5 * partition(query)
        assert odd == pytest.approx(expected, abs=1e-4)  # products of float32 vectors


@given(weights, seeds, st.floats(0.5, 40))
def test_a_greater_cosine_never_means_a_lower_chance(own: LogisticWeights, seed: int, scale: float) -> None:
    evidence = calibration(own, scale=scale).evidence(drawn(seed, 1)[0], "words")
    for of_region in (-2.0, 3.0):
        assert (np.diff(chance(evidence.log_odds(np.linspace(-1, 1, 50), of_region, kind="region"))) >= 0).all()


@given(weights, seeds, st.floats(0.5, 40))
def test_no_region_exceeds_the_bound_of_its_cosine(own: LogisticWeights, seed: int, scale: float) -> None:
    made = calibration(own, scale=scale)
    evidence = made.evidence(drawn(seed, 1)[0], "words")
    # vectors against the nouns have the lowest log-partitions
    against = -normalise((made.shares @ made.nouns)[None].astype(np.float32))
    regions = np.concatenate([drawn(seed + 1, 50), against, made.nouns]).astype(np.float16).astype(np.float64)
    cosines = regions @ evidence.vector
    odds = evidence.log_odds(cosines, made.log_partition(regions), kind="region")
    assert (odds <= evidence.log_odds(cosines, made.least_log_partition, kind="region") + 1e-9).all()


def test_a_region_that_fits_other_things_better_has_a_lower_chance() -> None:
    evidence = calibration(WEIGHTS).evidence(drawn(6, 1)[0], "words")
    near, far = chance(evidence.log_odds(np.array([0.5, 0.5]), np.array([0.0, 4.0]), kind="region"))
    assert near > far


def test_what_is_beside_a_vector_in_a_call_changes_its_log_partition_by_less_than_float32_shows() -> None:
    made, regions = calibration(WEIGHTS), drawn(3, 1300)
    alone = np.concatenate([made.log_partition(regions[i : i + 1]) for i in range(0, 1300, 100)])
    np.testing.assert_allclose(made.log_partition(regions)[::100], alone, rtol=1e-12)


def test_log_partitions_do_not_overflow() -> None:
    found = calibration(WEIGHTS, scale=1e4).log_partition(drawn(1, 40))
    assert np.isfinite(found).all()
    assert found.max() <= 1e4


def test_chances_are_in_0_to_1_at_any_odds() -> None:
    odds = np.array([-1e6, -30, 0, 30, 1e6])
    np.testing.assert_allclose(chance(odds), [0, 1 / (1 + np.exp(30)), 0.5, 1 / (1 + np.exp(-30)), 1], atol=1e-15)


def test_weights_that_could_turn_an_order_around_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="cosine"):
        LogisticWeights(0.0, -1.0, 0.0, 0.0)
    with pytest.raises(InvalidValueError, match="region"):
        LogisticWeights(0.0, 1.0, -0.5, 0.0)


def test_a_saved_calibration_is_read_for_its_own_revision_alone(tmp_path: Path) -> None:
    made, path = calibration(WEIGHTS, query="part", vector="frame"), tmp_path / "confidence.safetensors"
    made.save(path, revision="abc")
    read = Calibration.load(path, revision="abc")
    assert read is not None
    assert (read.weights, read.scale) == (made.weights, 12.0)
    np.testing.assert_allclose(read.nouns, made.nouns, atol=5e-4)  # float16
    np.testing.assert_allclose(read.shares, made.shares, atol=5e-4)
    assert Calibration.load(path, revision="abd") is None
    assert Calibration.load(tmp_path / "none.safetensors", revision="abc") is None
    first = path.read_bytes()
    made.save(path, revision="abc")
    assert path.read_bytes() == first


def test_a_file_that_is_no_calibration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "confidence.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="is not a calibration"):
        Calibration.load(path, revision="abc")


def test_an_encoder_without_calibration_has_none() -> None:
    assert calibration_of(DrawnEncoder()) is None
    assert calibration_of(CalibratedEncoder()) is not None
