"""A writer that is killed again and again, while it and a thread beside it join fragments."""

from pathlib import Path

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from tests.killing import Victims
from tests.pipeline.lake.victim import write


def kill_writer(folder: Path, *, seed: int, rounds: int) -> int:
    """Verifies that the lake equals one that was left alone; returns how many writers were killed."""
    clean, hurt = folder / "clean", folder / "hurt"
    write(str(clean))
    victims = Victims("tests.pipeline.lake.victim", seed=seed, within_s=0.25)
    for _ in range(rounds):
        victims.kill_one(write, str(hurt))
        # whatever it left, a reader finds a lake, and no row twice
        torn = [problem for problem in check(Lake.open(str(hurt))).problems if "times, expected once" in problem]
        assert torn == []
    write(str(hurt))
    assert check(Lake.open(str(hurt))).problems == ()
    assert compare(Lake.open(str(clean)), Lake.open(str(hurt))) == ()
    return victims.killed
