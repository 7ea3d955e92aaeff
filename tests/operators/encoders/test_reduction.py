"""Catches short vectors that depend on their batch, mix with those of another reduction, or lose what they keep."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.encoders.card import ModelCard
from operators.encoders.reduced_encoder import ReducedEncoder, shortened
from operators.encoders.reduction import (
    Reduction,
    is_reduced,
    principal_directions,
    reduction_name,
    save_reduction,
    to_bytes,
)
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import VectorArray, VectorSpace, normalise
from tests.short_vectors import Hues

D = 24
FULL = VectorSpace("hues", "1", D, "as they are")


def vectors(count: int, *, seed: int = 0, rank: int = D) -> VectorArray:
    """Unit vectors that lie in `rank` dimensions, not along the axes."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(np.random.default_rng(99).normal(size=(D, D)))[0][:rank]
    strength = 0.7 ** np.arange(rank)
    return normalise(((rng.normal(size=(count, rank)) * strength) @ basis).astype(np.float32))


def fitted(dimensions: int, *, rank: int = D) -> Reduction:
    matrix, _ = principal_directions(vectors(200, rank=rank), dimensions=dimensions)
    return Reduction(matrix, FULL, "pca-0123456789ab")


def test_products_of_vectors_that_lie_in_the_directions_are_kept() -> None:
    stored, asked = vectors(50, seed=1, rank=6), vectors(5, seed=2, rank=6)
    reduce = fitted(6, rank=6)
    np.testing.assert_allclose(reduce(stored) @ reduce(asked).T, stored @ asked.T, atol=2e-6)


def test_the_shares_are_those_of_the_squared_length_and_fall() -> None:
    held = vectors(300, seed=3)
    matrix, share = principal_directions(held, dimensions=D)
    assert share.sum() == pytest.approx(1, abs=1e-5)
    assert (np.diff(share) <= 1e-7).all()
    np.testing.assert_allclose(share, np.mean((held @ matrix) ** 2, axis=0), atol=1e-5)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(D), atol=1e-5)


@given(st.integers(0, 2**16), st.integers(1, D - 1))
def test_a_vector_is_of_unit_length_and_depends_on_no_other(seed: int, dimensions: int) -> None:
    reduce, held = fitted(D - 1).first(dimensions), vectors(7, seed=seed)
    short = reduce(held)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    assert all(np.array_equal(reduce(held[i : i + 1])[0], short[i]) for i in range(len(held)))
    assert not reduce(np.zeros((1, D), np.float32)).any()


def test_the_first_dimensions_are_those_of_a_shorter_fit() -> None:
    held = vectors(9, seed=4)
    np.testing.assert_allclose(fitted(12).first(5)(held), fitted(5)(held), atol=1e-6)


def test_spaces_of_other_dimensions_files_and_models_differ() -> None:
    twelve = fitted(12)
    other = Reduction(twelve.matrix, FULL, "pca-ba9876543210")
    spaces = [FULL, twelve.space, twelve.first(6).space, other.space]
    assert [a.comparable(b) for a in spaces for b in spaces] == [a is b for a in spaces for b in spaces]
    assert [is_reduced(space, FULL) for space in spaces] == [False, True, True, True]
    assert [reduction_name(space) for space in spaces] == [None, twelve.name, twelve.name, other.name]
    assert not is_reduced(twelve.space, VectorSpace("hues", "2", D, "as they are"))


def test_a_file_is_read_as_it_was_written_and_its_name_is_that_of_its_content(tmp_path: Path) -> None:
    matrix = fitted(8).matrix
    saved = save_reduction(tmp_path / "a.safetensors", matrix, FULL)
    read = Reduction.load(str(tmp_path / "a.safetensors"))
    assert (read.name, read.full) == (saved.name, FULL)
    np.testing.assert_array_equal(read.matrix, matrix)
    assert save_reduction(tmp_path / "b.safetensors", matrix, FULL).name == saved.name
    assert save_reduction(tmp_path / "c.safetensors", matrix[:, ::-1].copy(), FULL).name != saved.name


def test_what_is_no_reduction_is_refused(tmp_path: Path) -> None:
    matrix = fitted(8).matrix
    with pytest.raises(ModelError, match=r"cannot be read.*lab train reduction"):
        Reduction.load(str(tmp_path / "nowhere"))
    for data in (b"", b"no tensors at all", to_bytes(matrix, FULL)[:-9]):
        with pytest.raises(ModelError, match="is not a reduction"):
            Reduction.from_bytes(data, file="x")
    with pytest.raises(ModelError, match="not orthonormal"):
        Reduction.from_bytes(to_bytes(matrix * 2, FULL), file="x")
    with pytest.raises(ModelError, match="is not a reduction"):
        Reduction.from_bytes(to_bytes(matrix[:-1], FULL), file="x")


@pytest.mark.parametrize("dimensions", [0, 9, 24])
def test_dimensions_that_a_reduction_lacks_are_refused(dimensions: int) -> None:
    with pytest.raises(ModelError, match="gives 1 to 8"):
        fitted(8).first(dimensions)


def test_only_a_model_with_ordered_dimensions_can_be_cut() -> None:
    card = ModelCard("hues", "", FULL, 1, 1, "MIT", ("image",), nested=True)
    held = vectors(4)
    first = Reduction.of_first(card, 5)
    np.testing.assert_allclose(first(held), normalise(held[:, :5]), atol=1e-6)
    assert first.space.revision == "1/first"
    with pytest.raises(ModelError, match=r"lab train reduction --model hues .*--dimensions 5"):
        Reduction.of_first(ModelCard("hues", "", FULL, 1, 1, "MIT", ("image",)), 5)
    with pytest.raises(ModelError, match="gives 1 to 23"):
        Reduction.of_first(card, D)


def test_a_reduction_of_too_few_vectors_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="as many vectors"):
        principal_directions(vectors(3), dimensions=4)


def test_every_vector_of_the_model_is_shortened_and_its_maps_are_not() -> None:
    full = Hues()
    matrix, _ = principal_directions(np.eye(full.space.dimension, dtype=np.float32), dimensions=5)
    reduction = Reduction(matrix, full.space, "pca-0123456789ab")
    short = shortened(full, reduction)
    assert isinstance(short, ReducedEncoder)
    assert shortened(full, None) is full
    assert short.space == reduction.space
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    boxes = [Boxes(np.array([[0, 0, 0.5, 1], [0.2, 0.2, 0.9, 0.8]], np.float32))]
    pairs = [
        (short.encode_images([image]), full.encode_images([image])),
        (short.encode_texts(["red"]), full.encode_texts(["red"])),
        (short.pool_regions([image], boxes), full.pool_regions([image], boxes)),
        (
            short.encode_regions([image], boxes, context=1.0, side_px=64),
            full.encode_regions([image], boxes, context=1.0, side_px=64),
        ),
        (short.project(np.ones((2, 3), np.float32)), full.project(np.ones((2, 3), np.float32))),
    ]
    for made, own in pairs:
        np.testing.assert_array_equal(made, reduction(own))
    np.testing.assert_array_equal(short.feature_maps([image])[0].levels[0], full.feature_maps([image])[0].levels[0])
    # the mean of a crop and a map is made of the full vectors
    for mode in ("both", "crop", "pool"):
        config = RegionVectorsConfig(mode=mode)  # type: ignore[arg-type]
        (of_short,), (of_full,) = (RegionVectors(config, each)([image], boxes) for each in (short, full))
        np.testing.assert_array_equal(of_short, reduction(of_full))


def test_a_reduction_of_another_model_is_refused() -> None:
    with pytest.raises(ModelError, match="was fitted to vectors of"):
        ReducedEncoder(Hues(), fitted(4))
