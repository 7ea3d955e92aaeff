"""A writer killed at any moment: catches rows lost, doubled or left half, after the next writer has gone on."""

import multiprocessing
import random
import signal
import time
from pathlib import Path

from pipeline.lake.audit.check import check, compare
from pipeline.lake.lake import Lake
from tests.pipeline.lake.victim import write

ROUNDS = 20


def test_a_lake_whose_writer_is_killed_again_and_again_equals_one_that_was_left_alone(tmp_path: Path) -> None:
    clean, hurt = tmp_path / "clean", tmp_path / "hurt"
    write(str(clean))
    # forked from a process that has only imported: starting Python anew takes ten times as long
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.pipeline.lake.victim"])
    generator = random.Random(20)
    killed = 0
    for _ in range(ROUNDS):
        opened, told = processes.Pipe(duplex=False)
        child = processes.Process(target=write, args=(str(hurt), told))
        child.start()
        assert opened.poll(60), "the writer did not start"
        time.sleep(generator.uniform(0.0, 0.25))
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        # whatever it left, a reader finds a lake, and no row twice
        torn = [problem for problem in check(Lake.open(str(hurt))).problems if "times, expected once" in problem]
        assert torn == []
    assert killed >= ROUNDS / 2, f"only {killed} of {ROUNDS} were still writing when they were killed"
    write(str(hurt))
    assert check(Lake.open(str(hurt))).problems == ()
    assert compare(Lake.open(str(clean)), Lake.open(str(hurt))) == ()
