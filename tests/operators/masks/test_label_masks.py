"""Unions of labels. Catches runs that are a pixel off or start on the wrong side, compared with encoded pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from operators.masks.label_masks import encode_unions
from operators.masks.rle import encode_masks
from schemas.errors import InvalidValueError

LABELS = st.tuples(st.integers(1, 9), st.integers(1, 11)).flatmap(
    lambda shape: arrays(np.int32, shape, elements=st.integers(0, 4))
)


@given(LABELS, arrays(np.bool_, (3, 5)))
def test_unions_are_coded_as_their_pixels_are(labels: np.ndarray, members: np.ndarray) -> None:
    assert encode_unions(labels, members) == encode_masks(members[:, labels])


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"members \(M, N\)"):
        encode_unions(np.zeros((2, 2), np.int32), np.zeros(3, np.bool_))
