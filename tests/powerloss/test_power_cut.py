"""Catches rows that are lost or doubled when the power goes: a sample of `python -m tests.powerloss cuts`."""

import random
from itertools import groupby
from pathlib import Path

from tests.powerloss.calls.log import read_log
from tests.powerloss.calls.victims import Victims
from tests.powerloss.power_cuts import power_cuts, record_workload

_SAMPLE = 8


def test_what_had_been_promised_survives_a_power_cut_at_any_moment(victims: Victims, tmp_path: Path) -> None:
    log = record_workload(victims, tmp_path)
    done = read_log(log)
    chance = random.Random(12)
    found = power_cuts(tmp_path / "root", done, after=chance.sample(range(len(done)), _SAMPLE))
    for _, cuts in groupby(found, key=lambda cut: cut.call):
        cut = chance.choice(list(cuts))
        assert list(cut.verify(tmp_path)) == [], str(cut)
