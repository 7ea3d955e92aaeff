"""Hamming distance of packed codes. Catches bits in a wrong order, counts that overflow a byte (a distance can be 256),
and ties that depend on the order of the rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from operators.codes.hamming import hamming_distances, nearest_codes, pack_signs, unpack_signs
from schemas.errors import InvalidValueError

CODES = st.integers(1, 40).flatmap(lambda n: arrays(np.uint8, (n, 32)))
QUERY = arrays(np.uint8, 32)


@given(CODES, QUERY)
def test_the_distance_is_the_number_of_differing_bits(codes: np.ndarray, query: np.ndarray) -> None:
    differ = np.unpackbits(codes, axis=1) != np.unpackbits(query)
    np.testing.assert_array_equal(hamming_distances(codes, query), differ.sum(axis=1))


@given(CODES)
def test_it_is_a_metric(codes: np.ndarray) -> None:
    d = np.stack([hamming_distances(codes, code) for code in codes]).astype(int)
    np.testing.assert_array_equal(d, d.T)
    assert (np.diag(d) == 0).all()
    assert (d[:, :, None] <= d[:, None, :] + d[None]).all()


@given(CODES, QUERY)
def test_the_inner_product_of_signs_says_the_same(codes: np.ndarray, query: np.ndarray) -> None:
    product = unpack_signs(codes) @ unpack_signs(query[None])[0]
    np.testing.assert_array_equal(hamming_distances(codes, query), (256 - product) / 2)


def test_all_bits_may_differ() -> None:
    assert hamming_distances(np.full((1, 32), 255, np.uint8), np.zeros(32, np.uint8)).tolist() == [256]


def test_more_codes_than_fit_one_chunk() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (40_000, 32), np.uint8)
    expected = (np.unpackbits(codes, axis=1) != np.unpackbits(codes[7])).sum(axis=1)
    np.testing.assert_array_equal(hamming_distances(codes, codes[7]), expected)


def test_the_first_value_is_the_first_bit_and_zero_is_no_sign() -> None:
    values = np.full((1, 256), -1.0)
    values[0, 0], values[0, 9], values[0, 10] = 3.0, 0.1, 0.0
    assert pack_signs(values)[0, :3].tolist() == [128, 64, 0]


@given(arrays(np.uint16, st.integers(1, 60), elements=st.integers(0, 256)), st.integers(1, 70))
def test_the_nearest_are_a_sorted_prefix_with_all_ties_of_the_last(distances: np.ndarray, k: int) -> None:
    rows = nearest_codes(distances, k)
    limit = np.sort(distances)[min(k, len(distances)) - 1]
    np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(distances <= limit))
    assert (np.diff(distances[rows].astype(int)) >= 0).all()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"codes must be uint8 \(N, 32\)"):
        hamming_distances(np.zeros((3, 16), np.uint8), np.zeros(32, np.uint8))
    with pytest.raises(InvalidValueError, match=r"query's code must be uint8 \(32,\)"):
        hamming_distances(np.zeros((3, 32), np.uint8), np.zeros((1, 32), np.uint8))
    with pytest.raises(InvalidValueError, match=r"values must be \(N, 256\)"):
        pack_signs(np.zeros((3, 255)))
