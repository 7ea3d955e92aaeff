"""Catches faults from which a feed does not recover, or which lose frames; a short run of tests/live/faults."""

from pathlib import Path

from tests.live.faults.fault_run import fault_run
from tests.live.faults.inflict import inflict


def test_after_each_fault_every_feed_is_live_again_and_every_frame_accounted_for(data_dir: Path) -> None:
    with fault_run(data_dir, engine="local", seed=0, pace=0.3) as run:
        # one of each
        inflict(run, len(run.all()))
        print("\n".join(run.report()))
