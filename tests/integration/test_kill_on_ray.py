"""Catches rows that are lost or doubled when a process is killed in the middle of an ingest on Ray."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from tests.integration.kills import VICTIMS, assert_equal_and_sound, kill_and_rerun


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment for commands that use one Ray cluster, which outlives a killed driver."""
    import ray

    # "local": without an address it joins a cluster that another test has started on this machine
    context = ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield {**os.environ, "RAY_ADDRESS": context.address_info["address"]}
    ray.shutdown()


@pytest.mark.ray
def test_ray_ingest_survives_kills_of_every_worker(
    clean: Lake, ten_clips: Path, tmp_path: Path, cluster: dict[str, str], kill_rounds: int
) -> None:
    for number in range(kill_rounds):
        victim = list(VICTIMS)[number % len(VICTIMS)]
        generator = random.Random(f"ray {number}")
        kill_and_rerun(victim, generator, "ray", ten_clips, tmp_path / str(number), cluster)
        assert_equal_and_sound(tmp_path / str(number), clean)
