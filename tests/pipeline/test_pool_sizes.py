"""Catches pools that take every CPU and then wait for ever (seen with one CPU an actor on two cores)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import RunConfig
from pipeline.pool_sizes import SPARE_CPUS, pool_sizes
from schemas.errors import PlanError


@given(st.integers(2, 512), st.integers(1, 10_000))
def test_default_pools_start_on_any_cluster_and_leave_room(cpus: int, works: int) -> None:
    sizes = pool_sizes(RunConfig(), cluster_cpus=cpus, works=works)
    assert min(sizes.readers, sizes.proposers, sizes.embedders) >= 1
    assert sizes.cpus + SPARE_CPUS <= cpus
    assert sizes.readers <= works


def test_a_plan_that_cannot_start_is_refused_with_the_reason() -> None:
    with pytest.raises(PlanError, match="the cluster has 2"):
        pool_sizes(RunConfig(readers=8), cluster_cpus=2, works=100)
    with pytest.raises(PlanError, match="--engine local"):
        pool_sizes(RunConfig(), cluster_cpus=1, works=1)
