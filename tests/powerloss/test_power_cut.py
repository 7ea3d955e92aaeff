"""Catches rows that are lost or doubled when the power goes: a sample of `python -m tests.powerloss cuts`."""

import random
from pathlib import Path

from tests.powerloss.calls.log import read_log
from tests.powerloss.calls.victims import Victims
from tests.powerloss.power_cuts import power_cuts, record_workload

_SAMPLE = 6


def test_what_had_been_promised_survives_a_power_cut_at_any_moment(victims: Victims, tmp_path: Path) -> None:
    log = record_workload(victims, tmp_path)
    done = read_log(log)
    after = random.Random(12).sample(range(len(done)), _SAMPLE)
    for cut in power_cuts(tmp_path / "root", done, after=after):
        if cut.name in ("only what was synced", "everything"):
            assert list(cut.verify(tmp_path)) == [], str(cut)
