"""Pairs of tracks and regions: catches a choice that costs more than the cheapest, among all that there are."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.tracking.association import CostArray, cheapest_pairs

MOST = 1.0
costs = st.floats(0, 1.5) | st.just(math.inf)
tables = st.integers(0, 4).flatmap(
    lambda columns: st.lists(st.lists(costs, min_size=columns, max_size=columns), max_size=4).map(
        lambda rows: np.array(rows, np.float64).reshape(len(rows), columns)
    )
)


def least_sum(cost: CostArray) -> float:
    """The least sum of `cost - MOST` over all ways to pair rows and columns, some of them with nothing."""
    gain = np.minimum(cost - MOST, 0.0)
    rows, columns = gain.shape
    wide = np.hstack([gain, np.zeros((rows, rows))])  # a column of its own for each row that is left alone
    return min(sum(wide[i, j] for i, j in enumerate(chosen)) for chosen in permutations(range(rows + columns), rows))


@given(cost=tables)
def test_no_other_choice_costs_less(cost: CostArray) -> None:
    pairs = cheapest_pairs(cost, most=MOST)
    assert pairs == sorted(pairs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(cost[i, j] < MOST for i, j in pairs)
    assert sum(cost[i, j] - MOST for i, j in pairs) == pytest.approx(least_sum(cost), abs=1e-9)
