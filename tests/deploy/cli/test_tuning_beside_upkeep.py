"""Catches an `upkeep --every --tune` that never tunes, tunes again what is fresh, waits for it, or leaves a process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from deploy.cli.tuning import TuningBeside
from operators.encoders.catalogue import model_card
from pipeline.lake.writing.committer import Committer
from pipeline.search.index.tuning import is_stale
from tests.bench.search import make_lake, segment_rows, source
from tests.pipeline.lake.synthetic import fold_shots, stored
from tests.signals import default_signals


def test_upkeep_tunes_a_lake_beside_its_passes_and_again_when_a_tenth_is_new(tmp_path: Path) -> None:
    space = model_card("everyday").space
    lake = make_lake(str(tmp_path / "lake"), space, frames=20)  # of 64 regions
    options = ["--lake", lake.uri, "--every", "1s", "--tune", "--json"]
    command = [sys.executable, "-m", "deploy.cli.main", "upkeep", *options]
    with default_signals():
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with service:
        assert service.stdout is not None
        passes = 0
        while "tuning" not in (line := json.loads(service.stdout.readline())):
            passes += 1
        assert line["tuning"].startswith("tuned: an index of 1,280 regions")
        assert passes >= 1  # which did not wait for it
        service.send_signal(signal.SIGINT)
        assert service.wait(timeout=60) == 130
    assert not is_stale(lake)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        rows = segment_rows(source(9, frames=4), space, seed=9)
        committer.register(rows.segment.source)
        committer.commit([rows])
    assert is_stale(lake)


def test_a_tuning_that_is_not_finished_ends_with_upkeep(tmp_path: Path) -> None:
    beside = TuningBeside(str(tmp_path / "no-lake"))
    assert beside.look() is None
    child = beside._child
    assert child is not None
    beside.close()
    assert child.poll() is not None
