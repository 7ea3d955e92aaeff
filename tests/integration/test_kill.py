"""Catches rows that are lost or doubled when a process is killed in the middle of an ingest on one process.

`pytest tests/integration/test_kill.py tests/integration/test_kill_on_ray.py --kill-rounds 20` is the long form.
"""

import os
import random
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from tests.integration.kills import assert_equal_and_sound, kill_and_rerun


@pytest.mark.parametrize("victim", ["decoder", "driver"])
def test_local_ingest_survives_a_kill(
    victim: str, clean: Lake, six_clips: Path, tmp_path: Path, kill_rounds: int
) -> None:
    for number in range(max(1, kill_rounds // 4)):
        generator = random.Random(f"{victim} {number}")
        kill_and_rerun(victim, generator, "local", six_clips, tmp_path / str(number), dict(os.environ))
        assert_equal_and_sound(tmp_path / str(number), clean)
