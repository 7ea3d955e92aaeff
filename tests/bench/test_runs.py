"""The benchmarks of the README on small inputs: catches one that no longer runs, which nobody would notice."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

CLIP = str(ROOT / "tests" / "fixtures" / "lake-0.1.0" / "clip.mp4")


@pytest.mark.parametrize(
    ("bench", "said"),
    [
        (["tests.bench.search", "--regions", "2000", "--dimension", "32", "--rounds", "1"], "text + small box, raw"),
        (["tests.bench.upkeep", "--commits", "12", "--regions", "2", "--dimension", "8"], "upkeep: sound, 12 rows"),
        (["tests.bench.durability", "--commits", "3", "--regions", "2", "--dimension", "8"], "as an unsynced one"),
        (["tests.bench.default_ingest", CLIP, "--minutes", "0", "--engine", "local"], "clip                 default"),
        (["tests.bench.serve_load", "--regions", "2000", "--clients", "2", "--seconds", "1"], "2  an ingest"),
    ],
    ids=["search", "upkeep", "durability", "default_ingest", "serve_load"],
)
def test_it_runs_and_prints_its_table(bench: list[str], said: str) -> None:
    command = [sys.executable, "-m", *bench]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
