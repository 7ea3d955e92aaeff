"""A writer killed at any moment: catches lost, doubled or partial rows after the next writer has continued."""

from pathlib import Path

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from tests.killing import Victims
from tests.pipeline.lake.victim import write

ROUNDS = 20


def test_a_lake_whose_writer_is_killed_again_and_again_equals_one_that_was_left_alone(tmp_path: Path) -> None:
    clean, hurt = tmp_path / "clean", tmp_path / "hurt"
    write(str(clean))
    victims = Victims("tests.pipeline.lake.victim", seed=20, within_s=0.25)
    for _ in range(ROUNDS):
        victims.kill_one(write, str(hurt))
        # whatever it left, a reader finds a lake, and no row twice
        torn = [problem for problem in check(Lake.open(str(hurt))).problems if "times, expected once" in problem]
        assert torn == []
    assert victims.killed >= ROUNDS / 2, f"only {victims.killed} of {ROUNDS} were still writing when they were killed"
    write(str(hurt))
    assert check(Lake.open(str(hurt))).problems == ()
    assert compare(Lake.open(str(clean)), Lake.open(str(hurt))) == ()
