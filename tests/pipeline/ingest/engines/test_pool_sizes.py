"""Catches pools that take every CPU and then wait for ever (seen with one CPU an actor on two cores), and actors with
models that request no GPU: Ray hides all GPUs from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.masks.boxes_to_masks import BoxMasksConfig
from operators.masks.config import MaskConfig
from operators.proposals.catalogue import PROPOSERS
from operators.proposals.config import ProposalConfig
from operators.tracking.config import PropagationConfig, TrackConfig
from pipeline.ingest.engines.pool_sizes import SPARE_CPUS, pool_sizes, stages_with_models
from pipeline.ingest.packets import StageName
from pipeline.plan.plan import Plan, RunConfig
from schemas.errors import PlanError


@given(st.integers(2, 512), st.integers(1, 10_000))
def test_default_pools_start_on_any_cluster_and_leave_room(cpus: int, works: int) -> None:
    sizes = pool_sizes(RunConfig(), cluster_cpus=cpus, works=works)
    assert min(sizes.readers, sizes.proposers, sizes.embedders) >= 1
    assert sizes.cpus + SPARE_CPUS <= cpus
    assert sizes.readers <= works


def test_an_embedder_that_proposes_too_is_counted_with_both_shares() -> None:
    run = RunConfig(proposers=1, embedders=4)
    assert pool_sizes(run, cluster_cpus=16, works=1, one_pass=True).proposers == 4
    assert pool_sizes(run, cluster_cpus=16, works=1).proposers == 1


def test_a_plan_that_cannot_start_is_refused_with_the_reason() -> None:
    with pytest.raises(PlanError, match="the cluster has 2"):
        pool_sizes(RunConfig(readers=8), cluster_cpus=2, works=100)
    with pytest.raises(PlanError, match="--engine local"):
        pool_sizes(RunConfig(), cluster_cpus=1, works=1)


@given(
    st.integers(2, 512),
    st.integers(1, 16),
    st.sets(st.sampled_from(["embed", "propose", "track"]), min_size=1),
    st.integers(0, 20),
)
def test_stages_with_models_share_the_gpus(cpus: int, gpus: int, models: set[StageName], named: int) -> None:
    run = RunConfig(embedders=min(named, cpus // 4), proposers=min(named, cpus // 4))
    sizes = pool_sizes(run, cluster_cpus=cpus + 2, cluster_gpus=gpus, works=1, models=models)
    assert sizes.cpus + SPARE_CPUS <= cpus + 2
    per_gpu = 0.0
    for stage, count, share in (
        ("propose", sizes.proposers, sizes.proposer_gpus),
        ("embed", sizes.embedders, sizes.embedder_gpus),
        ("track", sizes.linkers, sizes.linker_gpus),
    ):
        assert (share > 0) == (stage in models)
        per_gpu += share * -(-count // gpus)  # spread evenly, the fullest GPU has this much
    assert per_gpu <= 1 + 1e-9


def test_a_gpu_has_one_actor_of_each_stage_unless_the_plan_says_more() -> None:
    both: set[StageName] = {"embed", "propose"}
    sizes = pool_sizes(RunConfig(), cluster_cpus=64, cluster_gpus=4, works=100, models=both)
    assert (sizes.proposers, sizes.proposer_gpus, sizes.embedders, sizes.embedder_gpus) == (4, 0.5, 4, 0.5)
    sizes = pool_sizes(RunConfig(embedders=3), cluster_cpus=16, cluster_gpus=1, works=100, models={"embed"})
    assert (sizes.embedders, round(sizes.embedder_gpus, 3), sizes.proposer_gpus) == (3, 0.333, 0.0)
    assert pool_sizes(RunConfig(), cluster_cpus=16, works=100, models=both).embedder_gpus == 0.0


def test_the_embedded_model_and_proposers_without_one_need_no_gpu() -> None:
    assert stages_with_models(Plan()) == set()
    assert stages_with_models(Plan(model="owner/model")) == {"embed"}
    assert stages_with_models(Plan(proposals=ProposalConfig(use=("grid",)))) == set()
    assert stages_with_models(Plan(proposals=ProposalConfig(use=("segments",)))) == set()
    assert stages_with_models(Plan(proposals=ProposalConfig(use=("detector",)))) == {"propose"}
    with_a_model: set[str] = {"masks", "detector", "open-set", "fastsam"}
    for name in PROPOSERS.built_in:
        assert stages_with_models(Plan(proposals=ProposalConfig(use=(name,)))) == (
            {"propose"} if name in with_a_model else set()
        )
    assert stages_with_models(Plan(proposals=ProposalConfig(box_masks=MaskConfig(by="grabcut")))) == set()
    sam = MaskConfig(by="sam", sam=BoxMasksConfig(model="owner/model"))
    assert stages_with_models(Plan(proposals=ProposalConfig(box_masks=sam))) == {"propose"}


def test_one_actor_carries_masks_where_the_plan_asks_for_it() -> None:
    assert pool_sizes(RunConfig(), cluster_cpus=16, works=100).linkers == 0
    tracks = TrackConfig(propagation=PropagationConfig(model="owner/model"))
    plan = Plan(proposals=ProposalConfig(use=("segments",)), tracks=tracks)
    assert stages_with_models(plan) == {"track"}
    sizes = pool_sizes(RunConfig(), cluster_cpus=16, cluster_gpus=4, works=100, models={"track", "embed"})
    assert (sizes.linkers, sizes.linker_gpus, sizes.embedder_gpus) == (1, 0.5, 0.5)
    smallest = pool_sizes(RunConfig(), cluster_cpus=2, works=100, models={"track"})
    assert (smallest.readers, smallest.linkers) == (1, 1)
    assert smallest.cpus + SPARE_CPUS <= 2
