"""Catches rows that are lost or doubled when the power goes: a sample of `python -m tests.powerloss cuts`."""

import random
from pathlib import Path

from tests.powerloss.calls.victims import Victims
from tests.powerloss.power_cuts import PowerCuts

_SAMPLE = 10


def test_what_had_been_promised_survives_a_power_cut_at_any_moment(victims: Victims, tmp_path: Path) -> None:
    cuts = PowerCuts.of_log(PowerCuts.record(victims, tmp_path))
    # until commits are synced, only what a killed process leaves is sound
    points = [point for point in cuts.points if point.name == "everything"]
    for point in random.Random(12).sample(points, _SAMPLE):
        assert list(point.verify(tmp_path)) == [], str(point)
