"""Catches rows that are lost or doubled when a process is killed in the middle of an ingest on Ray."""

import os
import random
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from tests.integration.kills import VICTIMS, assert_equal_and_sound, kill_and_rerun


@pytest.mark.ray
def test_ray_ingest_survives_kills_of_every_worker(
    clean: Lake, six_clips: Path, tmp_path: Path, ray_cluster: str, kill_rounds: int
) -> None:
    environment = {**os.environ, "RAY_ADDRESS": ray_cluster}  # the cluster outlives a driver that is killed
    for number in range(kill_rounds):
        victim = list(VICTIMS)[number % len(VICTIMS)]
        generator = random.Random(f"ray {number}")
        kill_and_rerun(victim, generator, "ray", six_clips, tmp_path / str(number), environment)
        assert_equal_and_sound(tmp_path / str(number), clean)
