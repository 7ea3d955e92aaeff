"""Catches a normalisation over parts that differs in any bit from the one over all, whatever the parts are."""

import itertools
import math
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.ranking.fusion import fuse, normalised
from operators.ranking.spread import Spread
from schemas.query import Normalisation, Ranking

NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)
# of any exponent, so that sums in float64 would lose bits; few values, so that there are ties
distance = st.floats(-2, 2, width=32) | st.sampled_from([0.0, 0.25, 1.0, 1 + 2**-23, 2**-140])


@pytest.mark.parametrize("how", NORMALISATIONS)
@given(values=st.lists(distance, min_size=1, max_size=40), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_parts_are_normalised_as_the_whole_is(how: Normalisation, values: list[float], cuts: list[int]) -> None:
    whole = np.array(values, np.float32)
    edges = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts = [whole[a:b] for a, b in itertools.pairwise(edges)]
    joined = Spread.joined([Spread.of(part, how) for part in reversed(parts)])
    found = np.concatenate([normalised(part, how, spread=joined) for part in parts])
    assert found.tobytes() == normalised(whole, how).tobytes()
    other = whole[::-1].copy()
    ranking = Ranking(semantic_weight=0.3, normalisation=how)
    both = (joined, Spread.of(other, how))
    fused = np.concatenate(
        [fuse(whole[a:b], other[a:b], ranking=ranking, spreads=both) for a, b in itertools.pairwise(edges)]
    )
    assert fused.tobytes() == fuse(whole, other, ranking=ranking).tobytes()


@given(values=st.lists(distance, min_size=1, max_size=40))
def test_sums_are_exact(values: list[float]) -> None:
    spread = Spread.of(np.array(values, np.float32), "zscore")
    exact = [Fraction(float(np.float32(value))) for value in values]
    assert spread.total == sum(exact)
    assert spread.squares == sum(each * each for each in exact)
    assert spread.mean == float(sum(exact) / len(exact))
    assert (spread.deviation > 0) == (len(set(exact)) > 1)


def test_no_candidates_have_no_spread() -> None:
    nothing = Spread.joined([Spread.of(np.zeros(0, np.float32), "zscore")] * 2)
    assert (nothing.count, nothing.low, nothing.high) == (0, math.inf, -math.inf)
    assert len(normalised(np.zeros(0, np.float32), "zscore", spread=nothing)) == 0
